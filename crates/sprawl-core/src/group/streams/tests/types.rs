//! Streams groups among the others: one type under one id, offsets, deletion.

use super::client::*;
use crate::coordinator::Token;
use crate::group::tests::consumer::world::{self, GROUP, Log, World, classic_join, subscription};
use crate::group::{
    CommitOffset, GroupError, GroupSettings, GroupState, GroupType, Input, MissingGroup,
    OffsetCommitRequest, OffsetDeleteRequest, Response,
};

fn commit_request(member_id: &str, generation: i32, partition: i32) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: GROUP.to_owned(),
        member_id: member_id.to_owned(),
        group_instance_id: None,
        generation,
        retention_ms: None,
        transaction: None,
        missing_group: MissingGroup::GroupIdNotFound,
        offsets: vec![CommitOffset {
            topic: "t".to_owned(),
            partition,
            offset: 7,
            leader_epoch: -1,
            metadata: String::new(),
        }],
    }
}

fn ask(world: &mut World, input: impl FnOnce(Token) -> Input) -> Response {
    let token = world.ask(input);
    world.reply(token).expect("an answer")
}

fn commit(world: &mut World, request: OffsetCommitRequest) -> Result<(), GroupError> {
    match ask(world, |token| Input::OffsetCommit(token, request)) {
        Response::OffsetCommit(outcome) => outcome.map(|_| ()),
        other => panic!("{other:?}"),
    }
}

fn delete(world: &mut World) -> Result<(), GroupError> {
    let groups = vec![GROUP.to_owned()];
    match ask(world, |token| Input::DeleteGroups(token, groups)) {
        Response::DeleteGroups(mut outcomes) => outcomes.remove(0).1,
        other => panic!("{other:?}"),
    }
}

fn group_type(world: &World) -> Option<(GroupType, String)> {
    let mut listed = world.shard.list();
    let group = listed.find(|group| group.group_id == GROUP)?;
    Some((group.group_type, group.protocol_type))
}

#[test]
fn commits_are_fenced_by_epochs_of_tasks() {
    let mut world = world_of_words(prompt(), 2);
    let mut one = Client::new("a1", &word_count());
    one.beat(&mut world);
    let first_epoch = one.epoch;
    assert_eq!(
        commit(&mut world, commit_request("a1", first_epoch, 0)),
        Ok(())
    );
    let stale = Err(GroupError::StaleMemberEpoch);
    assert_eq!(
        commit(&mut world, commit_request("a1", first_epoch + 1, 0)),
        stale
    );
    let unknown = Err(GroupError::UnknownMemberId);
    assert_eq!(commit(&mut world, commit_request("b1", 1, 0)), unknown);
    assert_eq!(commit(&mut world, commit_request("", -1, 0)), unknown);
    let old_version = OffsetCommitRequest {
        missing_group: MissingGroup::IllegalGeneration,
        ..commit_request("a1", first_epoch, 0)
    };
    assert_eq!(
        commit(&mut world, old_version),
        Err(GroupError::UnsupportedVersion)
    );

    // Another joins and goes: the member has kept one task since the first epoch.
    Client::new("b1", &word_count()).beat(&mut world);
    for _ in 0..3 {
        one.beat(&mut world);
    }
    beat(&mut world, quiet("b1", -1)).unwrap();
    one.beat(&mut world);
    assert_eq!(one.owned, tasks(&[("0", &[0, 1])], &[]));
    assert_eq!(
        commit(&mut world, commit_request("a1", first_epoch, 0)),
        Ok(())
    );
    assert_eq!(
        commit(&mut world, commit_request("a1", first_epoch, 1)),
        stale
    );
    let check = |epoch| world.shard.check_fetch(GROUP, Some("a1"), epoch);
    assert_eq!(check(one.epoch), Ok(()));
    assert_eq!(check(first_epoch), stale);
    assert_eq!(world.shard.check_fetch(GROUP, Some("b1"), 1), unknown);
    assert_eq!(world.shard.check_fetch(GROUP, None, -1), Ok(()));
}

#[test]
fn offsets_of_an_empty_group_may_be_moved_and_deleted() {
    let mut world = world_of_words(prompt(), 1);
    beat(&mut world, joining("a1", &word_count())).unwrap();
    let request = || OffsetDeleteRequest {
        group_id: GROUP.to_owned(),
        partitions: vec![("t".to_owned(), 0)],
    };
    let delete_offset =
        |world: &mut World| match ask(world, |token| Input::OffsetDelete(token, request())) {
            Response::OffsetDelete(Ok(mut outcomes)) => outcomes.remove(0),
            other => panic!("{other:?}"),
        };
    let subscribed = Err(GroupError::GroupSubscribedToTopic);
    assert_eq!(delete_offset(&mut world), subscribed);
    beat(&mut world, quiet("a1", -1)).unwrap();
    assert_eq!(commit(&mut world, commit_request("", -1, 0)), Ok(()));
    assert!(world.shard.committed(GROUP, "t", 0).is_some());
    assert_eq!(delete_offset(&mut world), Ok(()));
    assert_eq!(world.shard.committed(GROUP, "t", 0), None);
}

