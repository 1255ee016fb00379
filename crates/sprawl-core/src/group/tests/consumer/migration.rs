//! A live group changes between the protocols, and classic members live in a consumer group.

use super::world::{
    Client, GROUP, Log, World, assignment, at_once, classic_join, classic_sync, quiet, size,
    subscription,
};
use crate::group::effect::Input;
use crate::group::{
    GroupError, GroupState, GroupType, LeaveRequest, LeavingMember, MemberProtocol,
    MigrationPolicy, Response,
};

fn group_type(world: &World) -> Option<GroupType> {
    world.shard.list().next().map(|group| group.group_type)
}

/// A classic group of one member that reads all of `t`.
fn classic_group(world: &mut World) -> String {
    let token = world.ask(|token| Input::Join(token, classic_join("", subscription(&["t"], &[]))));
    world.advance(3_000);
    let Some(Response::Join(Ok(joined))) = world.reply(token) else {
        panic!("the generation is formed");
    };
    let mut sync = classic_sync(&joined.member_id, joined.generation);
    sync.assignments = vec![(joined.member_id.clone(), assignment(&[("t", &[0, 1])]))];
    world.sync(sync).unwrap();
    assert_eq!(group_type(world), Some(GroupType::Classic));
    joined.member_id
}

#[test]
fn first_heartbeat_takes_a_classic_group_along_and_its_last_goodbye_brings_it_back() {
    let mut world = World::new();
    world.create_topic("t", 2);
    let classic = classic_group(&mut world);
    let mut client = Client::new("new", &["t"]);
    client.beat(&mut world);
    assert_eq!(group_type(&world), Some(GroupType::Consumer));
    assert_eq!(size(&client.owned), 0, "the classic member still has both");
    let described = world.member(&classic).unwrap();
    assert_eq!(described.protocol, MemberProtocol::Classic);
    assert_eq!(described.member_epoch, 1);

    // The classic member is told to join again; it says what it still has, and is asked to give up.
    assert_eq!(
        world.heartbeat(&classic, 1),
        Err(GroupError::RebalanceInProgress)
    );
    let all = subscription(&["t"], &[("t", &[0, 1])]);
    let joined = world.join(classic_join(&classic, all)).unwrap();
    assert_eq!((joined.generation, joined.leader.as_str()), (1, ""));
    let synced = world.sync(classic_sync(&classic, 1)).unwrap();
    assert_ne!(synced.assignment, assignment(&[("t", &[0, 1])]));
    assert_eq!(
        world.heartbeat(&classic, 1),
        Err(GroupError::RebalanceInProgress),
        "it has yet to say that it gave up"
    );
    let kept = world.member(&classic).unwrap().assignment;
    let kept: Vec<i32> = kept.into_values().flatten().collect();
    let one = subscription(&["t"], &[("t", &kept)]);
    let joined = world.join(classic_join(&classic, one)).unwrap();
    assert_eq!(joined.generation, 2);
    let synced = world.sync(classic_sync(&classic, 2)).unwrap();
    assert_eq!(synced.assignment, assignment(&[("t", &kept)]));
    assert_eq!(world.heartbeat(&classic, 2), Ok(()));
    client.beat(&mut world);
    assert_eq!(size(&client.owned), 1);
    assert_eq!(world.state(), Some(GroupState::Stable));

    // The consumer member leaves: the classic one is alone, and joins a classic rebalance.
    world.beat(quiet("new", -1)).unwrap();
    assert_eq!(group_type(&world), Some(GroupType::Classic));
    assert_eq!(
        world.heartbeat(&classic, 3),
        Err(GroupError::RebalanceInProgress)
    );
    let joined = world
        .join(classic_join(&classic, subscription(&["t"], &[])))
        .unwrap();
    assert_eq!((joined.generation, &joined.leader), (4, &classic));
    let mut sync = classic_sync(&classic, 4);
    sync.assignments = vec![(classic.clone(), assignment(&[("t", &[0, 1])]))];
    world.sync(sync).unwrap();
    assert_eq!(
        world.replayed().describe(GROUP),
        world.shard.describe(GROUP)
    );
}

#[test]
fn converted_group_survives_a_restart() {
    let mut world = World::new();
    world.create_topic("t", 2);
    let classic = classic_group(&mut world);
    Client::new("new", &["t"]).beat(&mut world);
    let before = world.describe();
    world.restart();
    assert_eq!(world.describe(), before);
    world.advance(10_000);
    assert!(world.member(&classic).is_none(), "its own session counts");
    assert!(world.member("new").is_some());
}

