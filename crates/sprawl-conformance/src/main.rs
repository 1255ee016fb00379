//! Command line of the conformance harness.
#![allow(
    clippy::print_stdout,
    reason = "a command-line tool talks on standard output"
)]

use std::cell::Cell;
use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use sprawl_conformance::bank;
use sprawl_conformance::bank::judge::Promise;
use sprawl_conformance::crash::{self, DrillOptions};
use sprawl_conformance::queue::{self, Progress, QueueOptions};
use sprawl_conformance::rebalance::{self, RebalanceOptions, Size};
use sprawl_conformance::row::{self, Counts, Coverage, Row};
use sprawl_conformance::run::{Extent, Peer, RunOptions};
use sprawl_conformance::{clients, delay, page, run, sprawl, two_phase};

#[derive(Debug, Parser)]
#[command(about = "Foreign clients, unchanged, run against the broker")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Sets up every client and runs its cases; ends with `N passed, N failed, N skipped`
    Run(RunArgs),
    /// Kills the server at random moments under load, then checks that nothing acknowledged is gone
    CrashDrill {
        #[command(flatten)]
        server: ServerArgs,
        /// How often the server is killed
        #[arg(long, default_value_t = 50)]
        rounds: u64,
        /// Chooses the moments
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// A broker setting; with `sprawl.flush=memory` the drill must fail
        #[arg(long = "set", value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
    /// Moves accounts between topics in transactions, kills broker and clients, holds and doubles
    /// requests, then checks that no transaction was torn, lost or seen too early
    BankDrill {
        #[command(flatten)]
        server: ServerArgs,
        /// How often something is killed
        #[arg(long, default_value_t = 30)]
        rounds: u64,
        /// Chooses what and when
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// A broker setting
        #[arg(long = "set", value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
    /// Sends and cancels delayed records while the server is killed, then checks that each was
    /// delivered once, when it was due, in order
    DelayDrill {
        #[command(flatten)]
        server: ServerArgs,
        /// How often the server is killed
        #[arg(long, default_value_t = 15)]
        rounds: u64,
        /// Chooses the moments
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// A broker setting
        #[arg(long = "set", value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
    /// Sends records through a share group while its consumers crash, hang, reject and release at
    /// random and the broker is killed, then checks that each ended once, acked or dead
    QueueDrill(QueueArgs),
    /// Prepares transactions, kills producer and server, and completes them with another producer
    TwoPhaseDrill {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Has members of one large group join, leave, die and change their protocol while the server
    /// is killed, checks that no partition has two owners, and tells how long each phase takes to
    /// settle; the small form against Apache Kafka proves the cases of the usual run
    RebalanceDrill(RebalanceArgs),
    /// Sets up every client and runs nothing
    Setup,
    /// Starts a server, prints its address, and stops it when standard input ends
    Serve {
        #[command(flatten)]
        server: ServerArgs,
        /// Data and logs of the server
        #[arg(long)]
        folder: PathBuf,
        /// A broker setting
        #[arg(long = "set", value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct RebalanceArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Runs it afterwards against Apache Kafka too, and shows both
    #[arg(long)]
    kafka: bool,
    /// Writes what came of it to `docs/rebalance.md`
    #[arg(long)]
    record: bool,
    /// Chooses what and when
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Few members, as continuous integration has them
    #[arg(long)]
    small: bool,
    /// Members of the consumer protocol
    #[arg(long)]
    members: Option<usize>,
    /// Members that begin with the classic protocol
    #[arg(long)]
    classic: Option<usize>,
    /// Partitions of the topic, at least one a member
    #[arg(long)]
    partitions: Option<u32>,
    /// Rounds of the churn
    #[arg(long)]
    rounds: Option<u64>,
    /// A broker setting
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
}

#[derive(Debug, Args)]
struct ServerArgs {
    /// What to run against: the broker under test, or Apache Kafka to prove the cases
    #[arg(long, value_enum, default_value_t = PeerName::Sprawl)]
    peer: PeerName,
    /// The server binary; the development build, made by cargo, when absent
    #[arg(long)]
    server_binary: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct QueueArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// How many records go through the queue
    #[arg(long, default_value_t = 100_000)]
    records: u64,
    /// For how many seconds they are written, and faults are made
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// Chooses what and when
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A broker setting
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// A client to run, several times for several; all when absent
    #[arg(long = "client")]
    clients: Vec<String>,
    /// Cases to run, comma-separated; all when absent
    #[arg(long, default_value = "")]
    cases: String,
    /// Run also what continuous integration has no time for
    #[arg(long)]
    full: bool,
    /// How many clients run at once, each with a server of its own
    #[arg(long, default_value_t = 3)]
    jobs: usize,
    /// Rounds of the crash drill that follows a whole run
    #[arg(long, default_value_t = 10)]
    crash_rounds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PeerName {
    Sprawl,
    Kafka,
}

impl ServerArgs {
    fn peer(self) -> Result<Peer> {
        Ok(match self.peer {
            PeerName::Kafka => Peer::Kafka,
            PeerName::Sprawl => {
                Peer::Sprawl(self.server_binary.map_or_else(sprawl::build_binary, Ok)?)
            }
        })
    }
}

fn main() -> Result<ExitCode> {
    match Cli::parse().verb {
        Verb::Run(args) => run_clients(args),
        Verb::CrashDrill {
            server,
            rounds,
            seed,
            settings,
        } => crash_drill(server, rounds, seed, &settings),
        Verb::BankDrill {
            server,
            rounds,
            seed,
            settings,
        } => bank_drill(server, rounds, seed, &settings),
        Verb::DelayDrill {
            server,
            rounds,
            seed,
            settings,
        } => delay_drill(server, rounds, seed, &settings),
        Verb::QueueDrill(args) => queue_drill(args),
        Verb::TwoPhaseDrill { server } => two_phase_drill(server),
        Verb::RebalanceDrill(args) => rebalance_drill(args),
        Verb::Setup => set_up(),
        Verb::Serve {
            server,
            folder,
            settings,
        } => serve(server, folder, &settings),
    }
}

fn run_clients(args: RunArgs) -> Result<ExitCode> {
    let options = RunOptions {
        peer: args.server.peer()?,
        clients: args.clients,
        cases: args.cases,
        extent: if args.full {
            Extent::Full
        } else {
            Extent::Usual
        },
        jobs: args.jobs,
        crash_rounds: args.crash_rounds,
    };
    let rows = run::run(&options, &|line| println!("{line}"))?;
    let counts = Counts::of(&rows);
    let coverage = if options.cases.is_empty() {
        Coverage::WholeClients
    } else {
        Coverage::SomeCases
    };
    match options.peer {
        Peer::Kafka => row::save(&row::merge(proved()?, &rows, coverage), &run::proved_file())?,
        Peer::Sprawl(_) if options.is_whole() => page::write(&rows, &proved()?)?,
        Peer::Sprawl(_) => {}
    }
    println!(
        "logs and results: {}",
        run::results_folder(&options.peer).display()
    );
    println!("{counts}");
    Ok(if counts.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What passed against Apache Kafka so far; nothing before the first run.
fn proved() -> Result<Vec<Row>> {
    let file = run::proved_file();
    if file.is_file() {
        row::load(&file)
    } else {
        Ok(Vec::new())
    }
}

fn crash_drill(
    server: ServerArgs,
    rounds: u64,
    seed: u64,
    settings: &[String],
) -> Result<ExitCode> {
    let options = DrillOptions {
        peer: server.peer()?,
        rounds,
        seed,
        settings: pairs(settings)?,
    };
    let drill = crash::drill(&options, &|line| println!("{line}"))?;
    for (promise, broken) in drill.verdict.promises() {
        for breach in broken {
            println!("{promise}: {breach}");
        }
    }
    let slowest = drill.recoveries.iter().max().map_or(0, Duration::as_millis);
    println!("{rounds} kills with seed {seed}, slowest recovery {slowest} ms");
    println!("{}", drill.verdict);
    if drill.verdict.is_clean() {
        std::fs::remove_dir_all(drill.folder.join("data"))?;
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "history, records and data are kept in {}",
        drill.folder.display()
    );
    Ok(ExitCode::FAILURE)
}

fn bank_drill(server: ServerArgs, rounds: u64, seed: u64, settings: &[String]) -> Result<ExitCode> {
    let options = DrillOptions {
        peer: server.peer()?,
        rounds,
        seed,
        settings: pairs(settings)?,
    };
    let drill = bank::drill(&options, &|line| println!("{line}"))?;
    for promise in Promise::ALL {
        for breach in drill.verdict.breaches(promise) {
            println!("{}: {breach}", promise.name());
        }
    }
    println!("seed {seed}: {}", drill.faults);
    println!("{}", drill.verdict);
    if drill.verdict.is_clean() {
        std::fs::remove_dir_all(drill.folder.join("data"))?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("histories and data are kept in {}", drill.folder.display());
    Ok(ExitCode::FAILURE)
}

fn delay_drill(
    server: ServerArgs,
    rounds: u64,
    seed: u64,
    settings: &[String],
) -> Result<ExitCode> {
    let options = DrillOptions {
        peer: server.peer()?,
        rounds,
        seed,
        settings: pairs(settings)?,
    };
    let drill = delay::drill(&options, &|line| println!("{line}"))?;
    for breach in &drill.breaches {
        println!("{breach}");
    }
    println!("{rounds} kills with seed {seed}: {}", drill.summary);
    if drill.breaches.is_empty() {
        std::fs::remove_dir_all(drill.folder.join("data"))?;
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "what was sent and data are kept in {}",
        drill.folder.display()
    );
    Ok(ExitCode::FAILURE)
}

fn queue_drill(args: QueueArgs) -> Result<ExitCode> {
    let options = QueueOptions {
        peer: args.server.peer()?,
        records: args.records,
        load: Duration::from_secs(args.seconds),
        seed: args.seed,
        settings: pairs(&args.settings)?,
    };
    let bar = ProgressBar::default();
    let drill = queue::drill(&options, &|progress| bar.draw(progress))?;
    bar.end();
    for promise in queue::judge::Promise::ALL {
        for breach in drill.verdict.breaches(promise) {
            println!("{}: {breach}", promise.name());
        }
    }
    println!("seed {}: {}", args.seed, drill.faults);
    println!("{}", drill.verdict);
    if drill.verdict.is_clean() {
        std::fs::remove_dir_all(drill.folder.join("data"))?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("histories and data are kept in {}", drill.folder.display());
    Ok(ExitCode::FAILURE)
}

/// Draws how far the queue drill is: one line drawn over and over on a terminal, a line each tenth
/// elsewhere.
#[derive(Default)]
struct ProgressBar {
    tenths: Cell<u64>,
}

impl ProgressBar {
    const WIDTH: usize = 30;

    fn draw(&self, progress: Progress) {
        let tenths = progress.ended * 10 / progress.records.max(1);
        let is_terminal = std::io::stdout().is_terminal();
        if !is_terminal && self.tenths.get() == tenths {
            return;
        }
        self.tenths.set(tenths);
        let width = Self::WIDTH as u64;
        let done = (progress.ended * width / progress.records.max(1)).min(width);
        let bar = "#".repeat(usize::try_from(done).unwrap_or(Self::WIDTH));
        let line = format!(
            "[{bar:<30}] {} of {} ended, {}",
            progress.ended, progress.records, progress.faults
        );
        if is_terminal {
            print!("\r{line}");
            // A bar that cannot be drawn is not worth an error.
            drop(std::io::stdout().flush());
        } else {
            println!("{line}");
        }
    }

    fn end(&self) {
        if std::io::stdout().is_terminal() {
            println!();
        }
    }
}

fn two_phase_drill(server: ServerArgs) -> Result<ExitCode> {
    let peer = server.peer()?;
    let mut rows = two_phase::drill(&peer, &|line| println!("{line}"))?;
    match peer {
        Peer::Kafka => {
            let rows = row::merge(proved()?, &rows, Coverage::WholeClients);
            row::save(&rows, &run::proved_file())?;
        }
        Peer::Sprawl(_) => run::refuse_unproved(&mut rows, &proved()?),
    }
    let counts = Counts::of(&rows);
    println!("{counts}");
    Ok(if counts.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn rebalance_drill(args: RebalanceArgs) -> Result<ExitCode> {
    let usual = if args.small { Size::SMALL } else { Size::FULL };
    let size = Size {
        members: args.members.unwrap_or(usual.members),
        classic: args.classic.unwrap_or(usual.classic),
        partitions: args.partitions.unwrap_or(usual.partitions),
        rounds: args.rounds.unwrap_or(usual.rounds),
    };
    size.check()?;
    let mut peers = vec![args.server.peer()?];
    if args.kafka && peers.first() != Some(&Peer::Kafka) {
        peers.push(Peer::Kafka);
    }
    let mut drills = Vec::new();
    for peer in peers {
        println!("{}:", peer.name());
        let options = RebalanceOptions {
            drill: DrillOptions {
                peer,
                rounds: size.rounds,
                seed: args.seed,
                settings: pairs(&args.settings)?,
            },
            size,
        };
        let drill = rebalance::drill(&options, &|line| println!("{line}"))?;
        for promise in rebalance::judge::Promise::ALL {
            for breach in drill.verdict.breaches(promise) {
                println!("{}: {breach}", promise.name());
            }
        }
        println!("seed {}: {}\n{}", args.seed, drill.deeds, drill.verdict);
        if drill.verdict.is_clean() {
            std::fs::remove_dir_all(drill.folder.join("data"))?;
        } else {
            println!("histories and data are kept in {}", drill.folder.display());
        }
        if options.drill.peer == Peer::Kafka && size == Size::SMALL && drill.verdict.is_clean() {
            let rows = row::merge(proved()?, &drill.rows(), Coverage::WholeClients);
            row::save(&rows, &run::proved_file())?;
        }
        drills.push(drill);
    }
    println!("{}", rebalance::table(&drills));
    println!("{}", rebalance::keep(args.seed, size, &drills)?);
    if args.record {
        rebalance::record(args.seed, size, &drills)?;
    }
    Ok(if drills.iter().all(|drill| drill.verdict.is_clean()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn set_up() -> Result<ExitCode> {
    for client in clients::CLIENTS {
        (client.set_up)().with_context(|| format!("setting up {}", client.name))?;
        println!("{} is set up", client.name);
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(server: ServerArgs, folder: PathBuf, settings: &[String]) -> Result<ExitCode> {
    let server = run::start_server(&server.peer()?, &folder, &pairs(settings)?)?;
    println!("{}", server.bootstrap());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    println!("{}", server.stop()?);
    Ok(ExitCode::SUCCESS)
}

fn pairs(settings: &[String]) -> Result<Vec<(&str, &str)>> {
    settings
        .iter()
        .map(|setting| {
            let pair = setting.split_once('=');
            pair.with_context(|| format!("expected NAME=VALUE, found {setting}"))
        })
        .collect()
}
