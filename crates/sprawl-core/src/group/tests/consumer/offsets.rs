//! Commits and fetches of offsets by members of consumer groups.

use super::world::{Client, GROUP, World, quiet};
use crate::group::effect::Input;
use crate::group::{
    CommitOffset, GroupError, MissingGroup, OffsetCommitRequest, OffsetDeleteRequest, Response,
};

fn commit(world: &mut World, (member_id, epoch): (&str, i32)) -> Result<(), GroupError> {
    commit_as(world, (member_id, epoch), MissingGroup::GroupIdNotFound)
}

fn commit_as(
    world: &mut World,
    (member_id, epoch): (&str, i32),
    missing_group: MissingGroup,
) -> Result<(), GroupError> {
    let request = OffsetCommitRequest {
        group_id: GROUP.to_owned(),
        member_id: member_id.to_owned(),
        group_instance_id: None,
        generation: epoch,
        retention_ms: None,
        missing_group,
        transaction: None,
        offsets: vec![CommitOffset {
            topic: "t".to_owned(),
            partition: 0,
            offset: 7,
            leader_epoch: -1,
            metadata: String::new(),
        }],
    };
    let token = world.ask(|token| Input::OffsetCommit(token, request));
    match world.reply(token) {
        Some(Response::OffsetCommit(outcome)) => outcome.map(drop),
        other => panic!("expected the answer to a commit, found {other:?}"),
    }
}

#[test]
fn member_commits_in_its_epoch_and_in_an_older_one_that_gave_it_the_partition() {
    let mut world = World::new();
    world.create_topic("t", 1);
    let mut a = Client::new("a", &["t"]);
    a.beat(&mut world);
    assert_eq!(commit(&mut world, ("a", 1)), Ok(()));
    // Another member changes the epoch, not the partition.
    Client::new("b", &["t"]).beat(&mut world);
    a.beat(&mut world);
    assert_eq!(a.epoch, 2);
    assert_eq!(commit(&mut world, ("a", 2)), Ok(()));
    assert_eq!(commit(&mut world, ("a", 1)), Ok(()));
    assert_eq!(
        commit(&mut world, ("a", 3)),
        Err(GroupError::StaleMemberEpoch)
    );
    assert_eq!(
        commit(&mut world, ("a", 0)),
        Err(GroupError::StaleMemberEpoch)
    );
    assert_eq!(
        commit(&mut world, ("b", 1)),
        Err(GroupError::StaleMemberEpoch),
        "it never had the partition"
    );
    assert_eq!(
        commit(&mut world, ("x", 2)),
        Err(GroupError::UnknownMemberId)
    );
    assert_eq!(
        commit_as(&mut world, ("a", 2), MissingGroup::IllegalGeneration),
        Err(GroupError::UnsupportedVersion)
    );
}

#[test]
fn commit_from_outside_needs_an_empty_group() {
    let mut world = World::new();
    world.create_topic("t", 1);
    let mut a = Client::new("a", &["t"]);
    a.beat(&mut world);
    assert_eq!(
        commit(&mut world, ("", -1)),
        Err(GroupError::UnknownMemberId)
    );
    world.beat(quiet("a", -1)).unwrap();
    assert_eq!(commit(&mut world, ("", -1)), Ok(()));
}

#[test]
fn fetch_that_names_a_member_needs_its_epoch() {
    let mut world = World::new();
    world.create_topic("t", 1);
    Client::new("a", &["t"]).beat(&mut world);
    let shard = &world.shard;
    assert_eq!(shard.check_fetch(GROUP, None, -1), Ok(()));
    assert_eq!(shard.check_fetch(GROUP, Some("a"), 1), Ok(()));
    assert_eq!(
        shard.check_fetch(GROUP, Some("a"), 2),
        Err(GroupError::StaleMemberEpoch)
    );
    assert_eq!(
        shard.check_fetch(GROUP, Some("x"), 1),
        Err(GroupError::UnknownMemberId)
    );
    assert_eq!(shard.check_fetch("none", Some("x"), 1), Ok(()));
}

#[test]
fn topics_in_use_keep_their_offsets_and_members_keep_their_group() {
    let mut world = World::new();
    world.create_topic("t", 1);
    Client::new("a", &["t"]).beat(&mut world);
    commit(&mut world, ("a", 1)).unwrap();
    let delete = OffsetDeleteRequest {
        group_id: GROUP.to_owned(),
        partitions: vec![("t".to_owned(), 0), ("u".to_owned(), 0)],
    };
    let token = world.ask(|token| Input::OffsetDelete(token, delete));
    assert_eq!(
        world.reply(token),
        Some(Response::OffsetDelete(Ok(vec![
            Err(GroupError::GroupSubscribedToTopic),
            Ok(())
        ])))
    );
    let ids = vec![GROUP.to_owned()];
    let token = world.ask(|token| Input::DeleteGroups(token, ids.clone()));
    let refused = vec![(GROUP.to_owned(), Err(GroupError::NonEmptyGroup))];
    assert_eq!(world.reply(token), Some(Response::DeleteGroups(refused)));
    world.beat(quiet("a", -1)).unwrap();
    let token = world.ask(|token| Input::DeleteGroups(token, ids));
    let deleted = vec![(GROUP.to_owned(), Ok(()))];
    assert_eq!(world.reply(token), Some(Response::DeleteGroups(deleted)));
    assert_eq!(world.state(), None);
    assert_eq!(world.replayed().list().count(), 0, "nothing is left behind");
    assert_eq!(world.replayed().offset_count(), 0);
}
