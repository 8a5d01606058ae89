//! Redis or Valkey: rate limits that several processes share (one key for each limit and login, network or account),
//! and values that are kept for some time.
//!
//! Not here: what happens if Redis does not reply (`carrel-server` then counts in each process, and
//! `carrel-response-cache` computes the value).

mod connection;
mod values;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use carrel_store::{Burst, Counted, Result, SharedLimits, StoreError};
use url::Url;

pub use values::{MAX_VALUE_BYTES, RedisValues};

use crate::connection::{Address, Shared};

/// Counts an event, unless the burst is used up: `KEYS[1]` has the time at which the burst is full again. Arguments: the
/// present time, the time for one event, the window. A time of a clock that was ahead is replaced.
const TAKE: &str =
    "local now, interval, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local at = tonumber(redis.call('GET', KEYS[1]) or now)
if at < now or at > now + 2 * window then at = now end
if at + interval - now > window then return {0, at - now} end
at = at + interval
redis.call('SET', KEYS[1], string.format('%.0f', at), 'PX', string.format('%.0f', 2 * window))
return {1, at - now}";

/// Removes a counted event.
const REFUND: &str = "local at = redis.call('GET', KEYS[1])
if at then redis.call('SET', KEYS[1], string.format('%.0f', at - ARGV[1]), 'KEEPTTL') end
return {1, 0}";

/// The URL of a server: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `redis+unix:///SOCKET`.
#[derive(Clone)]
pub struct RedisUrl(Address);

/// The URL cannot be used. The text does not contain the URL, which may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRedisUrl(&'static str);

impl fmt::Display for BadRedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the URL of Redis cannot be used: {}; hint: write it as redis://:PASSWORD@HOST:PORT/DATABASE",
            self.0
        )
    }
}
impl std::error::Error for BadRedisUrl {}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({})", self.0.place)
    }
}

impl RedisUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// If it is of another kind. TLS is not supported.
    pub fn new(url: &str) -> std::result::Result<Self, BadRedisUrl> {
        let url = Url::parse(url).map_err(|_| BadRedisUrl("it is not a URL"))?;
        let mut setup = Vec::new();
        let place = match url.scheme() {
            "redis" => {
                let host = url.host_str().ok_or(BadRedisUrl("it names no host"))?;
                match url.path().trim_matches('/') {
                    "" | "0" => {}
                    number if number.parse::<u16>().is_ok() => {
                        setup.push(vec!["SELECT".to_owned(), number.to_owned()]);
                    }
                    _ => return Err(BadRedisUrl("the database must be a number")),
                }
                format!("{host}:{}", url.port().unwrap_or(6_379))
            }
            "redis+unix" => url.path().to_owned(),
            "rediss" => return Err(BadRedisUrl("TLS is not supported")),
            _ => return Err(BadRedisUrl("it does not begin with redis://")),
        };
        if let Some(password) = url.password() {
            let mut auth = vec!["AUTH".to_owned()];
            auth.extend((!url.username().is_empty()).then(|| decoded(url.username())));
            auth.push(decoded(password));
            setup.insert(0, auth);
        }
        Ok(Self(Address { place, setup }))
    }
}

/// Decodes `%XX` in a part of a URL.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, others @ ..] = rest {
        let code = others.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The limits of a server or tenant.
pub struct RedisLimits {
    connection: Arc<Shared>,
    owner: String,
}

impl RedisLimits {
    /// Opens no connection. `owner`: separates the keys of servers and tenants.
    pub fn new(url: &RedisUrl, owner: &str) -> Self {
        Self { connection: Arc::new(Shared::new(url.0.clone())), owner: owner.to_owned() }
    }
    fn key(&self, burst: Burst, key: &str) -> String {
        // Redis contains no logins and addresses.
        let text = format!("{} {} {key}", self.owner, burst.name);
        format!("carrel:limit:{}", blake3::hash(text.as_bytes()).to_hex())
    }
}

#[async_trait]
impl SharedLimits for RedisLimits {
    async fn take(&self, burst: Burst, key: &str, now_ms: i64) -> Result<Counted> {
        let key = self.key(burst, key);
        let arguments = [now_ms, burst.interval_ms(), burst.window_ms];
        let reply = self.connection.evaluate(TAKE, &key, &arguments).await;
        let failed = |e: std::io::Error| StoreError::Unavailable(format!("Redis: {e}").into());
        let [is_counted, full_in_ms] = reply.map_err(failed)?;
        Ok(if is_counted == 1 { Counted::Yes { full_in_ms } } else { Counted::No { full_in_ms } })
    }
    fn refund(&self, burst: Burst, key: &str) {
        let (key, arguments) = (self.key(burst, key), [burst.interval_ms()]);
        // The order of commands is that of the calls: the next event is counted after the refund.
        let (connection, place) = (Arc::clone(&self.connection), self.connection.queue());
        // Without a runtime the process is ending.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(async move {
                // If it fails, the event counts until it refills.
                let _ = place.await.evaluate(&connection.address, REFUND, &key, &arguments).await;
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed_and_passwords_are_not_printed() {
        let url = RedisUrl::new("redis://:a%2Fsecret%21@cache.example/3").unwrap();
        assert_eq!(url.0.place, "cache.example:6379");
        assert_eq!(url.0.setup, [vec!["AUTH", "a/secret!"], vec!["SELECT", "3"]]);
        assert_eq!(format!("{url:?}"), "RedisUrl(cache.example:6379)");
        let url = RedisUrl::new("redis://carrel:x@[::1]:7000").unwrap();
        assert_eq!(
            (&*url.0.place, url.0.setup),
            ("[::1]:7000", vec![vec!["AUTH".into(), "carrel".into(), "x".into()]])
        );
        assert_eq!(
            RedisUrl::new("redis+unix:///run/redis.sock").unwrap().0.place,
            "/run/redis.sock"
        );
        for bad in ["cache", "rediss://:secret@h", "http://:secret@h", "redis://h/secret"] {
            let error = RedisUrl::new(bad).unwrap_err().to_string();
            assert!(error.contains("hint: ") && !error.contains("secret"), "{error}");
        }
    }
}
