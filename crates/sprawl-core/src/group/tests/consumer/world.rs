//! A shard with a log, a clock, topics, and clients that behave as Kafka's do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use sprawl_model::{BrokerId, Offset, TenantId, TopicId};
use uuid::Uuid;

use crate::config::ConfigMap;
use crate::coordinator::{
    AppendId, AppendOutcome, AppendRefusal, BatchKind, Machine, Now, Record, Replayed, Token,
};
use crate::group::effect::{Effect, Input, TimerId};
use crate::group::{
    Assignment, ConsumerBeat, ConsumerHeartbeat, DescribedConsumer, DescribedConsumerGroup,
    GroupError, GroupSettings, GroupShard, GroupState, HeartbeatRequest, JoinProtocol, JoinRefusal,
    JoinRequest, Joined, MemberIdOrigin, MemberIdRule, Response, SkipAssignment, SyncRequest,
    Synced,
};
use crate::metadata::{
    BrokerSpec, ConfigResource, MetadataCommand, MetadataImage, NewPartitions, NewTopic, Placement,
    TopicRef, apply,
};

/// The group of every test.
pub(in crate::group) const GROUP: &str = "g";

/// What becomes of appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum Log {
    Takes,
    Refuses,
    Holds,
}

pub(in crate::group) struct World {
    pub(in crate::group) settings: GroupSettings,
    pub(in crate::group) shard: GroupShard,
    pub(in crate::group) now: Now,
    pub(in crate::group) log: Log,
    pub(in crate::group) records: Vec<Record>,
    image: MetadataImage,
    index: u64,
    timers: BTreeMap<TimerId, u64>,
    appends: VecDeque<(AppendId, Vec<Record>)>,
    replies: BTreeMap<Token, Response>,
    next_token: u64,
}

/// Settings with which every change is followed by a target assignment at once: what most tests are
/// about is not when.
pub(super) fn at_once() -> GroupSettings {
    let mut settings = GroupSettings::default();
    settings.consumer.assignment_interval_ms = 0;
    settings
}

impl World {
    pub(in crate::group) fn new() -> Self {
        Self::with(at_once())
    }

    pub(in crate::group) fn with(settings: GroupSettings) -> Self {
        let mut world = Self {
            shard: GroupShard::new(settings.clone()),
            settings,
            now: Now {
                wall_ms: 1_000_000,
                monotonic_ms: 0,
            },
            log: Log::Takes,
            records: Vec::new(),
            image: MetadataImage::default(),
            index: 0,
            timers: BTreeMap::new(),
            appends: VecDeque::new(),
            replies: BTreeMap::new(),
            next_token: 0,
        };
        world.command(MetadataCommand::RegisterBroker(BrokerSpec {
            id: BrokerId(0),
            incarnation_id: Uuid::from_u128(1),
            endpoints: Vec::new(),
            rack: None,
        }));
        world.step(Input::Loaded);
        world
    }

    pub(in crate::group) fn command(&mut self, command: MetadataCommand) {
        self.index += 1;
        apply(&mut self.image, self.index, &command).expect("the test's commands are valid");
        let image = Arc::new(self.image.clone());
        self.step(Input::MetadataChanged(image));
    }

    pub(in crate::group) fn create_topic(&mut self, name: &str, partition_count: i32) {
        let topic_id = TopicId(Uuid::from_u128(u128::from(self.index) + 1));
        self.command(MetadataCommand::CreateTopic(NewTopic {
            topic: topic(name),
            topic_id,
            placement: Placement::Spread {
                partition_count,
                replication_factor: 1,
            },
            configs: ConfigMap::new(),
        }));
    }

    pub(in crate::group) fn grow_topic(&mut self, name: &str, count: i32) {
        self.command(MetadataCommand::CreatePartitions(NewPartitions {
            topic: topic(name),
            count,
            assignments: None,
        }));
    }

    pub(in crate::group) fn delete_topic(&mut self, name: &str) {
        let topic_id = self.topic_id(name).expect("a topic of the test");
        self.command(MetadataCommand::DeleteTopic { topic_id });
    }

