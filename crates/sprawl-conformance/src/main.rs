//! Command line of the conformance harness.
#![allow(
    clippy::print_stdout,
    reason = "a command-line tool talks on standard output"
)]

use std::io::Read;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use sprawl_conformance::kafka::{KafkaOptions, KafkaServer};
use sprawl_conformance::sprawl::{self, SprawlOptions, SprawlServer};

#[derive(Debug, Parser)]
#[command(about = "Foreign clients, unchanged, run against the broker")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Starts a server, prints its address, and stops it when standard input ends
    Serve {
        #[arg(long, value_enum, default_value_t = Peer::Sprawl)]
        peer: Peer,
        /// Data and logs of the server
        #[arg(long)]
        folder: PathBuf,
        /// The server binary; built by cargo when absent
        #[arg(long)]
        server_binary: Option<PathBuf>,
        /// A broker setting
        #[arg(long = "set", value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Peer {
    Sprawl,
    Kafka,
}

fn main() -> Result<()> {
    match Cli::parse().verb {
        Verb::Serve {
            peer,
            folder,
            server_binary,
            settings,
        } => serve(peer, folder, server_binary, &settings),
    }
}

fn serve(
    peer: Peer,
    folder: PathBuf,
    server_binary: Option<PathBuf>,
    settings: &[String],
) -> Result<()> {
    let settings: Vec<(String, String)> = settings
        .iter()
        .filter_map(|setting| setting.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let server = match peer {
        Peer::Kafka => KafkaServer::start(&KafkaOptions {
            settings,
            ..KafkaOptions::new(folder)
        })?,
        Peer::Sprawl => {
            let binary = server_binary.map_or_else(sprawl::build_binary, Ok)?;
            SprawlServer::start(&SprawlOptions {
                settings,
                ..SprawlOptions::new(binary, folder)
            })?
        }
    };
    println!("{}", server.bootstrap());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    println!("{}", server.stop()?);
    Ok(())
}
