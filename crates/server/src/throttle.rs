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
use tokio::sync::Notify;

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
    /// Tries of each network whose password is being compared.
    running: Mutex<HashMap<IpAddr, u32>>,
    ended: Notify,
}

/// A try that counts as failed until it `was_right`.
pub struct Try<'l> {
    limits: &'l SignInLimits,
    network: IpAddr,
    key: Key,
    is_right: bool,
}

#[derive(Clone)]
enum Key {
    Login(String),
    KnownDevice(UserId, DeviceId),
}

impl Try<'_> {
    /// It was no guess: the password was right, or it was never compared.
    pub fn was_right(mut self) {
        self.is_right = true;
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        if self.is_right {
            self.limits.give_back(&self.key, self.network);
        }
        let mut running = self.limits.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.network);
            }
        }
        drop(running);
        self.limits.ended.notify_waiters();
    }
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
            running: Mutex::default(),
            ended: Notify::new(),
        }
    }
    /// Counts a try as failed. At a limit it waits while tries of the same network are under way: they may turn out to be right (a
    /// whole school signs in at once). `Err(milliseconds to wait)` when none is. `known`: the account and the device, if the learner
    /// has signed in there.
    pub async fn begin(
        &self,
        login: String,
        ip: IpAddr,
        known: Option<(UserId, DeviceId)>,
        now_ms: i64,
    ) -> Result<Try<'_>, u64> {
        let network = network(ip);
        let key = known.map_or(Key::Login(login), |(user, device)| Key::KnownDevice(user, device));
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // Registered before the look, so that no end is missed.
            ended.as_mut().enable();
            match self.take(&key, network, now_ms) {
                Ok(()) => {
                    let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                    *running.entry(network).or_default() += 1;
                    return Ok(Try { limits: self, network, key, is_right: false });
                }
                Err(_) if self.is_running(network) => ended.await,
                Err(wait) => return Err(wait),
            }
        }
    }
    fn is_running(&self, network: IpAddr) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&network)
    }
    fn take(&self, key: &Key, network: IpAddr, now_ms: i64) -> Result<(), u64> {
        let login = match key {
            Key::KnownDevice(user, device) => return self.device.take((*user, *device), now_ms),
            Key::Login(login) => login,
        };
        self.both.take((login.clone(), network), now_ms)?;
        self.login.take(login.clone(), now_ms).inspect_err(|_| {
            self.both.give_back(&(login.clone(), network));
        })?;
        self.network.take(network, now_ms).inspect_err(|_| {
            self.both.give_back(&(login.clone(), network));
            self.login.give_back(login);
        })
    }
    fn give_back(&self, key: &Key, network: IpAddr) {
        match key {
            Key::KnownDevice(user, device) => self.device.give_back(&(*user, *device)),
            Key::Login(login) => {
                self.network.give_back(&network);
                self.login.give_back(login);
                self.both.give_back(&(login.clone(), network));
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

    #[tokio::test]
    async fn a_school_that_signs_in_at_once_waits_and_is_not_refused() {
        let limits = SignInLimits::new(1);
        let ip: IpAddr = "192.0.2.1".parse().unwrap();
        let begin = |n: u32| limits.begin(format!("pupil-{n}"), ip, None, 0);
        let mut running = Vec::new();
        for n in 0..NETWORK_FACTOR {
            running.push(begin(n).await.unwrap_or_else(|_| panic!("try {n}")));
        }
        let mut waits = Box::pin(begin(99));
        let is_waiting = tokio::select! {
            biased;
            _ = &mut waits => false,
            () = std::future::ready(()) => true,
        };
        assert!(is_waiting);
        running.remove(0).was_right();
        assert!(waits.await.is_ok());
        // All others were wrong: the next one is refused, and a cancelled try counts as wrong.
        drop(running);
        assert!(begin(100).await.is_err());
        assert!(!limits.is_running(network(ip)));
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
