//! Values that processes share for some time. A caller never waits long for them: a value that cannot be read in time is
//! computed.

use std::{
    io::{Error, ErrorKind, Result},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{
    RedisUrl,
    connection::{Address, State},
};

/// Maximum length of a value in bytes.
pub const MAX_VALUE_BYTES: usize = 2 * 1024 * 1024;

/// Maximum time for which a caller waits for a value.
const DEADLINE: Duration = Duration::from_millis(30);
/// Time after a failure in which no command is sent.
const PAUSE: Duration = Duration::from_secs(1);
/// Number of connections. Commands of one connection wait for each other.
const CONNECTIONS: usize = 4;
/// Maximum number of commands that wait or run.
const MAX_COMMANDS: usize = 64;

/// Values in Redis. Clones share the connections.
#[derive(Clone)]
pub struct RedisValues(Arc<Inner>);

struct Inner {
    address: Address,
    connections: [Arc<AsyncMutex<State>>; CONNECTIONS],
    next: AtomicUsize,
    commands: Arc<Semaphore>,
    failed: Mutex<Option<Instant>>,
    deadline: Duration,
}

/// A command that may be sent, and its connection.
struct Command {
    inner: Arc<Inner>,
    connection: Arc<AsyncMutex<State>>,
    _permit: OwnedSemaphorePermit,
}

impl Command {
    async fn get(self, key: String) -> Result<Option<Vec<u8>>> {
        let mut state = self.connection.lock().await;
        let result = state.get(&self.inner.address, &key, MAX_VALUE_BYTES).await;
        drop(state);
        self.ended(result)
    }
    async fn set(self, key: String, value: Vec<u8>, ttl_ms: u64) -> Result<()> {
        let mut state = self.connection.lock().await;
        let result = state.set(&self.inner.address, &key, &value, ttl_ms).await;
        drop(state);
        self.ended(result)
    }
    fn ended<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.inner.pause();
        }
        result
    }
}

impl Inner {
    fn pause(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
    fn is_paused(&self) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < PAUSE)
    }
}

impl RedisValues {
    /// Opens no connection.
    pub fn new(url: &RedisUrl) -> Self {
        Self::with_deadline(url, DEADLINE)
    }
    /// Like `new`, with another maximum time for which a caller waits.
    pub fn with_deadline(url: &RedisUrl, deadline: Duration) -> Self {
        Self(Arc::new(Inner {
            address: url.0.clone(),
            connections: std::array::from_fn(|_| Arc::default()),
            next: AtomicUsize::new(0),
            commands: Arc::new(Semaphore::new(MAX_COMMANDS)),
            failed: Mutex::new(None),
            deadline,
        }))
    }
    fn command(&self) -> Result<Command> {
        if self.0.is_paused() {
            return Err(Error::new(ErrorKind::NotConnected, "it did not reply a moment ago"));
        }
        let permit = Arc::clone(&self.0.commands).try_acquire_owned();
        let permit = permit.map_err(|_| Error::new(ErrorKind::WouldBlock, "too many commands"))?;
        let next = self.0.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        let connection = Arc::clone(&self.0.connections[next]);
        Ok(Command { inner: Arc::clone(&self.0), connection, _permit: permit })
    }
    /// Returns the value of a key, or `None` if there is none.
    ///
    /// # Errors
    /// If it does not arrive before the deadline, 30 ms by default, if too many commands wait, and within a second after a failure.
    pub async fn get(&self, key: String) -> Result<Option<Vec<u8>>> {
        // The command goes on without the caller: a new connection may take longer, and serves the next command.
        let task = tokio::spawn(self.command()?.get(key));
        match tokio::time::timeout(self.0.deadline, task).await {
            Ok(ended) => ended.map_err(Error::other)?,
            Err(_) => {
                self.0.pause();
                Err(Error::new(ErrorKind::TimedOut, "no reply before the deadline"))
            }
        }
    }
    /// Sets the value of a key for `ttl_ms`, without waiting. It is not set if Redis cannot be reached.
    pub fn set(&self, key: String, value: Vec<u8>, ttl_ms: u64) {
        if value.len() <= MAX_VALUE_BYTES
            && ttl_ms > 0
            && let Ok(command) = self.command()
        {
            drop(tokio::spawn(command.set(key, value, ttl_ms)));
        }
    }
}
