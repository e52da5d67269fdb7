//! What an operator can set, with the sums behind the defaults.

use moraine_engine::Secret;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Where to listen, and how much to let in.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// S3 and public reads.
    pub listen: SocketAddr,
    /// Health, metrics and the admin API: keep it private.
    pub admin_listen: SocketAddr,
    /// What the admin API wants to be shown. Without one it answers nobody.
    pub admin_token: Option<Secret>,
    /// The region to report: lower-case letters, digits and hyphens. Requests may be signed for any that is so written.
    pub region: String,
    /// Domains under which a bucket is the name of a host, as in `BUCKET.s3.example.org`; none by default. Any other host
    /// has the bucket in the path.
    pub domains: Vec<String>,
    /// Reverse proxies in front: each is one address for all the clients behind it, so they are not counted by address.
    pub proxies: Vec<IpAddr>,
    /// Limits on connections and requests.
    pub limits: Limits,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8900)),
            admin_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8901)),
            admin_token: None,
            region: "us-east-1".to_owned(),
            domains: Vec::new(),
            proxies: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            limits: Limits::default(),
        }
    }
}

/// Limits on connections and requests.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections to the S3 listener at once. Each may hold [`Self::READ_BUFFER`] of memory, so the default is at most
    /// 64 MiB. When there are as many, those that wait for their client make room, the oldest first.
    pub connections: usize,
    /// Connections of one client address at once (of one /64, for IPv6), unless it is one of [`ServerConfig::proxies`]; 0
    /// for any number. A quarter of all: four addresses that hold as many as they may leave room for nobody else, but
    /// those connections make room as soon as they idle.
    pub connections_per_address: usize,
    /// How long a client may take for the first head of a connection: it connected because it had something to ask.
    pub first_head_timeout: Duration,
    /// How long a client may take for the head of a request, and how long a connection may idle between two.
    pub head_timeout: Duration,
    /// How long a body may pause while the server waits for it.
    pub body_idle: Duration,
    /// The slowest body, in bytes a second of waiting, after a grace of [`Limits::body_idle`].
    pub body_rate_min: u64,
    /// The slowest body while memory is nearly used up, in bytes a second of waiting, measured over
    /// [`Limits::pressed_window`]. Bodies that need next to no memory are spared.
    pub pressed_rate_min: u64,
    /// Over how long that is measured.
    pub pressed_window: Duration,
    /// Over how long the same rate is measured for who takes an answer. Longer, because what a client takes shows in steps
    /// of up to 256 KiB: see [`Self::UNSENT_BYTES`].
    pub pressed_send_window: Duration,
    /// Bytes of all aws-chunked chunks above [`Self::CHUNK_BYTES_FREE`] that may be gathered at once.
    pub chunk_memory: usize,
    /// Bytes of all XML bodies above [`Self::XML_BYTES_FREE`], with what becomes of them, that may be held at once: a body
    /// counts [`Self::XML_COST`] times, so there is room for four of the largest, or for 60 that delete 1,000 keys of 80
    /// bytes.
    pub xml_memory: usize,
    /// Bytes of all XML answers above [`Self::ANSWER_BYTES_FREE`] that may be on their way at once. A page of 1,000 keys is
    /// 300 KiB, or with the longest keys 1.3 MiB.
    pub answer_memory: usize,
    /// How long a client may take nothing while the server has something to send.
    pub send_idle: Duration,
    /// The slowest reader, in bytes a second of waiting, after a grace of [`Limits::send_idle`].
    pub send_rate_min: u64,
    /// How long a body may wait for memory on its way in, and for the store to take it.
    pub memory_wait: Duration,
    /// How long a body that comes slowly may hold its share of the memory for chunks or XML while others wait for some.
    pub held_max: Duration,
    /// How long the next bytes of an answer may wait for memory and for the disk.
    pub read_wait: Duration,
    /// How long the completion of an upload may work before its answer begins: some clients give up after 5 s of
    /// silence. An error that is known later comes inside an answer with status 200, as in S3.
    pub silence_max: Duration,
    /// How long requests in flight may take to end once the server was told to stop.
    pub drain: Duration,
    /// Bytes in one object or part that is sent in one request: what S3 allows.
    pub body_bytes_max: u64,
}

