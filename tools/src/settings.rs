//! What `moraine serve` runs with. A flag wins over its environment variable, that over the file, that over the default.

use crate::bytes;
use crate::domain;
use crate::failure::Failure;
use crate::logging::Format;
use clap::builder::{OsStringValueParser, TypedValueParser};
use moraine_engine::IoChoice;
use moraine_server::{Limits, ServerConfig};
use serde::Deserialize;
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where the data lies if nobody says otherwise.
pub const DEFAULT_DATA: &str = "./moraine-data";
const DEFAULT_LISTEN: &str = "127.0.0.1:8900";
const DEFAULT_ADMIN_LISTEN: &str = "127.0.0.1:8901";
/// Below this, the share that is kept for small bodies is too small to serve more than a handful of clients at once.
const MEMORY_BYTES_MIN: u64 = 64 << 20;
const MEMORY_BYTES_DEFAULT: u64 = 256 << 20;
/// Each may hold 64 KiB outside the budget, so this many may hold 4 GiB.
const CONNECTIONS_MAX: usize = 65_536;
/// S3's own are below 20 characters.
const REGION_CHARS_MAX: usize = 63;

/// The flags of `serve`, and their environment variables.
#[derive(clap::Args, Debug, Default)]
pub struct Flags {
    /// The data directory [default: ./moraine-data]
    #[arg(long, value_name = "DIR", env = "MORAINE_DATA", value_parser = path_parser())]
    pub data: Option<PathBuf>,
    /// Address and port of S3 and public reads [default: 127.0.0.1:8900]
    #[arg(long, value_name = "ADDR:PORT", env = "MORAINE_LISTEN")]
    pub listen: Option<String>,
    /// Address and port of health, metrics and the admin API [default: 127.0.0.1:8901]
    #[arg(long, value_name = "ADDR:PORT", env = "MORAINE_ADMIN_LISTEN")]
    pub admin_listen: Option<String>,
    /// How files are written and read: auto, uring or blocking [default: auto]
    #[arg(long, value_name = "HOW", env = "MORAINE_IO")]
    pub io: Option<String>,
    /// Memory for bodies in flight and recent extents, such as 256MiB [default: 256MiB]
    #[arg(long, value_name = "AMOUNT", env = "MORAINE_MEMORY")]
    pub memory: Option<String>,
    /// A domain whose sub-domains are buckets, BUCKET.DOMAIN; may be given several times
    #[arg(
        long,
        value_name = "DOMAIN",
        env = "MORAINE_DOMAIN",
        value_delimiter = ','
    )]
    pub domain: Option<Vec<String>>,
    /// The region that is reported; requests may be signed for any other in lower case [default: us-east-1]
    #[arg(long, value_name = "NAME", env = "MORAINE_REGION")]
    pub region: Option<String>,
    /// Connections at once [default: 1024]
    #[arg(long, value_name = "N", env = "MORAINE_CONNECTIONS")]
    pub connections: Option<String>,
    /// Connections at once from one address, or one /64 of IPv6; 0 for any number [default: 256]
    #[arg(long, value_name = "N", env = "MORAINE_CONNECTIONS_PER_ADDRESS")]
    pub connections_per_address: Option<String>,
    /// Addresses of reverse proxies in front, to which that limit does not apply [default: 127.0.0.1,::1]
    #[arg(
        long,
        value_name = "ADDR",
        env = "MORAINE_PROXIES",
        value_delimiter = ','
    )]
    pub proxies: Option<Vec<String>>,
    /// Lines of the log: text, or json for one object each [default: text]
    #[arg(long, value_name = "FORM", env = "MORAINE_LOG_FORMAT")]
    pub log_format: Option<String>,
    /// A TOML file with any of these, named with underscores: admin_listen = "127.0.0.1:8901"
    #[arg(long, value_name = "FILE", env = "MORAINE_CONFIG", value_parser = path_parser())]
    pub config: Option<PathBuf>,
}

/// The same, as a file says it.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    listen: Option<String>,
    admin_listen: Option<String>,
    io: Option<String>,
    memory: Option<String>,
    domain: Option<Vec<String>>,
    region: Option<String>,
    connections: Option<usize>,
    connections_per_address: Option<usize>,
    proxies: Option<Vec<String>>,
    log_format: Option<String>,
}

