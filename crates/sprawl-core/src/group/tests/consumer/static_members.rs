//! Members with an identity of their own (KIP-345) in consumer groups.

use super::world::{Client, GROUP, World, quiet, size};
use crate::group::effect::Input;
use crate::group::{ConsumerHeartbeat, GroupError, LeaveRequest, LeavingMember, Response};

fn client(member_id: &str) -> Client {
    Client {
        instance_id: Some("i".to_owned()),
        ..Client::new(member_id, &["t"])
    }
}

fn leaving(member_id: &str, epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        instance_id: Some("i".to_owned()),
        ..quiet(member_id, epoch)
    }
}

#[test]
fn static_member_that_left_for_a_while_gets_its_partitions_back() {
    let mut world = World::new();
    world.create_topic("t", 4);
    let mut old = client("old");
    let mut other = Client::new("other", &["t"]);
    for _ in 0..4 {
        old.beat(&mut world);
        other.beat(&mut world);
    }
    let group_epoch = world.describe().group_epoch;
    assert_eq!(world.beat(leaving("old", -2)).unwrap().member_epoch, -2);
    other.beat(&mut world);
    assert_eq!(size(&other.owned), 2, "its place is kept");
    let mut new = client("new");
    new.beat(&mut world);
    assert_eq!(new.owned, old.owned);
    assert_eq!(world.describe().group_epoch, group_epoch, "no rebalance");
    assert_eq!(
        world.beat(leaving("old", old.epoch)),
        Err(GroupError::FencedInstanceId)
    );
}

#[test]
fn identity_of_a_live_member_is_not_given_away() {
    let mut world = World::new();
    world.create_topic("t", 1);
    client("old").beat(&mut world);
    assert_eq!(
        world.beat(client("new").request()),
        Err(GroupError::UnreleasedInstanceId)
    );
}

#[test]
fn static_member_that_stays_away_is_given_up_after_its_session() {
    let mut world = World::new();
    world.create_topic("t", 1);
    client("old").beat(&mut world);
    world.beat(leaving("old", -2)).unwrap();
    world.advance(45_000);
    assert!(world.member("old").is_none());
}

#[test]
fn unknown_identity_is_refused() {
    let mut world = World::new();
    world.create_topic("t", 1);
    Client::new("m", &["t"]).beat(&mut world);
    for epoch in [-1, -2, 1] {
        assert_eq!(
            world.beat(leaving("m", epoch)),
            Err(GroupError::UnknownMemberId)
        );
    }
}

#[test]
fn administrator_removes_whoever_holds_an_identity() {
    let mut world = World::new();
    world.create_topic("t", 1);
    client("old").beat(&mut world);
    world.beat(leaving("old", -2)).unwrap();
    let remove = |member_id: &str, instance_id: &str| LeavingMember {
        member_id: member_id.to_owned(),
        group_instance_id: Some(instance_id.to_owned()),
    };
    let leave = LeaveRequest {
        group_id: GROUP.to_owned(),
        members: vec![
            remove("another", "i"),
            remove("old", "nobody"),
            remove("", "i"),
            remove("", "nobody"),
        ],
    };
    let token = world.ask(|token| Input::Leave(token, leave));
    let Some(Response::Leave(Ok(left))) = world.reply(token) else {
        panic!("the leave is answered");
    };
    let outcomes: Vec<_> = left.into_iter().map(|left| left.outcome).collect();
    let unknown = Err(GroupError::UnknownMemberId);
    let fenced = Err(GroupError::FencedInstanceId);
    assert_eq!(outcomes, [fenced, unknown, Ok(()), unknown]);
    assert!(world.member("old").is_none());
}
