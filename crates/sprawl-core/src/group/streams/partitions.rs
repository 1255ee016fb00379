//! How many partitions does each internal topic need?
//!
//! A repartition topic has as many as its application says, or as many as the subtopology that
//! writes it reads. Topics that are joined need equal counts: those of the outside decide, and
//! repartition topics follow. A changelog has one partition a task.
//!
//! Topics are looked at as they are; what is not there yet counts as it was decided here.
//!
//! Complexity: O(subtopologies x internal topics), at most [`SUBTOPOLOGIES_MAX`] rounds.
//! Source: Kafka's `RepartitionTopics`, `CopartitionedTopicsEnforcer`, `ChangelogTopics`. In one
//! thing stricter about what belongs together: a count that an application fixes for a repartition
//! topic matters to the topics joined with it, where Kafka 4.3 compares it to all of the
//! application.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TenantId;

use super::request::{StreamsStatus, StreamsStatusCode};
use super::topology::{Subtopology, Topology};
use crate::group::error::GroupError;
use crate::metadata::MetadataImage;

/// The most subtopologies of an application. Real ones have a handful.
pub(super) const SUBTOPOLOGIES_MAX: usize = 1_000;

/// Why counts cannot be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undecided {
    /// No application is made like this.
    Refused(GroupError),
    /// The cluster's topics do not fit; others would.
    Waits(StreamsStatus),
}

impl Undecided {
    pub(super) fn invalid(reason: &'static str) -> Self {
        Self::Refused(GroupError::StreamsInvalidTopology { reason })
    }
}

/// Partition counts of topics that are there, and of those that are to be.
pub(super) struct Counts<'a> {
    image: &'a MetadataImage,
    /// What the application says of its repartition topics; 0 leaves it to us.
    said: BTreeMap<&'a str, i32>,
    decided: BTreeMap<&'a str, i32>,
}

impl<'a> Counts<'a> {
    /// Decides for all internal topics. The source topics are there.
    pub(super) fn decide(
        topology: &'a Topology,
        image: &'a MetadataImage,
    ) -> Result<Self, Undecided> {
        let subtopologies = topology.subtopologies.values();
        let repartitioned = subtopologies.flat_map(|one| &one.repartition_sources);
        let said = repartitioned.map(|topic| (topic.name.as_str(), topic.partition_count));
        let mut counts = Self {
            image,
            said: said.collect(),
            decided: BTreeMap::new(),
        };
        counts.decide_repartitions(topology)?;
        for subtopology in topology.subtopologies.values() {
            for group in &subtopology.copartition_groups {
                let topics = subtopology.copartitioned(group);
                let reason = "a copartition group refers to a topic that is not there";
                let topics = topics.ok_or(Undecided::invalid(reason))?;
                counts.enforce(&topics)?;
            }
        }
        for subtopology in topology.subtopologies.values() {
            let count = counts.task_count(subtopology)?;
            for changelog in &subtopology.changelogs {
                counts.decided.insert(&changelog.name, count);
            }
        }
        Ok(counts)
    }

    /// How many partitions an internal topic should have.
    pub(super) fn decided(&self, topic: &str) -> Option<i32> {
        self.decided.get(topic).copied()
    }

    /// How many partitions a topic has, or is to have.
    fn of(&self, topic: &str) -> Option<i32> {
        let there = self.image.topic(TenantId::DEFAULT, topic);
        let there = there.map(|topic| topic.partition_count());
        there.or_else(|| self.decided(topic))
    }

    /// How many tasks a subtopology has.
    pub(super) fn task_count(&self, subtopology: &Subtopology) -> Result<i32, Undecided> {
        let mut most = None;
        for topic in subtopology.read_topics() {
            let reason = "a topic that is read has no partition count";
            let count = self.of(topic).ok_or(Undecided::invalid(reason))?;
            most = most.max(Some(count));
        }
        most.filter(|count| *count > 0)
            .ok_or(Undecided::invalid("a subtopology reads no topic"))
    }