/// What was decided.
#[derive(Debug)]
pub struct Settings {
    /// The data directory.
    pub data: PathBuf,
    /// The I/O driver.
    pub io: IoChoice,
    /// The memory budget.
    pub memory_bytes: usize,
    /// What a line of the log looks like.
    pub log_format: Format,
    /// All that the server itself wants to know. Its token is still missing.
    pub server: ServerConfig,
}

/// What was said, if anything was. A flag or environment variable with nothing in it, as `MORAINE_REGION=` leaves one in
/// a file for systemd or a container, is as good as none.
pub fn said<T: AsRef<OsStr>>(given: Option<T>) -> Option<T> {
    given.filter(|value| !value.as_ref().is_empty())
}

/// As [`said`], for lists.
fn listed(given: Option<Vec<String>>) -> Option<Vec<String>> {
    given.filter(|texts| texts.iter().any(|text| !text.trim().is_empty()))
}

/// Takes a path that is empty, too: see [`said`].
pub fn path_parser() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// As [`path_parser`], for the data directory: what is empty is the default.
pub fn data_parser() -> impl TypedValueParser<Value = PathBuf> {
    path_parser().map(|path| said(Some(path)).unwrap_or_else(|| DEFAULT_DATA.into()))
}

impl Settings {
    /// Decides from the flags (in which the environment is already merged) and the file that they may name.
    pub fn decide(flags: &Flags) -> Result<Self, Failure> {
        let file = match said(flags.config.as_ref()) {
            Some(path) => read_file(path)?,
            None => File::default(),
        };
        Self::merge(flags, file)
    }

    /// Decides from the text of a file alone, which is called `name` in complaints.
    pub fn of_text(name: &str, text: &str) -> Result<Self, Failure> {
        Self::merge(&Flags::default(), parse(name, text)?)
    }

    fn merge(flags: &Flags, file: File) -> Result<Self, Failure> {
        let pick = |flag: &Option<String>, file: Option<String>, default: &str| {
            let chosen = said(flag.clone()).or(file);
            chosen.unwrap_or_else(|| default.to_owned())
        };
        let data = said(flags.data.clone()).or(file.data);
        let defaults = ServerConfig::default();
        let listen = address("listen", &pick(&flags.listen, file.listen, DEFAULT_LISTEN))?;
        let admin_listen = pick(&flags.admin_listen, file.admin_listen, DEFAULT_ADMIN_LISTEN);
        let connections = number("connections", &flags.connections)?.or(file.connections);
        let per_address = number("connections-per-address", &flags.connections_per_address)?;
        let per_address = per_address.or(file.connections_per_address);
        let limits = Limits {
            connections: connections_max(connections, defaults.limits.connections)?,
            connections_per_address: per_address.unwrap_or(defaults.limits.connections_per_address),
            ..defaults.limits
        };
        let proxies = listed(flags.proxies.clone()).or(file.proxies);
        let server = ServerConfig {
            listen,
            admin_listen: address("admin-listen", &admin_listen)?,
            region: region(pick(&flags.region, file.region, &defaults.region))?,
            domains: domain::all(
                listed(flags.domain.clone())
                    .or(file.domain)
                    .unwrap_or_default(),
            )?,
            proxies: proxies.map_or(Ok(defaults.proxies), |texts| addresses(&texts))?,
            limits,
            ..ServerConfig::default()
        };
        Ok(Self {
            data: data.unwrap_or_else(|| DEFAULT_DATA.into()),
            io: io_choice(&pick(&flags.io, file.io, "auto"))?,
            memory_bytes: memory(said(flags.memory.as_deref()).or(file.memory.as_deref()))?,
            log_format: Format::parse(&pick(&flags.log_format, file.log_format, "text"))?,
            server,
        })
    }
}

fn read_file(path: &Path) -> Result<File, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read the configuration {shown}: {error}")))?;
    parse(&shown.to_string(), &text)
}

fn parse(name: &str, text: &str) -> Result<File, Failure> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            let before = text.get(..span.start).unwrap_or(text);
            before.matches('\n').count() + 1
        });
        Failure::new(format!("{name}, line {line}: {}", error.message()))
    })
}

