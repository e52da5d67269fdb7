//! An upload is completed, given up and added to at once: it ends in one way.

use crate::explore::explore;
use crate::world::{Client, World, content, together};
use bytes::Bytes;
use moraine_engine::{Attributes, CompletePart, Condition, Error, Part, Result, UploadId};
use shuttle::future::block_on;

async fn put_part(client: &Client, upload: UploadId, part: u16, body: &[u8]) -> Result<Part> {
    let (store, bucket) = (&client.store, client.bucket);
    let mut writer = store.part_writer(bucket, upload, part, None).await?;
    writer.write(Bytes::copy_from_slice(body)).await?;
    let staged = writer.finish().await?;
    store
        .put_part(bucket, upload, part, staged, Vec::new())
        .await
}

/// The upload has one part. It is completed with it, aborted, and its part is replaced by the same bytes, at once.
pub fn one_end_of_an_upload() {
    let world = World::new();
    let client = world.client();
    let body = content(7, 1800);
    let begun = client
        .store
        .create_upload(client.bucket, b"key", Attributes::default());
    let upload = block_on(begun).unwrap();
    let part = block_on(put_part(&client, upload, 1, &body)).unwrap();
    let (completing, aborting, adding) = (client.clone(), client.clone(), client.clone());
    let again = body.clone();
    let done = together::<bool>(vec![
        Box::new(move || {
            let parts = [CompletePart {
                number: 1,
                etag: part.etag.clone(),
            }];
            let (bucket, none) = (completing.bucket, Condition::None);
            let store = &completing.store;
            let ended = store.complete_upload(bucket, upload, &parts, 0, Vec::new(), none);
            told(block_on(ended).map(drop))
        }),
        Box::new(move || {
            told(block_on(
                aborting.store.abort_upload(aborting.bucket, upload),
            ))
        }),
        Box::new(move || told(block_on(put_part(&adding, upload, 1, &again)).map(drop))),
    ]);
    let [completed, aborted, _] = done[..] else {
        panic!("three ran")
    };
    assert!(completed != aborted, "it ends, and in one way");
    let found = client.get("key").unwrap();
    assert!(
        found == completed.then_some(body.clone()),
        "the object is there if it was completed"
    );
    assert_eq!(
        client.store.stats().upload_bytes,
        0,
        "no part is left behind"
    );
    world.close(client);
    let client = world.client();
    assert_eq!(client.store.stats().upload_bytes, 0);
    assert!(client.get("key").unwrap() == completed.then_some(body));
    world.close(client);
}

fn told(result: Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(Error::NoSuchUpload) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn bar_10_upload_end() {
    explore("bar_10_upload_end", one_end_of_an_upload);
}
