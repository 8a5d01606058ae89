//! Rate limits: failed sign-ins by login, by network and by both, against password guessing; registrations by network;
//! requests to routes by learner or network.
//!
//! A limit is a burst that refills evenly over a window (the generic cell rate algorithm): after using it up, a client
//! waits for the next event of the burst, not for the whole window. The counters are behind a trait, so that several
//! processes can share them; `LocalRateLimiter` counts in one process. (The crate `governor` cannot refund an event and
//! does not support a clock that is set back.)

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use carrel_model::{DeviceId, UserId};
use tokio::sync::Notify;

/// What is left of the burst of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Number of further events at once.
    pub remaining: u32,
    /// Time until the burst is full, in ms.
    pub full_in_ms: u64,
}

/// Counts events by key.
#[async_trait]
pub trait RateLimiter: Send + Sync + 'static {
    /// Counts an event. If the burst of the key is used up, does not count it and returns `Err(milliseconds to wait)`.
    async fn take(&self, key: &str, now_ms: i64) -> Result<Allowance, u64>;
    /// Removes a counted event, because it was not a failure. Does not block.
    fn refund(&self, key: &str);
}

/// Creates limiters that allow `burst` events of one key at once and refill over `window_ms`. `name` identifies the
/// limiter.
pub trait RateLimiters: Send + Sync + 'static {
    fn limiter(&self, name: &'static str, window_ms: i64, burst: u32) -> Box<dyn RateLimiter>;
}

/// Creates limiters that count in the memory of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalRateLimiters;

impl RateLimiters for LocalRateLimiters {
    fn limiter(&self, _: &'static str, window_ms: i64, burst: u32) -> Box<dyn RateLimiter> {
        Box::new(LocalRateLimiter::new(window_ms, burst))
    }
}

/// A limiter of `LocalRateLimiters`.
pub struct LocalRateLimiter {
    window_ms: i64,
    interval_ms: i64,
    /// By key: the time at which its burst is full.
    full_at: Mutex<HashMap<String, i64>>,
}

/// At this number of keys, keys with a full burst are removed, then the half of the others that has used least of it.
const MAX_KEYS: usize = 50_000;

