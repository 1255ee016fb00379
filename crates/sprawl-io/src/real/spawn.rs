//! Tokio tasks, its blocking pool, and a named thread per worker.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::runtime::Handle;

use crate::net::BoxFuture;
use crate::spawn::{Spawn, Step, Wake, Worker};

/// What is added to the niceness of threads that nobody waits for: beside one busy thread of the
/// usual niceness theirs gets a tenth of a core (weights 110 and 1024), so that it still gets on.
#[cfg(target_os = "linux")]
const BACKGROUND_NICE: i32 = 10;
#[cfg(target_os = "linux")]
const NICE_MAX: i32 = 19;

/// Starts work on the current tokio runtime, or on the one this was made on.
#[derive(Debug)]
pub(super) struct TokioSpawn {
    home: Option<Handle>,
}

impl TokioSpawn {
    pub(super) fn new() -> Self {
        Self {
            home: Handle::try_current().ok(),
        }
    }

    fn handle(&self) -> Handle {
        Handle::try_current()
            .ok()
            .or_else(|| self.home.clone())
            .expect("tasks start on a tokio runtime, or Io::real was called on one")
    }
}

impl Spawn for TokioSpawn {
    fn task(&self, future: BoxFuture<'static, ()>) {
        self.handle().spawn(future);
    }

    fn blocking_boxed(&self, call: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let call = self.handle().spawn_blocking(call);
        Box::pin(async move {
            // A panic has been printed by its thread; the caller sees that no result came.
            drop(call.await);
        })
    }

    fn worker(&self, name: &'static str, worker: Box<dyn Worker>) -> Arc<dyn Wake> {
        self.start(name, Share::Full, worker)
    }

    fn background_worker(&self, name: &'static str, worker: Box<dyn Worker>) -> Arc<dyn Wake> {
        self.start(name, Share::Small, worker)
    }
}

/// How much of a busy processor a thread gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// As much as any other.
    Full,
    /// What [`BACKGROUND_NICE`] leaves it.
    Small,
}

impl TokioSpawn {
    fn start(
        &self,
        name: &'static str,
        share: Share,
        mut worker: Box<dyn Worker>,
    ) -> Arc<dyn Wake> {
        let signal = Arc::new(Signal::default());
        let inner = Arc::clone(&signal);
        let home = Handle::try_current().ok().or_else(|| self.home.clone());
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Set even when a step panics, so that nobody waits for a dead thread.
                let end = EndOnDrop(inner);
                let _runtime = home.as_ref().map(Handle::enter);
                if share == Share::Small {
                    take_small_share(name);
                }
                loop {
                    match worker.step() {
                        Step::Again => {}
                        Step::Wait => end.0.wait(None),
                        Step::Pause(pause) => end.0.wait(Some(pause)),
                        Step::Stop => break,
                    }
                }
                // What the worker holds is gone before anyone who joins goes on.
                drop(worker);
            })
            .expect("the system starts one more thread");
        signal
    }
}

/// Lowers the priority of the calling thread. Linux has one for each thread; elsewhere it would be
/// the whole process's.
#[cfg(target_os = "linux")]
fn take_small_share(name: &str) {
    let lowered = rustix::process::getpriority_process(None).and_then(|nice| {
        rustix::process::setpriority_process(None, (nice + BACKGROUND_NICE).min(NICE_MAX))
    });
    if let Err(error) = lowered {
        tracing::warn!(thread = name, %error, "cannot lower the priority of a background thread");
    }
}

#[cfg(not(target_os = "linux"))]
fn take_small_share(_: &str) {}

/// Wakes a worker's thread and tells when it ended.
#[derive(Debug, Default)]
struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_woken: bool,
    is_over: bool,
}

