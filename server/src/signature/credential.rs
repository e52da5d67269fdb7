//! What a SigV4 signature says about its key: `ACCESS-KEY/YYYYMMDD/REGION/SERVICE/aws4_request`. Pure.
//!
//! The service must be `s3`: `s3s` also takes `sts`, for which it reads a body that nobody watches.

/// The parts that are looked at before the signature is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credential<'a> {
    /// `YYYYMMDD`.
    pub date: &'a str,
    /// The region that it was signed for.
    pub region: &'a str,
    /// The service that it was signed for.
    pub service: &'a str,
}

/// The credential in `text`; `None` if it has another form.
pub fn parse(text: &str) -> Option<Credential<'_>> {
    let mut parts = text.split('/');
    let access_key = parts.next()?;
    let date = parts.next()?;
    let region = parts.next()?;
    let service = parts.next()?;
    let good = !access_key.is_empty()
        && date.len() == 8
        && date.bytes().all(|byte| byte.is_ascii_digit())
        && parts.next()? == "aws4_request"
        && parts.next().is_none();
    good.then_some(Credential {
        date,
        region,
        service,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let good = parse("AK,IA=/20130524//s3/aws4_request").unwrap();
        assert_eq!(
            (good.date, good.region, good.service),
            ("20130524", "", "s3")
        );
        for bad in [
            "",
            "AK",
            "/20130524/r/s3/aws4_request",
            "AK/2013052/r/s3/aws4_request",
            "AK/2013-05-/r/s3/aws4_request",
            "AK/20130524/r/s3/aws4_reques",
            "AK/20130524/r/s3/aws4_request/",
            "AK/20130524/s3/aws4_request",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
