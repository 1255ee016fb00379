//! Joining, beating, leaving and being given up.

use std::collections::BTreeSet;

use super::client::*;
use crate::group::streams::{EndpointPartitions, StreamsHeartbeat, StreamsStatusCode, Tasks};
use crate::group::tests::consumer::world::{Log, World};
use crate::group::{GroupError, GroupState};

fn joined(partition_count: i32) -> (World, Client) {
    let mut world = world_of_words(prompt(), partition_count);
    let mut client = Client::new("a1", &word_count());
    client.beat(&mut world);
    (world, client)
}

#[test]
fn a_member_that_joins_alone_gets_every_task() {
    let mut world = world_of_words(prompt(), 2);
    let beat1 = beat(&mut world, joining("a1", &word_count())).unwrap();
    // Kafka's groups begin with epoch 1.
    assert_eq!(beat1.member_epoch, 2);
    assert_eq!(beat1.heartbeat_interval_ms, 5_000);
    assert_eq!(beat1.tasks, Some(tasks(&[("0", &[0, 1])], &[])));
    assert_eq!(beat1.statuses, []);
    let group = describe(&world);
    assert_eq!((group.group_epoch, group.assignment_epoch), (2, 2));
    assert_eq!(group.state, GroupState::Stable);
    let beat2 = beat(&mut world, quiet("a1", 2)).unwrap();
    assert_eq!(beat2.tasks, None, "nothing has changed");
    check_replay(&world);
}

#[test]
fn a_quiet_heartbeat_writes_nothing() {
    let (mut world, client) = joined(1);
    let count = world.records.len();
    beat(&mut world, quiet("a1", client.epoch)).unwrap();
    assert_eq!(world.records.len(), count);
}

#[test]
fn requests_that_contradict_the_api_are_refused() {
    let topology = word_count();
    let change = |change: &dyn Fn(&mut StreamsHeartbeat)| {
        let mut request = joining("a1", &topology);
        change(&mut request);
        request
    };
    let some_task = tasks(&[("0", &[0])], &[]);
    let warm = Tasks {
        warmup: some_task.active.clone(),
        ..Tasks::default()
    };
    let requests = [
        change(&|request| request.group_id = " ".to_owned()),
        change(&|request| request.member_id.clear()),
        change(&|request| request.rack_id = Some(String::new())),
        change(&|request| request.instance_id = Some("i".to_owned())),
        change(&|request| request.rebalance_timeout_ms = None),
        change(&|request| request.topology = None),
        change(&|request| request.owned = None),
        change(&|request| request.owned = Some(some_task.clone())),
        change(&|request| request.owned = Some(warm.clone())),
        change(&|request| request.member_epoch = 1),
        change(&|request| request.member_id = "m".repeat(40_000)),
        quiet("a1", -2),
        quiet("a1", -3),
    ];
    let mut world = world_of_words(prompt(), 1);
    for request in requests {
        let refused = beat(&mut world, request.clone()).unwrap_err();
        let is_invalid = matches!(refused, GroupError::InvalidRequest { .. });
        assert!(is_invalid, "{refused:?} to {request:?}");
    }
    assert_eq!(world.state(), None);
}

#[test]
fn tasks_that_are_not_there_are_refused() {
    let (mut world, client) = joined(2);
    for owned in [tasks(&[("1", &[0])], &[]), tasks(&[], &[("0", &[2])])] {
        let request = StreamsHeartbeat {
            owned: Some(owned),
            ..quiet("a1", client.epoch)
        };
        let refused = beat(&mut world, request).unwrap_err();
        assert!(
            matches!(refused, GroupError::InvalidRequest { .. }),
            "{refused:?}"
        );
    }
}

#[test]
fn unknown_members_and_groups_are_refused() {
    let mut world = world_of_words(prompt(), 1);
    let no_group = Err(GroupError::GroupIdNotFound);
    assert_eq!(beat(&mut world, quiet("a1", 2)), no_group);
    assert_eq!(beat(&mut world, quiet("a1", -1)), no_group);
    beat(&mut world, joining("a1", &word_count())).unwrap();
    let no_member = Err(GroupError::UnknownMemberId);
    assert_eq!(beat(&mut world, quiet("b1", 2)), no_member);
    assert_eq!(beat(&mut world, quiet("b1", -1)), no_member);
}

