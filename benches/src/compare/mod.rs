//! The store beside other servers, in one run: pairs interleaved, ratios with their spread.
//!
//! Every server runs all the time, idle while another one works, and all are asked by the same client for the same bytes, so
//! that what the machine does to one it does to the others. Figures are judged against aims; only errors and wrong bytes
//! make a run fail.

pub mod chart;
pub mod groups;
pub mod judge;
pub mod machine;
pub mod nginx;
pub mod page;
pub mod process;
pub mod rounds;
pub mod stage;
