//! Rate limits that the processes of a database share: failed sign-ins, registrations, codes and uploads.
//!
//! They are counted in Redis if it is configured, else in the database. Each process also counts by itself; without a
//! reply, only that count applies.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use carrel_rate_limits::{Allowance, LocalRateLimiter, RateLimiter, RateLimiters, RouteLimit};
use carrel_redis::{RedisLimits, RedisUrl};
use carrel_store::{Burst, Counted, SharedLimits};

use crate::{config::Settings, error::Error};

/// Limits of frequent requests, which each process counts by itself: a transaction for each request would cost more than
/// the limit protects.
const LOCAL: [&str; 2] = [RouteLimit::REQUESTS.name, RouteLimit::COURSES.name];
/// Minimum time between two lines of the log about one limit, in ms.
const WARNING_INTERVAL_MS: i64 = 60_000;

/// Returns the shared counts; `None` if only this process counts. `owner`: separates servers and tenants in Redis.
///
/// # Errors
/// If the URL of Redis cannot be used.
pub(crate) fn of(
    settings: &Settings,
    owner: &str,
    of_database: Option<Arc<dyn SharedLimits>>,
) -> Result<Option<Arc<dyn SharedLimits>>, Error> {
    let Some(url) = &settings.redis_url else { return Ok(of_database) };
    let url = RedisUrl::new(url).map_err(|e| Error::Refused(e.to_string()))?;
    Ok(Some(Arc::new(RedisLimits::new(&url, owner))))
}

/// Creates the limiters of a process.
pub struct ProcessRateLimiters(pub Option<Arc<dyn SharedLimits>>);

impl RateLimiters for ProcessRateLimiters {
    fn limiter(&self, name: &'static str, window_ms: i64, events: u32) -> Box<dyn RateLimiter> {
        let local = LocalRateLimiter::new(window_ms, events);
        match &self.0 {
            Some(shared) if !LOCAL.contains(&name) => Box::new(SharedRateLimiter {
                local,
                shared: Arc::clone(shared),
                burst: Burst { name, events, window_ms },
                warned_ms: AtomicI64::new(i64::MIN),
            }),
            _ => Box::new(local),
        }
    }
}

struct SharedRateLimiter {
    local: LocalRateLimiter,
    shared: Arc<dyn SharedLimits>,
    burst: Burst,
    warned_ms: AtomicI64,
}

#[async_trait]
impl RateLimiter for SharedRateLimiter {
    async fn take(&self, key: &str, now_ms: i64) -> Result<Allowance, u64> {
        let local = self.local.take(key, now_ms).await?;
        match self.shared.take(self.burst, key, now_ms).await {
            Ok(Counted::Yes { full_in_ms }) => {
                let free_ms = (self.burst.window_ms - full_in_ms).max(0);
                let remaining = u32::try_from(free_ms / self.burst.interval_ms());
                Ok(Allowance {
                    remaining: remaining.unwrap_or(u32::MAX).min(local.remaining),
                    full_in_ms: full_in_ms.max(0).unsigned_abs().max(local.full_in_ms),
                })
            }
            Ok(Counted::No { full_in_ms }) => {
                self.local.refund(key);
                let wait = full_in_ms + self.burst.interval_ms() - self.burst.window_ms;
                Err(wait.max(1).unsigned_abs())
            }
            Err(e) => {
                let warned_ms = self.warned_ms.load(Ordering::Relaxed);
                if now_ms.saturating_sub(warned_ms) >= WARNING_INTERVAL_MS {
                    self.warned_ms.store(now_ms, Ordering::Relaxed);
                    tracing::warn!(
                        limit.name = self.burst.name, error = %e,
                        "the shared count of a limit cannot be used: this process counts by itself"
                    );
                }
                Ok(local)
            }
        }
    }
    fn refund(&self, key: &str) {
        self.local.refund(key);
        self.shared.refund(self.burst, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts two events of each key, or fails.
    struct Fake {
        counts: LocalRateLimiter,
        fails: std::sync::atomic::AtomicBool,
    }

    #[async_trait]
    impl SharedLimits for Fake {
        async fn take(
            &self,
            burst: Burst,
            key: &str,
            now_ms: i64,
        ) -> carrel_store::Result<Counted> {
            if self.fails.load(Ordering::Relaxed) {
                return Err(carrel_store::StoreError::closed());
            }
            Ok(match self.counts.take(key, now_ms).await {
                Ok(left) => Counted::Yes { full_in_ms: left.full_in_ms as i64 },
                Err(_) => Counted::No { full_in_ms: burst.window_ms },
            })
        }
        fn refund(&self, _: Burst, key: &str) {
            self.counts.refund(key);
        }
    }

    #[tokio::test]
    async fn the_count_of_the_process_applies_if_there_is_no_reply() {
        let fails = std::sync::atomic::AtomicBool::new(false);
        let fake = Arc::new(Fake { counts: LocalRateLimiter::new(1_000, 2), fails });
        let limiters = ProcessRateLimiters(Some(Arc::clone(&fake) as _));
        let limiter = limiters.limiter("sign-ins", 1_000, 2);
        // Another process has counted one event.
        assert!(fake.counts.take("noor", 0).await.is_ok());
        let left = limiter.take("noor", 0).await;
        assert_eq!(left, Ok(Allowance { remaining: 0, full_in_ms: 1_000 }));
        assert_eq!(limiter.take("noor", 0).await, Err(500));
        limiter.refund("noor");
        assert!(limiter.take("noor", 0).await.is_ok());
        fake.fails.store(true, Ordering::Relaxed);
        // What was refused is not counted: one event is left in this process.
        assert!(limiter.take("noor", 0).await.is_ok());
        assert!(limiter.take("noor", 0).await.is_err());
        // Frequent requests are counted in the process.
        let requests = limiters.limiter(RouteLimit::REQUESTS.name, 1_000, 1);
        assert!(requests.take("noor", 0).await.is_ok());
    }

    #[test]
    fn redis_is_used_if_it_is_configured() {
        let with = |url: &str| Settings { redis_url: Some(url.to_owned()), ..Settings::default() };
        assert!(of(&Settings::default(), "school", None).unwrap().is_none());
        assert!(of(&with("redis://localhost"), "school", None).unwrap().is_some());
        let error = of(&with("http://:secret@localhost"), "school", None).err().unwrap();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
