//! Who may do what, checked twice: the server as it runs against a model of a few hundred lines (`model.rs`), in a table
//! of every operation by everyone on everything, and in random requests.
//!
//! | file | is |
//! | --- | --- |
//! | `ask` | a request as data |
//! | `model`, `state` | what must be answered, and what there is then |
//! | `wire` | the request as bytes, and the connection |
//! | `judge`, `observe` | the comparisons: of the answer, and of what the engine holds |
//! | `world` | tenants, buckets and a model on a running server |
//! | `table`, `generate`, `random` | where the requests come from |
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the helpers of tests are tests: what they did not expect ends them"
)]

mod ask;
#[path = "../door/client.rs"]
#[expect(dead_code, reason = "the tests of the door use the rest")]
mod client;
mod generate;
mod judge;
mod model;
mod observe;
mod random;
#[path = "../door/server.rs"]
#[expect(dead_code, reason = "the tests of the door use the rest")]
mod server;
mod state;
mod table;
mod wire;
mod world;