#[test]
fn conversion_that_the_log_refuses_leaves_the_classic_group() {
    let mut world = World::new();
    world.create_topic("t", 2);
    let classic = classic_group(&mut world);
    world.log = Log::Refuses;
    let outcome = world.beat(Client::new("new", &["t"]).request());
    assert_eq!(outcome, Err(GroupError::CoordinatorNotAvailable));
    assert_eq!(group_type(&world), Some(GroupType::Classic));
    world.log = Log::Takes;
    assert_eq!(world.heartbeat(&classic, 1), Ok(()));
}

#[test]
fn policy_forbids_a_conversion() {
    for (policy, may_upgrade) in [
        (MigrationPolicy::Disabled, false),
        (MigrationPolicy::Downgrade, false),
        (MigrationPolicy::Upgrade, true),
        (MigrationPolicy::Bidirectional, true),
    ] {
        let mut settings = at_once();
        settings.consumer.migration = policy;
        let mut world = World::with(settings);
        world.create_topic("t", 2);
        classic_group(&mut world);
        let outcome = world.beat(Client::new("new", &["t"]).request());
        let refusal = outcome.err();
        let expected = (!may_upgrade).then_some(GroupError::GroupIdNotFound);
        assert_eq!(refusal, expected, "{policy:?}");
        if policy == MigrationPolicy::Upgrade {
            world.beat(quiet("new", -1)).unwrap();
            assert_eq!(group_type(&world), Some(GroupType::Consumer));
        }
    }
}

#[test]
fn empty_groups_change_their_type_without_a_word() {
    let mut world = World::new();
    world.create_topic("t", 2);
    Client::new("a", &["t"]).beat(&mut world);
    world.beat(quiet("a", -1)).unwrap();
    let classic = classic_group(&mut world);
    let leave = LeaveRequest {
        group_id: GROUP.to_owned(),
        members: vec![LeavingMember {
            member_id: classic,
            group_instance_id: None,
        }],
    };
    world.ask(|token| Input::Leave(token, leave));
    assert_eq!(world.state(), Some(GroupState::Empty));
    Client::new("b", &["t"]).beat(&mut world);
    assert_eq!(group_type(&world), Some(GroupType::Consumer));
    assert_eq!(
        world.replayed().describe_consumer(GROUP),
        Ok(world.describe())
    );
}

#[test]
fn classic_member_that_does_not_come_back_is_given_up() {
    let mut world = World::new();
    world.create_topic("t", 2);
    let classic = classic_group(&mut world);
    let mut client = Client::new("new", &["t"]);
    client.beat(&mut world);
    for _ in 0..12 {
        world.advance(5_000);
        client.beat(&mut world);
        if world.member(&classic).is_some() {
            assert_eq!(
                world.heartbeat(&classic, 1),
                Err(GroupError::RebalanceInProgress)
            );
        }
    }
    world.advance(5_000);
    client.beat(&mut world);
    assert!(world.member(&classic).is_none(), "it only beats");
    assert_eq!(size(&client.owned), 2);
}

#[test]
fn members_of_either_protocol_leave_a_consumer_group_or_are_removed() {
    let mut world = World::new();
    world.create_topic("t", 2);
    let classic = classic_group(&mut world);
    Client::new("new", &["t"]).beat(&mut world);
    let leaving = |id: &str| LeavingMember {
        member_id: id.to_owned(),
        group_instance_id: None,
    };
    let leave = LeaveRequest {
        group_id: GROUP.to_owned(),
        members: vec![
            leaving(&classic),
            leaving("new"),
            leaving("x"),
            leaving("new"),
        ],
    };
    let token = world.ask(|token| Input::Leave(token, leave));
    let Some(Response::Leave(Ok(left))) = world.reply(token) else {
        panic!("the leave is answered");
    };
    let outcomes: Vec<_> = left.into_iter().map(|left| left.outcome).collect();
    let unknown = Err(GroupError::UnknownMemberId);
    assert_eq!(outcomes, [Ok(()), Ok(()), unknown, Ok(())]);
    assert!(world.member(&classic).is_none());
    assert!(world.member("new").is_none());
    assert_eq!(
        world.beat(quiet("new", 1)),
        Err(GroupError::UnknownMemberId)
    );
}
