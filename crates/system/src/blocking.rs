//! Runs blocking calls (databases, hashing, decoding, file walks) outside the threads that run async tasks.

use std::{any::Any, cell::Cell};

use tokio::runtime::Handle;

thread_local! {
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// A blocking call panicked; contains the text of the error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a blocking call panicked: {0}")]
pub struct Panicked(pub String);

/// Runs `f` on a blocking thread and returns its result. A panic of `f` becomes an error.
///
/// If the caller is dropped while it waits, `f` still runs to completion.
pub async fn blocking<T, E>(f: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Panicked> + Send + 'static,
{
    let result = run_erased(Box::new(move || Box::new(f()))).await?;
    match result.downcast::<Result<T, E>>() {
        Ok(result) => *result,
        Err(_) => Err(Panicked("a result of another type".to_owned()).into()),
    }
}

type Erased<T> = Box<dyn FnOnce() -> T + Send>;

/// Without types: the runtime's code for a task exists once, and not once per call of `blocking`, about 3 kB each.
async fn run_erased(f: Erased<Box<dyn Any + Send>>) -> Result<Box<dyn Any + Send>, Panicked> {
    // Spans that `f` opens belong to the same action of the user.
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(|| with_blocking_allowed(f)))
        .await
        .map_err(|e| Panicked(e.to_string()))
}

/// Runs `f` on a blocking thread, without waiting for it.
pub fn spawn(f: impl FnOnce() + Send + 'static) {
    let f: Erased<()> = Box::new(f);
    tokio::task::spawn_blocking(|| with_blocking_allowed(f));
}

/// Runs `f` on this thread if it may block, otherwise on a blocking thread without waiting for it. For destructors, and
/// for writes whose result is not needed.
pub fn run_or_spawn(f: impl FnOnce() + Send + 'static) {
    if may_block() { f() } else { spawn(f) }
}

/// Returns false on a thread that runs async tasks, where a blocking call delays all tasks of the thread.
pub fn may_block() -> bool {
    MAY_BLOCK.get() || Handle::try_current().is_err()
}

/// Panics in a debug build if this thread must not block. Call it at the start of a function that blocks.
#[track_caller]
pub fn assert_may_block() {
    debug_assert!(may_block(), "blocking call on a thread that runs async tasks");
}

/// Permits blocking on this thread even if it runs async tasks. For tests.
pub fn allow_blocking() {
    MAY_BLOCK.set(true);
}

fn with_blocking_allowed<T>(f: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            MAY_BLOCK.set(self.0);
        }
    }
    let _reset = Reset(MAY_BLOCK.replace(true));
    f()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn may_block_distinguishes_blocking_and_async_threads() {
        assert!(!may_block());
        assert!(blocking(|| Ok::<_, Panicked>(may_block())).await.unwrap());
        assert!(std::thread::spawn(may_block).join().unwrap(), "a thread outside the runtime");
        let (sender, receiver) = tokio::sync::oneshot::channel();
        run_or_spawn(move || sender.send(may_block()).unwrap());
        assert!(receiver.await.unwrap());
    }
}
