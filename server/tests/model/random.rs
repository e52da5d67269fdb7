//! Random requests against the model, on one server: worlds that change with every request that is granted.
//!
//! `MORAINE_SEED` runs one world only, that of a failure; `MORAINE_SEED_BASE` begins elsewhere; `MORAINE_TEST_SCALE` runs
//! more or fewer worlds.

use crate::generate::Generator;
use crate::server::TestServer;
use crate::world::World;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const WORLDS: u64 = 100;
const REQUESTS: u64 = 1_000;
/// Worlds that run at once: their writes share syncs.
const AT_ONCE: usize = 8;
/// Requests between comparisons of everything.
const COMPARE_EVERY: u64 = 100;

type Counts = BTreeMap<(String, bool), u64>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_requests() {
    let (first, count) = match number("MORAINE_SEED") {
        Some(seed) => (seed, 1),
        None => (number("MORAINE_SEED_BASE").unwrap_or(0), scaled(WORLDS)),
    };
    let server = Arc::new(TestServer::start().await);
    let next = Arc::new(AtomicU64::new(first));
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (server, next) = (Arc::clone(&server), Arc::clone(&next));
            tokio::spawn(async move {
                let mut counts = Counts::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return Ok(counts);
                    }
                    world(&server, seed, &mut counts)
                        .await
                        .map_err(|what| (seed, what))?;
                }
            })
        })
        .collect();
    let mut counts = Counts::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(some) => some
                .into_iter()
                .for_each(|(name, more)| *counts.entry(name).or_default() += more),
            Err((seed, what)) => panic!(
                "seed {seed}: {what}\n  repeat: MORAINE_SEED={seed} cargo test --workspace --all-features \
                 --test model random_requests -- --nocapture"
            ),
        }
    }
    println!(
        "seeds {first} to {}: {} requests",
        first + count - 1,
        counts.values().sum::<u64>()
    );
    println!("{:26} {:>7} {:>7}", "", "granted", "refused");
    let names: std::collections::BTreeSet<_> = counts.keys().map(|(name, _)| name).collect();
    for name in &names {
        let of = |refused| {
            counts
                .get(&((*name).clone(), refused))
                .copied()
                .unwrap_or(0)
        };
        println!("{name:26} {:>7} {:>7}", of(false), of(true));
        if count >= 10 {
            assert!(
                of(true) >= count && (*name == "Unknown" || of(false) >= count / 4),
                "{name} came too seldom"
            );
        }
    }
}

/// One world from its beginning to its end.
async fn world(server: &TestServer, seed: u64, counts: &mut Counts) -> Result<(), String> {
    let mut world = World::furnished(server, seed).await;
    let mut generator = Generator::new(seed);
    for turn in 1..=REQUESTS {
        generator.operator(&mut world).await;
        let ask = generator.ask(&world);
        world.ask(&ask).await?;
        if turn % COMPARE_EVERY == 0 {
            world.compare().await?;
        }
    }
    for (name, more) in std::mem::take(&mut world.counts) {
        *counts.entry(name).or_default() += more;
    }
    Ok(())
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
    )
}

/// A figure of CI times `MORAINE_TEST_SCALE`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a figure of a test"
)]
fn scaled(count: u64) -> u64 {
    let scale: f64 = std::env::var("MORAINE_TEST_SCALE").map_or(1.0, |text| text.parse().unwrap());
    (count as f64 * scale).ceil() as u64
}
