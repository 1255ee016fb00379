//! One seed, run twice: the same trace first, then what the run found.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use sprawl_model::mutant::Mutant;

use crate::invariant::Violation;
use crate::{broker_world, compaction_world, delay_world, log_world, transaction_world};

/// Which part of the product a run drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// The log alone.
    Log,
    /// The log while it is compacted.
    Compaction,
    /// The whole broker, through its sockets.
    Broker,
    /// The whole broker under transactions.
    Transactions,
    /// The whole broker while records wait for their delivery.
    Delayed,
}

impl World {
    /// Every world, in the order in which they are run.
    pub const ALL: [Self; 5] = [
        Self::Log,
        Self::Compaction,
        Self::Broker,
        Self::Transactions,
        Self::Delayed,
    ];

    /// Returns the name the command line knows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Compaction => "compaction",
            Self::Broker => "broker",
            Self::Transactions => "transactions",
            Self::Delayed => "delayed",
        }
    }
}

/// What one run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A number that stands for every operation of the run.
    pub trace_hash: u64,
    /// How many operations there were.
    pub event_count: u64,
    /// Batches acknowledged, or ends of transactions.
    pub acked_count: u64,
    /// Crashes survived.
    pub crash_count: u64,
    /// Records that clients or retention deleted.
    pub deleted_count: u64,
    /// Places at which readers were told of damage.
    pub unreadable_count: u64,
    /// What was violated, if anything.
    pub violation: Option<Violation>,
    /// Panics of tasks and workers.
    pub panics: Vec<String>,
    /// The last operations before the violation.
    pub recent: Vec<String>,
}

impl Outcome {
    /// Says whether nothing was violated and nothing panicked.
    pub fn is_good(&self) -> bool {
        self.violation.is_none() && self.panics.is_empty()
    }
}

/// A seed that failed, and how to run it again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which world.
    pub world: World,
    /// Which seed.
    pub seed: u64,
    /// What was found.
    pub reason: String,
    /// The last operations.
    pub recent: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (world, seed) = (self.world.name(), self.seed);
        writeln!(
            f,
            "seed {seed} of the {world} world failed: {}",
            self.reason
        )?;
        for line in &self.recent {
            writeln!(f, "    {line}")?;
        }
        write!(
            f,
            "run it again: cargo run -p sprawl-sim -- run --world {world} --seed {seed}"
        )
    }
}

/// Runs a seed twice. The first check is that both runs are the same, the second that they are
/// good.
pub fn check_seed(world: World, seed: u64) -> Result<Outcome, Failure> {
    let first = run_once(world, seed, None);
    let fail = |reason: String, recent: &[String]| {
        Err(Failure {
            world,
            seed,
            reason,
            recent: recent.to_vec(),
        })
    };
    let second = run_once(world, seed, None);
    if first.trace_hash != second.trace_hash || first.event_count != second.event_count {
        let reason = format!(
            "not deterministic: {} operations hash {:x}, then {} operations hash {:x}",
            first.event_count, first.trace_hash, second.event_count, second.trace_hash
        );
        return fail(reason, &[]);
    }
    if let Some(panic) = first.panics.first() {
        return fail(format!("panic: {panic}"), &first.recent);
    }
    match &first.violation {
        Some(violation) => fail(violation.to_string(), &first.recent),
        None => Ok(first),
    }
}

/// Runs a seed once, with a known bug switched on or none.
pub fn run_once(world: World, seed: u64, mutant: Option<Mutant>) -> Outcome {
    select(mutant);
    record_panics();
    PANICS.take();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O needs nothing from the system");
        runtime.block_on(async {
            match world {
                World::Log => log_world::run(seed).await,
                World::Compaction => compaction_world::run(seed).await,
                World::Broker => broker_world::run(seed).await,
                World::Transactions => transaction_world::run(seed).await,
                World::Delayed => delay_world::run(seed).await,
            }
        })
    }));
    select(None);
    let mut outcome = outcome.unwrap_or_default();
    outcome.panics = PANICS.take();
    outcome
}

#[cfg(feature = "mutants")]
fn select(mutant: Option<Mutant>) {
    sprawl_model::mutant::select(mutant);
}

#[cfg(not(feature = "mutants"))]
fn select(mutant: Option<Mutant>) {
    assert!(
        mutant.is_none(),
        "known bugs are in builds with the feature `mutants` only"
    );
}

thread_local! {
    /// Panics of this thread's run, which tokio would otherwise keep to itself.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static IS_RECORDING: Cell<bool> = const { Cell::new(false) };
}

/// Makes panics in this thread part of the outcome instead of noise on the terminal.
fn record_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if IS_RECORDING.get() {
                PANICS.with_borrow_mut(|panics| panics.push(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
    IS_RECORDING.set(true);
}
