//! Who may read, from the headers of any request, against a twin that looks for the words: nobody is let in whom no word lets in,
//! and a word that lets everybody in is never overlooked.

use super::head;
use crate::acl;
use moraine_engine::{Acl, TenantId};

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

/// Attacks `acl`.
pub fn acl(data: &[u8]) {
    let Some(parts) = head(data) else {
        return;
    };
    let values = |name: &str| -> Vec<&[u8]> {
        let values = parts.headers.get_all(name).iter();
        values.map(|value| value.as_bytes()).collect()
    };
    let canned = values("x-amz-acl").first().copied().unwrap_or_default();
    let to_everybody = values("x-amz-grant-read")
        .iter()
        .any(|value| String::from_utf8_lossy(value).contains(ALL_USERS));
    match acl::from_headers(&parts.headers, TenantId(7)) {
        Ok(Some(Acl::PublicRead)) => assert!(canned == b"public-read" || to_everybody),
        Ok(Some(Acl::Private)) => assert!(canned != b"public-read" && !to_everybody),
        Ok(None) => {
            assert!(canned.is_empty());
            let granted = parts.headers.keys();
            assert!(!granted.into_iter().any(|name| is_grant(name.as_str())));
        }
        Err(error) => assert!(
            error
                .code()
                .status_code()
                .is_some_and(|it| !it.is_success())
        ),
    }
}

fn is_grant(name: &str) -> bool {
    let Some(what) = name.strip_prefix("x-amz-grant-") else {
        return false;
    };
    matches!(
        what,
        "full-control" | "read" | "read-acp" | "write" | "write-acp"
    )
}
