//! Joining, changing, leaving, being given up.

use super::world::{Client, GROUP, Log, World, at_once, joining, quiet, size};
use crate::group::effect::Input;
use crate::group::{Assignment, GroupError, GroupState, MemberIdOrigin, Response};

#[test]
fn first_member_gets_every_partition_at_once() {
    let mut world = World::new();
    world.create_topic("t", 3);
    let beat = world.beat(joining("m", &["t"])).unwrap();
    assert_eq!(beat.member_epoch, 1);
    assert_eq!(beat.heartbeat_interval_ms, 5_000);
    assert_eq!(beat.assignment.as_ref().map(size), Some(3));
    assert_eq!(world.state(), Some(GroupState::Stable));
    let quiet_beat = world.beat(quiet("m", 1)).unwrap();
    assert_eq!(quiet_beat.assignment, None, "nothing has changed");
}

#[test]
fn topics_that_come_later_are_assigned_with_the_next_heartbeat() {
    let mut world = World::new();
    let beat = world.beat(joining("m", &["t"])).unwrap();
    assert_eq!(beat.assignment, Some(Assignment::new()));
    world.create_topic("t", 2);
    let beat = world.beat(quiet("m", beat.member_epoch)).unwrap();
    assert_eq!(beat.assignment.as_ref().map(size), Some(2));
    world.grow_topic("t", 5);
    let beat = world.beat(quiet("m", beat.member_epoch)).unwrap();
    assert_eq!(beat.assignment.as_ref().map(size), Some(5));
}

#[test]
fn other_topics_do_not_rebalance_a_group() {
    let mut world = World::new();
    world.create_topic("t", 1);
    let mut client = Client::new("m", &["t"]);
    client.beat(&mut world);
    let epoch = client.epoch;
    world.create_topic("u", 1);
    client.beat(&mut world);
    assert_eq!(client.epoch, epoch);
}

#[test]
fn pattern_subscribes_to_every_topic_it_matches_as_a_whole() {
    let mut world = World::new();
    for name in ["orders-1", "orders-2", "old-orders-1"] {
        world.create_topic(name, 1);
    }
    let mut client = Client::new("m", &[]);
    client.regex = Some("orders-[0-9]".to_owned());
    client.beat(&mut world);
    assert_eq!(size(&client.owned), 2);
    // A new topic counts once ten seconds have passed since the pattern was resolved.
    world.create_topic("orders-3", 1);
    client.beat(&mut world);
    assert_eq!(size(&client.owned), 2);
    world.advance(10_000);
    client.beat(&mut world);
    assert_eq!(size(&client.owned), 3);
    client.regex = Some(String::new());
    client.beat(&mut world);
    assert_eq!(size(&client.owned), 0);
}

#[test]
fn pattern_that_is_none_is_refused() {
    let mut world = World::new();
    for regex in ["(", "a)(b", "[", "a{99999999}"] {
        let mut beat = joining("m", &[]);
        beat.regex = Some(regex.to_owned());
        assert_eq!(
            world.beat(beat),
            Err(GroupError::InvalidRegularExpression),
            "{regex}"
        );
    }
    assert_eq!(world.state(), None, "a refused join makes no group");
}

#[test]
fn heartbeats_that_break_the_rules_are_refused() {
    let mut world = World::new();
    world.create_topic("t", 1);
    let broken = [
        ("empty member id", {
            let mut beat = joining("", &["t"]);
            beat.member_id_origin = MemberIdOrigin::Client;
            beat
        }),
        ("no rebalance timeout", {
            let mut beat = joining("m", &["t"]);
            beat.rebalance_timeout_ms = None;
            beat
        }),
        ("owned partitions unknown", {
            let mut beat = joining("m", &["t"]);
            beat.owned = None;
            beat
        }),
        ("no subscription", {
            let mut beat = joining("m", &["t"]);
            beat.topics = None;
            beat
        }),
        ("epoch -3", quiet("m", -3)),
        ("epoch -2 without an instance", quiet("m", -2)),
        ("blank instance", {
            let mut beat = joining("m", &["t"]);
            beat.instance_id = Some(" ".to_owned());
            beat
        }),
    ];
    for (what, beat) in broken {
        let outcome = world.beat(beat);
        assert!(
            matches!(outcome, Err(GroupError::InvalidRequest { .. })),
            "{what}: {outcome:?}"
        );
    }
    let mut beat = joining("m", &["t"]);
    beat.server_assignor = Some("nope".to_owned());
    assert_eq!(world.beat(beat), Err(GroupError::UnsupportedAssignor));
}

#[test]
fn old_client_without_an_id_gets_one() {
    let mut world = World::new();
    let mut beat = joining("", &["t"]);
    beat.member_id_origin = MemberIdOrigin::Coordinator;
    assert_eq!(world.beat(beat).unwrap().member_id, "new-");
}

#[test]
fn strangers_and_wrong_epochs_are_refused() {
    let mut world = World::new();
    world.create_topic("t", 1);
    assert_eq!(world.beat(quiet("m", 1)), Err(GroupError::GroupIdNotFound));
    let mut client = Client::new("m", &["t"]);
    client.beat(&mut world);
    assert_eq!(world.beat(quiet("x", 1)), Err(GroupError::UnknownMemberId));
    assert_eq!(
        world.beat(quiet("m", client.epoch + 1)),
        Err(GroupError::FencedMemberEpoch)
    );
    assert_eq!(world.beat(quiet("m", client.epoch)).map(|_| ()), Ok(()));
}

