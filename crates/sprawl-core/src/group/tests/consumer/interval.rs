//! Target assignments are computed once an interval (KIP-1263).

use super::world::{
    Client, GROUP, World, classic_join, classic_sync, joining, quiet, size, subscription,
};
use crate::group::{GroupError, GroupSettings, GroupState};

/// Kafka's default.
const INTERVAL_MS: u64 = 1_000;

fn world() -> World {
    let mut world = World::with(GroupSettings::default());
    world.create_topic("t", 6);
    world
}

#[test]
fn members_that_join_within_the_interval_share_one_assignment() {
    let mut world = world();
    let mut first = Client::new("a", &["t"]);
    first.beat(&mut world);
    assert_eq!(
        (first.epoch, size(&first.owned)),
        (1, 6),
        "the first is computed at once"
    );
    let (mut second, mut third) = (Client::new("b", &["t"]), Client::new("c", &["t"]));
    for late in [&mut second, &mut third] {
        late.beat(&mut world);
        assert_eq!(
            (late.epoch, size(&late.owned)),
            (1, 0),
            "led to the target that there is"
        );
    }
    assert_eq!(world.state(), Some(GroupState::Assigning));
    world.advance(INTERVAL_MS - 1);
    first.beat(&mut world);
    assert_eq!(size(&first.owned), 6);
    world.advance(1);
    first.beat(&mut world);
    assert_eq!(size(&first.owned), 2, "one target for both that came");
    for late in [&mut first, &mut second, &mut third] {
        late.beat(&mut world);
        assert_eq!((late.epoch, size(&late.owned)), (3, 2));
    }
    assert_eq!(world.state(), Some(GroupState::Stable));
}

#[test]
fn interval_counts_on_after_a_restart() {
    let mut world = world();
    let mut first = Client::new("a", &["t"]);
    first.beat(&mut world);
    world.advance(INTERVAL_MS / 2);
    world.restart();
    let mut second = Client::new("b", &["t"]);
    second.beat(&mut world);
    assert_eq!(size(&second.owned), 0);
    world.advance(INTERVAL_MS / 2);
    first.beat(&mut world);
    assert_eq!(size(&first.owned), 3);
}

#[test]
fn group_may_set_its_own_interval_within_the_bounds_of_the_broker() {
    let mut world = world();
    world.set_group_config("consumer.assignment.interval.ms", "0");
    world.beat(joining("a", &["t"])).unwrap();
    let beat = world.beat(joining("b", &["t"])).unwrap();
    assert_eq!(beat.member_epoch, 2, "computed at once");
    world.set_group_config("consumer.assignment.interval.ms", "99999999");
    world.advance(15_000);
    let beat = world.beat(joining("c", &["t"])).unwrap();
    assert_eq!(
        beat.member_epoch, 3,
        "no interval is longer than the broker's longest"
    );
}

#[test]
fn classic_member_joins_again_when_a_target_is_due_and_not_before() {
    let mut world = world();
    world.beat(joining("a", &["t"])).unwrap();
    world.advance(INTERVAL_MS);
    let joined = world
        .join(classic_join("", subscription(&["t"], &[])))
        .unwrap();
    assert_eq!(joined.generation, 2, "due, so computed by the join");
    let classic = joined.member_id;
    world.sync(classic_sync(&classic, 2)).unwrap();
    // One more member: the group moves on, its target not yet.
    world.beat(joining("b", &["t"])).unwrap();
    assert_eq!(world.heartbeat(&classic, 2), Ok(()));
    world.advance(INTERVAL_MS);
    assert_eq!(
        world.heartbeat(&classic, 2),
        Err(GroupError::RebalanceInProgress)
    );
    let joined = world
        .join(classic_join(&classic, subscription(&["t"], &[])))
        .unwrap();
    assert_eq!(joined.generation, 3);
    world.sync(classic_sync(&classic, 3)).unwrap();
    // Whoever is given up leaves a group whose target is due later too.
    world.beat(quiet("b", -1)).unwrap();
    assert_eq!(world.heartbeat(&classic, 3), Ok(()));
    assert_eq!(
        world.replayed().describe(GROUP),
        world.shard.describe(GROUP)
    );
}
