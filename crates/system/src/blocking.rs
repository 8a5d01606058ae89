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
