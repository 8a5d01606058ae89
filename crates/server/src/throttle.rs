//! Slows down guessing: failed sign-ins by account, by network and by both; registrations by network.
//!
//! A limit is a burst that refills evenly over a window (the generic cell rate algorithm): whoever has used it up waits for the next
//! part of it, and is not locked out for the whole window.
//!
//! Not here: several servers behind one balancer (each counts for itself).

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use carrel_model::{DeviceId, UserId};

/// At most `burst` events at once, and the same number again over `window_ms`.
pub struct Throttle<K> {
    window_ms: i64,
    interval_ms: i64,
    /// When each key would have its whole burst again.
    full_at: Mutex<HashMap<K, i64>>,
}

/// Past this many keys, those that have their whole burst are dropped; then the half that has used least of it.
const MAX_KEYS: usize = 50_000;

impl<K: Hash + Eq + Clone> Throttle<K> {
    pub fn new(window_ms: i64, burst: u32) -> Self {
        let interval_ms = (window_ms / i64::from(burst.max(1))).max(1);
        Self { window_ms, interval_ms, full_at: Mutex::default() }
    }
    /// Counts one event. `Err(milliseconds to wait)` if the key has used up its burst: then nothing is counted.
    pub fn take(&self, key: K, now_ms: i64) -> Result<(), u64> {
        let mut full_at = self.lock();
        if full_at.len() >= MAX_KEYS && !full_at.contains_key(&key) {
            make_room(&mut full_at, now_ms);
        }
        let at = full_at.entry(key).or_insert(now_ms);
        // A clock that was turned back must not lock anybody out.
        if *at < now_ms || *at > now_ms + 2 * self.window_ms {
            *at = now_ms;
        }
        let next = *at + self.interval_ms;
        let wait = next - now_ms - self.window_ms;
        if wait > 0 {
            return Err(wait.unsigned_abs());
        }
        *at = next;
        Ok(())
    }
    /// Takes one event back: it was no failure.
    pub fn give_back(&self, key: &K) {
        if let Some(at) = self.lock().get_mut(key) {
            *at -= self.interval_ms;
        }
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, i64>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the keys that are closest to their limit. Half of them go at a time, so that this is rare.
fn make_room<K: Hash + Eq>(full_at: &mut HashMap<K, i64>, now_ms: i64) {
    full_at.retain(|_, at| *at > now_ms);
    if full_at.len() >= MAX_KEYS / 2 {
        let mut times: Vec<i64> = full_at.values().copied().collect();
        let (_, median, _) = times.select_nth_unstable(full_at.len() / 2);
        let median = *median;
        full_at.retain(|_, at| *at > median);
    }
}

/// The part of an address that one household or school controls: an IPv4 address, or an IPv6 /64.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// Failed sign-ins are counted over this long.
pub const WINDOW_MS: i64 = 15 * 60_000;
/// Failed sign-ins for one account from all networks, as a multiple of those from one network.
const LOGIN_FACTOR: u32 = 3;
/// Failed sign-ins from one network for all accounts: a class that types its first passwords behind one router.
const NETWORK_FACTOR: u32 = 6;

/// Limits failed sign-ins: for one login from one network, for one login from anywhere, for one network whatever the login. A device
/// on which the learner has signed in before has a limit of its own, so that guesses of others never lock it out.
pub struct SignInLimits {
    both: Throttle<(String, IpAddr)>,
    login: Throttle<String>,
    network: Throttle<IpAddr>,
    device: Throttle<(UserId, DeviceId)>,
}

/// One try that was counted.
pub enum Counted {
    Stranger { login: String, network: IpAddr },
    KnownDevice(UserId, DeviceId),
}

impl SignInLimits {
    /// `attempts`: failed sign-ins for one login from one network in a window.
    pub fn new(attempts: u32) -> Self {
        let attempts = attempts.max(1);
        Self {
            both: Throttle::new(WINDOW_MS, attempts),
            login: Throttle::new(WINDOW_MS, attempts.saturating_mul(LOGIN_FACTOR)),
            network: Throttle::new(WINDOW_MS, attempts.saturating_mul(NETWORK_FACTOR)),
            device: Throttle::new(WINDOW_MS, attempts),
        }
    }
    /// Counts a try as failed; `give_back` if it was not. `known`: the account and the device, if the learner has signed in there.
    pub fn take(
        &self,
        login: String,
        ip: IpAddr,
        known: Option<(UserId, DeviceId)>,
        now_ms: i64,
    ) -> Result<Counted, u64> {
        if let Some((user, device)) = known {
            self.device.take((user, device), now_ms)?;
            return Ok(Counted::KnownDevice(user, device));
        }
        let network = network(ip);
        self.both.take((login.clone(), network), now_ms)?;
        self.login.take(login.clone(), now_ms).inspect_err(|_| {
            self.both.give_back(&(login.clone(), network));
        })?;
        self.network.take(network, now_ms).inspect_err(|_| {
            self.both.give_back(&(login.clone(), network));
            self.login.give_back(&login);
        })?;
        Ok(Counted::Stranger { login, network })
    }
    /// The try was no guess: the password was right, or it was never compared.
    pub fn give_back(&self, counted: Counted) {
        match counted {
            Counted::KnownDevice(user, device) => self.device.give_back(&(user, device)),
            Counted::Stranger { login, network } => {
                self.network.give_back(&network);
                self.login.give_back(&login);
                self.both.give_back(&(login, network));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_refills_evenly_and_survives_a_clock_turned_back() {
        let t = Throttle::new(1_000, 2);
        assert_eq!((t.take("k", 10_000), t.take("k", 10_000)), (Ok(()), Ok(())));
        assert_eq!(t.take("k", 10_100), Err(400));
        assert_eq!(t.take("other", 10_100), Ok(()));
        assert_eq!(t.take("k", 10_500), Ok(()));
        assert!(t.take("k", 10_501).is_err());
        assert_eq!(t.take("k", 1), Ok(()));
        assert_eq!(t.take("k", i64::MAX / 4), Ok(()));
    }

    #[test]
    fn what_was_no_failure_is_given_back() {
        let t = Throttle::new(1_000, 1);
        for now in 0..100 {
            assert_eq!(t.take("k", now), Ok(()));
            t.give_back(&"k");
        }
        assert_eq!(t.take("k", 100), Ok(()));
        assert!(t.take("k", 100).is_err());
    }

    #[test]
    fn many_keys_push_out_those_that_used_least() {
        let t = Throttle::new(1_000_000, 4);
        for _ in 0..4 {
            assert_eq!(t.take(u32::MAX, 0), Ok(()));
        }
        for key in 0..200_000 {
            assert_eq!(t.take(key, 1), Ok(()));
        }
        assert!(t.lock().len() <= MAX_KEYS);
        assert!(t.take(u32::MAX, 1).is_err());
    }

    #[test]
    fn one_network_has_one_key() {
        let of = |ip: &str| network(ip.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
    }
}
