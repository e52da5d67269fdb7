//! The harness behind the reliability bars: a stepped store on a simulated disk, a reference model, histories drawn
//! from seeds, and the judge between them.
//!
//! | part | does |
//! | --- | --- |
//! | [`SimStore`] | a store that runs only when it is polled and stepped |
//! | [`Op`], `generate` | histories, drawn from a seed |
//! | [`Model`] | what a store with the same history must hold |
//! | [`World`] | leads both through a history, judges every answer, crashes and reopens |
//! | [`Campaign`] | many seeds on all cores; a failing history is shrunk and the line that repeats it printed |
//!
//! Everything follows from the seed: time, chance, the order in which futures are polled, and what the disk does.
//! `RELIABILITY.md` at the root of the repository says which bar is which test.

mod campaign;
mod content;
mod generate;
mod index_fault;
mod listing;
mod model;
mod observe;
mod op;
mod plan;
mod reconcile;
mod request;
mod rng;
mod settle;
mod settle_bucket;
mod settle_key;
mod settle_upload;
mod shrink;
mod sim_store;
mod tiny;
mod world;

pub use campaign::{Campaign, quietly, scaled};
pub use content::Content;
pub use generate::{Shape, history};
pub use model::{
    BucketState, Check, Contents, Failure, Model, Open, PartValue, UploadState, Value, ensure,
};
pub use observe::{bucket_name, observe};
pub use op::{Abandon, BucketSlot, Completion, IndexFault, Key, Op, UploadSlot, When};
pub use request::{InFlight, ReadBytes, Reply, Request, is_fault, read, read_object, send};
pub use rng::Rng;
pub use settle::{Conditions, Step};
pub use shrink::shrink;
pub use sim_store::{EPOCH_MS, SimStore};
pub use tiny::{geometry, options, shape};
pub use world::{Past, World};
