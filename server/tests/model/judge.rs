//! Holds an answer against what it must be. Pure.

use crate::ask::{Ask, How, Op, Who};
use crate::client::Response;
use crate::state::{Expected, Shows};

/// Says what is wrong with `response`. `ids` are the uploads' ids by their number; `foreign` are texts that only tenants
/// other than the one who asks store or use.
pub fn judge(
    ask: &Ask,
    expected: &Expected,
    response: &Response,
    ids: &[String],
    foreign: &[String],
) -> Result<(), String> {
    let text = response.text();
    let told = (response.status, code(ask, response));
    let fits = |(status, code): &(u16, &str)| {
        let code = if has_no_body(ask, *status) { "" } else { code };
        told == (*status, code.to_owned())
    };
    if !expected.any_of.iter().any(fits) {
        return Err(format!(
            "answered {told:?}, expected {:?}: {text}",
            expected.any_of
        ));
    }
    headers(ask, response)?;
    if response.status >= 300 {
        if let Some(leak) = foreign
            .iter()
            .find(|it| text.contains(*it) && !format!("{ask:?}").contains(*it))
        {
            return Err(format!("a refusal tells {leak}: {text}"));
        }
        return match has_no_body(ask, response.status) && !response.body.is_empty() {
            true => Err("a body where there is none".to_owned()),
            false => Ok(()),
        };
    }
    shows(&expected.shows, response, ids).map_err(|what| format!("{what}: {text}"))
}

fn has_no_body(ask: &Ask, status: u16) -> bool {
    ask.op.is_head() || status == 304 || status == 204
}

fn code(ask: &Ask, response: &Response) -> String {
    if has_no_body(ask, response.status) || response.status < 300 {
        return String::new();
    }
    response.code()
}

/// Signed requests are told the id of theirs; strangers who read are told nothing of S3.
fn headers(ask: &Ask, response: &Response) -> Result<(), String> {
    let id = response.header("x-amz-request-id");
    match ask.who {
        Who::Anonymous if matches!(ask.op, Op::Get(_, How::Version | How::Override)) => Ok(()),
        Who::Anonymous if matches!(ask.op, Op::Get(..)) => {
            let names = response.headers.iter().map(|(name, _)| name);
            match names
                .into_iter()
                .find(|it| it.to_ascii_lowercase().starts_with("x-amz-"))
            {
                Some(name) => Err(format!("a public answer has the header {name}")),
                None => Ok(()),
            }
        }
        Who::Anonymous => Ok(()),
        _ if id.is_none_or(str::is_empty) => Err("a signed request has no id".to_owned()),
        _ => Ok(()),
    }
}

fn shows(shows: &Shows, response: &Response, ids: &[String]) -> Result<(), String> {
    let is = |right: bool, what: &str| if right { Ok(()) } else { Err(what.to_owned()) };
    let text = response.text();
    match shows {
        Shows::Nothing => Ok(()),
        Shows::Object(object) => {
            is(response.body == object.bytes, "other bytes")?;
            is(etag(response) == object.etag, "another ETag")
        }
        Shows::FirstByte(object) => {
            is(response.body == object.bytes[..1], "another byte")?;
            is(etag(response) == object.etag, "another ETag")
        }
        Shows::Etag(expected) => is(etag(response) == *expected, "another ETag"),
        Shows::Public(public) => is(
            text.contains("http://acs.amazonaws.com/groups/global/AllUsers") == *public
                && text.contains("FULL_CONTROL"),
            "other grants",
        ),
        Shows::Elements(name, values) => {
            let found = elements(&text, name);
            // The first Name of some answers is the bucket's own.
            is(
                found == *values,
                &format!("{name} are {found:?}, expected {values:?}"),
            )
        }
        Shows::Uploads(numbers) => {
            let mut found = elements(&text, "UploadId");
            let mut expected: Vec<String> = numbers.iter().map(|it| ids[*it].clone()).collect();
            found.sort();
            expected.sort();
            is(
                found == expected,
                &format!("uploads are {found:?}, expected {expected:?}"),
            )
        }
        Shows::Begun => is(response.element("UploadId").is_some(), "no upload id"),
    }
}

/// The ETag in the header or, of some operations, in the body.
fn etag(response: &Response) -> String {
    let header = response.header("etag").map(str::to_owned);
    let told = header
        .or_else(|| response.element("ETag"))
        .unwrap_or_default();
    told.replace("&quot;", "").replace('"', "")
}

/// The contents of all elements of that name.
pub fn elements(text: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let found = text.split(&open).skip(1);
    found
        .map(|rest| rest.split(&close).next().unwrap_or_default().to_owned())
        .collect()
}
