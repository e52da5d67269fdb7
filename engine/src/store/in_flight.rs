//! Content on its way into the log: who comes second with the same bytes attaches to the first.
//!
//! An entry is made before the hash index is asked, so that of two writers with the same new extent exactly one queues
//! it. It goes when the record is applied and the index knows it. A record that refers to an entry is queued only once
//! the entry's own record is queued: so it lies behind it in the log, and is durable only together with it.

use crate::canary::{self, Canary};
use crate::error::Error;
use crate::id::Id;
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Arc, Mutex, Notify};
use std::collections::HashMap;

const CHECKING: u8 = 0;
const QUEUED: u8 = 1;
const DURABLE: u8 = 2;
const FAILED: u8 = 3;

/// One extent or manifest on its way.
#[derive(Debug)]
pub(crate) struct InFlight {
    id: Id,
    map: Arc<InFlightMap>,
    state: AtomicU8,
    failure: Mutex<Option<Error>>,
    md5: Mutex<Option<[u8; 16]>>,
    changed: Notify,
}

impl InFlight {
    /// Notes the MD5 of the content, for those who come with the same.
    pub fn set_md5(&self, md5: [u8; 16]) {
        *self.md5.lock() = Some(md5);
    }

    /// The MD5 of the content, if whoever was first needed it too.
    pub fn md5(&self) -> Option<[u8; 16]> {
        *self.md5.lock()
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Its record is in the log writer's queue.
    pub fn queue(&self) {
        self.set(QUEUED);
    }

    /// Its record is durable and in the index, or was there all along.
    pub fn settle(&self) {
        self.map.remove(self);
        self.set(DURABLE);
    }

    /// Its record will never be durable.
    pub fn fail(&self, error: &Error) {
        self.failure.lock().get_or_insert_with(|| error.clone());
        self.map.remove(self);
        self.set(FAILED);
    }

    /// Why its record will never be durable, if so.
    pub fn failure(&self) -> Option<Error> {
        if self.state.load(Ordering::SeqCst) != FAILED || canary::is(Canary::NameOfRefusedBytes) {
            return None;
        }
        self.failure.lock().clone()
    }

    /// Whether nobody has to wait for it any more.
    pub fn is_over(&self) -> bool {
        self.state.load(Ordering::SeqCst) == DURABLE
    }

    /// Waits until it is decided whether its record is needed, and the record is queued if so.
    pub async fn decided(&self) {
        if canary::is(Canary::NameBeforeBytes) {
            return;
        }
        self.until(|state| state != CHECKING).await;
    }

    /// Waits until its record is durable and in the index, or never will be.
    pub async fn over(&self) {
        self.until(|state| state == DURABLE || state == FAILED)
            .await;
    }

    async fn until(&self, is: impl Fn(u8) -> bool) {
        loop {
            let mut notified = std::pin::pin!(self.changed.notified());
            notified.as_mut().enable();
            if is(self.state.load(Ordering::SeqCst)) {
                return;
            }
            notified.await;
        }
    }
}

/// All content on its way.
#[derive(Debug, Default)]
pub(crate) struct InFlightMap {
    map: Mutex<HashMap<Id, Arc<InFlight>>>,
}

/// Who comes with some bytes is the first, or attaches.
pub(crate) enum Claim {
    /// Nobody else has these bytes on the way: look whether the store knows them, and queue them if not.
    First(First),
    /// Somebody else has.
    Attached(Arc<InFlight>),
}

/// The duty to decide about an entry; dropping it undecided fails the entry.
pub(crate) struct First(Option<Arc<InFlight>>);

impl First {
    /// The store knows the bytes: nothing is on its way.
    pub fn known(mut self) {
        if let Some(entry) = self.0.take() {
            entry.settle();
        }
    }

    /// It cannot be told whether the store knows the bytes.
    pub fn fail(mut self, error: &Error) {
        if let Some(entry) = self.0.take() {
            entry.fail(error);
        }
    }

    /// The bytes go to the log writer, whose item carries the entry on.
    pub fn into_entry(mut self) -> Arc<InFlight> {
        self.0.take().expect("an undecided claim holds its entry")
    }
}

impl Drop for First {
    fn drop(&mut self) {
        if let Some(entry) = self.0.take() {
            entry.fail(&Error::Closed);
        }
    }
}

impl InFlightMap {
    /// Claims an id.
    pub fn claim(self: &Arc<Self>, id: Id) -> Claim {
        let mut map = self.map.lock();
        if let Some(entry) = map.get(&id) {
            return Claim::Attached(Arc::clone(entry));
        }
        let entry = Arc::new(InFlight {
            id,
            map: Arc::clone(self),
            state: AtomicU8::new(CHECKING),
            failure: Mutex::new(None),
            md5: Mutex::new(None),
            changed: Notify::new(),
        });
        map.insert(id, Arc::clone(&entry));
        Claim::First(First(Some(entry)))
    }

    fn remove(&self, entry: &InFlight) {
        let mut map = self.map.lock();
        if map
            .get(&entry.id)
            .is_some_and(|current| std::ptr::eq(&**current, entry))
        {
            map.remove(&entry.id);
        }
    }

    /// How many are on their way.
    #[cfg(any(test, shuttle))]
    pub fn len(&self) -> usize {
        self.map.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_attaches_until_the_first_is_over() {
        let map = Arc::new(InFlightMap::default());
        let id = Id::of(b"x");
        let Claim::First(first) = map.claim(id) else {
            panic!("nobody was there")
        };
        let Claim::Attached(attached) = map.claim(id) else {
            panic!("somebody was there")
        };
        let entry = first.into_entry();
        entry.queue();
        assert!(attached.failure().is_none());
        entry.settle();
        assert!(attached.is_over());
        assert_eq!(map.len(), 0);
    }

    #[test]
    fn a_claim_that_is_dropped_fails() {
        let map = Arc::new(InFlightMap::default());
        let Claim::First(first) = map.claim(Id::of(b"x")) else {
            panic!("nobody was there")
        };
        let Claim::Attached(attached) = map.claim(Id::of(b"x")) else {
            panic!("somebody was")
        };
        drop(first);
        assert!(attached.failure().is_some());
        assert_eq!(map.len(), 0);
    }
}
