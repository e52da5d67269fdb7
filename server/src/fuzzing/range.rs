//! The `Range` header, against the rendering of what was read, and against `s3s`.

use crate::range::{RangeSpec, content_range};

/// Attacks `range`. The first eight bytes are the size of the object.
pub fn range(data: &[u8]) {
    let Some((size, header)) = data.split_first_chunk::<8>() else {
        return;
    };
    let Ok(header) = std::str::from_utf8(header) else {
        return;
    };
    let size = u64::from_le_bytes(*size);
    let ours = RangeSpec::parse(header);
    if let Some(spec) = ours {
        assert_eq!(RangeSpec::parse(&render(spec)), Some(spec));
        if let Ok(range) = spec.resolve(size) {
            assert!(range.start < range.end && range.end <= size);
            let shown = content_range(&range, size);
            assert!(shown.ends_with(&format!("/{size}")), "{shown}");
        }
    }
    // s3s is stricter in what it reads; what both read means the same. The last bytes of an empty object are 416 to S3
    // and to us, and no bytes at all to s3s, whose answer nobody asks for. `bytes=-` is no range to S3 and to us, and the
    // last 0 bytes to s3s.
    if size > 0
        && header != "bytes=-"
        && let Ok(theirs) = s3s::dto::Range::parse(header)
    {
        let Some(spec) = ours else {
            panic!("s3s reads {header}");
        };
        assert_eq!(
            spec.resolve(size).ok(),
            theirs.check(size).ok(),
            "{header} of {size}"
        );
    }
}

fn render(spec: RangeSpec) -> String {
    match spec {
        RangeSpec::From { first, last: None } => format!("bytes={first}-"),
        RangeSpec::From {
            first,
            last: Some(last),
        } => format!("bytes={first}-{last}"),
        RangeSpec::Suffix { length } => format!("bytes=-{length}"),
    }
}
