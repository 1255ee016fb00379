//! `sprawl log`: look into a stopped data directory.
//!
//! Nothing is changed, and a directory that a broker serves is refused.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sprawl_io::{Io, spawn};
use sprawl_log::RocksStore;
use sprawl_log::tools::{self, Dumped, ToolObserver, VerifyReport};
use sprawl_model::batch::BatchHeader;

use crate::output;

/// The state store's directory inside a data directory.
const STATE_DIR: &str = "state";

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Check every checksum, and the index against the segments
    #[command(after_help = "\
Examples:
  sprawl log verify ./sprawl-data
  sprawl log verify /var/lib/sprawl --json")]
    Verify(DirArgs),
    /// Print checkpoint, partitions, batches and journal frames
    #[command(after_help = "\
Examples:
  sprawl log dump ./sprawl-data | less
  sprawl log dump ./sprawl-data --json | grep '\"kind\":\"frame\"'")]
    Dump(DirArgs),
}

#[derive(Debug, Args)]
struct DirArgs {
    /// The data directory
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(io: Io, args: LogArgs) -> anyhow::Result<()> {
    let for_tool = io.clone();
    let done = spawn::blocking(io.spawn.as_ref(), move || match args.command {
        LogCommand::Verify(args) => verify(&for_tool, &args),
        LogCommand::Dump(args) => dump(&for_tool, &args),
    });
    done.await
        .unwrap_or_else(|| Err(anyhow::anyhow!("the tool ended early")))
}

fn state_store(io: &Io, dir: &Path) -> anyhow::Result<RocksStore> {
    let path = dir.join(STATE_DIR);
    let cannot = |reason: String| {
        let dir = dir.display();
        anyhow::anyhow!("{dir} is not a data directory that can be read: {reason}")
    };
    let found = io
        .disk
        .size(&path)
        .map_err(|error| cannot(error.to_string()))?;
    if found.is_none() {
        return Err(cannot(format!(
            "expected a {STATE_DIR} directory in it, found none"
        )));
    }
    let disk = std::sync::Arc::clone(&io.disk);
    RocksStore::open_read_only(disk, &path).map_err(|error| cannot(error.to_string()))
}

/// Shows how far a tool is.
struct Bar(ProgressBar);

impl ToolObserver for Bar {
    fn progress(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

impl Bar {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}");
        Self(ProgressBar::new(0).with_style(style.unwrap_or(ProgressStyle::default_bar())))
    }
}

/// The report for programs.
#[derive(Debug, Serialize)]
struct Report {
    partition_count: u64,
    segment_count: u64,
    batch_count: u64,
    record_count: u64,
    delayed_batch_count: u64,
    batch_bytes: u64,
    index_entry_count: u64,
    frame_count: u64,
    torn_tails: Vec<Place>,
    problems: Vec<Place>,
}

#[derive(Debug, Serialize)]
struct Place {
    path: PathBuf,
    position: Option<u64>,
    what: String,
}

fn verify(io: &Io, args: &DirArgs) -> anyhow::Result<()> {
    let state = state_store(io, &args.dir)?;
    let bar = Bar::new();
    let report =
        tools::verify(io, &args.dir, &state, &bar).map_err(|error| anyhow::anyhow!("{error}"))?;
    bar.0.finish_and_clear();
    let report = summary(report);
    if args.json {
        output::json(&report)?;
    } else {
        print(&report)?;
    }
    match report.problems.len() {
        0 => Ok(()),
        count => anyhow::bail!("{count} problems found in {}", args.dir.display()),
    }
}

fn summary(report: VerifyReport) -> Report {
    let torn = report.torn_tails.into_iter().map(|tail| Place {
        path: tail.path,
        position: Some(tail.position),
        what: format!(
            "unfinished end from lsn {}, cut at the next start",
            tail.lsn
        ),
    });
    let problems = report.problems.into_iter().map(|problem| Place {
        path: problem.path,
        position: problem.position,
        what: problem.what,
    });
    Report {
        partition_count: report.partition_count,
        segment_count: report.segment_count,
        batch_count: report.batch_count,
        record_count: report.record_count,
        delayed_batch_count: report.delayed_batch_count,
        batch_bytes: report.batch_bytes,
        index_entry_count: report.index_entry_count,
        frame_count: report.frame_count,
        torn_tails: torn.collect(),
        problems: problems.collect(),
    }
}

fn print(report: &Report) -> io::Result<()> {
    output::line(&format!(
        "{} partitions, {} segments, {} batches with {} records in {}",
        report.partition_count,
        report.segment_count,
        report.batch_count,
        report.record_count,
        output::bytes(i64::try_from(report.batch_bytes).unwrap_or(i64::MAX)),
    ))?;
    output::line(&format!(
        "{} index entries, {} journal frames",
        report.index_entry_count, report.frame_count
    ))?;
    if report.delayed_batch_count > 0 {
        output::line(&format!(
            "{} batches hold delayed records",
            report.delayed_batch_count
        ))?;
    }
    for place in report.torn_tails.iter().chain(&report.problems) {
        let position = place
            .position
            .map(|at| format!(" at byte {at}"))
            .unwrap_or_default();
        output::line(&format!(
            "{}{position}: {}",
            place.path.display(),
            place.what
        ))?;
    }
    if report.problems.is_empty() {
        output::line("no damage")?;
    }
    Ok(())
}

fn dump(io: &Io, args: &DirArgs) -> anyhow::Result<()> {
    let state = state_store(io, &args.dir)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    // The tool has no way to be stopped; after a failed write the rest is read and not printed.
    let mut written = Ok(());
    tools::dump(io, &args.dir, &state, &mut |dumped| {
        if written.is_ok() {
            let line = if args.json {
                json_line(&dumped)
            } else {
                text_line(&dumped)
            };
            written = writeln!(out, "{line}");
        }
    })
    .map_err(|error| anyhow::anyhow!("{error}"))?;
    written.and_then(|()| out.flush())?;
    Ok(())
}

fn text_line(dumped: &Dumped) -> String {
    match dumped {
        Dumped::Checkpoint {
            next_lsn,
            generation,
            is_clean,
        } => {
            let stop = if *is_clean { "clean" } else { "not clean" };
            format!("checkpoint  next lsn {next_lsn}  generation {generation}  last stop {stop}")
        }
        Dumped::Partition {
            key,
            log_start,
            flushed_end,
            damage,
        } => {
            let damage = if damage.is_empty() {
                "none".to_owned()
            } else {
                format!("{damage:?}")
            };
            format!("partition {key}  start {log_start}  flushed {flushed_end}  damage {damage}")
        }
        Dumped::Compacted {
            key,
            path,
            base_offset,
            end,
            generation,
        } => {
            format!(
                "compacted {key}  {}  offsets {base_offset} up to {end}  {generation} times",
                path.display()
            )
        }
        Dumped::Batch {
            key,
            path,
            position,
            header,
        } => {
            format!(
                "batch {key}  {}  byte {position}  {}",
                path.display(),
                header_text(header)
            )
        }
        Dumped::SegmentEnd {
            path,
            position,
            has_remainder,
        } => {
            let rest = if *has_remainder {
                "something follows"
            } else {
                "nothing follows"
            };
            format!("segment end  {}  byte {position}  {rest}", path.display())
        }
        Dumped::Frame {
            lsn,
            key,
            is_synced,
            header,
        } => {
            let mode = if *is_synced { "synced" } else { "not synced" };
            format!("frame {lsn}  {key}  {mode}  {}", header_text(header))
        }
    }
}

fn header_text(header: &BatchHeader) -> String {
    format!(
        "offsets {} to {}  epoch {}  producer {}/{}  sequence {}  {} bytes{}",
        header.base_offset,
        header.last_offset(),
        header.leader_epoch,
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
        header.size(),
        match delivery(header) {
            None => String::new(),
            Some(delivery) => format!("  {delivery}"),
        },
    )
}

/// What a batch has to do with delayed delivery.
fn delivery(header: &BatchHeader) -> Option<&'static str> {
    let attributes = header.attributes;
    if attributes.is_release() {
        Some("released")
    } else if !attributes.holds_delayed() {
        None
    } else if attributes.is_mixed() {
        Some("partly delayed")
    } else {
        Some("delayed")
    }
}

