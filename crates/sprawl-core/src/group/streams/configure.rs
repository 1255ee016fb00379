//! What does a topology come to with the topics that the cluster has?
//!
//! Every topic that is read has to be there; then the partition counts of internal topics can be
//! decided, and with them how many tasks there are. Tasks are given once every internal topic is
//! there as it should be.
//!
//! Source: Kafka's `InternalTopicManager`.

use std::collections::{BTreeMap, BTreeSet};

use sprawl_model::TenantId;

use super::partitions::{Counts, Undecided};
use super::request::{StreamsStatus, StreamsStatusCode};
use super::tasks::TaskIds;
use super::topology::{InternalTopic, Subtopology, Topology};
use crate::group::error::GroupError;
use crate::metadata::MetadataImage;

/// How many topics a message names.
const NAMED_MAX: usize = 3;

/// A topology with what the cluster's topics say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct Configured {
    /// The subtopologies; `None` while their tasks cannot be counted.
    pub(super) subtopologies: Option<BTreeMap<String, ConfiguredSubtopology>>,
    /// Internal topics that are to be made.
    pub(super) missing: Vec<InternalTopic>,
    /// Why no task is given.
    pub(super) problem: Option<StreamsStatus>,
}

/// A subtopology whose tasks are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct ConfiguredSubtopology {
    pub(super) task_count: i32,
    pub(super) source_topics: BTreeSet<String>,
    pub(super) repartition_sinks: BTreeSet<String>,
    /// By name, with the partition counts they should have.
    pub(super) repartition_sources: BTreeMap<String, InternalTopic>,
    /// As `repartition_sources`.
    pub(super) changelogs: BTreeMap<String, InternalTopic>,
}

impl ConfiguredSubtopology {
    /// Whether its tasks have state.
    pub(super) fn is_stateful(&self) -> bool {
        !self.changelogs.is_empty()
    }

    /// The topics it reads.
    pub(super) fn read_topics(&self) -> impl Iterator<Item = &String> {
        let repartitioned = self.repartition_sources.keys();
        self.source_topics.iter().chain(repartitioned)
    }
}

impl Configured {
    /// Looks at the cluster's topics.
    ///
    /// Errors: `StreamsInvalidTopology`, if no topics would do.
    pub(super) fn new(topology: &Topology, image: &MetadataImage) -> Result<Self, GroupError> {
        match configure(topology, image) {
            Ok(configured) => Ok(configured),
            Err(Undecided::Refused(error)) => Err(error),
            Err(Undecided::Waits(problem)) => Ok(Self {
                subtopologies: None,
                missing: Vec::new(),
                problem: Some(problem),
            }),
        }
    }

    /// The subtopologies, if tasks can be given.
    pub(super) fn ready(&self) -> Option<&BTreeMap<String, ConfiguredSubtopology>> {
        let is_ready = self.problem.is_none();
        self.subtopologies.as_ref().filter(|_| is_ready)
    }

    /// Whether these tasks are there.
    pub(super) fn check_tasks(&self, tasks: &TaskIds) -> Result<(), GroupError> {
        let Some(subtopologies) = self.ready() else {
            return Ok(());
        };
        let invalid = |reason| Err(GroupError::InvalidRequest { reason });
        for (id, partitions) in tasks {
            let Some(subtopology) = subtopologies.get(id) else {
                return invalid("a subtopology of the tasks does not exist in the topology");
            };
            let all = 0..subtopology.task_count;
            if !partitions.iter().all(|partition| all.contains(partition)) {
                return invalid("a task is not one of its subtopology");
            }
        }
        Ok(())
    }
}

fn configure(topology: &Topology, image: &MetadataImage) -> Result<Configured, Undecided> {
    check_sources(topology, image)?;
    let counts = Counts::decide(topology, image)?;
    let mut subtopologies = BTreeMap::new();
    for (id, subtopology) in &topology.subtopologies {
        let configured = configure_one(subtopology, &counts)?;
        subtopologies.insert(id.clone(), configured);
    }
    let missing = missing_topics(&subtopologies, image)?;
    let names = missing.iter().map(|topic| topic.name.as_str());
    let problem = (!missing.is_empty()).then(|| {
        let detail = format!("Internal topics are missing: {}", named(names));
        StreamsStatusCode::MissingInternalTopics.with(detail)
    });
    Ok(Configured {
        subtopologies: Some(subtopologies),
        missing,
        problem,
    })
}

fn check_sources(topology: &Topology, image: &MetadataImage) -> Result<(), Undecided> {
    let subtopologies = topology.subtopologies.values();
    let sources = subtopologies.flat_map(|one| &one.source_topics);
    let missing: BTreeSet<&str> = sources
        .map(String::as_str)
        .filter(|topic| image.topic(TenantId::DEFAULT, topic).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let detail = format!("Source topics {} are missing.", named(missing.into_iter()));
    Err(Undecided::Waits(
        StreamsStatusCode::MissingSourceTopics.with(detail),
    ))
}

fn named<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let shown: Vec<&str> = names.take(NAMED_MAX).collect();
    let shown = shown.join(", ");
    match count.checked_sub(NAMED_MAX) {
        Some(more) if more > 0 => format!("{shown} and {more} additional topics"),
        _ => shown,
    }
}

fn configure_one(
    subtopology: &Subtopology,
    counts: &Counts<'_>,
) -> Result<ConfiguredSubtopology, Undecided> {
    let with_counts = |topics: &[InternalTopic]| {
        let mut by_name = BTreeMap::new();
        for topic in topics {
            let decided = counts.decided(&topic.name);
            let said = (topic.partition_count != 0).then_some(topic.partition_count);
            let count = said.or(decided).filter(|count| *count > 0);
            let reason = "an internal topic has no partition count";
            let partition_count = count.ok_or(Undecided::invalid(reason))?;
            let topic = InternalTopic {
                partition_count,
                ..topic.clone()
            };
            by_name.insert(topic.name.clone(), topic);
        }
        Ok(by_name)
    };
    Ok(ConfiguredSubtopology {
        task_count: counts.task_count(subtopology)?,
        source_topics: subtopology.source_topics.iter().cloned().collect(),
        repartition_sinks: subtopology.repartition_sinks.iter().cloned().collect(),
        repartition_sources: with_counts(&subtopology.repartition_sources)?,
        changelogs: with_counts(&subtopology.changelogs)?,
    })
}

/// Internal topics that are not there, in order of names. One that is there has to be as it should.
fn missing_topics(
    subtopologies: &BTreeMap<String, ConfiguredSubtopology>,
    image: &MetadataImage,
) -> Result<Vec<InternalTopic>, Undecided> {
    let each = subtopologies.values();
    let internal: BTreeMap<&String, &InternalTopic> = each
        .flat_map(|one| one.repartition_sources.iter().chain(&one.changelogs))
        .collect();
    let mut missing = Vec::new();
    for (name, topic) in internal {
        let Some(there) = image.topic(TenantId::DEFAULT, name) else {
            missing.push(topic.clone());
            continue;
        };
        let (expected, found) = (topic.partition_count, there.partition_count());
        if found != expected {
            let detail = format!(
                "Existing topic {name} has different number of partitions: expected {expected}, \
                 found {found}"
            );
            return Err(Undecided::Waits(
                StreamsStatusCode::IncorrectlyPartitionedTopics.with(detail),
            ));
        }
    }
    Ok(missing)
}