    pub(super) fn set_group_config(&mut self, name: &str, value: &str) {
        self.command(MetadataCommand::ReplaceConfigs {
            resource: ConfigResource::Group(GROUP.to_owned()),
            configs: [(name.to_owned(), value.to_owned())].into(),
        });
    }

    pub(in crate::group) fn topic_id(&self, name: &str) -> Option<TopicId> {
        let topic = self.image.topic(TenantId::DEFAULT, name)?;
        Some(topic.id)
    }

    pub(in crate::group) fn partition_count(&self, name: &str) -> Option<i32> {
        let topic = self.image.topic(TenantId::DEFAULT, name)?;
        Some(topic.partition_count())
    }

    pub(in crate::group) fn topic_names(&self) -> Vec<String> {
        let topics = self.image.topics(TenantId::DEFAULT);
        topics.map(|topic| topic.name.clone()).collect()
    }

    pub(in crate::group) fn step(&mut self, input: Input) {
        for effect in self.shard.step(self.now, input) {
            match effect {
                Effect::Reply(token, response) => {
                    let twice = self.replies.insert(token, response);
                    assert_eq!(twice, None, "a request is answered once");
                }
                Effect::Append {
                    append,
                    kind,
                    records,
                } => {
                    assert_eq!(kind, BatchKind::Plain);
                    self.appends.push_back((append, records));
                }
                Effect::SetTimer { timer, deadline_ms } => {
                    self.timers.insert(timer, deadline_ms);
                }
                Effect::CancelTimer(timer) => {
                    self.timers.remove(&timer);
                }
                Effect::Errand(errand) => match errand {},
            }
        }
        self.end_appends();
    }

