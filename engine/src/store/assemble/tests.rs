//! The memory that completing an upload takes, and when.

use super::*;
use crate::Stepper;
use crate::format::Geometry;
use crate::id::Id;
use crate::io::sim::SimConfig;
use crate::position::BucketId;
use crate::store::{Attributes, CompletePart, Condition, Options, Store};
use crate::testing::SimStore;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

const MIB: usize = 1 << 20;

fn opened() -> (SimStore, Store, BucketId) {
    let options = Options {
        geometry: Geometry {
            segment_bytes: 8 << 20,
            ..Geometry::default()
        },
        memory_bytes: 16 << 20,
        ..Options::default()
    };
    let mut sim = SimStore::new(11, SimConfig::default(), options);
    sim.open().unwrap();
    let store = sim.store().clone();
    let bucket = sim.block_on(async {
        let tenant = store.create_tenant("one").await.unwrap().id;
        let made = store.create_bucket(tenant, "media", false).await;
        made.unwrap().id
    });
    (sim, store, bucket)
}

/// An upload with parts of these lengths, all durable; and how to complete it.
struct Begun {
    upload: crate::UploadId,
    parts: Vec<CompletePart>,
    content: Vec<u8>,
}

fn begin(sim: &mut SimStore, store: &Store, bucket: BucketId, key: u8, lens: &[usize]) -> Begun {
    sim.block_on(async {
        let name = [b'a' + key];
        let begun = store.create_upload(bucket, &name, Attributes::default());
        let upload = begun.await.unwrap();
        let (mut parts, mut content) = (Vec::new(), Vec::new());
        for (number, len) in (1..).zip(lens) {
            let body: Vec<u8> = (0..*len)
                .map(|at| (at / 7).to_le_bytes()[0] ^ key)
                .collect();
            let len = Some(*len as u64);
            let writer = store.part_writer(bucket, upload, number, len).await;
            let mut writer = writer.unwrap();
            content.extend_from_slice(&body);
            writer.write(body.into()).await.unwrap();
            let staged = writer.finish().await.unwrap();
            let put = store.put_part(bucket, upload, number, staged, Vec::new());
            let etag = put.await.unwrap().etag;
            parts.push(CompletePart { number, etag });
        }
        Begun {
            upload,
            parts,
            content,
        }
    })
}

async fn complete(store: &Store, bucket: BucketId, begun: &Begun) -> Id {
    let none = Condition::None;
    let done = store.complete_upload(bucket, begun.upload, &begun.parts, 0, Vec::new(), none);
    done.await.unwrap().blob
}

/// Polls and steps until neither brings anything.
fn turns<F: Future>(stepper: &mut Stepper, future: &mut Pin<&mut F>) -> Poll<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..20 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Poll::Ready(done);
        }
        while stepper.step() {}
    }
    Poll::Pending
}

