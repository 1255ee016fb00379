//! What do the history of the producers and the records read back say? Pure: text in, verdict out.
//!
//! An acknowledgement binds a record to one offset for ever. An unknown outcome is never taken for
//! a failure: a record without a report may be there or not, but at most once and in order.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::breaches::examples;

/// One record as its producer counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    partition: u32,
    producer: u32,
    sequence: u64,
}

/// One record read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    offset: u64,
    sent: Sent,
}

/// Everything that producers were told.
#[derive(Debug, Default)]
pub struct History {
    acked: BTreeMap<Sent, u64>,
    errors: Vec<String>,
}

/// What was found wrong, each with examples.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many records were acknowledged.
    pub acked_count: usize,
    lost: Vec<String>,
    duplicated: Vec<String>,
    reordered: Vec<String>,
    errors: Vec<String>,
}

impl History {
    /// Reads the lines of the load.
    pub fn parse(text: &str) -> Result<Self> {
        let mut history = Self::default();
        for line in text.lines() {
            let [kind, _ms, producer, partition, sequence, outcome] = fields(line)?;
            let sent = sent(producer, partition, sequence)?;
            match kind {
                "A" => {
                    let first = history.acked.insert(sent, outcome.parse()?);
                    ensure!(first.is_none(), "two reports on one record: {line}");
                }
                _ => history.errors.push(format!("{sent:?}: {outcome}")),
            }
        }
        Ok(history)
    }
}

/// The time of the first acknowledgement in `lines` after `ms`.
#[must_use]
pub fn first_ack_after(lines: &str, ms: u64) -> Option<u64> {
    lines
        .lines()
        .filter_map(|line| {
            line.strip_prefix("A ")?
                .split(' ')
                .next()?
                .parse::<u64>()
                .ok()
        })
        .find(|at| *at > ms)
}

/// Reads the lines of the read-back.
pub fn parse_found(text: &str) -> Result<Vec<Found>> {
    text.lines()
        .map(|line| {
            let [_kind, offset, producer, partition, sequence] = fields(line)?;
            Ok(Found {
                offset: offset.parse()?,
                sent: sent(producer, partition, sequence)?,
            })
        })
        .collect()
}

fn fields<const COUNT: usize>(line: &str) -> Result<[&str; COUNT]> {
    let fields: Vec<&str> = line.split(' ').collect();
    fields
        .try_into()
        .ok()
        .with_context(|| format!("line not understood: {line:?}"))
}

fn sent(producer: &str, partition: &str, sequence: &str) -> Result<Sent> {
    Ok(Sent {
        partition: partition.parse()?,
        producer: producer.parse()?,
        sequence: sequence.parse()?,
    })
}

/// Compares what was acknowledged with what was read back, partition by partition in offset order.
pub fn judge(history: &History, found: &[Found]) -> Result<Verdict> {
    ensure!(
        !history.acked.is_empty(),
        "nothing was acknowledged, so nothing is shown"
    );
    let mut verdict = Verdict {
        acked_count: history.acked.len(),
        errors: history.errors.clone(),
        ..Verdict::default()
    };
    let mut at: BTreeMap<Sent, u64> = BTreeMap::new();
    let mut last: BTreeMap<(u32, u32), Found> = BTreeMap::new();
    for record in found {
        if let Some(first) = at.insert(record.sent, record.offset) {
            let again = record.offset;
            verdict
                .duplicated
                .push(format!("{:?} at {first} and {again}", record.sent));
            continue;
        }
        let before = last.insert((record.sent.partition, record.sent.producer), *record);
        if let Some(before) = before.filter(|one| one.sent.sequence > record.sent.sequence) {
            verdict
                .reordered
                .push(format!("{before:?} before {record:?}"));
        }
    }
    for (sent, offset) in &history.acked {
        match at.get(sent) {
            Some(found) if found == offset => {}
            Some(found) => verdict
                .lost
                .push(format!("{sent:?} acked at {offset}, is at {found}")),
            None => verdict
                .lost
                .push(format!("{sent:?} acked at {offset}, is nowhere")),
        }
    }
    Ok(verdict)
}

