//! Tasks, blocking calls and workers, all on one thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::trace::Trace;
use crate::net::BoxFuture;
use crate::spawn::{Spawn, Step, Wake, Worker};

/// Handles of tasks that ended are dropped when this many are held.
const HANDLE_COUNT_SWEEP: usize = 256;

/// The tasks of one simulated process.
#[derive(Debug)]
pub struct SimSpawn {
    tasks: Mutex<Vec<AbortHandle>>,
    is_killed: AtomicBool,
    /// Nanoseconds before each step of a worker.
    step_latency_ns: Arc<AtomicU64>,
    trace: Arc<Trace>,
}

impl SimSpawn {
    pub(super) fn new(trace: &Arc<Trace>) -> Self {
        Self {
            tasks: Mutex::default(),
            is_killed: AtomicBool::new(false),
            step_latency_ns: Arc::default(),
            trace: Arc::clone(trace),
        }
    }

    /// Makes every step of a worker start this much later: the disk is slow, and other tasks go on.
    pub fn set_step_latency(&self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.step_latency_ns.store(nanoseconds, Ordering::Relaxed);
    }

    /// Stops every task and worker where it waits; what they hold is dropped. Starts nothing again.
    pub fn kill_all(&self) {
        self.is_killed.store(true, Ordering::Relaxed);
        for task in self.tasks().drain(..) {
            task.abort();
        }
    }

    /// Returns how many tasks and workers have not ended.
    pub fn task_count(&self) -> usize {
        self.tasks()
            .iter()
            .filter(|task| !task.is_finished())
            .count()
    }

    fn start(&self, future: impl Future<Output = ()> + Send + 'static) {
        if self.is_killed.load(Ordering::Relaxed) {
            return;
        }
        let handle = tokio::spawn(future).abort_handle();
        let mut tasks = self.tasks();
        if tasks.len() >= HANDLE_COUNT_SWEEP && tasks.len().is_multiple_of(HANDLE_COUNT_SWEEP) {
            tasks.retain(|task| !task.is_finished());
        }
        tasks.push(handle);
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spawn for SimSpawn {
    fn task(&self, future: BoxFuture<'static, ()>) {
        self.trace.record("task", &[], &[]);
        self.start(future);
    }

    fn blocking_boxed(&self, call: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // Others get their turn before and after, as they would while a real thread works.
            tokio::task::yield_now().await;
            call();
            tokio::task::yield_now().await;
        })
    }

    fn worker(&self, name: &'static str, mut worker: Box<dyn Worker>) -> Arc<dyn Wake> {
        let wake = Arc::new(SimWake::default());
        let inner = Arc::clone(&wake);
        let latency_ns = Arc::clone(&self.step_latency_ns);
        let trace = Arc::clone(&self.trace);
        self.start(async move {
            loop {
                let latency = Duration::from_nanos(latency_ns.load(Ordering::Relaxed));
                if latency.is_zero() {
                    tokio::task::yield_now().await;
                } else {
                    tokio::time::sleep(latency).await;
                }
                let step = worker.step();
                trace.record(name, &[], &[]);
                match step {
                    Step::Again => {}
                    Step::Wait => inner.wait().await,
                    Step::Pause(pause) => {
                        drop(tokio::time::timeout(pause, inner.wait()).await);
                    }
                    Step::Stop => break,
                }
            }
        });
        wake
    }
}

/// Wakes a worker's task.
#[derive(Debug, Default)]
struct SimWake {
    /// A wake that the worker has not seen yet.
    is_woken: AtomicBool,
    notify: Notify,
}

impl SimWake {
    /// Waits for a wake and consumes it.
    async fn wait(&self) {
        while !self.is_woken.swap(false, Ordering::Relaxed) {
            self.notify.notified().await;
        }
    }
}

impl Wake for SimWake {
    fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::Relaxed) {
            self.notify.notify_one();
        }
    }

    fn join(&self) {}
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::time::sleep;

    struct Counter(Arc<AtomicU32>, Step);

    impl Worker for Counter {
        fn step(&mut self) -> Step {
            self.0.fetch_add(1, Ordering::Relaxed);
            self.1
        }
    }

    fn worker(step: Step) -> (SimSpawn, Arc<dyn Wake>, Arc<AtomicU32>) {
        let spawn = SimSpawn::new(&Arc::default());
        let count = Arc::new(AtomicU32::new(0));
        let wake = spawn.worker("counter", Box::new(Counter(Arc::clone(&count), step)));
        (spawn, wake, count)
    }

    #[tokio::test(start_paused = true)]
    async fn worker_steps_at_start_and_once_a_wake() {
        let (_spawn, wake, count) = worker(Step::Wait);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(count.load(Ordering::Relaxed), 1);
        wake.wake();
        wake.wake();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(count.load(Ordering::Relaxed), 2, "wakes do not pile up");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_take_simulated_time_and_latency_adds_to_them() {
        let (spawn, _wake, count) = worker(Step::Pause(Duration::from_millis(100)));
        sleep(Duration::from_millis(950)).await;
        assert_eq!(count.load(Ordering::Relaxed), 10);
        spawn.set_step_latency(Duration::from_millis(100));
        sleep(Duration::from_millis(1000)).await;
        assert_eq!(count.load(Ordering::Relaxed), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn killed_process_does_nothing_more() {
        let (spawn, wake, count) = worker(Step::Pause(Duration::from_millis(1)));
        sleep(Duration::from_millis(10)).await;
        spawn.kill_all();
        let before = count.load(Ordering::Relaxed);
        wake.wake();
        let touched = Arc::clone(&count);
        spawn.task(Box::pin(async move {
            touched.fetch_add(1000, Ordering::Relaxed);
        }));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(count.load(Ordering::Relaxed), before);
        assert_eq!(spawn.task_count(), 0);
    }
}