impl LocalRateLimiter {
    pub fn new(window_ms: i64, burst: u32) -> Self {
        let interval_ms = (window_ms / i64::from(burst.max(1))).max(1);
        Self { window_ms, interval_ms, full_at: Mutex::default() }
    }
    fn count(&self, key: &str, now_ms: i64) -> Result<Allowance, u64> {
        let mut full_at = self.lock();
        if full_at.len() >= MAX_KEYS && !full_at.contains_key(key) {
            evict_keys(&mut full_at, now_ms);
        }
        let at = full_at.entry(key.to_owned()).or_insert(now_ms);
        // The burst is full again, or the clock was set back, which must not block the key.
        if *at < now_ms || *at > now_ms + 2 * self.window_ms {
            *at = now_ms;
        }
        let next = *at + self.interval_ms;
        let wait = next - now_ms - self.window_ms;
        if wait > 0 {
            return Err(wait.unsigned_abs());
        }
        *at = next;
        let remaining = (-wait / self.interval_ms).clamp(0, u32::MAX.into()) as u32;
        Ok(Allowance { remaining, full_in_ms: (next - now_ms).unsigned_abs() })
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, i64>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RateLimiter for LocalRateLimiter {
    async fn take(&self, key: &str, now_ms: i64) -> Result<Allowance, u64> {
        self.count(key, now_ms)
    }
    fn refund(&self, key: &str) {
        if let Some(at) = self.lock().get_mut(key) {
            *at -= self.interval_ms;
        }
    }
}

/// Removes the keys that are farthest from their limit; about half of all, so that this is rarely needed.
fn evict_keys(full_at: &mut HashMap<String, i64>, now_ms: i64) {
    full_at.retain(|_, at| *at > now_ms);
    if full_at.len() >= MAX_KEYS / 2 {
        let mut times: Vec<i64> = full_at.values().copied().collect();
        let (_, median, _) = times.select_nth_unstable(full_at.len() / 2);
        let median = *median;
        full_at.retain(|_, at| *at > median);
    }
}

/// Returns the network of an address, which one household or school controls: the IPv4 address, or the IPv6 /64.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// A limit of requests. Routes that share a limit are counted together.
#[derive(Debug, PartialEq, Eq)]
pub struct RouteLimit {
    pub name: &'static str,
    pub requests: u32,
    pub window_ms: i64,
}

impl RouteLimit {
    /// Requests of a learner to the routes of the learner.
    pub const REQUESTS: Self = Self { name: "requests", requests: 100, window_ms: 60_000 };
    /// Requests of a learner, or of a network without a sign-in, to the catalogue.
    pub const COURSES: Self = Self { name: "courses", requests: 1_000, window_ms: 15 * 60_000 };
    /// Uploads of a person.
    pub const UPLOADS: Self = Self { name: "uploads", requests: 10, window_ms: 3_600_000 };
    /// Exports of reports that a person starts.
    pub const EXPORTS: Self = Self { name: "exports", requests: 20, window_ms: 3_600_000 };
    /// Requests of a network for sign-ins with an identity provider; each sign-in has three.
    pub const PROVIDER: Self = Self { name: "provider", requests: 600, window_ms: 15 * 60_000 };
    /// Codes of courses and classes that a learner types.
    pub const CODES: Self = Self { name: "codes", requests: 20, window_ms: 15 * 60_000 };
    /// Requests of a network for pages and messages of new passwords.
    pub const RESETS: Self = Self { name: "resets", requests: 60, window_ms: 15 * 60_000 };
    /// Failed sign-ins for one login from one network, or on one known device.
    const SIGN_INS: Self = Self { name: "sign-ins", requests: 5, window_ms: 60_000 };

    fn limiter(&self, limiters: &dyn RateLimiters) -> Box<dyn RateLimiter> {
        limiters.limiter(self.name, self.window_ms, self.requests)
    }
}

/// Counts the requests to routes by limit and caller.
pub struct RouteLimits(HashMap<&'static str, Box<dyn RateLimiter>>);

impl RouteLimits {
    pub fn new(limiters: &dyn RateLimiters) -> Self {
        let all = [
            RouteLimit::REQUESTS,
            RouteLimit::COURSES,
            RouteLimit::UPLOADS,
            RouteLimit::EXPORTS,
            RouteLimit::PROVIDER,
            RouteLimit::RESETS,
            RouteLimit::CODES,
        ];
        Self(all.iter().map(|limit| (limit.name, limit.limiter(limiters))).collect())
    }
    /// Counts a request of a learner, or of a network if nobody is signed in: the learners of a class behind one router
    /// do not share a limit. Returns `Err(milliseconds to wait)` at the limit.
    pub async fn take(
        &self,
        limit: &RouteLimit,
        learner: Option<UserId>,
        ip: IpAddr,
        now_ms: i64,
    ) -> Result<Allowance, u64> {
        let key = match learner {
            Some(learner) => learner.to_string(),
            None => network(ip).to_string(),
        };
        match self.0.get(limit.name) {
            Some(limiter) => limiter.take(&key, now_ms).await,
            None => Ok(Allowance { remaining: limit.requests, full_in_ms: 0 }),
        }
    }
}

/// Window in which failed sign-ins and registrations are counted.
pub const WINDOW_MS: i64 = 15 * 60_000;
/// Limit for one login from all networks, as a multiple of the limit from one network.
const LOGIN_FACTOR: u32 = 3;
/// Limit for one network over all logins, as a multiple of the same limit: many learners behind one router may mistype
/// their first passwords.
const NETWORK_FACTOR: u32 = 6;

/// Limits failed sign-ins: for one login from one network (also within a minute), for one login from all networks, and for one network over
/// all logins. A device on which the user has signed in before has a separate limit, so that guesses from other devices
/// do not block it.
pub struct SignInLimits {
    login_and_network: Box<dyn RateLimiter>,
    /// By the keys of `login_and_network` and `device`.
    minute: Box<dyn RateLimiter>,
    login: Box<dyn RateLimiter>,
    network: Box<dyn RateLimiter>,
    device: Box<dyn RateLimiter>,
    /// By network: the number of attempts whose password is being verified.
    running: Mutex<HashMap<IpAddr, u32>>,
    attempt_ended: Notify,
}

/// An attempt that counts as failed unless `refund` is called.
pub struct SignInAttempt<'l> {
    limits: &'l SignInLimits,
    network: IpAddr,
    key: Key,
    is_refunded: bool,
}

#[derive(Clone)]
enum Key {
    /// Keys of the limiters `login_and_network` and `login`.
    Login {
        login_and_network: String,
        login: String,
    },
    KnownDevice(String),
}

impl SignInAttempt<'_> {
    /// Removes the attempt from the counts: the password was correct, or was not verified.
    pub fn refund(mut self) {
        self.is_refunded = true;
    }
}

impl Drop for SignInAttempt<'_> {
    fn drop(&mut self) {
        if self.is_refunded {
            self.limits.refund(&self.key, self.network);
        }
        let mut running = self.limits.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.network);
            }
        }
        drop(running);
        self.limits.attempt_ended.notify_waiters();
    }
}