    fn decide_repartitions(&mut self, topology: &'a Topology) -> Result<(), Undecided> {
        let said = self.said.clone();
        self.decided = said.into_iter().filter(|(_, count)| *count != 0).collect();
        let mut pending: Vec<&Subtopology> = topology
            .subtopologies
            .values()
            .filter(|one| !one.repartition_sinks.is_empty())
            .collect();
        while !pending.is_empty() {
            let before = pending.len();
            pending.retain(|subtopology| !self.decide_sinks(subtopology));
            if pending.len() == before {
                let reason =
                    "partition counts of repartition topics depend on each other in a circle";
                return Err(Undecided::invalid(reason));
            }
        }
        let mut sources = self.said.keys();
        if sources.all(|topic| self.decided.contains_key(topic)) {
            Ok(())
        } else {
            let reason = "a repartition topic is read and never written";
            Err(Undecided::invalid(reason))
        }
    }

    /// Gives the topics that a subtopology writes as many partitions as it reads; says whether
    /// they have a count now.
    fn decide_sinks(&mut self, subtopology: &'a Subtopology) -> bool {
        let count = self.read_count(subtopology);
        let mut sinks = subtopology.repartition_sinks.iter();
        sinks.all(|sink| match (self.decided(sink), count) {
            (Some(_), _) => true,
            (None, Some(count)) => {
                self.decided.insert(sink, count);
                true
            }
            (None, None) => false,
        })
    }

    /// The most partitions of what a subtopology reads, as far as that is known.
    fn read_count(&self, subtopology: &Subtopology) -> Option<i32> {
        let repartitioned = subtopology.repartition_sources.iter();
        let repartitioned = repartitioned.filter_map(|topic| self.decided(&topic.name));
        let sources = subtopology.source_topics.iter();
        let sources = sources.filter_map(|topic| self.of(topic));
        repartitioned.chain(sources).max()
    }

    /// Makes topics that are joined have equal counts, or says why that cannot be.
    fn enforce(&mut self, topics: &BTreeSet<&'a str>) -> Result<(), Undecided> {
        let (mut repartitioned, mut others) = (BTreeMap::new(), BTreeMap::new());
        let mut fixed = BTreeMap::new();
        for topic in topics {
            let reason = "a topic that is joined has no partition count";
            let count = self.of(topic).ok_or(Undecided::invalid(reason))?;
            match self.said.get(topic) {
                None => others.insert(*topic, count),
                Some(0) => repartitioned.insert(*topic, count),
                Some(_) => {
                    repartitioned.insert(*topic, count);
                    fixed.insert(*topic, count)
                }
            };
        }
        let count = if !others.is_empty() {
            same(&others)?
        } else if !fixed.is_empty() {
            same(&fixed)?
        } else {
            repartitioned.values().copied().max().unwrap_or(0)
        };
        if let Some((topic, other)) = fixed.iter().find(|(_, fixed)| **fixed != count) {
            let detail = format!(
                "Number of partitions [{other}] of repartition topic [{topic}] doesn't match \
                 number of partitions [{count}] of the source topic."
            );
            return Err(Undecided::Waits(
                StreamsStatusCode::IncorrectlyPartitionedTopics.with(detail),
            ));
        }
        for topic in repartitioned.into_keys() {
            self.decided.insert(topic, count);
        }
        Ok(())
    }
}

/// The count that all topics have.
fn same(counts: &BTreeMap<&str, i32>) -> Result<i32, Undecided> {
    let mut values = counts.values().copied();
    let first = values.next().unwrap_or(0);
    if values.all(|count| count == first) {
        return Ok(first);
    }
    let listed: Vec<String> = counts
        .iter()
        .map(|(topic, count)| format!("{topic}={count}"))
        .collect();
    let detail = format!(
        "Following topics do not have the same number of partitions: [{{{}}}]",
        listed.join(", ")
    );
    Err(Undecided::Waits(
        StreamsStatusCode::IncorrectlyPartitionedTopics.with(detail),
    ))
}
