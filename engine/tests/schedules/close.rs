//! The store is closed while clients are at work: each is answered, and what was acknowledged is there at the next start.

use crate::explore::explore;
use crate::world::{World, below, content, nothing_left, together};
use moraine_engine::Error;
use shuttle::future::block_on;
use std::collections::BTreeMap;

/// Two clients write, two close the store.
pub fn close_beside_writes() {
    let world = World::new();
    let client = world.client();
    let mut clients: Vec<Box<dyn FnOnce() -> Vec<(String, Vec<u8>, bool)> + Send>> = Vec::new();
    for number in 0..2 {
        let client = client.clone();
        clients.push(Box::new(move || {
            let mut written = Vec::new();
            for object in 0..2 {
                let (key, body) = (format!("{number}/{object}"), content(object, 1500));
                let put = client.put(&key, &body);
                assert!(matches!(put, Ok(_) | Err(Error::Closed)), "{put:?}");
                if put.is_ok() {
                    let found = client.get(&key);
                    assert!(
                        matches!(found, Ok(Some(_)) | Err(_)),
                        "acknowledged, and not there"
                    );
                }
                written.push((key, body, put.is_ok()));
            }
            written
        }));
    }
    for _ in 0..2 {
        let (client, delay) = (client.clone(), below(30));
        clients.push(Box::new(move || {
            (0..delay).for_each(|_| shuttle::thread::yield_now());
            block_on(client.store.close()).unwrap();
            Vec::new()
        }));
    }
    let mut allowed = BTreeMap::new();
    for (key, body, acknowledged) in together(clients).into_iter().flatten() {
        let mut may = vec![Some(body)];
        if !acknowledged {
            may.push(None);
        }
        allowed.insert(key, may);
    }
    nothing_left(&client.store);
    drop(client);
    world.check(&allowed);
}

#[test]
fn bar_10_close() {
    explore("bar_10_close", close_beside_writes);
}
