//! Both ends of the admin API: the files by which a running server is found, and the client that the commands use.
//!
//! `moraine serve` keeps `admin.token` (32 random bytes in hexadecimal, made once) and `admin.url` (written at each start,
//! locked while the server runs, removed when it stops) in the data directory, readable for its own user only. Both are
//! replaced whole. Whoever may read them may manage the store, as whoever may read the folder could anyway.

pub mod call;
pub mod files;
mod http;
mod target;

pub use target::Target;
