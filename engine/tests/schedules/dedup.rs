//! The same new bytes come from several clients at once: they are stored once, and no name is there without them.

use crate::explore::explore;
use crate::world::{EXTENT, World, below, content, give_up, together};
use moraine_engine::Condition;
use std::collections::BTreeMap;

/// Clients that bring the same bytes.
const CLIENTS: usize = 3;

/// Three clients store one content; one may give up, and the power may go. Who is told that it is stored reads it at once.
pub fn one_content_from_three_clients() {
    let world = World::new();
    let client = world.client();
    let body = content(1, [700, EXTENT, 2 * EXTENT + 300][below(3) as usize]);
    let crashes = below(2) == 0;
    let polls = if below(2) == 0 {
        1 + below(6)
    } else {
        u64::MAX
    };
    let before = client.store.stats();
    if crashes {
        world.disk.crash_at(1 + below(12));
    }
    let acknowledged = together(
        (0..CLIENTS)
            .map(|number| {
                let (client, body) = (client.clone(), body.clone());
                let polls = if number == 0 { polls } else { u64::MAX };
                let job = move || {
                    let key = format!("key {number}");
                    match give_up(client.put_async(&key, &body, Condition::None), polls) {
                        None => None,
                        Some(Ok(_)) => {
                            match client.get(&key) {
                                Ok(found) => assert!(found.as_ref() == Some(&body), "other bytes"),
                                Err(error) => assert!(crashes, "acknowledged, and {error}"),
                            }
                            Some(true)
                        }
                        Some(Err(error)) => {
                            assert!(crashes && client.is_expected(&error), "{error}");
                            Some(false)
                        }
                    }
                };
                Box::new(job) as Box<dyn FnOnce() -> Option<bool> + Send>
            })
            .collect(),
    );
    if !crashes && polls == u64::MAX {
        let stats = client.store.stats();
        let records = body.len().div_ceil(EXTENT) + usize::from(body.len() > EXTENT);
        let entries = stats.index_entries - before.index_entries;
        assert_eq!(entries, records as u64, "stored once");
        let hits = stats.dedup_hits - before.dedup_hits;
        assert_eq!(
            hits,
            (records * (CLIENTS - 1)) as u64,
            "and known to the others"
        );
    }
    let allowed: BTreeMap<_, _> = acknowledged
        .iter()
        .enumerate()
        .map(|(number, acknowledged)| {
            let mut allowed = vec![Some(body.clone())];
            if *acknowledged != Some(true) {
                allowed.push(None);
            }
            (format!("key {number}"), allowed)
        })
        .collect();
    if crashes {
        world.crash(client);
    } else {
        world.close(client);
    }
    world.check(&allowed);
}

#[test]
fn bar_10_dedup() {
    explore("bar_10_dedup", one_content_from_three_clients);
}
