//! Limits of real time for tests that wait.

use std::{future::Future, time::Duration};

/// Waits for `future`. Fails the test after a minute of real time, which is far above what is expected.
pub async fn within_a_minute<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap_or_else(|_| panic!("waited a minute for {what}"))
}
