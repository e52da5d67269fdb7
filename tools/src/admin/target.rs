//! Which server a command talks to, and with which token: found in the data directory unless told otherwise.

use super::files::{self, TOKEN_FILE, URL_FILE, is_token};
use crate::failure::Failure;
use crate::settings::{DEFAULT_DATA, data_parser, path_parser, said};
use hyper::Uri;
use moraine_engine::Secret;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The flags that say it.
#[derive(clap::Args, Debug)]
pub struct Flags {
    /// The data directory of the running server, in which its address and token are found
    #[arg(long, value_name = "DIR", env = "MORAINE_DATA", default_value = DEFAULT_DATA, value_parser = data_parser())]
    data: PathBuf,
    /// The server's admin address, such as http://127.0.0.1:8901 [default: what DIR/admin.url says]
    #[arg(long, value_name = "URL", env = "MORAINE_ADMIN_URL")]
    admin: Option<String>,
    /// A file that holds the server's token [default: DIR/admin.token]
    #[arg(long, value_name = "FILE", env = "MORAINE_ADMIN_TOKEN_FILE", value_parser = path_parser())]
    token_file: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// A server, and the token to show it.
#[derive(Debug)]
pub struct Target {
    /// The host, as the socket wants it: without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Host and port, as they stand in the address.
    pub authority: String,
    /// The token.
    pub token: Secret,
    /// Where the token was found, for complaints.
    pub token_file: PathBuf,
}

impl Target {
    /// The server that the flags mean.
    pub fn find(flags: &Flags) -> Result<Self, Failure> {
        let data = &flags.data;
        let (admin, token_file) = (said(flags.admin.clone()), said(flags.token_file.clone()));
        if admin.is_none() || token_file.is_none() {
            check_data(data)?;
        }
        let url = match admin {
            Some(url) => url,
            None => read_url(data)?,
        };
        let token_file = token_file.unwrap_or_else(|| data.join(TOKEN_FILE));
        let (host, port, authority) = parse(&url)?;
        Ok(Self {
            host,
            port,
            authority,
            token: read_token(&token_file)?,
            token_file,
        })
    }
}

fn check_data(data: &Path) -> Result<(), Failure> {
    match data.join("superblock").try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::new(format!(
            "{} is no data directory: name that of the running server with --data, or the server with --admin and \
             --token-file",
            data.display()
        ))),
        Err(error) => Err(unreadable(data, &error)),
    }
}

fn read_url(data: &Path) -> Result<String, Failure> {
    match files::announced(data) {
        Ok(Some(url)) => Ok(url),
        Ok(None) => Err(Failure::new(format!(
            "the server is not running on {}: start `moraine serve` first",
            data.display()
        ))),
        Err(error) => Err(unreadable(&data.join(URL_FILE), &error)),
    }
}

fn read_token(path: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(text).unwrap_or_default();
    let text = text.trim();
    if is_token(text) {
        return Ok(Secret::new(text.to_owned()));
    }
    Err(Failure::new(format!(
        "{} holds no token: the server keeps it in the file admin.token of its data directory",
        path.display()
    )))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let hint = if error.kind() == ErrorKind::PermissionDenied {
        ": run this as the user that runs the server"
    } else {
        ""
    };
    Failure::new(format!("cannot read {}: {error}{hint}", path.display()))
}

/// Host, port and both, of an address without a path.
fn parse(url: &str) -> Result<(String, u16, String), Failure> {
    let bad = |why: &str| {
        Failure::new(format!(
            "the admin address is {url:?}, {why}: write it like http://127.0.0.1:8901"
        ))
    };
    let uri: Uri = url.parse().map_err(|_| bad("which is no address"))?;
    if uri.scheme_str() != Some("http") {
        return Err(bad("which does not begin with http://"));
    }
    let no_more = uri.path() == "/" && uri.query().is_none();
    let authority = uri.authority().filter(|it| !it.as_str().contains('@'));
    let (Some(authority), true) = (authority, no_more) else {
        return Err(bad("which is more than a host and a port"));
    };
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = authority.port_u16().unwrap_or(80);
    Ok((bare.to_owned(), port, authority.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_and_ports() {
        let is = |url, host: &str, port, authority: &str| {
            let expected = (host.to_owned(), port, authority.to_owned());
            assert_eq!(parse(url), Ok(expected));
        };
        is("http://127.0.0.1:8901", "127.0.0.1", 8901, "127.0.0.1:8901");
        is("http://[::1]:8901/", "::1", 8901, "[::1]:8901");
        is("http://moraine", "moraine", 80, "moraine");
        for url in [
            "",
            "127.0.0.1:8901",
            "https://127.0.0.1:8901",
            "http://127.0.0.1:8901/v1",
            "http://user@127.0.0.1:8901",
            "http://127.0.0.1:8901/?x",
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains("http://127.0.0.1:8901"), "{error}");
        }
    }

    #[test]
    fn a_folder_without_a_store_is_named() {
        let flags = Flags {
            data: "/nowhere/moraine-data".into(),
            // Empty, as `MORAINE_ADMIN_URL=` leaves it: as if it were not there.
            admin: Some(String::new()),
            token_file: None,
            json: false,
        };
        let error = Target::find(&flags).unwrap_err().to_string();
        assert!(
            error.starts_with("/nowhere/moraine-data is no data directory"),
            "{error}"
        );
    }
}
