//! Runs seeds from the command line.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Parser, Subcommand, ValueEnum};
use sprawl_sim::run::{Failure, World, check_seed};

/// Seeds between two lines of progress.
const PROGRESS_INTERVAL: u64 = 50;

/// Drives the shipped code over a simulated disk, network and clock.
#[derive(Parser)]
#[command(name = "sprawl-sim")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one seed, twice, and says what it did.
    Run {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// What is driven.
        #[arg(long, value_enum, default_value_t = WorldName::Log)]
        world: WorldName,
    },
    /// Runs many seeds on all cores; stops at the first failure.
    Seeds {
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// How many.
        #[arg(long, default_value_t = 200)]
        count: u64,
        /// What is driven; everything by default.
        #[arg(long, value_enum)]
        world: Option<WorldName>,
    },
    /// Switches on one known bug after the other and checks that the seeds catch each.
    #[cfg(feature = "mutants")]
    Mutants {
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// How many seeds each bug may hide from.
        #[arg(long, default_value_t = 200)]
        count: u64,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum WorldName {
    /// The log alone.
    Log,
    /// The log while it is compacted.
    Compaction,
    /// The whole broker.
    Broker,
    /// The whole broker under transactions.
    Transactions,
    /// The whole broker while records wait for their delivery.
    Delayed,
}

impl From<WorldName> for World {
    fn from(name: WorldName) -> Self {
        match name {
            WorldName::Log => Self::Log,
            WorldName::Compaction => Self::Compaction,
            WorldName::Broker => Self::Broker,
            WorldName::Transactions => Self::Transactions,
            WorldName::Delayed => Self::Delayed,
        }
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { seed, world } => run(world.into(), seed),
        Command::Seeds { from, count, world } => {
            let worlds = world.map_or(World::ALL.to_vec(), |world| vec![world.into()]);
            let good = worlds.into_iter().all(|world| seeds(world, from, count));
            if good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        #[cfg(feature = "mutants")]
        Command::Mutants { from, count } => mutants(from, count),
    }
}

fn run(world: World, seed: u64) -> ExitCode {
    match check_seed(world, seed) {
        Ok(outcome) => {
            say(&format!(
                "seed {seed} of the {} world: {} operations, trace {:016x}, {} acknowledgements, {} crashes, {} records deleted, {} places damaged: good",
                world.name(),
                outcome.event_count,
                outcome.trace_hash,
                outcome.acked_count,
                outcome.crash_count,
                outcome.deleted_count,
                outcome.unreadable_count
            ));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            say(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Runs seeds on every core, one runtime per seed. Returns whether all were good.
fn seeds(world: World, from: u64, count: u64) -> bool {
    let next = AtomicU64::new(from);
    let (acked, crashes) = (AtomicU64::new(0), AtomicU64::new(0));
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let is_over = || failure.lock().map_or(true, |failure| failure.is_some());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from.saturating_add(count) || is_over() {
                        return;
                    }
                    match check_seed(world, seed) {
                        Ok(outcome) => {
                            acked.fetch_add(outcome.acked_count, Ordering::Relaxed);
                            crashes.fetch_add(outcome.crash_count, Ordering::Relaxed);
                        }
                        Err(found) => {
                            if let Ok(mut failure) = failure.lock() {
                                failure.get_or_insert(found);
                            }
                        }
                    }
                    let done = seed - from + 1;
                    if done.is_multiple_of(PROGRESS_INTERVAL) {
                        say(&format!("{} world: {done} of {count} seeds", world.name()));
                    }
                }
            });
        }
    });
    if let Ok(Some(failure)) = failure.into_inner() {
        say(&failure.to_string());
        return false;
    }
    say(&format!(
        "{} world: {count} seeds good, each run twice with one trace; {} acknowledgements, {} crashes survived",
        world.name(),
        acked.into_inner(),
        crashes.into_inner()
    ));
    true
}

/// Runs the seeds with each bug switched on; a bug that no seed catches fails.
#[cfg(feature = "mutants")]
fn mutants(from: u64, count: u64) -> ExitCode {
    let results = sprawl_sim::mutants::catch_all(from, count, &|line| say(line));
    if results.iter().all(|result| result.caught_by.is_some()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[allow(clippy::print_stdout, reason = "this is a command line tool")]
fn say(text: &str) {
    println!("{text}");
}
