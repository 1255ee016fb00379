//! What did members of the rebalance drill write down, and who has what by their account? Text in,
//! events and a view out.
//!
//! The lines are described in `conformance/rebalance/rebalance.py`. The last line of a killed
//! process may be cut; it is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use anyhow::{Context, Result, ensure};

/// A partition that a member was given, from its own account. Times are microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ownership {
    pub(super) member: String,
    pub(super) partition: u32,
    /// The member's epoch when it was told.
    pub(super) epoch: i32,
    pub(super) from_us: u64,
    pub(super) end: End,
}

/// How an ownership ended, and when the member was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The member gave it up; the coordinator heard of that afterwards.
    Revoked(u64),
    /// The member was fenced, some time before.
    Lost(u64),
    /// Nothing more is known of it.
    Open,
}

/// A commit of everything that a member had. The offset is `begin_us`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) member: String,
    pub(super) begin_us: u64,
    pub(super) end_us: u64,
    pub(super) partitions: BTreeSet<u32>,
    pub(super) is_acknowledged: bool,
}

/// A member that is there, by its own account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Present {
    /// The id that the coordinator knows it by.
    pub(super) member_id: String,
    pub(super) partitions: BTreeSet<u32>,
}

/// Everything that was written down.
#[derive(Debug, Default)]
pub struct History {
    pub(super) ownerships: Vec<Ownership>,
    pub(super) commits: Vec<Commit>,
    /// What the coordinator held at the end; -1 is nothing.
    pub(super) committed: BTreeMap<u32, i64>,
    /// Phases that came to no end, and why.
    pub(super) unsettled: Vec<String>,
    /// Members that are there now.
    pub(super) present: BTreeMap<String, Present>,
    /// When something last changed for a member.
    pub(super) changed_us: u64,
    /// Where in `ownerships` the open one of a member's partition is.
    open: BTreeMap<(String, u32), usize>,
}

impl History {
    /// Adds lines of one process, in order; returns how many bytes were whole lines.
    pub fn add(&mut self, text: &str) -> Result<usize> {
        let size = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text.get(..size).unwrap_or_default().lines() {
            self.add_line(line)
                .with_context(|| format!("line not understood: {line:?}"))?;
        }
        Ok(size)
    }

    /// A process was killed, and its members with it: nothing more comes from them.
    pub fn forget_host(&mut self, host: &str) {
        let is_of_host = |member: &str| {
            let number = member.strip_prefix(host);
            number.is_some_and(|number| number.starts_with('.'))
        };
        self.present.retain(|member, _| !is_of_host(member));
        self.open.retain(|(member, _), _| !is_of_host(member));
    }

    fn add_line(&mut self, line: &str) -> Result<()> {
        let mut fields = Fields(line.split(' '));
        match fields.text()? {
            "B" => {
                let (_at_us, member): (u64, _) = (fields.number()?, fields.text()?);
                let before = self.present.insert(member.to_owned(), Present::default());
                ensure!(before.is_none(), "a member begun twice");
            }
            "A" => {
                let (at_us, member) = (fields.number()?, fields.text()?.to_owned());
                let member_id = fields.text()?.to_owned();
                let (epoch, partitions) = (fields.number()?, fields.partitions()?);
                self.assign(at_us, &member, epoch, &partitions)?;
                let present = self.present.get_mut(&member).context("not begun")?;
                present.member_id = member_id;
                present.partitions.extend(partitions);
            }
            kind @ ("R" | "L") => {
                let (at_us, member) = (fields.number()?, fields.text()?.to_owned());
                let (_epoch, partitions): (i32, _) = (fields.number()?, fields.partitions()?);
                let end = if kind == "R" {
                    End::Revoked(at_us)
                } else {
                    End::Lost(at_us)
                };
                self.give_up(at_us, &member, end, &partitions)?;
            }
            kind @ ("C" | "F") => {
                let (begin_us, end_us) = (fields.number()?, fields.number()?);
                let member = fields.text()?.to_owned();
                let (_epoch, partitions): (i32, _) = (fields.number()?, fields.partitions()?);
                self.commits.push(Commit {
                    member,
                    begin_us,
                    end_us,
                    partitions,
                    is_acknowledged: kind == "C",
                });
            }
            "E" => {
                let (at_us, member) = (fields.number()?, fields.text()?);
                self.present.remove(member).context("not begun")?;
                self.changed_us = self.changed_us.max(at_us);
            }
            "O" => {
                let before = self.committed.insert(fields.number()?, fields.number()?);
                ensure!(before.is_none(), "an offset read twice");
            }
            kind => anyhow::bail!("no event is called {kind:?}"),
        }
        Ok(())
    }