    /// Lets the log finish what it holds.
    pub(in crate::group) fn end_appends(&mut self) {
        if self.log == Log::Holds {
            return;
        }
        while let Some((append, records)) = self.appends.pop_front() {
            let outcome = if self.log == Log::Takes {
                let base_offset = Offset(i64::try_from(self.records.len()).unwrap());
                self.records.extend(records);
                AppendOutcome::Durable(base_offset)
            } else {
                AppendOutcome::Refused(AppendRefusal::DiskFull)
            };
            self.step(Input::Appended(append, outcome));
        }
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    /// Sends a request; the reply may be yet to come.
    pub(in crate::group) fn ask(&mut self, request: impl FnOnce(Token) -> Input) -> Token {
        let token = self.token();
        self.step(request(token));
        token
    }

    pub(in crate::group) fn reply(&mut self, token: Token) -> Option<Response> {
        self.replies.remove(&token)
    }

    pub(in crate::group) fn beat(
        &mut self,
        beat: ConsumerHeartbeat,
    ) -> Result<ConsumerBeat, GroupError> {
        let token = self.ask(|token| Input::ConsumerHeartbeat(token, beat));
        match self.reply(token) {
            Some(Response::ConsumerHeartbeat(outcome)) => outcome,
            other => panic!("expected the answer to a heartbeat, found {other:?}"),
        }
    }

    pub(in crate::group) fn join(&mut self, request: JoinRequest) -> Result<Joined, JoinRefusal> {
        let token = self.ask(|token| Input::Join(token, request));
        match self.reply(token) {
            Some(Response::Join(outcome)) => outcome,
            other => panic!("expected the answer to a join, found {other:?}"),
        }
    }

    pub(in crate::group) fn sync(&mut self, request: SyncRequest) -> Result<Synced, GroupError> {
        let token = self.ask(|token| Input::Sync(token, request));
        match self.reply(token) {
            Some(Response::Sync(outcome)) => outcome,
            other => panic!("expected the answer to a sync, found {other:?}"),
        }
    }

    pub(in crate::group) fn heartbeat(
        &mut self,
        member_id: &str,
        generation: i32,
    ) -> Result<(), GroupError> {
        let request = HeartbeatRequest {
            group_id: GROUP.to_owned(),
            member_id: member_id.to_owned(),
            group_instance_id: None,
            generation,
        };
        let token = self.ask(|token| Input::Heartbeat(token, request));
        match self.reply(token) {
            Some(Response::Heartbeat(outcome)) => outcome,
            other => panic!("expected the answer to a heartbeat, found {other:?}"),
        }
    }

    pub(in crate::group) fn describe(&self) -> DescribedConsumerGroup {
        self.shard
            .describe_consumer(GROUP)
            .expect("a consumer group")
    }

    pub(in crate::group) fn member(&self, member_id: &str) -> Option<DescribedConsumer> {
        let described = self.shard.describe_consumer(GROUP).ok()?;
        let mut members = described.members.into_iter();
        members.find(|member| member.member_id == member_id)
    }

    pub(in crate::group) fn state(&self) -> Option<GroupState> {
        let mut listed = self.shard.list();
        listed
            .find(|group| group.group_id == GROUP)
            .map(|group| group.state)
    }

    pub(in crate::group) fn advance(&mut self, ms: u64) {
        let end_ms = self.now.monotonic_ms + ms;
        while let Some((timer, deadline_ms)) = self
            .timers
            .iter()
            .filter(|(_, deadline_ms)| **deadline_ms <= end_ms)
            .min_by_key(|(_, deadline_ms)| **deadline_ms)
            .map(|(timer, deadline_ms)| (timer.clone(), *deadline_ms))
        {
            self.timers.remove(&timer);
            self.pass(deadline_ms);
            self.step(Input::Timer(timer));
        }
        self.pass(end_ms);
    }

    fn pass(&mut self, until_ms: u64) {
        let passed_ms = until_ms.saturating_sub(self.now.monotonic_ms);
        self.now.monotonic_ms += passed_ms;
        self.now.wall_ms += i64::try_from(passed_ms).unwrap();
    }

    /// The process dies and comes back with what is in the log.
    pub(in crate::group) fn restart(&mut self) {
        self.appends.clear();
        self.timers.clear();
        self.replies.clear();
        self.shard = self.replayed();
        let image = Arc::new(self.image.clone());
        self.step(Input::MetadataChanged(image));
        self.step(Input::Loaded);
    }

    pub(in crate::group) fn replayed(&self) -> GroupShard {
        let mut shard = GroupShard::new(self.settings.clone());
        for record in &self.records {
            assert_eq!(
                shard.replay(BatchKind::Plain, record),
                Ok(Replayed::Applied)
            );
        }
        shard
    }
}

fn topic(name: &str) -> TopicRef {
    TopicRef {
        tenant: TenantId::DEFAULT,
        name: name.to_owned(),
    }
}

/// A heartbeat that says nothing new.
pub(in crate::group) fn quiet(member_id: &str, member_epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group_id: GROUP.to_owned(),
        member_id: member_id.to_owned(),
        new_member_id: format!("new-{member_id}"),
        member_id_origin: MemberIdOrigin::Client,
        member_epoch,
        instance_id: None,
        rack_id: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        rebalance_timeout_ms: None,
        topics: None,
        regex: None,
        server_assignor: None,
        owned: None,
    }
}

/// The first heartbeat of a member.
pub(in crate::group) fn joining(member_id: &str, topics: &[&str]) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        rebalance_timeout_ms: Some(30_000),
        topics: Some(topics.iter().map(|topic| (*topic).to_owned()).collect()),
        owned: Some(Assignment::new()),
        ..quiet(member_id, 0)
    }
}

/// A client of the consumer protocol: it owns what it was last given, and gives up at once what it
/// is no longer given.
#[derive(Clone, Debug)]
pub(in crate::group) struct Client {
    pub(in crate::group) member_id: String,
    pub(in crate::group) instance_id: Option<String>,
    pub(in crate::group) epoch: i32,
    pub(in crate::group) topics: BTreeSet<String>,
    pub(in crate::group) regex: Option<String>,
    pub(in crate::group) owned: Assignment,
}