impl SignInLimits {
    /// `attempts`: number of failed sign-ins allowed for one login from one network in a window.
    pub fn new(limiters: &dyn RateLimiters, attempts: u32) -> Self {
        let attempts = attempts.max(1);
        let limiter =
            |name, factor| limiters.limiter(name, WINDOW_MS, attempts.saturating_mul(factor));
        Self {
            login_and_network: limiter("sign-in by login and network", 1),
            minute: RouteLimit::SIGN_INS.limiter(limiters),
            login: limiter("sign-in by login", LOGIN_FACTOR),
            network: limiter("sign-in by network", NETWORK_FACTOR),
            device: limiter("sign-in by known device", 1),
            running: Mutex::default(),
            attempt_ended: Notify::new(),
        }
    }
    /// Counts an attempt as failed. At a limit, waits while other attempts of the same network are running, since they
    /// may be refunded (a whole class signs in at once); if none is running, returns `Err(milliseconds to wait)`.
    /// `known`: the account and the device, if the user has signed in there before.
    pub async fn begin(
        &self,
        login: String,
        ip: IpAddr,
        known: Option<(UserId, DeviceId)>,
        now_ms: i64,
    ) -> Result<SignInAttempt<'_>, u64> {
        let network = network(ip);
        let key = match known {
            Some((user, device)) => Key::KnownDevice(format!("{user} {device}")),
            None => Key::Login { login_and_network: format!("{network} {login}"), login },
        };
        loop {
            let mut attempt_ended = std::pin::pin!(self.attempt_ended.notified());
            // Registered before the check, so that no notification is missed.
            attempt_ended.as_mut().enable();
            match self.take(&key, network, now_ms).await {
                Ok(()) => {
                    let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                    *running.entry(network).or_default() += 1;
                    return Ok(SignInAttempt { limits: self, network, key, is_refunded: false });
                }
                Err(_) if self.is_running(network) => attempt_ended.await,
                Err(wait) => return Err(wait),
            }
        }
    }
    fn is_running(&self, network: IpAddr) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&network)
    }
    async fn take(&self, key: &Key, network: IpAddr, now_ms: i64) -> Result<(), u64> {
        let (login_and_network, login) = match key {
            Key::KnownDevice(device) => {
                self.device.take(device, now_ms).await?;
                let minute = self.minute.take(device, now_ms).await;
                return minute.map(drop).inspect_err(|_| self.device.refund(device));
            }
            Key::Login { login_and_network, login } => (login_and_network, login),
        };
        self.login_and_network.take(login_and_network, now_ms).await?;
        self.minute
            .take(login_and_network, now_ms)
            .await
            .inspect_err(|_| self.login_and_network.refund(login_and_network))?;
        self.login.take(login, now_ms).await.inspect_err(|_| {
            self.login_and_network.refund(login_and_network);
            self.minute.refund(login_and_network);
        })?;
        let by_network = self.network.take(&network.to_string(), now_ms).await;
        by_network.map(drop).inspect_err(|_| {
            self.login_and_network.refund(login_and_network);
            self.minute.refund(login_and_network);
            self.login.refund(login);
        })
    }
    fn refund(&self, key: &Key, network: IpAddr) {
        match key {
            Key::KnownDevice(device) => {
                self.device.refund(device);
                self.minute.refund(device);
            }
            Key::Login { login_and_network, login } => {
                self.network.refund(&network.to_string());
                self.login.refund(login);
                self.login_and_network.refund(login_and_network);
                self.minute.refund(login_and_network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_refills_evenly_even_if_the_clock_is_set_back() {
        let limiter = LocalRateLimiter::new(1_000, 2);
        let count = |key, now| limiter.count(key, now).map(drop);
        assert_eq!((count("k", 10_000), count("k", 10_000)), (Ok(()), Ok(())));
        assert_eq!(count("k", 10_100), Err(400));
        assert_eq!(count("other", 10_100), Ok(()));
        assert_eq!(count("k", 10_500), Ok(()));
        assert!(count("k", 10_501).is_err());
        assert_eq!(count("k", 1), Ok(()));
        assert_eq!(count("k", i64::MAX / 4), Ok(()));
    }

    #[test]
    fn refunded_attempts_do_not_count() {
        let limiter = LocalRateLimiter::new(1_000, 1);
        for now in 0..100 {
            assert_eq!(limiter.count("k", now).map(drop), Ok(()));
            limiter.refund("k");
        }
        assert_eq!(limiter.count("k", 100).map(drop), Ok(()));
        assert!(limiter.count("k", 100).is_err());
    }

    #[test]
    fn the_keys_farthest_from_their_limit_are_removed_first() {
        let limiter = LocalRateLimiter::new(1_000_000, 4);
        for _ in 0..4 {
            assert_eq!(limiter.count("often used", 0).map(drop), Ok(()));
        }
        for key in 0..200_000 {
            assert_eq!(limiter.count(&key.to_string(), 1).map(drop), Ok(()));
        }
        assert!(limiter.lock().len() <= MAX_KEYS);
        assert!(limiter.count("often used", 1).is_err());
    }

    #[tokio::test]
    async fn simultaneous_sign_ins_of_one_network_wait_instead_of_failing() {
        let limits = SignInLimits::new(&LocalRateLimiters, 1);
        let ip: IpAddr = "192.0.2.1".parse().unwrap();
        let begin = |n: u32| limits.begin(format!("pupil-{n}"), ip, None, 0);
        let mut running = Vec::new();
        for n in 0..NETWORK_FACTOR {
            running.push(begin(n).await.unwrap_or_else(|_| panic!("attempt {n}")));
        }
        let mut waiting = Box::pin(begin(99));
        let is_waiting = tokio::select! {
            biased;
            _ = &mut waiting => false,
            () = std::future::ready(()) => true,
        };
        assert!(is_waiting);
        running.remove(0).refund();
        assert!(waiting.await.is_ok());
        // The other attempts failed (a cancelled attempt counts as failed), so the next attempt is refused.
        drop(running);
        assert!(begin(100).await.is_err());
        assert!(!limits.is_running(network(ip)));
    }

    #[test]
    fn addresses_of_one_network_have_equal_keys() {
        let of = |ip: &str| network(ip.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
    }
}