    fn assign(
        &mut self,
        at_us: u64,
        member: &str,
        epoch: i32,
        partitions: &BTreeSet<u32>,
    ) -> Result<()> {
        for partition in partitions {
            let key = (member.to_owned(), *partition);
            let before = self.open.insert(key, self.ownerships.len());
            ensure!(before.is_none(), "partition {partition} was given twice");
            self.ownerships.push(Ownership {
                member: member.to_owned(),
                partition: *partition,
                epoch,
                from_us: at_us,
                end: End::Open,
            });
        }
        if !partitions.is_empty() {
            self.changed_us = self.changed_us.max(at_us);
        }
        Ok(())
    }

    fn give_up(
        &mut self,
        at_us: u64,
        member: &str,
        end: End,
        partitions: &BTreeSet<u32>,
    ) -> Result<()> {
        let present = self.present.get_mut(member).context("not begun")?;
        for partition in partitions {
            let index = self.open.remove(&(member.to_owned(), *partition));
            let Some(index) = index else {
                // Kafka's own client names a partition once more among those that it lost, when it
                // was fenced between giving it up and telling so.
                let is_told_again = matches!(end, End::Lost(_));
                ensure!(is_told_again, "partition {partition} was not given");
                continue;
            };
            self.ownerships[index].end = end;
            present.partitions.remove(partition);
            self.changed_us = self.changed_us.max(at_us);
        }
        Ok(())
    }

    /// Why things are not at rest with `count` members and partitions `0..partition_count`; none
    /// when every partition has one owner and loads differ by one at most.
    pub(super) fn unrest(&self, count: usize, partition_count: u32) -> Option<String> {
        if self.present.len() != count {
            return Some(format!("{} of {count} members", self.present.len()));
        }
        let mut owners: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for (member, present) in &self.present {
            for partition in &present.partitions {
                owners.entry(*partition).or_default().push(member);
            }
        }
        let expected: BTreeSet<u32> = (0..partition_count).collect();
        let found: BTreeSet<u32> = owners.keys().copied().collect();
        if found != expected {
            let missing = expected.difference(&found).count();
            return Some(format!("{missing} partitions without an owner"));
        }
        if let Some((partition, owners)) = owners.iter().find(|(_, owners)| owners.len() > 1) {
            return Some(format!("partition {partition} has owners {owners:?}"));
        }
        let loads = || self.present.values().map(|one| one.partitions.len());
        let (low, high) = (loads().min().unwrap_or(0), loads().max().unwrap_or(0));
        (high > low + 1).then(|| format!("members have from {low} to {high} partitions"))
    }

    /// What each member id has.
    pub(super) fn by_member_id(&self) -> BTreeMap<&str, &BTreeSet<u32>> {
        let present = self.present.values();
        present
            .map(|one| (one.member_id.as_str(), &one.partitions))
            .collect()
    }
}

/// What the coordinator says of the group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) group_type: String,
    pub(super) state: String,
    pub(super) members: BTreeMap<String, BTreeSet<u32>>,
}

impl Described {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut described = Self::default();
        for line in text.lines() {
            let mut fields = Fields(line.split(' '));
            match fields.text()? {
                "S" => {
                    described.group_type = fields.text()?.to_owned();
                    described.state = fields.text()?.to_owned();
                }
                "D" => {
                    let member_id = fields.text()?.to_owned();
                    described.members.insert(member_id, fields.partitions()?);
                }
                kind => anyhow::bail!("nothing is described by {kind:?}"),
            }
        }
        Ok(described)
    }

    /// Where the coordinator and the members disagree.
    pub(super) fn differs_from(&self, history: &History) -> Option<String> {
        let told: BTreeMap<&str, &BTreeSet<u32>> = self
            .members
            .iter()
            .map(|(member_id, partitions)| (member_id.as_str(), partitions))
            .collect();
        let own = history.by_member_id();
        if told == own {
            return None;
        }
        let ids: BTreeSet<&str> = told.keys().chain(own.keys()).copied().collect();
        let mut differing = ids.into_iter().filter(|id| told.get(id) != own.get(id));
        let first = differing.next()?;
        Some(format!(
            "the coordinator says that {first} has {:?}, the member {:?}; {} more differ",
            told.get(first),
            own.get(first),
            differing.count()
        ))
    }
}

struct Fields<'a>(std::str::Split<'a, char>);

impl<'a> Fields<'a> {
    fn text(&mut self) -> Result<&'a str> {
        self.0.next().context("too few fields")
    }

    fn number<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&mut self) -> Result<T> {
        Ok(self.text()?.parse()?)
    }

    /// Numbers with commas between them, or `-`.
    fn partitions(&mut self) -> Result<BTreeSet<u32>> {
        let text = self.text()?;
        if text == "-" {
            return Ok(BTreeSet::new());
        }
        let each = text.split(',').map(str::parse::<u32>);
        Ok(each.collect::<Result<_, _>>()?)
    }
}
