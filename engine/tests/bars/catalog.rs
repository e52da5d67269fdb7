//! Tenants, access keys and buckets through crashes: whatever was acknowledged is there, and of the change that the crash
//! met either all or nothing. Every change that the disk sees is crashed in every way, with the indexes and without.

use crate::common::crash_modes;
use moraine_engine::io::sim::{CrashMode, SimConfig, SimDisk};
use moraine_engine::testing::{SimStore, options};
use moraine_engine::{Error, Store};
use std::sync::Arc;

/// One change of the catalog.
#[derive(Clone, Copy, Debug)]
enum Step {
    Tenant(&'static str),
    Key(&'static str, &'static str),
    Bucket(&'static str, &'static str),
    PublicRead(&'static str, bool),
    DeleteKey(&'static str),
    /// Whether the old one is kept.
    Rotate(&'static str, bool),
    DeleteBucket(&'static str),
    DeleteTenant(&'static str),
}

/// A history in which everything that can be deleted is, and a name is used again.
const STEPS: [Step; 17] = [
    Step::Tenant("one"),
    Step::Tenant("two"),
    Step::Key("one", "key-1"),
    Step::Key("one", "key-2"),
    Step::Key("two", "key-3"),
    Step::Bucket("one", "media"),
    Step::Bucket("two", "theirs"),
    Step::PublicRead("media", true),
    Step::DeleteKey("key-1"),
    Step::Key("two", "key-1"),
    Step::Rotate("key-2", false),
    Step::Rotate("key-3", true),
    Step::PublicRead("media", false),
    Step::DeleteBucket("media"),
    Step::DeleteTenant("one"),
    Step::Tenant("one"),
    Step::Bucket("one", "media"),
];

const SEED: u64 = 7;

async fn take(store: &Store, step: Step) -> Result<(), Error> {
    let tenant = |name: &str| {
        let mut tenants = store.tenants().into_iter();
        tenants.find(|tenant| tenant.name == name).unwrap().id
    };
    match step {
        Step::Tenant(name) => store.create_tenant(name).await.map(drop),
        Step::Key(owner, key) => {
            let secret = format!("secret of {key} for {owner}");
            let made = store.create_access_key(tenant(owner), Some(key), Some(&secret));
            made.await.map(drop)
        }
        Step::Bucket(owner, name) => {
            let made = store.create_bucket(tenant(owner), name, false);
            made.await.map(drop)
        }
        Step::PublicRead(name, public) => {
            let id = store.bucket(name).unwrap().id;
            store.set_bucket_public_read(id, public).await.map(drop)
        }
        Step::Rotate(key, keep_old) => store.rotate_access_key(key, keep_old).await.map(drop),
        Step::DeleteKey(key) => store.delete_access_key(key).await.map(drop),
        Step::DeleteBucket(name) => {
            let id = store.bucket(name).unwrap().id;
            store.delete_bucket(id).await
        }
        Step::DeleteTenant(name) => store.delete_tenant(tenant(name)).await,
    }
}

/// All of the catalog, as text that compares.
fn seen(store: &Store) -> Vec<String> {
    let mut lines = Vec::new();
    for tenant in store.tenants() {
        let name = &tenant.name;
        lines.push(format!("tenant {name} since {}", tenant.created_ms));
        for key in store.access_keys(tenant.id) {
            let secret = key.secret.expose();
            lines.push(format!("{name} signs with {} and {secret}", key.access_key));
        }
        for bucket in store.buckets(tenant.id) {
            lines.push(format!(
                "{name} owns {} since {}, public {}",
                bucket.name, bucket.created_ms, bucket.public_read
            ));
        }
    }
    lines.sort();
    lines
}

fn opened() -> SimStore {
    let mut sim = SimStore::new(SEED, SimConfig::default(), options(SEED));
    sim.open().unwrap();
    sim
}

/// The catalog before the first step and after each.
fn expected() -> Vec<Vec<String>> {
    let mut sim = opened();
    let mut states = vec![seen(sim.store())];
    for step in STEPS {
        let store = sim.store().clone();
        sim.block_on(take(&store, step)).unwrap();
        states.push(seen(&store));
    }
    states
}

/// Takes steps until the disk stops at its `nth` change from now. Returns how many were acknowledged, or `None` if it
/// never stopped.
fn until_crash(sim: &mut SimStore, nth: u64) -> Option<usize> {
    sim.disk.crash_at(nth);
    for (taken, step) in STEPS.into_iter().enumerate() {
        let store = sim.store().clone();
        if sim.block_on(take(&store, step)).is_err() {
            return Some(taken);
        }
    }
    None
}

/// Opens what survived a crash, with the indexes or without.
fn reopened(disk: Arc<SimDisk>, mode: CrashMode, without_indexes: bool) -> SimStore {
    disk.crash(mode);
    if without_indexes {
        for path in disk.files() {
            if path.starts_with("index/") {
                disk.remove_file(&path).unwrap();
            }
        }
    }
    let mut sim = SimStore::on(disk, SEED, options(SEED));
    sim.open().unwrap();
    sim
}

#[test]
fn a_crash_at_any_change_leaves_what_was_acknowledged_and_all_or_nothing_of_the_rest() {
    let states = expected();
    let (mut crashes, mut kept) = (0, 0);
    for nth in 1.. {
        let mut sim = opened();
        let Some(taken) = until_crash(&mut sim, nth) else {
            break;
        };
        sim.kill();
        let frozen = sim.disk.snapshot();
        for mode in crash_modes(sim.disk.unsynced()) {
            for without_indexes in [false, true] {
                let disk = SimDisk::from_snapshot(&frozen, nth);
                let found = seen(reopened(disk, mode, without_indexes).store());
                let whole = found == states[taken + 1];
                assert!(
                    whole || found == states[taken],
                    "change {nth}, {mode:?}, without indexes {without_indexes}, step {taken} ({:?}): {found:#?}",
                    STEPS[taken]
                );
                crashes += 1;
                kept += u32::from(whole);
            }
        }
    }
    println!("{crashes} crashes; the change that was met survived {kept} of them");
    assert!(crashes > 100 && kept > 0 && kept < crashes);
}

#[test]
fn every_state_survives_a_restart_with_and_without_indexes() {
    let states = expected();
    for (taken, state) in states.iter().enumerate() {
        for without_indexes in [false, true] {
            let mut sim = opened();
            for step in STEPS.into_iter().take(taken) {
                let store = sim.store().clone();
                sim.block_on(take(&store, step)).unwrap();
            }
            sim.kill();
            let disk = Arc::clone(&sim.disk);
            let again = reopened(disk, CrashMode::LoseAll, without_indexes);
            assert_eq!(&seen(again.store()), state, "after {taken} steps");
        }
    }
}

#[test]
fn what_must_not_be_deleted_is_not() {
    let mut sim = opened();
    let store = sim.store().clone();
    let (tenant, bucket) = sim.block_on(async {
        let tenant = store.create_tenant("one").await.unwrap().id;
        let bucket = store
            .create_bucket(tenant, "media", false)
            .await
            .unwrap()
            .id;
        store
            .create_access_key(tenant, Some("key"), None)
            .await
            .unwrap();
        (tenant, bucket)
    });
    sim.block_on(async {
        let refused = store.delete_tenant(tenant).await.unwrap_err();
        assert!(matches!(refused, Error::TenantNotEmpty), "{refused}");
        assert!(store.access_key("key").is_some());
        let again = store.create_tenant("one").await.unwrap_err();
        assert!(matches!(again, Error::TenantExists), "{again}");
        let taken = store.create_access_key(tenant, Some("key"), None).await;
        assert!(matches!(taken.unwrap_err(), Error::AccessKeyExists));
        store.delete_bucket(bucket).await.unwrap();
        store.delete_tenant(tenant).await.unwrap();
        assert!(store.access_key("key").is_none());
        assert!(matches!(
            store.delete_tenant(tenant).await.unwrap_err(),
            Error::NoSuchTenant
        ));
        let gone = store.delete_access_key("key").await.unwrap_err();
        assert!(matches!(gone, Error::NoSuchAccessKey), "{gone}");
        let gone = store
            .set_bucket_public_read(bucket, true)
            .await
            .unwrap_err();
        assert!(matches!(gone, Error::NoSuchBucket), "{gone}");
        let orphan = store
            .create_bucket(tenant, "media", false)
            .await
            .unwrap_err();
        assert!(matches!(orphan, Error::NoSuchTenant), "{orphan}");
    });
}

#[test]
fn at_the_limit_a_key_is_rotated_in_its_place_only() {
    let mut sim = opened();
    let store = sim.store().clone();
    sim.block_on(async {
        let tenant = store.create_tenant("one").await.unwrap().id;
        let first = store.create_access_key(tenant, None, None).await.unwrap();
        while store.create_access_key(tenant, None, None).await.is_ok() {}
        let full = store.access_keys(tenant).len();
        let kept = store.rotate_access_key(&first.access_key, true).await;
        assert!(matches!(kept.unwrap_err(), Error::TooMany { .. }));
        let new = store.rotate_access_key(&first.access_key, false).await;
        let new = new.unwrap();
        assert_eq!(store.access_keys(tenant).len(), full);
        assert_eq!(store.access_key(&new.access_key), Some(new));
        let again = store.rotate_access_key(&first.access_key, false).await;
        assert!(matches!(again.unwrap_err(), Error::NoSuchAccessKey));
    });
}
