//! When does an assignment wait?

use super::client::*;
use crate::group::streams::StreamsStatusCode::AssignmentDelayed;
use crate::group::{GroupSettings, GroupState};

#[test]
fn an_empty_group_waits_for_more_members() {
    let mut world = world_of_words(GroupSettings::default(), 2);
    let first = beat(&mut world, joining("a1", &word_count())).unwrap();
    assert_eq!(codes(&first), [AssignmentDelayed]);
    assert_eq!(first.tasks, Some(tasks(&[], &[])));
    assert_eq!(
        first.member_epoch, 1,
        "the epoch before the first assignment"
    );
    assert_eq!(world.state(), Some(GroupState::Assigning));
    world.advance(2_000);
    let second = beat(&mut world, joining("b1", &word_count())).unwrap();
    assert_eq!(codes(&second), [AssignmentDelayed]);
    // The wait is over, counted from the first: both get their share at once.
    world.advance(1_000);
    check_replay(&world);
    let one = beat(&mut world, quiet("a1", first.member_epoch)).unwrap();
    let other = beat(&mut world, quiet("b1", second.member_epoch)).unwrap();
    assert_eq!(one.tasks, Some(tasks(&[("0", &[0])], &[])));
    assert_eq!(other.tasks, Some(tasks(&[("0", &[1])], &[])));
    assert_eq!(world.state(), Some(GroupState::Stable));
}

#[test]
fn a_group_says_how_long_it_waits() {
    let mut world = world_of_words(GroupSettings::default(), 1);
    set_group_config(&mut world, "streams.initial.rebalance.delay.ms", "0");
    let first = beat(&mut world, joining("a1", &word_count())).unwrap();
    assert_eq!(codes(&first), []);
    assert_eq!(first.tasks, Some(tasks(&[("0", &[0])], &[])));
}

#[test]
fn a_wait_without_members_is_over_in_silence() {
    let mut world = world_of_words(GroupSettings::default(), 1);
    beat(&mut world, joining("a1", &word_count())).unwrap();
    beat(&mut world, quiet("a1", -1)).unwrap();
    let count = world.records.len();
    world.advance(3_000);
    assert_eq!(world.records.len(), count);
    assert_eq!(world.state(), Some(GroupState::Empty));
    check_replay(&world);
}

#[test]
fn a_restart_ends_the_wait() {
    let mut world = world_of_words(GroupSettings::default(), 1);
    let first = beat(&mut world, joining("a1", &word_count())).unwrap();
    world.restart();
    let told = beat(&mut world, quiet("a1", first.member_epoch)).unwrap();
    assert_eq!(told.tasks, Some(tasks(&[("0", &[0])], &[])));
}

#[test]
fn assignments_keep_a_distance() {
    let mut settings = prompt();
    settings.streams.assignment_interval_ms.default = 1_000;
    let mut world = world_of_words(settings, 2);
    let mut one = Client::new("a1", &word_count());
    one.beat(&mut world);
    let early = beat(&mut world, joining("b1", &word_count())).unwrap();
    assert_eq!(codes(&early), [AssignmentDelayed]);
    assert_eq!(world.state(), Some(GroupState::Assigning));
    world.advance(999);
    let still = beat(&mut world, quiet("b1", early.member_epoch)).unwrap();
    assert_eq!(codes(&still), [AssignmentDelayed]);
    world.advance(1);
    let told = beat(&mut world, quiet("b1", early.member_epoch)).unwrap();
    assert_eq!(codes(&told), []);
    assert_eq!(world.state(), Some(GroupState::Reconciling));
}
