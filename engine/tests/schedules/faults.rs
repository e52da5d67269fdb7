//! A write or a sync fails while clients wait for it: each of them is answered, what was acknowledged is there after a
//! loss of power, and nothing is acknowledged behind the failure.

use crate::explore::explore;
use crate::world::{World, below, content, together};
use moraine_engine::io::sim::{FaultKind, Repeat};
use std::collections::BTreeMap;

/// Clients that write.
const CLIENTS: u64 = 3;
/// Objects of each of them.
const OBJECTS: u64 = 2;

/// The disk fails in some way, or is full, while three clients store objects; all of the first are of one content.
pub fn everybody_is_answered() {
    let world = World::new();
    let client = world.client();
    let nth = 1 + below(10);
    match below(4) {
        0 => world.disk.fail_sync_nth(nth),
        1 => world.disk.fail_nth(nth, FaultKind::Eio, Repeat::Once),
        2 => world.disk.fail_nth(nth, FaultKind::Eio, Repeat::Forever),
        _ => world.disk.fail_nth(nth, FaultKind::Enospc, Repeat::Once),
    }
    let written = together(
        (0..CLIENTS)
            .map(|number| {
                let client = client.clone();
                let job = move || {
                    let mut written = Vec::new();
                    for object in 0..OBJECTS {
                        let seed = if object == 0 {
                            0
                        } else {
                            number * OBJECTS + object
                        };
                        let (key, body) = (format!("{number}/{object}"), content(seed, 1300));
                        let put = client.put(&key, &body);
                        if let Err(error) = &put {
                            assert!(client.is_expected(error), "{error}");
                        }
                        written.push((key, body, put.is_ok()));
                    }
                    written
                };
                Box::new(job) as Box<dyn FnOnce() -> Vec<(String, Vec<u8>, bool)> + Send>
            })
            .collect(),
    );
    let mut allowed = BTreeMap::new();
    for (key, body, acknowledged) in written.into_iter().flatten() {
        let mut may = vec![Some(body)];
        if !acknowledged {
            may.push(None);
        }
        allowed.insert(key, may);
    }
    world.crash(client);
    world.check(&allowed);
}

#[test]
fn bar_10_faults() {
    explore("bar_10_faults", everybody_is_answered);
}