#[test]
fn a_group_without_members_is_deleted_for_good() {
    let mut world = world_of_words(prompt(), 1);
    beat(&mut world, joining("a1", &word_count())).unwrap();
    commit(&mut world, commit_request("a1", 2, 0)).unwrap();
    assert_eq!(delete(&mut world), Err(GroupError::NonEmptyGroup));
    beat(&mut world, quiet("a1", -1)).unwrap();
    assert_eq!(delete(&mut world), Ok(()));
    assert_eq!(world.shard.list().count(), 0);
    let replayed = world.replayed();
    assert_eq!(replayed.list().count(), 0);
    assert_eq!(replayed.offset_count(), 0);
    assert_eq!(delete(&mut world), Err(GroupError::GroupIdNotFound));
    // The same id is another group afterwards, from the first epoch on.
    let joined = beat(&mut world, joining("a1", &word_count())).unwrap();
    assert_eq!(joined.member_epoch, 2);
}

#[test]
fn a_deletion_that_the_log_refuses_leaves_a_group_that_assigns() {
    let mut world = world_of_words(GroupSettings::default(), 1);
    beat(&mut world, joining("a1", &word_count())).unwrap();
    beat(&mut world, quiet("a1", -1)).unwrap();
    world.log = Log::Refuses;
    assert_eq!(delete(&mut world), Err(GroupError::CoordinatorNotAvailable));
    world.log = Log::Takes;
    let joined = beat(&mut world, joining("a1", &word_count())).unwrap();
    world.advance(3_000);
    let told = beat(&mut world, quiet("a1", joined.member_epoch)).unwrap();
    assert_eq!(told.tasks, Some(tasks(&[("0", &[0])], &[])));
}

#[test]
fn an_empty_classic_group_becomes_a_streams_group_with_its_offsets() {
    let mut world = world_of_words(prompt(), 1);
    assert_eq!(commit(&mut world, commit_request("", -1, 0)), Ok(()));
    assert_eq!(group_type(&world).unwrap().0, GroupType::Classic);
    beat(&mut world, joining("a1", &word_count())).unwrap();
    let streams = Some((GroupType::Streams, "streams".to_owned()));
    assert_eq!(group_type(&world), streams);
    assert!(world.shard.committed(GROUP, "t", 0).is_some());
    world.restart();
    assert_eq!(group_type(&world), streams);
    assert!(world.shard.committed(GROUP, "t", 0).is_some());
}

#[test]
fn a_classic_group_with_members_stays_one() {
    let mut world = world_of_words(prompt(), 1);
    let join = classic_join("", subscription(&["t"], &[]));
    world.ask(|token| Input::Join(token, join));
    let refused = Err(GroupError::GroupIdNotFound);
    assert_eq!(beat(&mut world, joining("a1", &word_count())), refused);
    assert_eq!(group_type(&world).unwrap().0, GroupType::Classic);
}

#[test]
fn an_empty_streams_group_becomes_a_classic_group() {
    let mut world = world_of_words(GroupSettings::default(), 1);
    beat(&mut world, joining("a1", &word_count())).unwrap();
    let join = || classic_join("", subscription(&["t"], &[]));
    let token = world.ask(|token| Input::Join(token, join()));
    let Some(Response::Join(Err(refused))) = world.reply(token) else {
        panic!("it has members");
    };
    assert_eq!(refused.error, GroupError::InconsistentGroupProtocol);
    beat(&mut world, quiet("a1", -1)).unwrap();
    let known = classic_join("known", subscription(&["t"], &[]));
    assert_eq!(
        world.join(known).unwrap_err().error,
        GroupError::UnknownMemberId
    );
    world.ask(|token| Input::Join(token, join()));
    assert_eq!(group_type(&world).unwrap().0, GroupType::Classic);
    assert_eq!(world.state(), Some(GroupState::PreparingRebalance));
    // The wait of the streams group for members was not the classic group's.
    world.advance(2_999);
    assert_eq!(world.state(), Some(GroupState::PreparingRebalance));
    let replayed = world.replayed();
    assert!(replayed.describe_streams(GROUP).is_err());
}

#[test]
fn other_protocols_find_no_group_of_theirs() {
    let mut world = world_of_words(prompt(), 1);
    beat(&mut world, joining("a1", &word_count())).unwrap();
    let refused = world.beat(world::joining("m", &["t"]));
    assert_eq!(refused, Err(GroupError::GroupIdNotFound));
    assert!(world.shard.describe_consumer(GROUP).is_err());
    assert!(world.shard.describe_share(GROUP).is_err());
    assert!(world.shard.describe(GROUP).is_err());
    let mut other = World::new();
    other.create_topic("t", 1);
    other.beat(world::joining("m", &["t"])).unwrap();
    let refused = beat(&mut other, joining("a1", &word_count()));
    assert_eq!(refused, Err(GroupError::GroupIdNotFound));
}
