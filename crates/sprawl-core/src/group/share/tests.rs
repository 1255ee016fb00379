//! Share groups, one test a rule; what is kept is always what a replay of the log gives.

use std::collections::BTreeSet;
use std::sync::Arc;

use sprawl_model::{BrokerId, Offset, TenantId, TopicId};
use uuid::Uuid;

use super::*;
use crate::config::ConfigMap;
use crate::coordinator::{
    AppendId, AppendOutcome, AppendRefusal, BatchKind, Effect, Machine, Now, Record, Token,
};
use crate::group::modern::Assignment;
use crate::group::{GroupError, GroupSettings, GroupShard, Input, Response, TimerId};
use crate::metadata::{
    BrokerSpec, MetadataCommand, MetadataImage, NewPartitions, NewTopic, Placement, TopicRef, apply,
};

const NOW: Now = Now {
    wall_ms: 1_000,
    monotonic_ms: 50,
};

struct World {
    shard: GroupShard,
    log: Vec<Record>,
    image: Arc<MetadataImage>,
    timers: Vec<(TimerId, u64)>,
    tokens: u64,
}

/// Applies a command to an image.
fn change(image: &MetadataImage, command: &MetadataCommand) -> Arc<MetadataImage> {
    let mut image = image.clone();
    let index = image.applied_index() + 1;
    apply(&mut image, index, command).unwrap();
    Arc::new(image)
}

fn name(topic: &str) -> TopicRef {
    TopicRef {
        tenant: TenantId::DEFAULT,
        name: topic.to_owned(),
    }
}

fn image(topics: &[(&str, i32)]) -> Arc<MetadataImage> {
    let broker = BrokerSpec {
        id: BrokerId(0),
        incarnation_id: Uuid::from_u128(1),
        endpoints: Vec::new(),
        rack: None,
    };
    let register = MetadataCommand::RegisterBroker(broker);
    let mut image = change(&MetadataImage::default(), &register);
    for (at, (topic, partition_count)) in (100..).zip(topics) {
        let new = NewTopic {
            topic: name(topic),
            topic_id: TopicId(Uuid::from_u128(at)),
            placement: Placement::Spread {
                partition_count: *partition_count,
                replication_factor: 1,
            },
            configs: ConfigMap::new(),
        };
        image = change(&image, &MetadataCommand::CreateTopic(new));
    }
    image
}

impl World {
    fn new(topics: &[(&str, i32)]) -> Self {
        let mut world = Self {
            shard: GroupShard::new(GroupSettings::default()),
            log: Vec::new(),
            image: image(topics),
            timers: Vec::new(),
            tokens: 0,
        };
        world.step(Input::MetadataChanged(world.image.clone()));
        world.step(Input::Loaded);
        world
    }

    fn step(&mut self, input: Input) -> Vec<(u64, Response)> {
        let mut replies = Vec::new();
        let mut ended: Vec<(AppendId, i64)> = Vec::new();
        for effect in self.shard.step(NOW, input) {
            match effect {
                Effect::Reply(token, reply) => replies.push((token.0, reply)),
                Effect::Append {
                    append, records, ..
                } => {
                    ended.push((append, self.log.len() as i64));
                    self.log.extend(records);
                }
                Effect::SetTimer { timer, deadline_ms } => self.timers.push((timer, deadline_ms)),
                Effect::CancelTimer(_) => {}
                Effect::Errand(never) => match never {},
            }
        }
        for (append, at) in ended {
            let durable = AppendOutcome::Durable(Offset(at));
            replies.extend(self.step(Input::Appended(append, durable)));
        }
        replies
    }

    fn ask(&mut self, input: impl FnOnce(Token) -> Input) -> Response {
        self.tokens += 1;
        let mut replies = self.step(input(Token(self.tokens)));
        let (token, reply) = replies.pop().unwrap();
        assert_eq!(token, self.tokens);
        self.check_replay();
        reply
    }