impl Verdict {
    /// True when every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.promises().iter().all(|(_, broken)| broken.is_empty())
    }

    /// Each promise with the breaches found, none when it was kept.
    #[must_use]
    pub fn promises(&self) -> [(&'static str, Vec<String>); 4] {
        [
            ("nothing-acknowledged-is-lost", examples(&self.lost)),
            ("nothing-is-duplicated", examples(&self.duplicated)),
            ("nothing-is-reordered", examples(&self.reordered)),
            ("no-idempotent-producer-fails", examples(&self.errors)),
        ]
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} acknowledged: {} lost, {} duplicated, {} reordered, {} reported as failed",
            self.acked_count,
            self.lost.len(),
            self.duplicated.len(),
            self.reordered.len(),
            self.errors.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HISTORY: &str = "A 10 0 0 0 0\nA 11 0 0 1 1\nA 12 1 0 0 2\n";

    fn check(history: &str, found: &str, expected: &str) {
        let history = History::parse(history).unwrap();
        let verdict = judge(&history, &parse_found(found).unwrap()).unwrap();
        assert_eq!(verdict.to_string(), expected);
        assert_eq!(
            verdict.is_clean(),
            expected.contains("0 lost, 0 dup"),
            "{verdict}"
        );
    }

    #[test]
    fn everything_at_its_offset_is_clean() {
        let found = "R 0 0 0 0\nR 1 0 0 1\nR 2 1 0 0\nR 3 1 0 1\n";
        let expected = "3 acknowledged: 0 lost, 0 duplicated, 0 reordered, 0 reported as failed";
        check(HISTORY, found, expected);
    }

    #[test]
    fn acknowledged_record_that_is_nowhere_is_lost() {
        let expected = "3 acknowledged: 1 lost, 0 duplicated, 0 reordered, 0 reported as failed";
        check(HISTORY, "R 0 0 0 0\nR 1 0 0 1\n", expected);
    }

    #[test]
    fn acknowledged_record_at_another_offset_is_lost() {
        let found = "R 0 0 0 0\nR 1 0 0 1\nR 7 1 0 0\n";
        let expected = "3 acknowledged: 1 lost, 0 duplicated, 0 reordered, 0 reported as failed";
        check(HISTORY, found, expected);
    }

    #[test]
    fn record_that_is_there_twice_is_duplicated() {
        let found = "R 0 0 0 0\nR 1 0 0 1\nR 2 1 0 0\nR 3 0 0 1\n";
        let history = History::parse(HISTORY).unwrap();
        let verdict = judge(&history, &parse_found(found).unwrap()).unwrap();
        assert!(verdict.to_string().contains("1 duplicated"), "{verdict}");
        assert!(!verdict.is_clean());
    }

    #[test]
    fn later_record_in_front_of_an_earlier_one_is_reordered() {
        let found = "R 0 0 0 1\nR 1 0 0 0\n";
        let history = History::parse("A 10 0 0 0 1\nA 11 0 0 1 0\n").unwrap();
        let verdict = judge(&history, &parse_found(found).unwrap()).unwrap();
        assert!(
            verdict
                .to_string()
                .contains("0 lost, 0 duplicated, 1 reordered"),
            "{verdict}"
        );
        assert!(!verdict.is_clean());
    }

    #[test]
    fn empty_history_shows_nothing() {
        assert!(judge(&History::default(), &[]).is_err());
    }

    #[test]
    fn only_an_acknowledgement_after_the_restart_counts_as_recovery() {
        assert_eq!(first_ack_after(HISTORY, 10), Some(11));
        assert_eq!(first_ack_after("E 20 0 0 0 X\n", 10), None);
    }
}
