//! More uploads than memory: none waits for good, and all memory comes back, whoever gives up while waiting.

use crate::explore::explore;
use crate::world::{World, below, content, give_up, together};
use moraine_engine::Condition;

/// The budget of [`World::new`] holds four steps of large bodies; so many uploads want two or three each.
const UPLOADS: u64 = 7;

/// Uploads that arrive in small pieces, some of whom give up, in less memory than they want.
pub fn uploads_beside_each_other() {
    let world = World::new();
    let client = world.client();
    let ended = together(
        (0..UPLOADS)
            .map(|number| {
                let client = client.clone();
                let polls = if number % 3 == 0 {
                    1 + below(8)
                } else {
                    u64::MAX
                };
                // Longer than what draws on the share of small bodies.
                let body = content(number % 3, 66 * 1024 + 100);
                let job = move || {
                    let key = number.to_string();
                    let put = client.put_async(&key, &body, Condition::None);
                    give_up(put, polls).map(Result::unwrap).is_some()
                };
                Box::new(job) as Box<dyn FnOnce() -> bool + Send>
            })
            .collect(),
    );
    assert!(ended.iter().filter(|ended| **ended).count() >= 4);
    world.close(client);
}

#[test]
fn bar_10_budget() {
    explore("bar_10_budget", uploads_beside_each_other);
}
