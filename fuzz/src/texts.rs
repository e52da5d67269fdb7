//! Short texts: ids, amounts of bytes, and the command line of `moraine serve`.

use clap::Parser;
use moraine_engine::{Id, UploadId};
use moraine_tools::bytes;
use moraine_tools::settings::{Flags, Settings};

/// What has one form each: accepted, it reads the same again.
pub fn ids(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(id) = text.parse::<Id>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
    if let Ok(id) = text.parse::<UploadId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(amount) = bytes::parse(text) {
        assert_eq!(bytes::parse(&amount.to_string()), Ok(amount));
        assert!(!bytes::Amount(amount).to_string().is_empty());
    }
}

/// The flags of `serve`, without the subcommand.
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
}

/// The command line, its arguments apart by zeros: what is accepted keeps the limits, and the same text in a file says the same.
pub fn command(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let arguments = std::iter::once("moraine").chain(text.split('\0'));
    let Ok(Cli { flags }) = Cli::try_parse_from(arguments) else {
        return;
    };
    // A file of any name is read: that is for `settings`.
    if flags.config.is_some() {
        return;
    }
    let Ok(found) = Settings::decide(&flags) else {
        return;
    };
    assert!(found.memory_bytes >= 64 << 20);
    assert!((1..=65_536).contains(&found.server.limits.connections));
    assert!(!found.server.region.is_empty() && found.server.region.len() <= 64);
    assert!(!found.data.as_os_str().is_empty());
    if let Some(region) = flags.region.filter(|region| !region.is_empty()) {
        let file = format!("region = \"{region}\"");
        let other = Settings::of_text("FILE", &file).expect("a flag took this region");
        assert_eq!(other.server.region, found.server.region);
    }
}