impl Limits {
    /// Bytes that one connection reads ahead; a larger head ends the connection.
    pub const READ_BUFFER: usize = 64 * 1024;
    /// Bytes that the kernel keeps for a client beyond what is on the way to it. Without it, a client who reads nothing held
    /// 3.7 MiB in the kernel, and what a slow one took showed in steps of 1.2 MiB, which 60 KiB/s take 20 s for; with it,
    /// 0.1 MiB and steps of 80 to 200 KiB, for the usual receive buffers. The speed of fast ones is the same.
    pub const UNSENT_BYTES: u32 = 64 * 1024;
    /// Header fields in a request: an S3 client sends about 20, and up to 2 KiB of user metadata.
    pub const HEADERS_MAX: usize = 128;
    /// Bytes of a request's header fields, names and values: twice what S3 allows.
    pub const HEADER_BYTES_MAX: usize = 16 * 1024;
    /// Bytes of a request's target: a key of 1,024 bytes percent-encoded is 3,072, and a presigned query about 2,000.
    pub const TARGET_BYTES_MAX: usize = 8 * 1024;
    /// Bytes of an XML body: 10,000 parts of a completion take 1.5 MiB.
    pub const XML_BYTES_MAX: usize = 2 * 1024 * 1024;
    /// XML bodies up to this size are gathered without asking: all connections at once take 64 MiB for them.
    pub const XML_BYTES_FREE: u64 = 64 * 1024;
    /// What an XML body takes for each of its bytes until its operation ends: itself, and once more while its pieces are
    /// joined; the elements of it, 200 bytes for the 60 that the shortest part or key is written with; and the parts or
    /// keys as the engine takes them.
    pub const XML_COST: u64 = 6;
    /// XML answers up to this size leave without asking: all connections at once take 64 MiB for them.
    pub const ANSWER_BYTES_FREE: usize = 64 * 1024;
    /// Bytes of one aws-chunked chunk, which is gathered whole to check its signature. Clients use 16 KiB to 1 MiB, but
    /// the JavaScript SDK makes one of each buffer that a stream yields: a part of 5 or 8 MiB, say.
    pub const CHUNK_BYTES_MAX: u64 = 8 * 1024 * 1024;
    /// Chunks up to this size are gathered without asking: all connections at once take 64 MiB for them.
    pub const CHUNK_BYTES_FREE: u64 = 64 * 1024;
    /// Bytes of user metadata, names and values: what S3 allows.
    pub const METADATA_BYTES_MAX: usize = 2 * 1024;
    /// Bytes of a part that is not the last: what S3 demands.
    pub const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
    /// Parts of an upload: what S3 allows.
    pub const PARTS_MAX: u16 = 10_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 256,
            first_head_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(30),
            body_idle: Duration::from_secs(30),
            body_rate_min: 1024,
            pressed_rate_min: 16 * 1024,
            pressed_window: Duration::from_secs(5),
            pressed_send_window: Duration::from_secs(20),
            chunk_memory: 64 * 1024 * 1024,
            xml_memory: 48 * 1024 * 1024,
            answer_memory: 32 * 1024 * 1024,
            send_idle: Duration::from_secs(60),
            send_rate_min: 1024,
            memory_wait: Duration::from_secs(10),
            held_max: Duration::from_secs(10),
            read_wait: Duration::from_secs(30),
            silence_max: Duration::from_secs(2),
            drain: Duration::from_secs(30),
            body_bytes_max: 5 * 1024 * 1024 * 1024,
        }
    }
}