/// Parts that become one extent, chained extents, and a list that proves nothing.
fn shapes() -> [(&'static str, Vec<usize>); 3] {
    [
        ("single", vec![500_000, 300_000]),
        ("chained", vec![2 * MIB, 3 * MIB]),
        ("irregular", vec![700_000, 900_000]),
    ]
}

#[test]
fn an_extent_and_the_list_are_granted_before_anything_is_read() {
    for (name, lens) in shapes() {
        let (mut sim, store, bucket) = opened();
        let begun = begin(&mut sim, &store, bucket, 0, &lens);
        sim.settle();
        assert_eq!(store.shared.budget.used(), 0, "{name}");
        let all = 12 * MIB - 12 * MIB / 8;
        let total: usize = lens.iter().sum();
        let extent = total.min(MIB);
        // A block of the extent that is put together, too; and less than a step of 16 KiB for the list.
        let most = extent + if total < MIB { 80 << 10 } else { 16 << 10 };
        let rest = sim.block_on(store.shared.budget.take(Share::Large, all - extent));
        {
            let mut waits = pin!(complete(&store, bucket, &begun));
            let waits = turns(sim.stepper(), &mut waits);
            assert!(waits.is_pending(), "{name} reads without memory");
        }
        drop(rest);
        let rest = sim.block_on(store.shared.budget.take(Share::Large, all - most));
        let mut goes_on = pin!(complete(&store, bucket, &begun));
        let Poll::Ready(id) = turns(sim.stepper(), &mut goes_on) else {
            panic!("{name} waits for more than an extent and the list")
        };
        assert_eq!(id, Id::of(&begun.content), "{name}");
        drop(rest);
        assert_eq!(store.shared.budget.used(), 0, "{name}");
    }
}

#[test]
fn what_is_stored_keeps_its_grant_until_it_is_applied() {
    for (name, lens) in shapes() {
        let (mut sim, store, bucket) = opened();
        let begun = begin(&mut sim, &store, bucket, 0, &lens);
        sim.settle();
        let known = store.parts(bucket, begun.upload, 0, 10);
        let known = sim.block_on(known).unwrap();
        let staged = sim.block_on(assemble(&store.shared, &known)).unwrap();
        assert!(store.shared.budget.used() > 0, "{name}");
        sim.settle();
        assert_eq!(store.shared.budget.used(), 0, "{name}");
        drop(staged);
    }
}

#[test]
fn who_waits_for_a_turn_asks_for_no_memory() {
    let (mut sim, store, bucket) = opened();
    let all: Vec<Begun> = (0..6)
        .map(|key| begin(&mut sim, &store, bucket, key, &[700_000, 900_000]))
        .collect();
    sim.settle();
    let shared = &store.shared;
    let free = u32::try_from(shared.assemblies.available_permits()).unwrap();
    let large = shared.budget.most(Share::Large) * 4;
    let bodies = sim.block_on(shared.budget.take(Share::Large, large));
    let mut waiting: Vec<_> = all
        .iter()
        .map(|begun| Box::pin(complete(&store, bucket, begun)))
        .collect();
    for future in &mut waiting {
        assert!(turns(sim.stepper(), &mut future.as_mut()).is_pending());
    }
    assert!(u64::from(free) < all.len() as u64);
    assert_eq!(shared.budget.waiting(), free.into());
    drop(bodies);
    // The first ones let go of their turns, and the last ones get them.
    for (future, begun) in waiting.iter_mut().zip(&all) {
        let Poll::Ready(id) = turns(sim.stepper(), &mut future.as_mut()) else {
            panic!("one waits for ever")
        };
        assert_eq!(id, Id::of(&begun.content));
    }
    drop(waiting);
    assert_eq!(shared.assemblies.available_permits(), free as usize);
    assert_eq!(shared.budget.used(), 0);
}

#[test]
fn too_large_a_whole_is_refused_before_it_waits_for_anything() {
    let (mut sim, store, _) = opened();
    let shared = &store.shared;
    let large = shared.budget.most(Share::Large) * 4;
    let _bodies = sim.block_on(shared.budget.take(Share::Large, large));
    let part = |size| Part {
        number: 1,
        size,
        etag: String::new(),
        checksums: Vec::new(),
        modified_ms: 0,
        manifest: Id::of(b"none"),
    };
    let limit = shared.geometry.object_max();
    for sizes in [[limit, 1], [u64::MAX, u64::MAX]] {
        let parts = sizes.map(part);
        let mut whole = pin!(assemble(shared, &parts));
        let Poll::Ready(refused) = turns(sim.stepper(), &mut whole) else {
            panic!("it waits for memory")
        };
        assert!(matches!(refused, Err(Error::TooLarge { .. })));
    }
}

#[test]
fn short_objects_do_not_wait_for_long_bodies() {
    let (mut sim, store, bucket) = opened();
    let begun = begin(&mut sim, &store, bucket, 0, &[20_000, 9_000]);
    let large = store.shared.budget.most(Share::Large) * 4;
    let _bodies = sim.block_on(store.shared.budget.take(Share::Large, large));
    let id = sim.block_on(complete(&store, bucket, &begun));
    assert_eq!(id, Id::of(&begun.content));
}

#[test]
fn many_that_share_memory_for_a_few_all_end() {
    let (mut sim, store, bucket) = opened();
    let shapes = shapes();
    let all: Vec<Begun> = (0..12)
        .map(|key| {
            let (_, lens) = &shapes[usize::from(key) % shapes.len()];
            begin(&mut sim, &store, bucket, key, lens)
        })
        .collect();
    // Room for one and a half.
    let large = store.shared.budget.most(Share::Large) * 4;
    let taken = large - 3 * MIB / 2;
    let _bodies = sim.block_on(store.shared.budget.take(Share::Large, taken));
    let mut waiting: Vec<_> = all
        .iter()
        .map(|begun| Some(Box::pin(complete(&store, bucket, begun))))
        .collect();
    let mut done = 0;
    for _ in 0..all.len() * 3 {
        for (future, begun) in waiting.iter_mut().zip(&all) {
            let Some(running) = future else { continue };
            if let Poll::Ready(id) = turns(sim.stepper(), &mut running.as_mut()) {
                assert_eq!(id, Id::of(&begun.content));
                *future = None;
                done += 1;
            }
        }
    }
    assert_eq!(done, all.len());
    assert_eq!(store.shared.budget.used(), taken);
}
