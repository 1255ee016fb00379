//! Sleeping and deadlines. Under the simulator tokio's clock is paused, so these cost no real time.

use std::future::Future;
use std::time::Duration;

/// Waits for `duration`.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits for `future` for at most `duration`; `None` when the time is up first.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(duration, future).await.ok()
}