impl Signal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a wake, at most for `pause`, and consumes it.
    fn wait(&self, pause: Option<std::time::Duration>) {
        let state = self.state();
        let mut state = match pause {
            None => self
                .changed
                .wait_while(state, |state| !state.is_woken)
                .unwrap_or_else(PoisonError::into_inner),
            Some(pause) => {
                self.changed
                    .wait_timeout_while(state, pause, |state| !state.is_woken)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        state.is_woken = false;
    }
}

impl Wake for Signal {
    fn wake(&self) {
        let mut state = self.state();
        // A worker that has not consumed the last wake needs no second one.
        if !state.is_woken {
            state.is_woken = true;
            drop(state);
            self.changed.notify_all();
        }
    }

    fn join(&self) {
        let state = self.state();
        drop(
            self.changed
                .wait_while(state, |state| !state.is_over)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

struct EndOnDrop(Arc<Signal>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.state().is_over = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::time::Duration;

    use super::*;
    use crate::spawn::blocking;

    struct Counter {
        count: u32,
        seen: SyncSender<u32>,
        step: Step,
    }

    impl Worker for Counter {
        fn step(&mut self) -> Step {
            self.count += 1;
            self.seen.send(self.count).unwrap();
            if self.count == 3 {
                Step::Stop
            } else {
                self.step
            }
        }
    }

    fn worker(step: Step) -> (Arc<dyn Wake>, std::sync::mpsc::Receiver<u32>) {
        let (seen, receiver) = sync_channel(10);
        let worker = Counter {
            count: 0,
            seen,
            step,
        };
        (
            TokioSpawn::new().worker("counter", Box::new(worker)),
            receiver,
        )
    }

    #[test]
    fn worker_steps_once_at_start_and_once_a_wake() {
        let (wake, seen) = worker(Step::Wait);
        assert_eq!(seen.recv(), Ok(1));
        assert!(seen.recv_timeout(Duration::from_millis(20)).is_err());
        wake.wake();
        assert_eq!(seen.recv(), Ok(2));
        wake.wake();
        assert_eq!(seen.recv(), Ok(3));
        wake.join();
        assert!(
            seen.recv().is_err(),
            "the worker was dropped before join returned"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn background_worker_has_a_lower_priority_than_its_maker() {
        struct Nice(SyncSender<i32>);
        impl Worker for Nice {
            fn step(&mut self) -> Step {
                let own = rustix::process::getpriority_process(None).unwrap();
                self.0.send(own).unwrap();
                Step::Stop
            }
        }
        let before = rustix::process::getpriority_process(None).unwrap();
        let (sender, seen) = sync_channel(1);
        let spawn = TokioSpawn::new();
        spawn
            .background_worker("background", Box::new(Nice(sender)))
            .join();
        let after = rustix::process::getpriority_process(None).unwrap();
        assert_eq!(seen.recv(), Ok((before + BACKGROUND_NICE).min(NICE_MAX)));
        assert_eq!(after, before, "nobody else's priority changes");
    }

    #[test]
    fn worker_steps_again_after_its_pause_without_a_wake() {
        let (wake, seen) = worker(Step::Pause(Duration::from_millis(1)));
        wake.join();
        assert_eq!(seen.iter().collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn join_returns_after_a_panic() {
        struct Panics;
        impl Worker for Panics {
            fn step(&mut self) -> Step {
                panic!("as the test wants");
            }
        }
        TokioSpawn::new().worker("panics", Box::new(Panics)).join();
    }

    #[tokio::test]
    async fn blocking_call_returns_its_result() {
        let spawn = TokioSpawn::new();
        assert_eq!(blocking(&spawn, || 42).await, Some(42));
        assert_eq!(
            blocking(&spawn, || -> u8 { panic!("as the test wants") }).await,
            None
        );
    }

    #[tokio::test]
    async fn worker_starts_a_task_on_the_runtime_it_was_made_on() {
        struct Starts(Arc<TokioSpawn>, Option<tokio::sync::oneshot::Sender<()>>);
        impl Worker for Starts {
            fn step(&mut self) -> Step {
                let sender = self.1.take().unwrap();
                self.0
                    .task(Box::pin(async move { sender.send(()).unwrap() }));
                Step::Stop
            }
        }
        let spawn = Arc::new(TokioSpawn::new());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        spawn.worker("starts", Box::new(Starts(Arc::clone(&spawn), Some(sender))));
        receiver.await.unwrap();
    }
}