fn address(name: &str, text: &str) -> Result<SocketAddr, Failure> {
    text.parse().map_err(|_| {
        Failure::new(format!(
            "{name} is {text:?}, which is not an IP address and a port: write it like {DEFAULT_LISTEN}"
        ))
    })
}

fn addresses(texts: &[String]) -> Result<Vec<IpAddr>, Failure> {
    let texts = texts.iter().map(|text| text.trim());
    let parsed = texts.filter(|text| !text.is_empty()).map(|text| {
        text.parse().map_err(|_| {
            Failure::new(format!(
                "proxies has {text:?}, which is not an IP address: write them like 127.0.0.1,::1"
            ))
        })
    });
    parsed.collect()
}

/// S3's own form: no request could be signed for a region with capitals.
fn region(name: String) -> Result<String, Failure> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=REGION_CHARS_MAX).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(name);
    }
    Err(Failure::new(format!(
        "region is {name:?}: give it 1 to {REGION_CHARS_MAX} lower-case letters, digits and hyphens, such as us-east-1"
    )))
}

fn number(name: &str, given: &Option<String>) -> Result<Option<usize>, Failure> {
    let Some(text) = said(given.as_deref()) else {
        return Ok(None);
    };
    text.trim().parse().map(Some).map_err(|_| {
        Failure::new(format!(
            "{name} is {text:?}, which is not a number: write it like 1024"
        ))
    })
}

fn connections_max(asked: Option<usize>, default: usize) -> Result<usize, Failure> {
    let asked = asked.unwrap_or(default);
    if (1..=CONNECTIONS_MAX).contains(&asked) {
        return Ok(asked);
    }
    Err(Failure::new(format!(
        "connections is {asked}: choose 1 to {CONNECTIONS_MAX}; each may hold 64 KiB of memory"
    )))
}

fn io_choice(text: &str) -> Result<IoChoice, Failure> {
    match text {
        "auto" => Ok(IoChoice::Auto),
        "uring" => Ok(IoChoice::Uring),
        "blocking" => Ok(IoChoice::Blocking),
        _ => Err(Failure::new(format!(
            "io is {text:?}: choose auto, uring or blocking"
        ))),
    }
}