fn json_line(dumped: &Dumped) -> String {
    use serde_json::json;
    let value = match dumped {
        Dumped::Checkpoint {
            next_lsn,
            generation,
            is_clean,
        } => json!({
            "kind": "checkpoint", "next_lsn": next_lsn, "generation": generation,
            "is_clean": is_clean,
        }),
        Dumped::Partition {
            key,
            log_start,
            flushed_end,
            damage,
        } => json!({
            "kind": "partition", "partition": key.to_string(), "log_start": log_start,
            "flushed_end": flushed_end,
            "damage": damage.iter().map(|range| format!("{range:?}")).collect::<Vec<_>>(),
        }),
        Dumped::Compacted {
            key,
            path,
            base_offset,
            end,
            generation,
        } => json!({
            "kind": "compacted", "partition": key.to_string(), "path": path,
            "base_offset": base_offset, "end": end, "generation": generation,
        }),
        Dumped::Batch {
            key,
            path,
            position,
            header,
        } => json!({
            "kind": "batch", "partition": key.to_string(), "path": path, "position": position,
            "header": header_json(header),
        }),
        Dumped::SegmentEnd {
            path,
            position,
            has_remainder,
        } => json!({
            "kind": "segment_end", "path": path, "position": position,
            "has_remainder": has_remainder,
        }),
        Dumped::Frame {
            lsn,
            key,
            is_synced,
            header,
        } => json!({
            "kind": "frame", "lsn": lsn, "partition": key.to_string(), "is_synced": is_synced,
            "header": header_json(header),
        }),
    };
    value.to_string()
}

fn header_json(header: &BatchHeader) -> serde_json::Value {
    serde_json::json!({
        "base_offset": header.base_offset, "last_offset": header.last_offset(),
        "leader_epoch": header.leader_epoch, "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch, "base_sequence": header.base_sequence,
        "record_count": header.record_count, "max_timestamp": header.max_timestamp,
        "size_bytes": header.size(), "delivery": delivery(header),
    })
}
