//! One lock per name that is being changed, held from the check of its condition until the change is applied.
//!
//! So conditional writes see every earlier write, and a reader who finds no name can wait for one that the log writer
//! already holds. Locks exist while somebody holds or waits for them.

use crate::format::NameKey;
use crate::sync::{Arc, AsyncRwLock, Mutex, OwnedRwLockReadGuard, OwnedRwLockWriteGuard};
use std::collections::HashMap;

type Lock = Arc<AsyncRwLock<()>>;

/// The locks.
#[derive(Debug, Default)]
pub(crate) struct KeyLocks {
    map: Arc<Mutex<HashMap<NameKey, Lock>>>,
}

/// Holds a name's lock, alone or shared.
#[derive(Debug)]
pub(crate) struct KeyGuard {
    map: Arc<Mutex<HashMap<NameKey, Lock>>>,
    key: NameKey,
    held: Option<Held>,
}

#[derive(Debug)]
enum Held {
    Alone { _guard: OwnedRwLockWriteGuard<()> },
    Shared { _guard: OwnedRwLockReadGuard<()> },
}

impl KeyLocks {
    fn entry(&self, key: &NameKey) -> Lock {
        Arc::clone(self.map.lock().entry(key.clone()).or_default())
    }

    /// A guard that holds nothing yet: made before waiting, so that giving up cleans up too.
    fn empty_guard(&self, key: &NameKey) -> KeyGuard {
        KeyGuard {
            map: Arc::clone(&self.map),
            key: key.clone(),
            held: None,
        }
    }

    /// Waits to hold a name alone.
    pub async fn write(&self, key: &NameKey) -> KeyGuard {
        let mut guard = self.empty_guard(key);
        guard.held = Some(Held::Alone {
            _guard: self.entry(key).write_owned().await,
        });
        guard
    }

    /// Waits to share a name with others that only need it to stay.
    pub async fn read(&self, key: &NameKey) -> KeyGuard {
        let mut guard = self.empty_guard(key);
        guard.held = Some(Held::Shared {
            _guard: self.entry(key).read_owned().await,
        });
        guard
    }

    /// How many names are being changed.
    #[cfg(shuttle)]
    pub fn len(&self) -> usize {
        self.map.lock().len()
    }

    /// Whether somebody is changing this name, or wants to.
    pub fn is_busy(&self, key: &NameKey) -> bool {
        self.map.lock().contains_key(key)
    }
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        self.held = None;
        let mut map = self.map.lock();
        // One reference is the map's own: nobody else holds or waits.
        if map
            .get(&self.key)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            map.remove(&self.key);
        }
    }
}
