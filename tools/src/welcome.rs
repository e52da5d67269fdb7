//! What `serve` prints once it listens: where, and on the first start the key, three commands to try, and those for more
//! tenants.

use crate::settings::DEFAULT_DATA;
use crate::setup::{FIRST_BUCKET, SECRET_KEY_VARIABLE, SetUp};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// A picture that lies in the source tree; elsewhere the reader brings one.
const SAMPLE_PICTURE: &str = "tools/picture.png";

/// The whole text.
pub fn text(listen: SocketAddr, admin: SocketAddr, data: &Path, set_up: &SetUp) -> String {
    let endpoint = format!("http://{}", reachable(listen));
    let mut text = format!(
        "\nMoraine is ready.\n\n  S3 endpoint  {endpoint}\n  Health       http://{}/healthz\n  Data         {}\n",
        reachable(admin),
        data.display()
    );
    match set_up {
        SetUp::Nothing => {}
        SetUp::KeyAdded { access_key } => {
            push(&mut text, format_args!("  Key added    {access_key}\n"));
        }
        SetUp::FirstKey { access_key, secret } => {
            let shown = secret.as_deref().map_or_else(
                || format!("the one in {SECRET_KEY_VARIABLE}"),
                str::to_owned,
            );
            let once = secret
                .as_ref()
                .map_or("", |_| "The secret is shown only now. ");
            push(
                &mut text,
                format_args!(
                    "  Bucket       {FIRST_BUCKET}\n  Access key   {access_key}\n  Secret key   {shown}\n\n\
                     {once}Back up {}: without it the keys in the log cannot be read.\n",
                    data.join("store.key").display()
                ),
            );
            let commands = commands(&endpoint, access_key, secret.as_deref());
            push(&mut text, format_args!("{commands}"));
            push(&mut text, format_args!("{}", more_tenants(data)));
        }
    }
    text.push('\n');
    text
}

/// Three commands that work when pasted into a fresh shell; if the secret was chosen, into one that has its variable.
fn commands(endpoint: &str, access_key: &str, secret: Option<&str>) -> String {
    let here = Path::new(SAMPLE_PICTURE).exists();
    let picture = if here { SAMPLE_PICTURE } else { "picture.png" };
    let aws = format!(
        "AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} aws --region us-east-1 --endpoint-url {endpoint} s3",
        quoted(access_key),
        secret.map_or_else(|| format!("\"${SECRET_KEY_VARIABLE}\""), quoted)
    );
    let own = if here { "" } else { " of yours" };
    format!(
        "\nTry it in another terminal with a picture{own} (`pip install awscli` brings the aws command):\n\n  \
         {aws} cp {picture} s3://{FIRST_BUCKET}/picture.png\n  \
         {aws} ls s3://{FIRST_BUCKET}/\n  \
         {aws} cp s3://{FIRST_BUCKET}/picture.png picture-again.png\n"
    )
}

/// How a second server gets buckets and keys of its own.
fn more_tenants(data: &Path) -> String {
    let default = data == Path::new(DEFAULT_DATA);
    let flag = if default {
        String::new()
    } else {
        format!(" --data {}", quoted(&data.display().to_string()))
    };
    format!(
        "\nEvery server that shares this store gets a tenant with keys and buckets of its own:\n\n  \
         moraine tenant create{flag} NAME\n  \
         moraine key create{flag} --tenant NAME\n  \
         moraine bucket create{flag} --tenant NAME BUCKET\n"
    )
}

/// For a shell: a chosen secret may hold any printable character.
fn quoted(text: &str) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '=');
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// An address that listens everywhere is reached at the loopback address.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more)
        .expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(set_up: &SetUp) -> String {
        let listen = "0.0.0.0:8900".parse().unwrap();
        let admin = "127.0.0.1:8901".parse().unwrap();
        text(listen, admin, Path::new("/data"), set_up)
    }

    #[test]
    fn the_first_start_shows_the_key_and_three_commands() {
        let text = shown(&SetUp::FirstKey {
            access_key: "operator".into(),
            secret: Some("s3cret's$".into()),
        });
        assert!(text.contains("http://127.0.0.1:8900\n"), "{text}");
        assert!(text.contains("/data/store.key"), "{text}");
        assert!(
            text.contains("moraine tenant create --data /data NAME\n"),
            "{text}"
        );
        let commands: Vec<&str> = text
            .lines()
            .filter(|line| line.trim_start().starts_with("AWS_ACCESS_KEY_ID="))
            .collect();
        assert_eq!(commands.len(), 3);
        assert!(
            commands
                .iter()
                .all(|line| line.contains(r"AWS_SECRET_ACCESS_KEY='s3cret'\''s$'"))
        );
    }

    #[test]
    fn a_secret_that_was_chosen_is_not_shown() {
        let text = shown(&SetUp::FirstKey {
            access_key: "operator".into(),
            secret: None,
        });
        assert!(
            text.contains("Secret key   the one in MORAINE_SECRET_KEY\n"),
            "{text}"
        );
        assert!(!text.contains("shown only now"), "{text}");
        let variable = "AWS_SECRET_ACCESS_KEY=\"$MORAINE_SECRET_KEY\" aws";
        assert_eq!(text.matches(variable).count(), 3, "{text}");
    }

    #[test]
    fn later_starts_show_no_secret() {
        for set_up in [
            SetUp::Nothing,
            SetUp::KeyAdded {
                access_key: "operator".into(),
            },
        ] {
            let text = shown(&set_up);
            assert!(text.contains("S3 endpoint"), "{text}");
            assert!(!text.to_lowercase().contains("secret"), "{text}");
        }
    }
}
