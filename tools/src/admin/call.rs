//! Calls of the admin API, as the commands make them: JSON in, JSON out, refusals as sentences.

use super::http::{self, Answer};
use super::target::{Flags, Target};
use crate::failure::Failure;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use super::target::Flags as TargetFlags;

/// A server that can be called.
pub struct Api(Target);

impl Api {
    /// The server that the flags mean.
    pub fn of(flags: &Flags) -> Result<Self, Failure> {
        Ok(Self(Target::find(flags)?))
    }

    /// Asks.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, None)
    }

    /// Makes something.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        self.call(Method::POST, path, Some(body))
    }

    /// Changes something.
    pub fn patch<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        self.call(Method::PATCH, path, Some(body))
    }

    /// Deletes something.
    pub fn delete(&self, path: &str) -> Result<(), Failure> {
        self.exchange(Method::DELETE, path, None).map(drop)
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let answer = self.exchange(method, path, body)?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            Failure::new(format!(
                "http://{} is no Moraine of this version: its answer is not understood ({error})",
                self.0.authority
            ))
        })
    }

    fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let body = body.map(|body| body.to_string().into_bytes());
        let answer = http::send(&self.0, method, path, body)?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(self.refusal(&answer))
    }

    fn refusal(&self, answer: &Answer) -> Failure {
        let Target {
            authority,
            token_file,
            ..
        } = &self.0;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Failure::new(format!(
                "the server at http://{authority} refuses the token in {}: it is that of another server",
                token_file.display()
            ));
        }
        let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let message = said
            .as_ref()
            .and_then(|said| said.pointer("/error/message"))
            .and_then(Value::as_str);
        Failure::new(match message {
            Some(message) => message.to_owned(),
            None => format!("http://{authority} answered {}", answer.status),
        })
    }
}

/// The address of one tenant, key or bucket. What holds a character that no name has is refused here: it would be another
/// address.
pub fn place(kind: &str, name: &str) -> Result<String, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if !name.is_empty() && name.bytes().all(plain) {
        Ok(format!("/v1/{kind}/{name}"))
    } else {
        let what = kind.trim_end_matches('s');
        Err(Failure::new(format!("there is no {what} {name:?}")))
    }
}

/// The address of a list, of one tenant or of all.
pub fn list(kind: &str, tenant: Option<&str>) -> Result<String, Failure> {
    let Some(tenant) = tenant else {
        return Ok(format!("/v1/{kind}"));
    };
    place("tenants", tenant).map(|_| format!("/v1/{kind}?tenant={tenant}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_becomes_another_address() {
        assert_eq!(place("keys", "AK-1_x.y").unwrap(), "/v1/keys/AK-1_x.y");
        assert_eq!(list("keys", Some("a.b")).unwrap(), "/v1/keys?tenant=a.b");
        assert_eq!(list("keys", None).unwrap(), "/v1/keys");
        for name in ["", "a/b", "a?b", "a#b", "a%2fb", "a b", "a&b", "\u{e9}"] {
            assert!(place("tenants", name).is_err(), "{name:?}");
            assert!(list("buckets", Some(name)).is_err(), "{name:?}");
        }
    }
}
