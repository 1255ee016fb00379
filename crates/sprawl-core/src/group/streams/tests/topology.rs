//! What topics does a topology need, and what happens while they are not there?

use super::client::*;
use crate::group::streams::{StreamsBeat, StreamsStatusCode, Subtopology, Topology};
use crate::group::tests::consumer::world::World;
use crate::group::{GroupError, GroupState};

fn join(world: &mut World, topology: &Topology) -> StreamsBeat {
    beat(world, joining("a1", topology)).unwrap()
}

/// Joins a world with these topics; returns status details and topics to make.
fn outcome(topics: &[(&str, i32)], topology: &Topology) -> (Vec<String>, Vec<(String, i32)>) {
    let mut world = World::with(prompt());
    for (name, partition_count) in topics {
        world.create_topic(name, *partition_count);
    }
    let beat = join(&mut world, topology);
    let details = beat.statuses.into_iter().map(|status| status.detail);
    let topics = beat.missing_topics.into_iter();
    let topics = topics.map(|topic| (topic.name, topic.partition_count));
    (details.collect(), topics.collect())
}

fn missing(topics: &[(&str, i32)], topology: &Topology) -> Vec<(String, i32)> {
    outcome(topics, topology).1
}

fn listed(topics: &[(&str, i32)]) -> Vec<(String, i32)> {
    let each = topics.iter();
    each.map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[test]
fn missing_source_topics_are_waited_for() {
    let mut world = World::with(prompt());
    let beat1 = join(&mut world, &word_count());
    assert_eq!(codes(&beat1), [StreamsStatusCode::MissingSourceTopics]);
    assert_eq!(beat1.statuses[0].detail, "Source topics t are missing.");
    assert_eq!(beat1.tasks, Some(tasks(&[], &[])));
    assert_eq!(world.state(), Some(GroupState::NotReady));

    world.create_topic("t", 2);
    let beat2 = beat(&mut world, quiet("a1", beat1.member_epoch)).unwrap();
    assert_eq!(codes(&beat2), [StreamsStatusCode::MissingInternalTopics]);
    let detail = "Internal topics are missing: g-changelog";
    assert_eq!(beat2.statuses[0].detail, detail);
    assert_eq!(beat2.missing_topics, [internal("g-changelog", 2)]);

    world.create_topic("g-changelog", 2);
    let beat3 = beat(&mut world, quiet("a1", beat2.member_epoch)).unwrap();
    assert_eq!(codes(&beat3), []);
    assert_eq!(beat3.tasks, Some(tasks(&[("0", &[0, 1])], &[])));
    assert_eq!(world.state(), Some(GroupState::Stable));
    check_replay(&world);
}

#[test]
fn topics_that_go_again_take_the_tasks_along() {
    let mut world = world_of_words(prompt(), 1);
    let joined = join(&mut world, &word_count());
    assert_eq!(joined.tasks, Some(tasks(&[("0", &[0])], &[])));
    world.delete_topic("t");
    let told = beat(&mut world, quiet("a1", joined.member_epoch)).unwrap();
    assert_eq!(codes(&told), [StreamsStatusCode::MissingSourceTopics]);
    assert_eq!(told.tasks, Some(tasks(&[], &[])), "its topic is gone");
    assert_eq!(world.state(), Some(GroupState::NotReady));
}

#[test]
fn a_repartition_topic_has_as_many_partitions_as_its_writer_reads() {
    let topology = application(vec![
        mapping(&["a", "b"], &["r"]),
        reading(vec![internal("r", 0)]),
    ]);
    assert_eq!(
        missing(&[("a", 2), ("b", 5)], &topology),
        listed(&[("r", 5)])
    );
    // What the application says counts more.
    let topology = application(vec![
        mapping(&["a"], &["r"]),
        Subtopology {
            changelogs: vec![internal("c", 0)],
            ..reading(vec![internal("r", 7)])
        },
    ]);
    assert_eq!(
        missing(&[("a", 2)], &topology),
        listed(&[("c", 7), ("r", 7)])
    );
}

#[test]
fn counts_go_through_a_chain_of_repartition_topics() {
    // In the order of ids, the reader comes before the writer.
    let topology = application(vec![
        reading(vec![internal("r2", 0)]),
        Subtopology {
            repartition_sinks: vec!["r2".to_owned()],
            ..reading(vec![internal("r1", 0)])
        },
        mapping(&["a"], &["r1"]),
    ]);
    assert_eq!(
        missing(&[("a", 3)], &topology),
        listed(&[("r1", 3), ("r2", 3)])
    );
}

#[test]
fn joined_topics_need_equal_counts() {
    let topology = application(vec![joining_all(&["a", "b"], Vec::new())]);
    assert_eq!(
        outcome(&[("a", 3), ("b", 3)], &topology).0,
        Vec::<String>::new()
    );
    let (details, topics) = outcome(&[("a", 2), ("b", 3)], &topology);
    let detail = "Following topics do not have the same number of partitions: [{a=2, b=3}]";
    assert_eq!(details, [detail]);
    assert_eq!(topics, []);
}

#[test]
fn joined_repartition_topics_follow_the_others() {
    let writer = |sink| mapping(&["big"], &[sink]);
    let joined = application(vec![
        writer("r"),
        joining_all(&["a"], vec![internal("r", 0)]),
    ]);
    let topics = [("big", 9), ("a", 4)];
    assert_eq!(missing(&topics, &joined), listed(&[("r", 4)]));
    // Among themselves the largest counts, unless the application says.
    let among = |one, other| {
        application(vec![
            writer("r1"),
            mapping(&["a"], &["r2"]),
            joining_all(&[], vec![internal("r1", one), internal("r2", other)]),
        ])
    };
    let both = |one, other| listed(&[("r1", one), ("r2", other)]);
    assert_eq!(missing(&topics, &among(0, 0)), both(9, 9));
    assert_eq!(missing(&topics, &among(0, 5)), both(5, 5));
    let (details, _) = outcome(&topics, &among(6, 5));
    assert!(details[0].contains("[{r1=6, r2=5}]"), "{details:?}");
    let fixed = application(vec![
        writer("r"),
        joining_all(&["a"], vec![internal("r", 6)]),
    ]);
    let (details, _) = outcome(&topics, &fixed);
    assert!(
        details[0].contains("Number of partitions [6]"),
        "{details:?}"
    );
}

#[test]
fn an_internal_topic_that_is_there_has_to_fit() {
    let (details, topics) = outcome(&[("t", 3), ("g-changelog", 2)], &word_count());
    let detail =
        "Existing topic g-changelog has different number of partitions: expected 3, found 2";
    assert_eq!(details, [detail]);
    assert_eq!(topics, []);
}

fn refusal(topology: &Topology) -> GroupError {
    let mut world = World::with(prompt());
    world.create_topic("a", 2);
    let refused = beat(&mut world, joining("a1", topology)).unwrap_err();
    assert_eq!(world.state(), None, "a refused member makes no group");
    assert_eq!(world.records, []);
    refused
}

#[test]
fn topologies_that_cannot_be_are_refused() {
    let circle = application(vec![
        Subtopology {
            repartition_sinks: vec!["r2".to_owned()],
            ..reading(vec![internal("r1", 0)])
        },
        Subtopology {
            repartition_sinks: vec!["r1".to_owned()],
            ..reading(vec![internal("r2", 0)])
        },
    ]);
    let never_written = application(vec![reading(vec![internal("r", 0)])]);
    let reads_nothing = application(vec![Subtopology::default()]);
    let mut outside = joining_all(&["a"], Vec::new());
    outside.copartition_groups[0].source_topics.push(1);
    let mut sized_changelog = counting(&["a"], "c");
    sized_changelog.changelogs[0].partition_count = 2;
    let negative = application(vec![reading(vec![internal("r", -1)])]);
    let many = (0..1_001).map(|_| mapping(&["a"], &[])).collect();
    for topology in [
        circle,
        never_written,
        reads_nothing,
        application(vec![outside]),
        application(vec![sized_changelog]),
        negative,
        application(many),
    ] {
        let error = refusal(&topology);
        let is_invalid = matches!(error, GroupError::StreamsInvalidTopology { .. });
        assert!(is_invalid, "{error:?}");
    }
    let mut pattern = mapping(&["a"], &[]);
    pattern.source_topic_regexes.push("a.*".to_owned());
    let error = refusal(&application(vec![pattern]));
    assert!(
        matches!(error, GroupError::InvalidRequest { .. }),
        "{error:?}"
    );
}

#[test]
fn a_topology_stays_as_it_is() {
    let mut world = world_of_words(prompt(), 1);
    let newer = Topology {
        epoch: 1,
        ..word_count()
    };
    join(&mut world, &newer);
    let other = Topology {
        epoch: 1,
        ..application(vec![mapping(&["t"], &[])])
    };
    let refused = beat(&mut world, joining("b1", &other)).unwrap_err();
    let reason = "Topology updates are not supported yet.";
    assert_eq!(refused, GroupError::InvalidRequest { reason });
    // One that is older joins, and is told so.
    let older = beat(&mut world, joining("b1", &word_count())).unwrap();
    assert_eq!(codes(&older), [StreamsStatusCode::StaleTopology]);
    let again = beat(&mut world, joining("c1", &newer)).unwrap();
    assert_eq!(codes(&again), []);
}

#[test]
fn a_topology_is_described_as_said_and_then_with_counts() {
    let mut world = World::with(prompt());
    join(&mut world, &word_count());
    let said = describe(&world).topology.unwrap();
    assert_eq!(
        said.subtopologies["0"].changelogs,
        [internal("g-changelog", 0)]
    );
    world.create_topic("t", 4);
    world.create_topic("g-changelog", 4);
    beat(&mut world, quiet("a1", 2)).unwrap();
    let counted = describe(&world).topology.unwrap();
    assert_eq!(
        counted.subtopologies["0"].changelogs,
        [internal("g-changelog", 4)]
    );
    assert_eq!(counted.subtopologies["0"].source_topics, ["t"]);
}
