//! Version ids. No bucket keeps versions, so every object has one, and its id is `null`.
//!
//! `null` is taken wherever S3 takes a version. Another id that could be one names a version that does not exist; what
//! could not be one is refused as S3 refuses it. No answer carries a version id, as in S3.

use s3s::{S3Result, s3_error};

/// The id of the only version of every object.
pub const NULL: &str = "null";
/// S3's own ids are 32 characters; other stores' are no longer than this.
const ID_LENGTH_MAX: usize = 64;

/// Checks that a version, if one is named, is the one that there is.
pub fn check(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some(NULL) => Ok(()),
        Some("") => Err(s3_error!(
            InvalidArgument,
            "Version id cannot be the empty string"
        )),
        Some(id) if is_well_formed(id) => Err(s3_error!(NoSuchVersion)),
        Some(_) => Err(s3_error!(InvalidArgument, "Invalid version id specified")),
    }
}

fn is_well_formed(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    id.len() <= ID_LENGTH_MAX && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_null_exists() {
        assert!(check(None).is_ok());
        assert!(check(Some("null")).is_ok());
        let code = |id| check(Some(id)).unwrap_err().code().as_str().to_owned();
        assert_eq!(code("3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH"), "NoSuchVersion");
        for id in ["", "a b", "null\0", "\u{e9}", &"a".repeat(65)] {
            assert_eq!(code(id), "InvalidArgument", "{id:?}");
        }
    }
}
