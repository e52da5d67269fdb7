//! What belongs to a name, from any headers: what is accepted fits the limits and no longer speaks of the transfer.

use super::head;
use crate::attributes;
use crate::config::Limits;
use moraine_engine::TenantId;

/// Attacks `attributes`.
pub fn attributes(data: &[u8]) {
    let Some(parts) = head(data) else {
        return;
    };
    let Ok(found) = attributes::from_request(&parts.headers, TenantId(1)) else {
        return;
    };
    let bytes = found
        .metadata
        .iter()
        .map(|(name, value)| name.len() + value.len());
    assert!(bytes.sum::<usize>() <= Limits::METADATA_BYTES_MAX);
    assert!(found.metadata.is_sorted(), "one order, whatever came");
    if let Some(coding) = &found.content_encoding {
        let left = coding.to_ascii_lowercase();
        assert!(!coding.is_empty() && left.split(',').all(|it| it.trim() != "aws-chunked"));
    }
    let texts = [
        &found.content_type,
        &found.cache_control,
        &found.content_disposition,
        &found.content_encoding,
        &found.content_language,
        &found.expires,
    ];
    for text in texts.into_iter().flatten() {
        assert!(!text.is_empty());
        assert!(
            http::HeaderValue::from_bytes(text.as_bytes()).is_ok(),
            "{text:?} could not go out"
        );
    }
    let _ = attributes::expires(&found);
    let kept = attributes::metadata(&found).unwrap_or_default();
    assert_eq!(kept.len(), found.metadata.len());
}