impl Client {
    pub(in crate::group) fn new(member_id: &str, topics: &[&str]) -> Self {
        Self {
            member_id: member_id.to_owned(),
            instance_id: None,
            epoch: 0,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            regex: None,
            owned: Assignment::new(),
        }
    }

    /// The next heartbeat. Full ones are always right, and what a client sends after any doubt.
    pub(in crate::group) fn request(&self) -> ConsumerHeartbeat {
        ConsumerHeartbeat {
            instance_id: self.instance_id.clone(),
            rebalance_timeout_ms: Some(30_000),
            topics: Some(self.topics.clone()),
            regex: self.regex.clone(),
            owned: Some(self.owned.clone()),
            ..quiet(&self.member_id, self.epoch)
        }
    }

    pub(in crate::group) fn receive(&mut self, outcome: Result<ConsumerBeat, GroupError>) {
        match outcome {
            Ok(beat) => {
                self.epoch = beat.member_epoch;
                if let Some(assignment) = beat.assignment {
                    self.owned = assignment;
                }
            }
            // The member gives up everything and starts over.
            Err(GroupError::FencedMemberEpoch | GroupError::UnknownMemberId) => {
                self.epoch = 0;
                self.owned = Assignment::new();
            }
            Err(other) => panic!("{} was refused: {other:?}", self.member_id),
        }
    }

    pub(in crate::group) fn beat(&mut self, world: &mut World) {
        let outcome = world.beat(self.request());
        self.receive(outcome);
    }
}

/// A classic consumer's subscription, version 1, with what it owns.
pub(in crate::group) fn subscription(topics: &[&str], owned: &[(&str, &[i32])]) -> Bytes {
    let mut bytes = BytesMut::new();
    let put_name = |bytes: &mut BytesMut, name: &str| {
        bytes.put_i16(i16::try_from(name.len()).unwrap());
        bytes.put_slice(name.as_bytes());
    };
    bytes.put_i16(1);
    bytes.put_i32(i32::try_from(topics.len()).unwrap());
    for topic in topics {
        put_name(&mut bytes, topic);
    }
    bytes.put_i32(-1);
    bytes.put_i32(i32::try_from(owned.len()).unwrap());
    for (topic, partitions) in owned {
        put_name(&mut bytes, topic);
        bytes.put_i32(i32::try_from(partitions.len()).unwrap());
        for partition in *partitions {
            bytes.put_i32(*partition);
        }
    }
    bytes.freeze()
}

/// A classic consumer's assignment, version 1.
pub(in crate::group) fn assignment(topics: &[(&str, &[i32])]) -> Bytes {
    let with_topics = subscription(&[], topics);
    let mut bytes = BytesMut::new();
    bytes.put_i16(1);
    // Behind version, no topics and no user data stands what is owned, in the form of an
    // assignment.
    bytes.put_slice(&with_topics[10..]);
    bytes.put_i32(-1);
    bytes.freeze()
}

pub(in crate::group) fn classic_join(member_id: &str, subscribed: Bytes) -> JoinRequest {
    JoinRequest {
        group_id: GROUP.to_owned(),
        member_id: member_id.to_owned(),
        new_member_id: "classic".to_owned(),
        group_instance_id: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinProtocol {
            name: "range".to_owned(),
            metadata: subscribed,
        }],
        member_id_rule: MemberIdRule::Optional,
        skip_assignment: SkipAssignment::Supported,
    }
}

pub(in crate::group) fn classic_sync(member_id: &str, generation: i32) -> SyncRequest {
    SyncRequest {
        group_id: GROUP.to_owned(),
        member_id: member_id.to_owned(),
        group_instance_id: None,
        generation,
        protocol_type: None,
        protocol_name: None,
        assignments: Vec::new(),
    }
}

/// How many partitions are in an assignment.
pub(in crate::group) fn size(assignment: &Assignment) -> usize {
    assignment.values().map(BTreeSet::len).sum()
}
