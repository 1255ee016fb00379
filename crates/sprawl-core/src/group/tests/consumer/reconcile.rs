//! Partitions change hands: given up first, given away then.

use super::world::{Client, World, quiet, size};
use crate::group::{GroupError, GroupState};

#[test]
fn newcomer_waits_until_the_holder_has_given_up() {
    let mut world = World::new();
    world.create_topic("t", 2);
    let mut a = Client::new("a", &["t"]);
    a.beat(&mut world);
    let mut b = Client::new("b", &["t"]);
    b.beat(&mut world);
    assert_eq!(size(&b.owned), 0, "the partition is still held");
    assert_eq!(world.state(), Some(GroupState::Reconciling));
    // The holder is told, and still has both until it says otherwise.
    let before = a.owned.clone();
    a.beat(&mut world);
    assert_eq!((size(&before), size(&a.owned)), (2, 1));
    b.beat(&mut world);
    assert_eq!(size(&b.owned), 0);
    a.beat(&mut world);
    b.beat(&mut world);
    assert_eq!((size(&a.owned), size(&b.owned)), (1, 1));
    assert_eq!(a.epoch, b.epoch);
    assert_eq!(world.state(), Some(GroupState::Stable));
}

#[test]
fn member_that_says_nothing_about_its_partitions_keeps_them() {
    let mut world = World::new();
    world.create_topic("t", 2);
    let mut a = Client::new("a", &["t"]);
    let mut b = Client::new("b", &["t"]);
    a.beat(&mut world);
    b.beat(&mut world);
    let told = world.beat(quiet("a", a.epoch)).unwrap();
    assert_eq!(told.assignment.as_ref().map(size), Some(1));
    for _ in 0..3 {
        world.beat(quiet("a", a.epoch)).unwrap();
        b.beat(&mut world);
        assert_eq!(size(&b.owned), 0);
    }
}

#[test]
fn member_that_does_not_give_up_in_time_is_fenced() {
    let mut world = World::new();
    world.create_topic("t", 2);
    let mut a = Client::new("a", &["t"]);
    let mut b = Client::new("b", &["t"]);
    a.beat(&mut world);
    b.beat(&mut world);
    for _ in 0..3 {
        let outcome = world.beat(quiet("a", a.epoch));
        assert!(outcome.is_ok());
        b.beat(&mut world);
        world.advance(10_000);
    }
    assert_eq!(
        world.beat(quiet("a", a.epoch)),
        Err(GroupError::UnknownMemberId)
    );
    b.beat(&mut world);
    assert_eq!(size(&b.owned), 2);
}

#[test]
fn newer_target_counts_before_the_older_was_reached() {
    let mut world = World::new();
    world.create_topic("t", 6);
    let mut clients = vec![Client::new("a", &["t"])];
    clients[0].beat(&mut world);
    for name in ["b", "c"] {
        clients.push(Client::new(name, &["t"]));
        for client in &mut clients {
            client.beat(&mut world);
        }
    }
    for _ in 0..4 {
        for client in &mut clients {
            client.beat(&mut world);
        }
    }
    let sizes: Vec<usize> = clients.iter().map(|client| size(&client.owned)).collect();
    assert_eq!(sizes, [2, 2, 2]);
    assert_eq!(world.state(), Some(GroupState::Stable));
}

#[test]
fn most_members_choose_the_assignor() {
    let mut world = World::new();
    world.create_topic("t", 3);
    for (member_id, assignor) in [("a", "range"), ("b", "range"), ("c", "uniform")] {
        let mut beat = super::world::joining(member_id, &["t"]);
        beat.server_assignor = Some(assignor.to_owned());
        world.beat(beat).unwrap();
    }
    assert_eq!(world.describe().assignor, "range");
}
