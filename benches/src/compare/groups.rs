//! What is compared: who does what, how each figure is judged, and what is aimed for.

use crate::load::requests::{Operation, Sizes};
use serde::Serialize;

/// A server in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// The store.
    Moraine,
    /// nginx with the same objects as files.
    Nginx,
    /// Bare hyper with the same objects in memory.
    HyperGet,
    /// Bare hyper that computes BLAKE3 of bodies.
    HyperBlake3,
    /// Bare hyper that computes BLAKE3 and MD5 of bodies.
    HyperBlake3Md5,
}

impl Who {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Moraine,
        Self::Nginx,
        Self::HyperGet,
        Self::HyperBlake3,
        Self::HyperBlake3Md5,
    ];

    /// As tables call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moraine => "Moraine",
            Self::Nginx => "nginx",
            Self::HyperGet => "hyper",
            Self::HyperBlake3 => "hyper + BLAKE3",
            Self::HyperBlake3Md5 => "hyper + BLAKE3 + MD5",
        }
    }
}

/// How a figure comes about, and what is aimed for.
#[derive(Clone, Copy, Debug)]
pub enum Judge {
    /// Requests a second of the store over those of another; the aim is at least this.
    Rate(Who, Option<f64>),
    /// The store's CPU seconds per GiB over those of another; the aim is at most this.
    Cpu(Who, Option<f64>),
    /// The 99th percentile of the store's latency in milliseconds; the aim is below this.
    P99(f64),
    /// The 99.9th percentile of the store's latency in milliseconds; the aim is below this, and no head that came without a
    /// byte of its body.
    NoStall(f64),
    /// MiB a second of the store, without an aim.
    Throughput,
    /// The highest anonymous resident memory of the store in MiB; the aim is below this.
    Memory(f64),
}

/// Servers that are given the same work in turn.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// What is done, as tables say it.
    pub name: &'static str,
    /// What is done.
    pub operation: Operation,
    /// How long bodies are.
    pub sizes: Sizes,
    /// Share of the bodies sent that are known.
    pub duplicates: f64,
    /// Connections.
    pub connections: usize,
    /// Each request on a connection of its own.
    pub fresh: bool,
    /// Who takes part.
    pub who: &'static [Who],
    /// What is made of it.
    pub judges: &'static [Judge],
}

impl Group {
    /// Whether it stores new bytes, of which a run may only store so many.
    pub fn writes(&self) -> bool {
        let reads = matches!(self.operation, Operation::Get | Operation::GetSigned);
        !reads && self.duplicates < 1.0
    }
}

const KIB_4: Sizes = Sizes::Fixed(4 << 10);
const KIB_64: Sizes = Sizes::Fixed(64 << 10);
const MIB: Sizes = Sizes::Fixed(1 << 20);
const MIB_16: Sizes = Sizes::Fixed(16 << 20);
/// All sizes, each once.
pub const SIZES: [Sizes; 5] = [KIB_4, KIB_64, MIB, MIB_16, Sizes::Fediverse];
/// Those that the bare server holds in memory.
pub const SIZES_IN_MEMORY: &str = "4KiB,64KiB,1MiB,16MiB";

const READERS: &[Who] = &[Who::Moraine, Who::Nginx, Who::HyperGet];
const FILES: &[Who] = &[Who::Moraine, Who::Nginx];
const NEW: &[Who] = &[Who::Moraine, Who::HyperBlake3Md5];
const KNOWN: &[Who] = &[Who::Moraine, Who::HyperBlake3];
/// Shorter than the 40 ms for which a receiver may put off its acknowledgement.
const STALL_MS: f64 = 20.0;

const fn get(
    name: &'static str,
    sizes: Sizes,
    who: &'static [Who],
    judges: &'static [Judge],
) -> Group {
    Group {
        name,
        operation: Operation::Get,
        sizes,
        duplicates: 0.0,
        connections: 16,
        fresh: false,
        who,
        judges,
    }
}

const fn put(
    name: &'static str,
    sizes: Sizes,
    duplicates: f64,
    who: &'static [Who],
    judges: &'static [Judge],
) -> Group {
    Group {
        operation: Operation::Put,
        duplicates,
        ..get(name, sizes, who, judges)
    }
}

const fn at_64(group: Group) -> Group {
    Group {
        connections: 64,
        ..group
    }
}

const fn sequential(group: Group, fresh: bool) -> Group {
    Group {
        connections: 1,
        fresh,
        ..group
    }
}

use Judge::{Cpu, Memory, NoStall, P99, Rate, Throughput};
use Who::{HyperBlake3, HyperBlake3Md5, HyperGet, Nginx};

/// All of them, reading before writing.
#[rustfmt::skip]
pub const GROUPS: &[Group] = &[
    get("GET 4 KiB", KIB_4, READERS, &[Rate(Nginx, Some(0.9)), Rate(HyperGet, None)]),
    get("GET 64 KiB", KIB_64, READERS, &[Rate(Nginx, Some(0.9)), Rate(HyperGet, None)]),
    get("GET 1 MiB", MIB, READERS, &[Rate(Nginx, Some(0.7)), Rate(HyperGet, None), Cpu(Nginx, Some(2.5))]),
    get("GET 16 MiB", MIB_16, READERS, &[Rate(Nginx, Some(0.7)), Rate(HyperGet, None)]),
    sequential(get("GET 4 KiB, one kept connection", KIB_4, FILES, &[NoStall(STALL_MS)]), false),
    sequential(get("GET 4 KiB, a connection each", KIB_4, FILES, &[NoStall(STALL_MS)]), true),
    at_64(get("GET of the mix, 64 connections", Sizes::Fediverse, FILES, &[Rate(Nginx, None)])),
    put("PUT known 64 KiB", KIB_64, 1.0, KNOWN, &[Rate(HyperBlake3, Some(0.4))]),
    put("PUT known 1 MiB", MIB, 1.0, KNOWN, &[Rate(HyperBlake3, Some(0.7))]),
    put("PUT new 64 KiB", KIB_64, 0.0, NEW, &[Rate(HyperBlake3Md5, Some(0.7))]),
    put("PUT new 1 MiB", MIB, 0.0, NEW, &[Rate(HyperBlake3Md5, Some(0.7))]),
    at_64(put("PUT new 64 KiB, 64 connections", KIB_64, 0.0, &[Who::Moraine], &[P99(50.0)])),
    at_64(put("PUT of the mix, 64 connections", Sizes::Fediverse, 0.0, NEW, &[Rate(HyperBlake3Md5, None), Memory(400.0)])),
    Group {
        operation: Operation::Mixed,
        ..at_64(put("GET and PUT of the mix, 64 connections", Sizes::Fediverse, 0.0, &[Who::Moraine], &[Throughput, Memory(400.0)]))
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_the_store_takes_part_in_all() {
        let names: std::collections::HashSet<_> = GROUPS.iter().map(|group| group.name).collect();
        assert_eq!(names.len(), GROUPS.len());
        assert!(
            GROUPS
                .iter()
                .all(|group| group.who.first() == Some(&Who::Moraine))
        );
        assert!(GROUPS.iter().all(|group| SIZES.contains(&group.sizes)));
    }

    #[test]
    fn whoever_is_compared_with_takes_part() {
        for group in GROUPS {
            for judge in group.judges {
                if let Rate(who, _) | Cpu(who, _) = judge {
                    assert!(group.who.contains(who), "{}", group.name);
                }
            }
        }
    }
}
