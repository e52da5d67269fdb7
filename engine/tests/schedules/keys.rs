//! One key, several writers, some of whom give up: conditions hold, and the newest version wins.

use crate::explore::explore;
use crate::world::{Client, World, below, content, give_up, together};
use moraine_engine::{Condition, Error, Version};
use shuttle::future::block_on;

const KEY: &str = "key";

enum End {
    Stored,
    Refused,
    GaveUp,
}

/// Four clients, each of whom wants to be the first to make the key; one or two may give up. At most one is told that it was;
/// who is refused was preceded by somebody.
pub fn one_is_first() {
    let world = World::new();
    let client = world.client();
    let ends = together(
        (0..4_u64)
            .map(|number| {
                let client = client.clone();
                let polls = if number < 2 && below(2) == 0 {
                    1 + below(6)
                } else {
                    u64::MAX
                };
                let job = move || {
                    let body = content(number, 300);
                    let put = client.put_async(KEY, &body, Condition::IfAbsent);
                    match give_up(put, polls) {
                        None => End::GaveUp,
                        Some(Ok(_)) => End::Stored,
                        Some(Err(Error::PreconditionFailed)) => End::Refused,
                        Some(Err(error)) => panic!("{error}"),
                    }
                };
                Box::new(job) as Box<dyn FnOnce() -> End + Send>
            })
            .collect(),
    );
    let found = client.get(KEY).unwrap();
    let holder = (0..4).find(|number| found == Some(content(*number, 300)));
    let stored: Vec<u64> = (0..)
        .zip(&ends)
        .filter(|(_, end)| matches!(end, End::Stored))
        .map(|(number, _)| number)
        .collect();
    assert!(stored.len() <= 1, "two were first: {stored:?}");
    let refused = ends.iter().any(|end| matches!(end, End::Refused));
    assert!(
        holder.is_some() || !refused,
        "refused for a key that is not there"
    );
    match (stored.first(), holder) {
        (Some(stored), holder) => {
            assert_eq!(holder, Some(*stored), "who was first was overwritten")
        }
        (None, Some(holder)) => {
            let end = usize::try_from(holder).ok().and_then(|at| ends.get(at));
            assert!(matches!(end, Some(End::GaveUp)), "who was refused is there");
        }
        (None, None) => {}
    }
    world.close(client);
}

/// Reads beside the overwrites.
const READS: usize = 4;

/// Overwrites and deletions of one key, and somebody who reads it meanwhile: whose overwrite is acknowledged never sees an
/// older version again, and what is there in the end is what the newest acknowledged version says.
pub fn the_newest_wins() {
    let world = World::new();
    let client = world.client();
    client.put(KEY, &content(99, 300)).unwrap();
    let reading = client.clone();
    let reader = shuttle::thread::spawn(move || {
        (0..READS).for_each(|_| {
            seen(&reading);
        });
    });
    let versions = together(
        (0..3_u64)
            .map(|number| {
                let client = client.clone();
                let job = move || {
                    let object = client.put(KEY, &content(number, 300)).unwrap();
                    assert!(seen(&client) >= object.version, "an older version is back");
                    (object.version, number)
                };
                Box::new(job) as Box<dyn FnOnce() -> (Version, u64) + Send>
            })
            .collect(),
    );
    reader.join().unwrap();
    let newest = versions.iter().max().unwrap().1;
    assert!(
        client.get(KEY).unwrap() == Some(content(newest, 300)),
        "an older version won"
    );
    let deleted = together(
        (0..2)
            .map(|_| {
                let client = client.clone();
                let job = move || {
                    let (bucket, key) = (client.bucket, KEY.as_bytes());
                    block_on(client.store.delete(bucket, key, Condition::None)).unwrap()
                };
                Box::new(job) as Box<dyn FnOnce() -> bool + Send>
            })
            .collect(),
    );
    assert_eq!(deleted.iter().filter(|deleted| **deleted).count(), 1);
    assert!(client.get(KEY).unwrap().is_none(), "deleted, and there");
    world.close(client);
}

/// The version of the key, which is only overwritten and so always there.
fn seen(client: &Client) -> Version {
    let object = block_on(client.store.head(client.bucket, KEY.as_bytes()));
    object.unwrap().version
}

#[test]
fn bar_10_first_writer() {
    explore("bar_10_first_writer", one_is_first);
}

#[test]
fn bar_10_newest_version() {
    explore("bar_10_newest_version", the_newest_wins);
}
