//! What does an application consist of?
//!
//! Subtopologies are connected by repartition topics; each has one task for every partition of the
//! topic with the most partitions among those it reads.

use std::collections::{BTreeMap, BTreeSet};

/// What an application consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Its epoch.
    pub epoch: i32,
    /// Its subtopologies, by id.
    pub subtopologies: BTreeMap<String, Subtopology>,
}

/// A part of an application whose tasks are assigned one by one. Lists stand in the order of the
/// application, which copartition groups refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subtopology {
    /// The topics it reads, but for repartition topics.
    pub source_topics: Vec<String>,
    /// Patterns of topics it reads.
    pub source_topic_regexes: Vec<String>,
    /// The changelogs of its stores.
    pub changelogs: Vec<InternalTopic>,
    /// The repartition topics it writes.
    pub repartition_sinks: Vec<String>,
    /// The repartition topics it reads.
    pub repartition_sources: Vec<InternalTopic>,
    /// Which of its topics need equal partition counts.
    pub copartition_groups: Vec<CopartitionGroup>,
}

/// A topic that belongs to the application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InternalTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; 0 leaves it to the coordinator.
    pub partition_count: i32,
    /// How many replicas; 0 leaves it to the broker.
    pub replication_factor: i16,
    /// Its settings.
    pub configs: Vec<(String, String)>,
}

/// Topics that need equal partition counts, as places in the lists of the subtopology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopartitionGroup {
    /// Of the source topics.
    pub source_topics: Vec<i16>,
    /// Of the patterns.
    pub source_topic_regexes: Vec<i16>,
    /// Of the repartition topics it reads.
    pub repartition_sources: Vec<i16>,
}

impl Topology {
    /// Every topic that has to be there, in order of names.
    pub(super) fn required_topics(&self) -> BTreeSet<&str> {
        let each = self.subtopologies.values();
        each.flat_map(|subtopology| {
            let changelogs = subtopology.changelogs.iter();
            let changelogs = changelogs.map(|topic| topic.name.as_str());
            subtopology.read_topics().chain(changelogs)
        })
        .collect()
    }

    /// Which subtopology reads a topic.
    pub(super) fn reader_of(&self, topic: &str) -> Option<&str> {
        let mut each = self.subtopologies.iter();
        let reader = each.find(|(_, one)| one.read_topics().any(|read| read == topic));
        reader.map(|(id, _)| id.as_str())
    }
}

impl Subtopology {
    /// The topics it reads.
    pub(super) fn read_topics(&self) -> impl Iterator<Item = &str> {
        let repartitioned = self.repartition_sources.iter();
        let repartitioned = repartitioned.map(|topic| topic.name.as_str());
        let sources = self.source_topics.iter().map(String::as_str);
        sources.chain(repartitioned)
    }

    /// The topics of a copartition group; `None` if it refers to a topic that is not there.
    pub(super) fn copartitioned(&self, group: &CopartitionGroup) -> Option<BTreeSet<&str>> {
        let source = |at: &i16| {
            let topic = self.source_topics.get(usize::try_from(*at).ok()?)?;
            Some(topic.as_str())
        };
        let repartitioned = |at: &i16| {
            let topic = self.repartition_sources.get(usize::try_from(*at).ok()?)?;
            Some(topic.name.as_str())
        };
        let sources = group.source_topics.iter().map(source);
        let rest = group.repartition_sources.iter().map(repartitioned);
        sources.chain(rest).collect()
    }
}