#[test]
fn epochs_are_fenced_but_for_a_lost_answer() {
    let (mut world, mut client) = joined(2);
    let fenced = Err(GroupError::FencedMemberEpoch);
    assert_eq!(beat(&mut world, quiet("a1", client.epoch + 1)), fenced);
    // Another joins: the first gives a task up, and the answer that tells of it is lost.
    Client::new("b1", &word_count()).beat(&mut world);
    client.beat(&mut world);
    let before = client.clone();
    drop(beat(&mut world, client.request()));
    let now = member(&world, "a1").unwrap();
    assert_eq!(now.member_epoch, before.epoch + 1);
    assert_eq!(
        beat(&mut world, quiet("a1", before.epoch)),
        fenced,
        "it does not say"
    );
    let more = StreamsHeartbeat {
        owned: Some(tasks(&[("0", &[0, 1])], &[])),
        ..quiet("a1", before.epoch)
    };
    assert_eq!(
        beat(&mut world, more),
        fenced,
        "it has more than it was given"
    );
    let again = beat(&mut world, before.request()).unwrap();
    assert_eq!(again.member_epoch, now.member_epoch);
}

#[test]
fn tasks_are_told_again_to_a_member_that_has_not_heard_of_them() {
    let (mut world, mut one) = joined(2);
    let mut other = Client::new("b1", &word_count());
    other.beat(&mut world);
    one.beat(&mut world);
    one.beat(&mut world);
    let request = other.request();
    let lost = beat(&mut world, request.clone()).unwrap();
    assert_eq!(lost.tasks, Some(tasks(&[("0", &[1])], &[])));
    let again = beat(&mut world, request).unwrap();
    assert_eq!(again.tasks, lost.tasks);
    let heard = StreamsHeartbeat {
        owned: again.tasks,
        ..quiet("b1", again.member_epoch)
    };
    assert_eq!(beat(&mut world, heard).unwrap().tasks, None);
}

#[test]
fn a_full_group_takes_nobody() {
    let mut settings = prompt();
    settings.streams.size_max = 1;
    let mut world = world_of_words(settings, 1);
    let joined = beat(&mut world, joining("a1", &word_count())).unwrap();
    let full = Err(GroupError::GroupMaxSizeReached);
    assert_eq!(beat(&mut world, joining("b1", &word_count())), full);
    beat(&mut world, quiet("a1", joined.member_epoch)).unwrap();
    beat(&mut world, quiet("a1", -1)).unwrap();
    beat(&mut world, joining("b1", &word_count())).unwrap();
}

#[test]
fn a_member_that_leaves_frees_its_tasks() {
    let (mut world, client) = joined(1);
    let left = beat(&mut world, quiet("a1", -1)).unwrap();
    assert_eq!((left.member_epoch, left.tasks), (-1, None));
    let group = describe(&world);
    assert_eq!(group.state, GroupState::Empty);
    assert_eq!(group.group_epoch, client.epoch + 1);
    check_replay(&world);
    let next = beat(&mut world, joining("b1", &word_count())).unwrap();
    assert_eq!(next.tasks, Some(tasks(&[("0", &[0])], &[])));
}

#[test]
fn a_silent_member_is_given_up() {
    let (mut world, mut client) = joined(1);
    world.advance(40_000);
    client.beat(&mut world);
    world.advance(44_000);
    assert_eq!(world.state(), Some(GroupState::Stable));
    world.advance(1_000);
    assert_eq!(world.state(), Some(GroupState::Empty));
    assert_eq!(member(&world, "a1"), None);
    check_replay(&world);
}

