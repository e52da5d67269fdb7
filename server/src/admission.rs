//! Who may have a connection: a bound in all and one per address, and who gives way when there is no room. No sockets.
//!
//! When all places are taken, the connection that has waited longest for a request of its client makes room: one that never
//! sent a whole head, or one kept alive. So strangers who hold connections open cost a client who comes to work nothing,
//! and a connection with a request in it is never cut off for another. Who connected within the last second is spared, or a
//! flood would push out the clients that it should not reach. Where nobody waits, a new connection waits a moment for a
//! place, then is refused.
//!
//! A reverse proxy is one address for all the clients behind it, so proxies are not counted by address. An IPv6 client has
//! a /64 to itself, which counts as one address.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a connection that waits for its client is spared: several round trips around the world, so that a client who
/// just connected can send its request.
const SPARED: Duration = Duration::from_secs(1);
/// How long a new connection waits for a place, counted from when there was none: shorter than clients wait for an answer.
const ROOM_WAIT: Duration = Duration::from_secs(1);
/// How long a connection that was told to make room may take, before another one is told.
const LEAVE_WAIT: Duration = Duration::from_millis(50);

/// The bits of an IPv6 address that its owner chooses freely.
const IPV6_HOST_BITS: u128 = u64::MAX as u128;

/// Why a connection was not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Its address has as many as one may have.
    Address,
    /// There is no room for anyone.
    Total,
}

/// Lets connections in.
pub struct Admission {
    total: usize,
    per_address: usize,
    proxies: Vec<IpAddr>,
    state: Mutex<State>,
    left: Notify,
}

#[derive(Default)]
struct State {
    open: usize,
    by_address: HashMap<IpAddr, usize>,
    /// By turn, the oldest first.
    waiting: BTreeMap<u64, Waiting>,
    last_turn: u64,
    full_since: Option<Instant>,
}

struct Waiting {
    since: Instant,
    leave: Arc<Leave>,
}

/// Tells a connection to make room.
#[derive(Default)]
struct Leave {
    /// The turn that was told, so that a request which came first is not cut off.
    turn: AtomicU64,
    told: Notify,
}

/// What to do about a connection when all places are taken.
#[derive(PartialEq, Eq, Debug)]
enum Full {
    /// Look again at that time, or when a connection has left.
    LookAgain(Instant),
    Refuse,
}

impl Admission {
    /// Lets in `total` connections at once, and `per_address` of one address (0: any number) unless it is one of `proxies`.
    pub fn new(total: usize, per_address: usize, proxies: &[IpAddr]) -> Arc<Self> {
        Arc::new(Self {
            total,
            per_address,
            proxies: proxies.iter().map(IpAddr::to_canonical).collect(),
            state: Mutex::default(),
            left: Notify::new(),
        })
    }

    /// Lets a connection of `peer` in, if there is a place for it.
    pub async fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Refused> {
        let address = self.counted(peer);
        loop {
            let again = {
                let mut state = self.state();
                if let Some(address) = address
                    && state.by_address.get(&address).copied().unwrap_or(0) >= self.per_address
                {
                    return Err(Refused::Address);
                }
                if state.open < self.total {
                    state.full_since = None;
                    state.open += 1;
                    if let Some(address) = address {
                        *state.by_address.entry(address).or_default() += 1;
                    }
                    return Ok(Place::new(Arc::clone(self), address));
                }
                match state.make_room(Instant::now()) {
                    Full::Refuse => return Err(Refused::Total),
                    Full::LookAgain(at) => at,
                }
            };
            let _ = tokio::time::timeout_at(again, self.left.notified()).await;
        }
    }

