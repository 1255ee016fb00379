//! How does Sprawl compare with a real Apache Kafka, on one machine, in one run?
//!
//! `run` alternates the servers over several rounds and keeps every sample in a JSON file; `report`
//! turns that file into `docs/benchmarks.md` and its plots. In reading order: [`plan`] says what is
//! measured on whom, [`session`] runs one server through it, [`driver`] calls the foreign load
//! generators, [`process`] and [`disk`] read the machine, [`stats`] and [`bars`] judge, [`report`]
//! and [`plot`] write it down.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "drives real processes, files and clocks from outside; nothing here is simulated"
)]

mod bars;
mod disk;
mod driver;
mod plan;
mod plot;
mod process;
mod report;
mod samples;
mod session;
mod stats;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use plan::{Case, Scale, Variant};

#[derive(Parser)]
#[command(about = "Side-by-side benchmarks against a real Apache Kafka")]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Measures; alternates the servers in every round.
    Run(Run),
    /// Writes the report and its plots from the samples of a run.
    Report {
        /// Samples written by `run`.
        #[arg(long, default_value = "docs/benchmarks.json")]
        samples: PathBuf,
        /// Text about bars that were missed, appended to the report.
        #[arg(long, default_value = "docs/benchmarks-notes.md")]
        notes: PathBuf,
    },
}

#[derive(clap::Args)]
struct Run {
    /// Only these cases; all when none is named.
    #[arg(long = "case", value_enum)]
    cases: Vec<Case>,
    /// Only these servers; all when none is named.
    #[arg(long = "server", value_enum)]
    servers: Vec<Variant>,
    /// How often every server is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// A quarter of the bytes: for a first look, not for the report.
    #[arg(long)]
    quick: bool,
    /// The Sprawl binary.
    #[arg(long, default_value = "target/release/sprawl")]
    sprawl: PathBuf,
    /// Holds the servers' data while they run; must be on the disk that is measured.
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// Where the samples go. Earlier samples of cases that are not run again are kept.
    #[arg(long, default_value = "docs/benchmarks.json")]
    samples: PathBuf,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Verb::Run(run) => measure(&run),
        Verb::Report { samples, notes } => {
            report::write(&samples::Samples::load(&samples)?, &notes)
        }
    }
}

fn measure(run: &Run) -> Result<()> {
    let scale = if run.quick {
        Scale::quick()
    } else {
        Scale::full()
    };
    let cases = plan::or_all(&run.cases);
    let variants = plan::or_all(&run.servers);
    let driver = driver::Driver::build()?;
    let mut samples = samples::Samples::describe_machine(&scale)?;
    for round in 0..run.rounds {
        if cases.contains(&Case::Disk) {
            disk::probe(&run.folder, round, &mut samples)?;
        }
        for variant in &variants {
            println!("round {} of {}: {}", round + 1, run.rounds, variant.title());
            let setup = session::Setup {
                variant: *variant,
                cases: &cases,
                scale: &scale,
                driver: &driver,
                folder: run.folder.join(variant.name()),
                sprawl: &run.sprawl,
                round,
            };
            session::run(&setup, &mut samples)?;
            samples.save(&run.samples)?;
        }
    }
    println!("samples are in {}", run.samples.display());
    Ok(())
}
