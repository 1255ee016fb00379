//! What was written down by movers, watchers and the closing read? Text in, events out.
//!
//! The lines are described in `conformance/bank/bank.py`. The last line of a killed process may be
//! cut; it is passed over, since nothing after it depends on it.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};

/// A record's place in the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) offset: u64,
}

/// One account record that is visible at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) account: u32,
    /// How often it has moved.
    pub(super) hop: u64,
    pub(super) balance: i64,
    /// The transaction that wrote it.
    pub(super) attempt: String,
    /// Its place among the `count` records of the attempt.
    pub(super) index: u32,
    pub(super) count: u32,
    /// The record that it replaces; `None` for an account's first.
    pub(super) source: Option<Place>,
}

/// What a mover was told about a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Committed,
    Aborted,
    /// Begun and never answered, or answered with an error that leaves both open.
    Unknown,
}

/// A read inside a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) attempt: String,
    pub(super) place: Place,
    /// The transaction that wrote what was read.
    pub(super) source: String,
}

/// A record as a watcher saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) watcher: String,
    pub(super) place: Place,
    pub(super) attempt: String,
    pub(super) index: u32,
}

/// The ends of a partition after everything has settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) last_stable: u64,
    pub(super) high_watermark: u64,
    pub(super) committed: u64,
}

/// Everything that was written down.
#[derive(Debug, Default)]
pub struct History {
    pub(super) told: BTreeMap<String, Told>,
    pub(super) reads: Vec<Read>,
    /// In the order of each watcher's polls.
    pub(super) seen: Vec<Seen>,
    pub(super) visible: BTreeMap<Place, Account>,
    pub(super) ends: BTreeMap<(String, u32), Ends>,
}

impl History {
    /// Adds the lines of one process, each file in whole.
    pub fn add(&mut self, text: &str) -> Result<()> {
        let whole = text
            .rfind('\n')
            .map_or("", |end| text.get(..end).unwrap_or_default());
        for line in whole.lines() {
            self.add_line(line)
                .with_context(|| format!("line not understood: {line:?}"))?;
        }
        Ok(())
    }

    fn add_line(&mut self, line: &str) -> Result<()> {
        let mut fields = Fields(line.split(' '));
        match fields.text()? {
            "B" => {
                let attempt = fields.attempt()?;
                let before = self.told.insert(attempt, Told::Unknown);
                ensure!(before.is_none(), "an attempt begun twice");
            }
            "R" => {
                let attempt = fields.attempt()?;
                let (place, source) = (fields.place()?, fields.text()?.to_owned());
                self.reads.push(Read {
                    attempt,
                    place,
                    source,
                });
            }
            "C" => self.tell(fields.attempt()?, Told::Committed)?,
            "A" => self.tell(fields.attempt()?, Told::Aborted)?,
            "U" => self.tell(fields.attempt()?, Told::Unknown)?,
            "O" => {
                let watcher = fields.attempt()?;
                let place = fields.place()?;
                let (attempt, index) = (fields.text()?.to_owned(), fields.number()?);
                self.seen.push(Seen {
                    watcher,
                    place,
                    attempt,
                    index,
                });
            }
            "V" => {
                let (place, account) = (fields.place()?, fields.account()?);
                let before = self.visible.insert(place, account);
                ensure!(before.is_none(), "an offset read twice");
            }
            "L" => {
                let ends = self.ends.entry(fields.partition()?).or_default();
                ends.last_stable = fields.number()?;
                ends.high_watermark = fields.number()?;
            }
            "G" => {
                let ends = self.ends.entry(fields.partition()?).or_default();
                ends.committed = fields.number()?;
            }
            kind => anyhow::bail!("no event is called {kind:?}"),
        }
        Ok(())
    }

    fn tell(&mut self, attempt: String, told: Told) -> Result<()> {
        let known = self.told.get_mut(&attempt).context("not begun")?;
        ensure!(*known == Told::Unknown, "told twice");
        *known = told;
        Ok(())
    }
}

/// The time of the first commit in `lines` after `ms`.
#[must_use]
pub(super) fn first_commit_after(lines: &str, ms: u64) -> Option<u64> {
    let commits = lines.lines().filter_map(|line| {
        let time = line.strip_prefix("C ")?.split(' ').next()?;
        time.parse::<u64>().ok()
    });
    commits.into_iter().find(|at| *at > ms)
}

struct Fields<'a>(std::str::Split<'a, char>);

impl<'a> Fields<'a> {
    fn text(&mut self) -> Result<&'a str> {
        self.0.next().context("too few fields")
    }

    fn number<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&mut self) -> Result<T> {
        Ok(self.text()?.parse()?)
    }

    /// A name after the wall-clock time, which is for people.
    fn attempt(&mut self) -> Result<String> {
        let _wall_ms: u64 = self.number()?;
        Ok(self.text()?.to_owned())
    }

    fn partition(&mut self) -> Result<(String, u32)> {
        Ok((self.text()?.to_owned(), self.number()?))
    }

    fn place(&mut self) -> Result<Place> {
        let (topic, partition) = self.partition()?;
        let offset = self.number()?;
        Ok(Place {
            topic,
            partition,
            offset,
        })
    }

    fn account(&mut self) -> Result<Account> {
        let (account, hop, balance) = (self.number()?, self.number()?, self.number()?);
        let attempt = self.text()?.to_owned();
        let (index, count) = (self.number()?, self.number()?);
        let source = if hop == 0 { None } else { Some(self.place()?) };
        Ok(Account {
            account,
            hop,
            balance,
            attempt,
            index,
            count,
            source,
        })
    }
}
