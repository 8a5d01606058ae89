//! Runs calls that block (databases, hashing, decoding, file walks) away from the threads that serve async tasks.

/// The call panicked; the text is the panic's message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a blocking call panicked: {0}")]
pub struct Panicked(pub String);

/// Runs `f` on a thread for blocking calls and returns its result. A panic of `f` becomes an error.
pub async fn blocking<T, E>(f: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Panicked> + Send + 'static,
{
    tokio::task::spawn_blocking(f).await.unwrap_or_else(|e| Err(Panicked(e.to_string()).into()))
}

/// Panics in a debug build on a thread that serves async tasks. Call it at the beginning of a function that blocks.
#[track_caller]
pub fn assert_may_block() {
    if cfg!(debug_assertions) {
        // Tokio knows, and tells by this panic only.
        drop(tokio::sync::Mutex::new(()).blocking_lock());
    }
}