fn memory(text: Option<&str>) -> Result<usize, Failure> {
    let bytes = match text {
        Some(text) => bytes::parse(text).map_err(|why| Failure::new(format!("memory: {why}")))?,
        None => MEMORY_BYTES_DEFAULT,
    };
    match usize::try_from(bytes) {
        Ok(fitting) if bytes >= MEMORY_BYTES_MIN => Ok(fitting),
        _ => Err(Failure::new(format!(
            "memory is {}: give it at least {}",
            bytes::Amount(bytes),
            bytes::Amount(MEMORY_BYTES_MIN)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in a folder of its own, removed when dropped.
    struct Written(PathBuf);

    impl Written {
        fn new(name: &str, text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("moraine-{}-{name}", std::process::id()));
            std::fs::write(&path, text).unwrap();
            Self(path)
        }

        fn flags(&self) -> Flags {
            Flags {
                config: Some(self.0.clone()),
                ..Flags::default()
            }
        }
    }

    impl Drop for Written {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn defaults_without_flags_or_file() {
        let settings = Settings::decide(&Flags::default()).unwrap();
        assert_eq!(settings.data, PathBuf::from(DEFAULT_DATA));
        assert_eq!(settings.server.listen.to_string(), DEFAULT_LISTEN);
        assert_eq!(
            settings.server.admin_listen.to_string(),
            DEFAULT_ADMIN_LISTEN
        );
        assert_eq!(settings.io, IoChoice::Auto);
        assert_eq!(settings.memory_bytes, 256 << 20);
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let file = Written::new("wins.toml", "listen = \"[::1]:1\"\nio = \"blocking\"\n");
        let flags = Flags {
            listen: Some("127.0.0.1:2".into()),
            ..file.flags()
        };
        let settings = Settings::decide(&flags).unwrap();
        assert_eq!(settings.server.listen.to_string(), "127.0.0.1:2");
        assert_eq!(settings.io, IoChoice::Blocking);
    }

    #[test]
    fn the_file_says_what_the_server_wants_to_know() {
        let file = Written::new(
            "server.toml",
            "domain = [\"S3.example.org.\", \"media.example\"]\nproxies = [\"10.0.0.7\"]\nregion = \"eu\"\n\
             connections = 99\nconnections_per_address = 0\nlog_format = \"json\"\n",
        );
        let settings = Settings::decide(&file.flags()).unwrap();
        assert_eq!(settings.log_format, Format::Json);
        let server = settings.server;
        assert_eq!(server.domains, ["s3.example.org", "media.example"]);
        assert_eq!(server.proxies, ["10.0.0.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(server.region, "eu");
        assert_eq!(server.limits.connections, 99);
        assert_eq!(server.limits.connections_per_address, 0);
    }

    #[test]
    fn what_is_empty_was_not_said() {
        let (text, list) = (|| Some(String::new()), || Some(vec![String::new()]));
        let file = Written::new("empty.toml", "region = \"eu\"\nconnections = 99\n");
        let flags = Flags {
            data: Some(PathBuf::new()),
            listen: text(),
            admin_listen: text(),
            io: text(),
            memory: text(),
            domain: list(),
            region: text(),
            connections: text(),
            connections_per_address: text(),
            proxies: list(),
            log_format: text(),
            ..file.flags()
        };
        let settings = Settings::decide(&flags).unwrap();
        assert_eq!(settings.data, PathBuf::from(DEFAULT_DATA));
        assert_eq!(settings.server.region, "eu");
        assert_eq!(settings.server.limits.connections, 99);
        assert_eq!(settings.server.proxies, ServerConfig::default().proxies);
        let flags = Flags {
            config: Some(PathBuf::new()),
            ..flags
        };
        let settings = Settings::decide(&flags).unwrap();
        assert_eq!(settings.server.region, "us-east-1");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let file = Written::new("unknown.toml", "io = \"auto\"\nlissten = \"x\"\n");
        let error = Settings::decide(&file.flags()).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(error.contains("lissten"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let flags = Flags {
            config: Some("/nowhere/moraine.toml".into()),
            ..Flags::default()
        };
        let error = Settings::decide(&flags).unwrap_err().to_string();
        assert!(error.contains("/nowhere/moraine.toml"), "{error}");
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let with = |set: fn(&mut Flags)| {
            let mut flags = Flags::default();
            set(&mut flags);
            Settings::decide(&flags).unwrap_err().to_string()
        };
        assert!(with(|flags| flags.listen = Some("8900".into())).starts_with("listen is"));
        assert!(with(|flags| flags.io = Some("fast".into())).starts_with("io is"));
        assert!(with(|flags| flags.memory = Some("1KiB".into())).starts_with("memory is"));
        assert!(with(|flags| flags.memory = Some("much".into())).starts_with("memory:"));
        assert!(with(|flags| flags.region = Some("a b".into())).starts_with("region is"));
        assert!(with(|flags| flags.region = Some("EU".into())).starts_with("region is"));
        assert!(with(|flags| flags.region = Some("eu_1".into())).starts_with("region is"));
        assert!(with(|flags| flags.connections = Some("0".into())).starts_with("connections is"));
        assert!(
            with(|flags| flags.connections = Some("many".into())).starts_with("connections is")
        );
        let error = with(|flags| flags.connections_per_address = Some("-1".into()));
        assert!(error.starts_with("connections-per-address is"), "{error}");
        assert!(with(|flags| flags.log_format = Some("xml".into())).starts_with("log-format is"));
        let texts = |text: &str| Some(vec![text.to_owned()]);
        let mut flags = Flags {
            proxies: texts("10.0.0.0/8"),
            ..Flags::default()
        };
        let error = Settings::decide(&flags).unwrap_err().to_string();
        assert!(error.starts_with("proxies has"), "{error}");
        (flags.proxies, flags.domain) = (None, texts("bad domain"));
        let error = Settings::decide(&flags).unwrap_err().to_string();
        assert!(error.starts_with("domain is"), "{error}");
    }
}
