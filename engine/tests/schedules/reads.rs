//! Objects are read while the segments that hold them are filled, sealed and opened anew.

use crate::explore::explore;
use crate::world::{World, content, together};
use shuttle::sync::Mutex;
use std::sync::Arc;

/// Bytes of an object: five fill a segment.
const BODY_BYTES: usize = 5 * 1024;
/// Objects of each writer.
const OBJECTS: u64 = 4;

/// Two writers fill segments; two readers read what was acknowledged, again and again, and always get it.
pub fn reads_beside_seals() {
    let world = World::new();
    let client = world.client();
    let acknowledged: Arc<Mutex<Vec<u64>>> = Arc::default();
    let mut clients: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
    for writer in 0..2 {
        let (client, acknowledged) = (client.clone(), Arc::clone(&acknowledged));
        clients.push(Box::new(move || {
            for object in 0..OBJECTS {
                let number = writer * OBJECTS + object;
                client
                    .put(&number.to_string(), &content(number, BODY_BYTES))
                    .unwrap();
                acknowledged.lock().unwrap().push(number);
            }
        }));
    }
    for reader in 0..2 {
        let (client, acknowledged) = (client.clone(), Arc::clone(&acknowledged));
        clients.push(Box::new(move || {
            for turn in 0..6 {
                let number = {
                    let list = acknowledged.lock().unwrap();
                    list.get(list.len().saturating_sub(1 + (turn + reader) % 4))
                        .copied()
                };
                let Some(number) = number else {
                    shuttle::thread::yield_now();
                    continue;
                };
                let found = client.get(&number.to_string()).unwrap();
                assert!(found == Some(content(number, BODY_BYTES)), "other bytes");
            }
        }));
    }
    together(clients);
    assert!(client.store.stats().segments > 1, "a segment was sealed");
    world.close(client);
}

#[test]
fn bar_10_reads() {
    explore("bar_10_reads", reads_beside_seals);
}
