//! Checkpoints are made while clients write and the log writer rolls: what an index says that it covers, it holds.

use crate::explore::explore;
use crate::world::{World, below, content, together};
use std::collections::BTreeMap;

/// Two clients write, one makes checkpoints; then the power goes, or the store is closed. An id that the hash index lost
/// would be found in a footer and counted, which [`World::close`] does not accept.
pub fn checkpoints_beside_writes() {
    let world = World::new();
    let client = world.client();
    let crashes = below(3) > 0;
    if crashes {
        world.disk.crash_at(1 + below(60));
    }
    let mut clients: Vec<Box<dyn FnOnce() -> Vec<(String, Vec<u8>, bool)> + Send>> = Vec::new();
    for number in 0..2 {
        let client = client.clone();
        clients.push(Box::new(move || {
            let mut written = Vec::new();
            for object in 0..3 {
                let (key, body) = (
                    format!("{number}/{object}"),
                    content(10 * number + object, 900 + 700 * object as usize),
                );
                let put = client.put(&key, &body);
                if let Err(error) = &put {
                    assert!(crashes && client.is_expected(error), "{error}");
                }
                written.push((key, body, put.is_ok()));
            }
            written
        }));
    }
    let checkpointing = client.clone();
    clients.push(Box::new(move || {
        for _ in 0..3 {
            let made = checkpointing.store.checkpoint();
            assert!(crashes || made.is_ok(), "{made:?}");
        }
        Vec::new()
    }));
    let mut allowed = BTreeMap::new();
    for (key, body, acknowledged) in together(clients).into_iter().flatten() {
        let mut may = vec![Some(body)];
        if !acknowledged {
            may.push(None);
        }
        allowed.insert(key, may);
    }
    if crashes {
        world.crash(client);
    } else {
        world.close(client);
    }
    world.check(&allowed);
}

#[test]
fn bar_10_checkpoint() {
    explore("bar_10_checkpoint", checkpoints_beside_writes);
}
