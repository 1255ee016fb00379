//! Tasks change hands: nobody gets what another still has.

use super::client::*;
use crate::group::streams::StreamsHeartbeat;
use crate::group::tests::consumer::world::World;
use crate::group::{GroupSettings, GroupState};

fn client(id: &str) -> Client {
    Client::new(id, &word_count())
}

fn with_standby() -> GroupSettings {
    let mut settings = prompt();
    settings.streams.standby_replica_count.default = 1;
    settings
}

fn settle(world: &mut World, clients: &mut [&mut Client]) {
    for _ in 0..6 {
        for client in &mut *clients {
            client.beat(world);
        }
    }
    assert_eq!(world.state(), Some(GroupState::Stable));
    check_replay(world);
}

#[test]
fn a_task_is_given_only_after_it_was_given_up() {
    let mut world = world_of_words(prompt(), 2);
    let (mut one, mut other) = (client("a1"), client("b1"));
    one.beat(&mut world);
    other.beat(&mut world);
    assert!(other.owned.is_empty(), "the other still has everything");
    assert_eq!(world.state(), Some(GroupState::Reconciling));

    let still = beat(&mut world, quiet("a1", one.epoch)).unwrap();
    assert_eq!(
        still.member_epoch, one.epoch,
        "it moves on when it has given up"
    );
    assert_eq!(still.tasks, Some(tasks(&[("0", &[0])], &[])));
    other.beat(&mut world);
    assert!(
        other.owned.is_empty(),
        "the first has not said that it gave up"
    );

    // It says so in words: what it has.
    let gave_up = StreamsHeartbeat {
        owned: still.tasks,
        ..quiet("a1", one.epoch)
    };
    let moved = beat(&mut world, gave_up).unwrap();
    assert_eq!(moved.member_epoch, one.epoch + 1);
    other.beat(&mut world);
    assert_eq!(other.owned, tasks(&[("0", &[1])], &[]));
    assert_eq!(world.state(), Some(GroupState::Stable));
    check_replay(&world);
}

#[test]
fn a_member_that_does_not_give_up_in_time_is_given_up() {
    let mut world = world_of_words(prompt(), 2);
    let mut one = client("a1");
    one.beat(&mut world);
    client("b1").beat(&mut world);
    beat(&mut world, quiet("a1", one.epoch)).unwrap();
    for _ in 0..3 {
        world.advance(9_000);
        beat(&mut world, quiet("a1", one.epoch)).unwrap();
    }
    assert!(member(&world, "a1").is_some());
    world.advance(3_000);
    assert_eq!(member(&world, "a1"), None);
}

#[test]
fn the_time_to_give_up_goes_on_after_a_restart() {
    let mut world = world_of_words(prompt(), 2);
    let mut one = client("a1");
    one.beat(&mut world);
    client("b1").beat(&mut world);
    beat(&mut world, quiet("a1", one.epoch)).unwrap();
    world.restart();
    world.advance(29_000);
    assert!(member(&world, "a1").is_some());
    world.advance(1_000);
    assert_eq!(member(&world, "a1"), None);
}

#[test]
fn standby_tasks_are_in_another_process() {
    let mut world = world_of_words(with_standby(), 2);
    let (mut one, mut other) = (client("a1"), client("b1"));
    settle(&mut world, &mut [&mut one, &mut other]);
    assert_eq!(one.owned, tasks(&[("0", &[0])], &[("0", &[1])]));
    assert_eq!(other.owned, tasks(&[("0", &[1])], &[("0", &[0])]));
    // With one process there is no place for them.
    beat(&mut world, quiet("b1", -1)).unwrap();
    settle(&mut world, &mut [&mut one]);
    assert_eq!(one.owned, tasks(&[("0", &[0, 1])], &[]));
}

#[test]
fn a_process_has_a_task_in_one_role_at_a_time() {
    let mut world = world_of_words(with_standby(), 2);
    let (mut one, mut other) = (client("a1"), client("b1"));
    settle(&mut world, &mut [&mut one, &mut other]);
    beat(&mut world, quiet("b1", -1)).unwrap();
    // The standby task becomes the active one: it is closed first.
    one.beat(&mut world);
    assert_eq!(one.owned, tasks(&[("0", &[0])], &[]));
    let mut steps = 0;
    while one.owned != tasks(&[("0", &[0, 1])], &[]) {
        one.beat(&mut world);
        steps += 1;
        assert!(steps < 5, "{one:?}");
    }
}

#[test]
fn members_of_one_process_share_its_part() {
    let mut world = world_of_words(prompt(), 6);
    let mut clients = [client("a1"), client("a2"), client("b1")];
    let [one, two, three] = &mut clients;
    settle(&mut world, &mut [one, two, three]);
    let counts = clients.map(|client| client.owned.active["0"].len());
    assert_eq!(counts, [2, 2, 2]);
}

#[test]
fn new_partitions_are_new_tasks() {
    let mut world = world_of_words(prompt(), 1);
    let mut one = client("a1");
    one.beat(&mut world);
    world.grow_topic("t", 2);
    one.beat(&mut world);
    // The changelog has to follow: until then there is nothing to run.
    assert_eq!(world.state(), Some(GroupState::NotReady));
    world.grow_topic("g-changelog", 2);
    settle(&mut world, &mut [&mut one]);
    assert_eq!(one.owned, tasks(&[("0", &[0, 1])], &[]));
}

#[test]
fn another_number_of_standby_tasks_is_another_assignment() {
    let mut world = world_of_words(prompt(), 2);
    let (mut one, mut other) = (client("a1"), client("b1"));
    settle(&mut world, &mut [&mut one, &mut other]);
    let epoch = describe(&world).group_epoch;
    set_group_config(&mut world, "streams.num.standby.replicas", "1");
    settle(&mut world, &mut [&mut one, &mut other]);
    assert_eq!(describe(&world).group_epoch, epoch + 1);
    assert_eq!(other.owned, tasks(&[("0", &[1])], &[("0", &[0])]));
}
