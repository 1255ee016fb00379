//! Members that behave as those of Kafka Streams do, and applications for them.

use std::collections::BTreeMap;

use crate::group::streams::{
    CopartitionGroup, InternalTopic, StreamsBeat, StreamsHeartbeat, StreamsStatusCode, Subtopology,
    Tasks, Topology,
};
use crate::group::tests::consumer::world::{GROUP, World};
use crate::group::{
    DescribedStreamsGroup, DescribedStreamsMember, GroupError, GroupSettings, Input, Response,
};
use crate::metadata::{ConfigAction, ConfigOp, ConfigResource, MetadataCommand};

/// Settings without any wait, so that a test sees one thing at a time.
pub(super) fn prompt() -> GroupSettings {
    let mut settings = GroupSettings::default();
    settings.streams.initial_rebalance_delay_ms = 0;
    settings.streams.assignment_interval_ms.default = 0;
    settings
}

pub(super) fn internal(name: &str, partition_count: i32) -> InternalTopic {
    InternalTopic {
        name: name.to_owned(),
        partition_count,
        ..InternalTopic::default()
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A subtopology that reads `sources`, with a store that has a changelog.
pub(super) fn counting(sources: &[&str], changelog: &str) -> Subtopology {
    Subtopology {
        source_topics: names(sources),
        changelogs: vec![internal(changelog, 0)],
        ..Subtopology::default()
    }
}

/// A subtopology that reads `sources` and writes repartition topics.
pub(super) fn mapping(sources: &[&str], sinks: &[&str]) -> Subtopology {
    Subtopology {
        source_topics: names(sources),
        repartition_sinks: names(sinks),
        ..Subtopology::default()
    }
}

/// A subtopology that reads repartition topics.
pub(super) fn reading(topics: Vec<InternalTopic>) -> Subtopology {
    Subtopology {
        repartition_sources: topics,
        ..Subtopology::default()
    }
}

/// A subtopology whose topics of either kind are joined.
pub(super) fn joining_all(sources: &[&str], topics: Vec<InternalTopic>) -> Subtopology {
    let places = |count: usize| (0..i16::try_from(count).unwrap()).collect();
    let group = CopartitionGroup {
        source_topics: places(sources.len()),
        repartition_sources: places(topics.len()),
        ..CopartitionGroup::default()
    };
    Subtopology {
        source_topics: names(sources),
        repartition_sources: topics,
        copartition_groups: vec![group],
        ..Subtopology::default()
    }
}

pub(super) fn application(subtopologies: Vec<Subtopology>) -> Topology {
    let ids = (0..).map(|id: usize| id.to_string());
    Topology {
        epoch: 0,
        subtopologies: ids.zip(subtopologies).collect(),
    }
}

/// Counts words of topic `t`: one stateful subtopology.
pub(super) fn word_count() -> Topology {
    application(vec![counting(&["t"], "g-changelog")])
}

/// A world with topic `t` and the changelog that [`word_count`] needs.
pub(super) fn world_of_words(settings: GroupSettings, partition_count: i32) -> World {
    let mut world = World::with(settings);
    world.create_topic("t", partition_count);
    world.create_topic("g-changelog", partition_count);
    world
}

pub(super) fn tasks(active: &[(&str, &[i32])], standby: &[(&str, &[i32])]) -> Tasks {
    let ids = |all: &[(&str, &[i32])]| {
        let each = all.iter();
        each.map(|(id, partitions)| ((*id).to_owned(), partitions.iter().copied().collect()))
            .collect()
    };
    Tasks {
        active: ids(active),
        standby: ids(standby),
        ..Tasks::default()
    }
}

/// The process of a member.
pub(super) fn process(member_id: &str) -> &str {
    member_id.split_at(1).0
}

/// A heartbeat that says nothing new.
pub(super) fn quiet(member_id: &str, member_epoch: i32) -> StreamsHeartbeat {
    StreamsHeartbeat {
        group_id: GROUP.to_owned(),
        member_id: member_id.to_owned(),
        member_epoch,
        endpoint_epoch: -1,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        ..StreamsHeartbeat::default()
    }
}

/// The first heartbeat of a member; its process is named by the first letter.
pub(super) fn joining(member_id: &str, topology: &Topology) -> StreamsHeartbeat {
    StreamsHeartbeat {
        rebalance_timeout_ms: Some(30_000),
        topology: Some(topology.clone()),
        owned: Some(Tasks::default()),
        process_id: Some(process(member_id).to_owned()),
        client_tags: Some(BTreeMap::new()),
        ..quiet(member_id, 0)
    }
}

pub(super) fn beat(
    world: &mut World,
    request: StreamsHeartbeat,
) -> Result<StreamsBeat, GroupError> {
    let token = world.ask(|token| Input::StreamsHeartbeat(token, request));
    match world.reply(token) {
        Some(Response::StreamsHeartbeat(outcome)) => outcome,
        other => panic!("expected the answer to a heartbeat, found {other:?}"),
    }
}

pub(super) fn codes(beat: &StreamsBeat) -> Vec<StreamsStatusCode> {
    beat.statuses.iter().map(|status| status.code).collect()
}

pub(super) fn describe(world: &World) -> DescribedStreamsGroup {
    world
        .shard
        .describe_streams(GROUP)
        .expect("a streams group")
}

pub(super) fn member(world: &World, member_id: &str) -> Option<DescribedStreamsMember> {
    let described = world.shard.describe_streams(GROUP).ok()?;
    let mut members = described.members.into_iter();
    members.find(|member| member.member_id == member_id)
}

/// What a restart would find is what there is, but for what is looked up again.
pub(super) fn check_replay(world: &World) {
    let stored = |described: Result<DescribedStreamsGroup, GroupError>| {
        described.map(|group| DescribedStreamsGroup {
            topology: None,
            ..group
        })
    };
    let replayed = stored(world.replayed().describe_streams(GROUP));
    assert_eq!(replayed, stored(world.shard.describe_streams(GROUP)));
}

pub(super) fn set_group_config(world: &mut World, name: &str, value: &str) {
    world.command(MetadataCommand::AlterConfigs {
        resource: ConfigResource::Group(GROUP.to_owned()),
        ops: vec![ConfigOp {
            name: name.to_owned(),
            action: ConfigAction::Set(value.to_owned()),
        }],
    });
}

/// A member of Kafka Streams: it has what it was last given, gives up at once what it is no longer
/// given, and makes no topics.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) member_id: String,
    pub(super) epoch: i32,
    pub(super) topology: Topology,
    pub(super) owned: Tasks,
}

impl Client {
    pub(super) fn new(member_id: &str, topology: &Topology) -> Self {
        Self {
            member_id: member_id.to_owned(),
            epoch: 0,
            topology: topology.clone(),
            owned: Tasks::default(),
        }
    }

    /// The next heartbeat; always a full one.
    pub(super) fn request(&self) -> StreamsHeartbeat {
        if self.epoch == 0 {
            return joining(&self.member_id, &self.topology);
        }
        StreamsHeartbeat {
            owned: Some(self.owned.clone()),
            ..quiet(&self.member_id, self.epoch)
        }
    }

    pub(super) fn receive(&mut self, outcome: Result<StreamsBeat, GroupError>) {
        match outcome {
            Ok(beat) => {
                self.epoch = beat.member_epoch;
                if let Some(tasks) = beat.tasks {
                    self.owned = tasks;
                }
            }
            // The member gives up everything and starts over; or its process ends, because it has a
            // task that no longer exists, and is started again.
            Err(
                GroupError::FencedMemberEpoch
                | GroupError::UnknownMemberId
                | GroupError::InvalidRequest { .. },
            ) => {
                self.epoch = 0;
                self.owned = Tasks::default();
            }
            Err(GroupError::GroupIdNotFound) if self.epoch != 0 => {
                self.epoch = 0;
                self.owned = Tasks::default();
            }
            Err(other) => panic!("{} was refused: {other:?}", self.member_id),
        }
    }

    pub(super) fn beat(&mut self, world: &mut World) {
        let outcome = beat(world, self.request());
        self.receive(outcome);
    }
}