#[test]
fn answer_that_was_lost_is_given_again_to_a_member_one_epoch_behind() {
    let mut world = World::new();
    world.create_topic("t", 2);
    let mut client = Client::new("m", &["t"]);
    client.beat(&mut world);
    world.grow_topic("t", 3);
    // Its answer is lost.
    world.beat(client.request()).unwrap();
    client.beat(&mut world);
    assert_eq!((client.epoch, size(&client.owned)), (2, 3));
    // A member that says it has more than it was given is no such member.
    let mut stranger = client.request();
    stranger.member_epoch = 1;
    let topic_id = world.topic_id("t").unwrap();
    stranger.owned = Some([(topic_id, [7].into())].into());
    assert_eq!(world.beat(stranger), Err(GroupError::FencedMemberEpoch));
}

#[test]
fn member_that_leaves_frees_its_partitions() {
    let mut world = World::new();
    world.create_topic("t", 4);
    let mut a = Client::new("a", &["t"]);
    let mut b = Client::new("b", &["t"]);
    for _ in 0..3 {
        a.beat(&mut world);
        b.beat(&mut world);
    }
    assert_eq!((size(&a.owned), size(&b.owned)), (2, 2));
    world.beat(quiet("a", -1)).unwrap();
    b.beat(&mut world);
    assert_eq!(size(&b.owned), 4);
    world.beat(quiet("b", -1)).unwrap();
    assert_eq!(world.state(), Some(GroupState::Empty));
}

#[test]
fn member_that_stays_silent_is_given_up_after_its_session() {
    let mut world = World::new();
    world.create_topic("t", 1);
    world.beat(joining("m", &["t"])).unwrap();
    world.advance(44_999);
    assert!(world.member("m").is_some());
    world.advance(1);
    assert!(world.member("m").is_none());
    assert_eq!(world.beat(quiet("m", 1)), Err(GroupError::UnknownMemberId));
}

#[test]
fn full_group_takes_no_more_members() {
    let mut settings = at_once();
    settings.consumer.size_max = 1;
    let mut world = World::with(settings);
    world.beat(joining("a", &["t"])).unwrap();
    assert_eq!(
        world.beat(joining("b", &["t"])),
        Err(GroupError::GroupMaxSizeReached)
    );
    assert_eq!(world.beat(quiet("a", 1)).map(|_| ()), Ok(()));
}

#[test]
fn answer_waits_until_everything_it_tells_of_is_durable() {
    let mut world = World::new();
    world.create_topic("t", 1);
    world.log = Log::Holds;
    let first = world.ask(|token| Input::ConsumerHeartbeat(token, joining("m", &["t"])));
    // The second heartbeat writes nothing itself.
    let second = world.ask(|token| Input::ConsumerHeartbeat(token, quiet("m", 1)));
    assert_eq!(world.reply(first), None);
    assert_eq!(world.reply(second), None);
    world.log = Log::Takes;
    world.end_appends();
    for token in [first, second] {
        let reply = world.reply(token);
        assert!(matches!(reply, Some(Response::ConsumerHeartbeat(Ok(_)))));
    }
}

#[test]
fn change_that_the_log_refuses_is_taken_back() {
    let mut world = World::new();
    world.create_topic("t", 2);
    world.log = Log::Refuses;
    assert_eq!(
        world.beat(joining("a", &["t"])),
        Err(GroupError::CoordinatorNotAvailable)
    );
    assert_eq!(world.state(), None);
    world.log = Log::Takes;
    let mut a = Client::new("a", &["t"]);
    a.beat(&mut world);
    let before = world.describe();
    world.log = Log::Refuses;
    for beat in [joining("b", &["t"]), quiet("a", -1)] {
        assert_eq!(world.beat(beat), Err(GroupError::CoordinatorNotAvailable));
        assert_eq!(world.describe(), before);
    }
    world.log = Log::Takes;
    world.grow_topic("t", 3);
    a.beat(&mut world);
    assert_eq!(size(&a.owned), 3);
    assert_eq!(world.replayed().describe_consumer(GROUP).unwrap(), {
        world.describe()
    });
}

#[test]
fn group_survives_a_restart() {
    let mut world = World::new();
    world.create_topic("orders", 5);
    let mut a = Client::new("a", &["orders"]);
    let mut b = Client::new("b", &[]);
    b.regex = Some("ord.*".to_owned());
    for _ in 0..3 {
        a.beat(&mut world);
        b.beat(&mut world);
    }
    let before = world.describe();
    world.restart();
    assert_eq!(world.describe(), before);
    let (epoch_a, epoch_b) = (a.epoch, b.epoch);
    a.beat(&mut world);
    b.beat(&mut world);
    assert_eq!((a.epoch, b.epoch), (epoch_a, epoch_b), "no rebalance");
    world.advance(60_000);
    assert_eq!(world.state(), Some(GroupState::Empty), "sessions run");
}
