//! The door from outside: a real server on a real store, spoken to in bytes over a socket.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the helpers of tests are tests: what they did not expect ends them"
)]

mod acl;
mod admin;
mod admin_api;
mod admin_crowd;
mod aws_chunked;
mod batch_delete;
mod buckets;
mod client;
mod completion_turns;
mod conditions;
mod connections;
mod copies;
mod damage;
mod drain;
mod false_success;
mod guards;
mod hosts;
mod hot_reads;
mod integrity;
mod keys;
mod lengths;
mod links;
mod links_v2;
mod listing;
mod listing_model;
mod logs;
mod memory;
mod metrics;
mod multipart;
mod overrides;
mod part_copies;
mod preflight;
mod public;
mod ranges;
mod read_only;
mod repeated_completions;
mod replay;
mod server;
mod signatures;
mod signer;
mod smuggling;
mod stored_headers;
mod stream_texts;
mod structured_memory;
mod tenancy;
mod timeouts;
mod unread;
mod uploads_listing;
mod versions;
mod versions_listing;
mod whole_checksums;
mod xml;
mod xml_bodies;
mod xml_text;
