//! One binary that does the work of a Kafka cluster and everything around it.
//!
//! This file builds components and wires them; nothing else reads arguments or the environment.
//! Every failure is one line on standard error and exit code 1 (2 for wrong usage), never a
//! backtrace.

mod cli;
mod client;
mod commands;
mod datetime;
mod logging;
mod output;
mod settings;
mod stop;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cli::{Cli, Command};
use sprawl_io::Io;

/// How long a stopped broker's tasks may take to end.
const RUNTIME_STOP_WAIT_MAX: Duration = Duration::from_secs(1);

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(feature = "mutants")]
    select_mutant();
    let cli = Cli::parse();
    // A broker's tasks hold its log; they end before the process does. A verb may be blocked on
    // standard input and must not wait for it.
    let linger = match cli.command {
        Command::Start(_) => RUNTIME_STOP_WAIT_MAX,
        _ => Duration::ZERO,
    };
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| anyhow::anyhow!("cannot start the runtime: {error}"))
        .and_then(|runtime| {
            let result = runtime.block_on(run(cli));
            runtime.shutdown_timeout(linger);
            result
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody can be told when standard error is gone too.
            writeln!(std::io::stderr(), "sprawl: {error}").unwrap_or(());
            ExitCode::FAILURE
        }
    }
}

/// Names the known bug that this process has.
#[cfg(feature = "mutants")]
const MUTANT_VARIABLE: &str = "SPRAWL_MUTANT";

/// Switches a known bug on, so that drills can show that they find it.
#[cfg(feature = "mutants")]
fn select_mutant() {
    use sprawl_model::mutant::{Mutant, select_everywhere};
    let Ok(name) = std::env::var(MUTANT_VARIABLE) else {
        return;
    };
    let mutant = Mutant::from_name(&name);
    select_everywhere(mutant.expect("the environment names a bug that there is"));
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let io = Io::real();
    match cli.command {
        Command::Start(args) => Box::pin(commands::start::run(io, args)).await,
        Command::Topic(args) => Box::pin(commands::topic::run(io, args)).await,
        Command::Produce(args) => Box::pin(commands::produce::run(io, args)).await,
        Command::Consume(args) => Box::pin(commands::consume::run(io, args)).await,
        Command::Group(args) => Box::pin(commands::group::run(io, args)).await,
        Command::Transaction(args) => Box::pin(commands::transaction::run(io, args)).await,
        Command::ShareGroup(args) => Box::pin(commands::share_group::run(io, args)).await,
        Command::Cluster(args) => Box::pin(commands::cluster::run(io, args)).await,
        Command::Acl(args) => Box::pin(commands::acl::run(io, args)).await,
        Command::Scram(args) => Box::pin(commands::scram::run(io, args)).await,
        Command::LogDir(args) => Box::pin(commands::log_dir::run(io, args)).await,
        Command::Config(args) => Box::pin(commands::config::run(io, args)).await,
        Command::Quota(args) => Box::pin(commands::quota::run(io, args)).await,
        Command::Feature(args) => Box::pin(commands::feature::run(io, args)).await,
        Command::Quorum(args) => Box::pin(commands::quorum::run(io, args)).await,
        Command::Log(args) => commands::log::run(io, args).await,
        Command::Completions(args) => commands::completions::run(&args),
    }
}
