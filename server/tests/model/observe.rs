//! Reads from the engine, past the server, what there is, and compares it with the model.

use crate::state::Object;
use crate::world::World;
use moraine_engine::{Acl, ListEntry, ListQuery, ListStart};
use std::collections::BTreeMap;

/// The keys of a bucket with what is known without reading the bytes; none if there is no such bucket.
pub async fn bucket(world: &World, name: &str) -> Result<(), String> {
    let expected = world.model.buckets.get(name);
    let Some(found) = world.store.bucket(name) else {
        return match expected {
            None => Ok(()),
            Some(_) => Err(format!("the bucket {name} is gone")),
        };
    };
    let Some(expected) = expected else {
        return Err(format!("there is a bucket {name}"));
    };
    if (found.tenant, found.public_read) != (world.tenants[expected.tenant], expected.public) {
        return Err(format!("the bucket {name} is {found:?}"));
    }
    let query = ListQuery {
        prefix: vec![],
        delimiter: vec![],
        start: ListStart::First,
        limit: 1_000,
    };
    let page = world.store.list(found.id, query).await.unwrap();
    let found: BTreeMap<String, (u64, String, bool)> = page.entries.into_iter().map(line).collect();
    let of = |object: &Object| {
        (
            object.bytes.len() as u64,
            object.etag.clone(),
            object.public,
        )
    };
    let expected = expected
        .objects
        .iter()
        .map(|(key, object)| (key.clone(), of(object)))
        .collect();
    differ(&format!("the objects of {name}"), &found, &expected)
}

fn line(entry: ListEntry) -> (String, (u64, String, bool)) {
    let ListEntry::Object(object) = entry else {
        unreachable!("a listing without delimiter has no prefixes")
    };
    let public = object.attributes.acl == Acl::PublicRead;
    (
        String::from_utf8(object.key).unwrap(),
        (object.size, object.etag, public),
    )
}

/// The open uploads of a bucket and their parts.
pub async fn uploads(world: &World, name: &str) -> Result<(), String> {
    let Some(bucket) = world.store.bucket(name) else {
        return Ok(());
    };
    let mut found = BTreeMap::new();
    for upload in world.store.uploads(bucket.id, None, 1_000).await.unwrap() {
        let parts = world
            .store
            .parts(bucket.id, upload.id, 0, 1_000)
            .await
            .unwrap();
        let parts: Vec<(u16, u64)> = parts.iter().map(|part| (part.number, part.size)).collect();
        let number = world.upload_number(&upload.id.to_string());
        found.insert(number, (String::from_utf8(upload.key).unwrap(), parts));
    }
    let mut expected = BTreeMap::new();
    for (number, upload) in world.model.uploads.iter().enumerate() {
        if upload.open && upload.at.bucket == name {
            let parts = upload
                .parts
                .iter()
                .map(|(number, part)| (*number, part.len() as u64));
            expected.insert(Some(number), (upload.at.key.clone(), parts.collect()));
        }
    }
    differ(&format!("the uploads in {name}"), &found, &expected)
}

/// Which tenant has which buckets.
pub fn catalog(world: &World) -> Result<(), String> {
    for (tenant, id) in world.tenants.iter().enumerate() {
        let found: Vec<String> = world
            .store
            .buckets(*id)
            .into_iter()
            .map(|it| it.name)
            .collect();
        let own = world
            .model
            .buckets
            .iter()
            .filter(|(_, it)| it.tenant == tenant);
        let expected = own.map(|(name, _)| name.clone()).collect();
        differ(
            &format!("the buckets of tenant {tenant}"),
            &found,
            &expected,
        )?;
    }
    Ok(())
}

fn differ<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &T,
    expected: &T,
) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what} are {found:?}, expected {expected:?}")),
    }
}