    fn beat(
        &mut self,
        member_id: &str,
        member_epoch: i32,
        topics: Option<&[&str]>,
    ) -> Result<ShareBeat, GroupError> {
        let topics = topics.map(|topics| topics.iter().map(|topic| (*topic).to_owned()));
        let request = ShareHeartbeat {
            group_id: "g".to_owned(),
            member_id: member_id.to_owned(),
            member_epoch,
            rack_id: None,
            client_id: "c".to_owned(),
            client_host: "/h".to_owned(),
            topics: topics.map(Iterator::collect),
        };
        match self.ask(|token| Input::ShareHeartbeat(token, request)) {
            Response::ShareHeartbeat(beat) => beat,
            other => panic!("{other:?}"),
        }
    }

    /// Joins, begins what is to be begun, and beats once more.
    fn join(&mut self, member_id: &str, topics: &[&str]) -> ShareBeat {
        let beat = self.beat(member_id, 0, Some(topics)).unwrap();
        if beat.to_begin.is_empty() {
            return beat;
        }
        self.begin(beat.to_begin);
        self.beat(member_id, beat.member_epoch, None).unwrap()
    }

    fn begin(&mut self, states: StatePartitions) {
        let begun = ShareStates::Begun(states);
        let reply = self.ask(|token| Input::ShareStates(token, "g".to_owned(), begun));
        assert_eq!(reply, Response::ShareStates(Ok(())));
    }

    fn topic(&self, name: &str) -> TopicId {
        let topic = self.image.topic(TenantId::DEFAULT, name);
        topic.unwrap().id
    }

    fn assignment(&self, partitions: &[(&str, &[i32])]) -> Option<Assignment> {
        let each = partitions.iter();
        let each = each.map(|(name, numbers)| {
            let numbers: BTreeSet<i32> = numbers.iter().copied().collect();
            (self.topic(name), numbers)
        });
        Some(each.collect())
    }

    fn check_replay(&self) {
        let mut again = GroupShard::new(GroupSettings::default());
        for record in &self.log {
            again.replay(BatchKind::Plain, record).unwrap();
        }
        assert_eq!(again.describe_share("g"), self.shard.describe_share("g"));
    }
}

#[test]
fn a_member_gets_partitions_once_their_states_are_begun() {
    let mut world = World::new(&[("t", 2)]);
    let joined = world.beat("a", 0, Some(&["t"])).unwrap();
    assert_eq!(joined.assignment, Some(Assignment::new()));
    let to_begin = (world.topic("t"), ("t".to_owned(), BTreeSet::from([0, 1])));
    assert_eq!(joined.to_begin, StatePartitions::from([to_begin]));
    world.begin(joined.to_begin);
    let beat = world.beat("a", joined.member_epoch, None).unwrap();
    assert_eq!(beat.assignment, world.assignment(&[("t", &[0, 1])]));
    assert!(beat.to_begin.is_empty());
    let quiet = world.beat("a", beat.member_epoch, None).unwrap();
    assert_eq!(
        (quiet.assignment, quiet.member_epoch),
        (None, beat.member_epoch)
    );
}

#[test]
fn members_share_partitions_and_take_over_those_of_one_that_leaves() {
    let mut world = World::new(&[("t", 2)]);
    let one = world.join("a", &["t"]);
    let two = world.join("b", &["t"]);
    assert_eq!(two.assignment, world.assignment(&[("t", &[0])]));
    let one = world.beat("a", one.member_epoch, None).unwrap();
    assert_eq!(one.assignment, world.assignment(&[("t", &[1])]));
    let left = world.beat("b", -1, None).unwrap();
    assert_eq!(left.member_epoch, -1);
    let one = world.beat("a", one.member_epoch, None).unwrap();
    assert_eq!(one.assignment, world.assignment(&[("t", &[0, 1])]));
}

#[test]
fn a_silent_member_is_given_up() {
    let mut world = World::new(&[("t", 1)]);
    let one = world.join("a", &["t"]);
    let timer = TimerId::Heartbeat {
        group_id: "g".to_owned(),
        member_id: "a".to_owned(),
    };
    assert_eq!(world.timers.last(), Some(&(timer.clone(), 50 + 45_000)));
    world.step(Input::Timer(timer));
    let late = world.beat("a", one.member_epoch, None);
    assert_eq!(late, Err(GroupError::UnknownMemberId));
}

