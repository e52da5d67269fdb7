//! A bucket is deleted while clients put into it: whoever is told that it was done first makes the other impossible.

use crate::explore::explore;
use crate::world::{World, content, together};
use moraine_engine::{Attributes, Error};
use shuttle::future::block_on;

/// An object, an upload and the end of the bucket: the bucket ends, or something is in it, never both.
pub fn the_end_of_a_bucket() {
    let world = World::new();
    let client = world.client();
    let (putting, beginning, ending) = (client.clone(), client.clone(), client.clone());
    let done = together::<bool>(vec![
        Box::new(move || match putting.put("key", &content(1, 1500)) {
            Ok(_) => true,
            Err(Error::NoSuchBucket) => false,
            Err(error) => panic!("{error}"),
        }),
        Box::new(move || {
            let attributes = Attributes::default();
            let begun = beginning
                .store
                .create_upload(beginning.bucket, b"key", attributes);
            match block_on(begun) {
                Ok(_) => true,
                Err(Error::NoSuchBucket) => false,
                Err(error) => panic!("{error}"),
            }
        }),
        Box::new(
            move || match block_on(ending.store.delete_bucket(ending.bucket)) {
                Ok(()) => true,
                Err(Error::BucketNotEmpty) => false,
                Err(error) => panic!("{error}"),
            },
        ),
    ]);
    let [put, _, ended] = done[..] else {
        panic!("three ran")
    };
    assert!(
        !(put && ended),
        "an object was acknowledged in a bucket that ended"
    );
    assert!(put || ended, "one of them was first");
    assert_eq!(client.store.bucket("media").is_none(), ended);
    world.close(client);
    let client = world.client();
    assert_eq!(client.get("key").unwrap().is_some(), put);
    world.close(client);
}

#[test]
fn bar_10_bucket_end() {
    explore("bar_10_bucket_end", the_end_of_a_bucket);
}
