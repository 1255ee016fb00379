//! Tasks, blocking calls, and long-lived workers that run a step whenever they are woken.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crate::net::BoxFuture;

/// Starts work. Real: tokio tasks and named threads. Simulated: everything on one thread, in seed
/// order.
pub trait Spawn: Debug + Send + Sync + 'static {
    /// Runs a future to its end in the background.
    fn task(&self, future: BoxFuture<'static, ()>);

    /// Runs a blocking closure off the async threads and waits for it. Under the simulator it runs
    /// in place. See [`blocking`] for a closure with a result.
    fn blocking_boxed(&self, call: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;

    /// Starts a worker: `worker.step` runs on its own thread (simulated: as a task) each time its
    /// [`Wake`] is notified or the pause it returned is over, until it returns [`Step::Stop`].
    fn worker(&self, name: &'static str, worker: Box<dyn Worker>) -> Arc<dyn Wake>;

    /// As [`Self::worker`], for work that nobody waits for: where the processor is busy, its thread
    /// gets a smaller share of it than others (Linux; simulated and elsewhere: the same share).
    fn background_worker(&self, name: &'static str, worker: Box<dyn Worker>) -> Arc<dyn Wake> {
        self.worker(name, worker)
    }
}

/// A long-lived piece of blocking work, such as the journal's group commit.
pub trait Worker: Send + 'static {
    /// Does what is due now.
    fn step(&mut self) -> Step;
}

/// What a worker wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// More is due at once.
    Again,
    /// Run again after this pause, or earlier when woken.
    Pause(Duration),
    /// Run again when woken.
    Wait,
    /// Never run again.
    Stop,
}

/// Wakes one worker. A wake during a step makes the next step follow at once; wakes do not pile up.
pub trait Wake: Debug + Send + Sync + 'static {
    /// Asks for a step.
    fn wake(&self);
    /// Waits until the worker has returned [`Step::Stop`]; blocking, or immediate under simulation.
    fn join(&self);
}

/// Runs a blocking closure off the async threads and returns its result; `None` when it panicked.
pub async fn blocking<T: Send + 'static>(
    spawn: &dyn Spawn,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let done = spawn.blocking_boxed(Box::new(move || drop(sender.send(call()))));
    done.await;
    receiver.await.ok()
}