    /// What `peer` is counted as, if it is counted.
    fn counted(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        if self.per_address == 0 || self.proxies.contains(&peer) {
            return None;
        }
        Some(match peer {
            IpAddr::V4(_) => peer,
            IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & !IPV6_HOST_BITS).into(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn make_room(&mut self, now: Instant) -> Full {
        let give_up = *self.full_since.get_or_insert(now) + ROOM_WAIT;
        let Some((turn, oldest)) = self.waiting.first_key_value() else {
            return if now < give_up {
                Full::LookAgain(give_up)
            } else {
                Full::Refuse
            };
        };
        let (turn, spared_until) = (*turn, oldest.since + SPARED);
        if spared_until <= now {
            oldest.leave.turn.store(turn, Ordering::Release);
            oldest.leave.told.notify_one();
            self.waiting.remove(&turn);
            return Full::LookAgain(now + LEAVE_WAIT);
        }
        if now < give_up {
            Full::LookAgain(give_up.min(spared_until))
        } else {
            Full::Refuse
        }
    }
}

/// The place of one connection, until it is dropped. It waits for its client from the start.
pub struct Place {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
    /// 0 while a request is served.
    turn: AtomicU64,
    asked: AtomicBool,
    leave: Arc<Leave>,
}

impl Place {
    fn new(admission: Arc<Admission>, address: Option<IpAddr>) -> Self {
        Self {
            admission,
            address,
            turn: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            leave: Arc::default(),
        }
    }

    /// From now on the connection waits for its client.
    pub fn wait(&self) {
        self.stop_waiting();
        let mut state = self.admission.state();
        state.last_turn += 1;
        let turn = state.last_turn;
        let waiting = Waiting {
            since: Instant::now(),
            leave: Arc::clone(&self.leave),
        };
        state.waiting.insert(turn, waiting);
        self.turn.store(turn, Ordering::Release);
    }

    /// A request came: the connection is left alone until what is returned is dropped.
    pub fn serve(self: &Arc<Self>) -> Serving {
        self.asked.store(true, Ordering::Release);
        self.stop_waiting();
        Serving(Arc::clone(self))
    }

    /// Whether a request ever came.
    pub fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Ends when the connection is to make room, and still waits for its client.
    pub async fn told_to_leave(&self) {
        loop {
            self.leave.told.notified().await;
            let turn = self.turn.load(Ordering::Acquire);
            if turn != 0 && turn == self.leave.turn.load(Ordering::Acquire) {
                return;
            }
        }
    }

    fn stop_waiting(&self) {
        let turn = self.turn.swap(0, Ordering::AcqRel);
        if turn != 0 {
            self.admission.state().waiting.remove(&turn);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stop_waiting();
        let mut state = self.admission.state();
        state.open = state.open.saturating_sub(1);
        if let Some(address) = self.address
            && let Some(count) = state.by_address.get_mut(&address)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.by_address.remove(&address);
            }
        }
        drop(state);
        self.admission.left.notify_one();
    }
}

/// A request is being served.
pub struct Serving(Arc<Place>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    async fn waiting(admission: &Arc<Admission>, peer: &str) -> Arc<Place> {
        let place = Arc::new(admission.admit(ip(peer)).await.unwrap());
        place.wait();
        place
    }

    #[tokio::test]
    async fn an_address_has_a_bound_of_its_own() {
        let admission = Admission::new(100, 2, &[ip("127.0.0.1")]);
        let first = admission.admit(ip("192.0.2.1")).await.unwrap();
        let _second = admission.admit(ip("::ffff:192.0.2.1")).await.unwrap();
        let third = admission.admit(ip("192.0.2.1")).await;
        assert_eq!(third.err(), Some(Refused::Address));
        let _other = admission.admit(ip("192.0.2.2")).await.unwrap();
        drop(first);
        assert!(admission.admit(ip("192.0.2.1")).await.is_ok());
    }

    #[tokio::test]
    async fn an_ipv6_network_is_one_address() {
        let admission = Admission::new(100, 1, &[]);
        let _first = admission.admit(ip("2001:db8:0:1::1")).await.unwrap();
        let same = admission.admit(ip("2001:db8:0:1:ffff::2")).await;
        assert_eq!(same.err(), Some(Refused::Address));
        assert!(admission.admit(ip("2001:db8:0:2::1")).await.is_ok());
    }

    #[tokio::test]
    async fn proxies_and_no_bound_are_not_counted() {
        for admission in [
            Admission::new(100, 1, &[ip("::ffff:127.0.0.1")]),
            Admission::new(100, 0, &[]),
        ] {
            let mut places = Vec::new();
            for _ in 0..5 {
                places.push(admission.admit(ip("127.0.0.1")).await.unwrap());
            }
            assert!(admission.state().by_address.is_empty());
        }
    }

    #[tokio::test]
    async fn nothing_is_remembered_of_who_left() {
        let admission = Admission::new(100, 10, &[]);
        for last in 0..50 {
            let place = waiting(&admission, &format!("192.0.2.{last}")).await;
            drop(place.serve());
        }
        let state = admission.state();
        assert!(state.by_address.is_empty() && state.waiting.is_empty());
        assert_eq!(state.open, 0);
    }

    /// Fills `admission` with places that wait, and returns when the first of them began to.
    async fn full(admission: &Arc<Admission>) -> (Vec<Arc<Place>>, Instant) {
        let mut places = Vec::new();
        for _ in 0..admission.total {
            places.push(waiting(admission, "192.0.2.1").await);
        }
        let since = admission.state().waiting.values().next().unwrap().since;
        (places, since)
    }

    async fn told(place: &Place) -> bool {
        let told = tokio::time::timeout(Duration::from_millis(20), place.told_to_leave());
        told.await.is_ok()
    }

    #[tokio::test]
    async fn the_one_that_waited_longest_makes_room() {
        let admission = Admission::new(3, 0, &[]);
        let (places, since) = full(&admission).await;
        // The first comes back from a request and has waited less than the others.
        drop(places[0].serve());
        let later = since + SPARED * 2;
        assert_eq!(
            admission.state().make_room(later),
            Full::LookAgain(later + LEAVE_WAIT)
        );
        assert!(told(&places[1]).await && !told(&places[0]).await && !told(&places[2]).await);
    }

    #[tokio::test]
    async fn a_place_that_is_left_is_taken_at_once() {
        let admission = Admission::new(1, 0, &[]);
        let (places, _) = full(&admission).await;
        let other = Arc::clone(&admission);
        let admitted = tokio::spawn(async move { other.admit(ip("192.0.2.2")).await.is_ok() });
        tokio::task::yield_now().await;
        drop(places);
        assert!(admitted.await.unwrap());
        assert!(admission.state().full_since.is_none());
    }

    #[tokio::test]
    async fn who_serves_is_never_told_to_leave() {
        let admission = Admission::new(1, 0, &[]);
        let (places, since) = full(&admission).await;
        let _serving = places[0].serve();
        let later = since + SPARED * 5;
        let room = |at| admission.state().make_room(at);
        assert_eq!(room(later), Full::LookAgain(later + ROOM_WAIT));
        assert_eq!(room(later + ROOM_WAIT), Full::Refuse);
        assert!(!told(&places[0]).await);
    }

    #[tokio::test]
    async fn a_request_that_comes_first_is_served() {
        let admission = Admission::new(1, 0, &[]);
        let (places, since) = full(&admission).await;
        admission.state().make_room(since + SPARED);
        // Told by now; but the request is here, and what was told is void.
        drop(places[0].serve());
        assert!(!told(&places[0]).await);
    }

    #[tokio::test]
    async fn who_just_connected_is_spared() {
        let admission = Admission::new(1, 0, &[]);
        let (places, since) = full(&admission).await;
        let soon = since + SPARED / 2;
        assert_eq!(
            admission.state().make_room(soon),
            Full::LookAgain(since + SPARED)
        );
        assert!(!told(&places[0]).await);
        admission.state().make_room(since + SPARED);
        assert!(told(&places[0]).await);
    }
}