#[test]
fn sessions_go_on_after_a_restart() {
    let (mut world, client) = joined(1);
    world.restart();
    assert_eq!(member(&world, "a1").unwrap().member_epoch, client.epoch);
    let count = world.records.len();
    let told = beat(&mut world, quiet("a1", client.epoch)).unwrap();
    assert_eq!((told.tasks, told.statuses), (None, Vec::new()));
    assert_eq!(
        world.records.len(),
        count,
        "what is looked up again was recorded"
    );
    world.advance(45_000);
    assert_eq!(world.state(), Some(GroupState::Empty));
}

#[test]
fn a_request_to_shut_down_reaches_everybody_until_the_group_is_empty() {
    let (mut world, client) = joined(2);
    let failing = StreamsHeartbeat {
        asks_for_shutdown: true,
        ..quiet("a1", client.epoch)
    };
    let told = beat(&mut world, failing).unwrap();
    assert_eq!(codes(&told), [StreamsStatusCode::ShutdownApplication]);
    let other = beat(&mut world, joining("b1", &word_count())).unwrap();
    assert_eq!(codes(&other), [StreamsStatusCode::ShutdownApplication]);
    let detail = "Streams group member a1 encountered a fatal error and requested a shutdown for \
                  the entire application.";
    assert_eq!(other.statuses[0].detail, detail);
    for id in ["a1", "b1"] {
        beat(&mut world, quiet(id, -1)).unwrap();
    }
    let fresh = beat(&mut world, joining("c1", &word_count())).unwrap();
    assert_eq!(codes(&fresh), []);
}

#[test]
fn endpoints_are_told_when_they_change() {
    let mut world = world_of_words(prompt(), 2);
    let request = |id: &str, port| StreamsHeartbeat {
        user_endpoint: Some(("host".to_owned(), port)),
        ..joining(id, &word_count())
    };
    let first = beat(&mut world, request("a1", 1)).unwrap();
    let all = BTreeSet::from([0, 1]);
    let expected = EndpointPartitions {
        endpoint: ("host".to_owned(), 1),
        active: vec![("t".to_owned(), all)],
        standby: Vec::new(),
    };
    assert_eq!(first.endpoints, Some(vec![expected]));
    assert_eq!(first.endpoint_epoch, 0);
    let mut knows = quiet("a1", first.member_epoch);
    knows.endpoint_epoch = first.endpoint_epoch;
    let second = beat(&mut world, knows.clone()).unwrap();
    assert_eq!((second.endpoints, second.endpoint_epoch), (None, 0));
    let other = beat(&mut world, request("b1", 2)).unwrap();
    assert_eq!(other.endpoint_epoch, 1);
    let third = beat(&mut world, knows).unwrap();
    assert_eq!(third.endpoints.map(|all| all.len()), Some(2));
}

#[test]
fn what_the_log_refuses_did_not_happen() {
    let mut world = world_of_words(prompt(), 2);
    world.log = Log::Refuses;
    let refused = Err(GroupError::CoordinatorNotAvailable);
    assert_eq!(beat(&mut world, joining("a1", &word_count())), refused);
    assert_eq!(world.state(), None);
    world.log = Log::Takes;
    let joined = beat(&mut world, joining("a1", &word_count())).unwrap();
    let before = describe(&world);
    world.log = Log::Refuses;
    assert_eq!(beat(&mut world, joining("b1", &word_count())), refused);
    assert_eq!(beat(&mut world, quiet("a1", -1)), refused);
    let after = describe(&world);
    assert_eq!(
        (after.members, after.group_epoch),
        (before.members, before.group_epoch)
    );
    world.log = Log::Takes;
    let told = beat(&mut world, quiet("a1", joined.member_epoch)).unwrap();
    assert_eq!(told.statuses, []);
    check_replay(&world);
}

#[test]
fn answers_wait_for_the_log() {
    let mut world = world_of_words(prompt(), 1);
    world.log = Log::Holds;
    let request = joining("a1", &word_count());
    let token = world.ask(|token| crate::group::Input::StreamsHeartbeat(token, request));
    assert_eq!(world.reply(token), None);
    world.log = Log::Takes;
    world.end_appends();
    assert!(world.reply(token).is_some());
}