#[test]
fn epochs_out_of_turn_are_fenced_but_for_the_last_one() {
    let mut world = World::new(&[("t", 1)]);
    let one = world.join("a", &["t"]);
    let ahead = world.beat("a", one.member_epoch + 1, None);
    assert_eq!(ahead, Err(GroupError::FencedMemberEpoch));
    assert!(world.beat("a", one.member_epoch - 1, None).is_ok());
    let unknown = world.beat("b", 3, None);
    assert_eq!(unknown, Err(GroupError::UnknownMemberId));
}

#[test]
fn new_partitions_are_begun_and_given_out() {
    let mut world = World::new(&[("t", 1)]);
    let one = world.join("a", &["t"]);
    let more = NewPartitions {
        topic: name("t"),
        count: 2,
        assignments: None,
    };
    world.image = change(&world.image, &MetadataCommand::CreatePartitions(more));
    world.step(Input::MetadataChanged(world.image.clone()));
    let beat = world.beat("a", one.member_epoch, None).unwrap();
    let to_begin = (world.topic("t"), ("t".to_owned(), BTreeSet::from([1])));
    assert_eq!(beat.to_begin, StatePartitions::from([to_begin]));
    world.begin(beat.to_begin);
    let beat = world.beat("a", beat.member_epoch, None).unwrap();
    assert_eq!(beat.assignment, world.assignment(&[("t", &[0, 1])]));
}

#[test]
fn requests_that_are_none_are_refused() {
    let mut world = World::new(&[("t", 1)]);
    let bare = world.beat("a", 0, None);
    assert!(matches!(bare, Err(GroupError::InvalidRequest { .. })));
    let nameless = world.beat("", 0, Some(&["t"]));
    assert!(matches!(nameless, Err(GroupError::InvalidRequest { .. })));
    let no_group = world.beat("a", 5, None);
    assert_eq!(no_group, Err(GroupError::GroupIdNotFound));
}

#[test]
fn a_group_with_members_is_not_deleted_and_an_empty_one_leaves_nothing() {
    let mut world = World::new(&[("t", 1)]);
    world.join("a", &["t"]);
    let delete = |token| Input::DeleteGroups(token, vec!["g".to_owned()]);
    let refused = Response::DeleteGroups(vec![("g".to_owned(), Err(GroupError::NonEmptyGroup))]);
    assert_eq!(world.ask(delete), refused);
    world.beat("a", -1, None).unwrap();
    let deleted = Response::DeleteGroups(vec![("g".to_owned(), Ok(()))]);
    assert_eq!(world.ask(delete), deleted);
    assert_eq!(
        world.shard.describe_share("g"),
        Err(GroupError::GroupIdNotFound)
    );
}

#[test]
fn a_refused_append_leaves_the_group_as_it_was() {
    let mut world = World::new(&[("t", 1)]);
    let request = ShareHeartbeat {
        group_id: "g".to_owned(),
        member_id: "a".to_owned(),
        member_epoch: 0,
        rack_id: None,
        client_id: String::new(),
        client_host: String::new(),
        topics: Some(BTreeSet::from(["t".to_owned()])),
    };
    let effects = world
        .shard
        .step(NOW, Input::ShareHeartbeat(Token(9), request));
    let append = effects.iter().find_map(|effect| match effect {
        Effect::Append { append, .. } => Some(*append),
        _ => None,
    });
    let refused = AppendOutcome::Refused(AppendRefusal::DiskFull);
    let replies = world.step(Input::Appended(append.unwrap(), refused));
    let expected = Response::ShareHeartbeat(Err(GroupError::CoordinatorNotAvailable));
    assert_eq!(replies, [(9, expected)]);
    assert_eq!(
        world.shard.describe_share("g"),
        Err(GroupError::GroupIdNotFound)
    );
}
