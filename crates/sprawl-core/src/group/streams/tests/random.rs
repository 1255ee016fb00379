//! Random lives of a group: joins, lost answers, silence, goodbyes, changing topics, restarts, logs
//! that refuse. After each step no active task has two owners, no process has a task in two roles,
//! and no member has what the coordinator does not know of; in the end everything settles.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::client::*;
use crate::group::streams::tasks::each;
use crate::group::streams::{Tasks, Topology};
use crate::group::tests::consumer::world::{GROUP, Log, World};
use crate::group::{GroupError, GroupSettings, GroupState};

#[derive(Clone, Debug)]
enum Op {
    Join { process: u8 },
    Beat { client: usize },
    LoseAnswer { client: usize },
    Crash { client: usize },
    Leave { client: usize },
    Topic { which: usize },
    Standby { count: u8 },
    Advance { seconds: u64 },
    Restart,
    RefuseBeat { client: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let client = || any::<usize>();
    prop_oneof![
        3 => (0_u8..3).prop_map(|process| Op::Join { process }),
        14 => client().prop_map(|client| Op::Beat { client }),
        3 => client().prop_map(|client| Op::LoseAnswer { client }),
        1 => client().prop_map(|client| Op::Crash { client }),
        2 => client().prop_map(|client| Op::Leave { client }),
        2 => (0_usize..4).prop_map(|which| Op::Topic { which }),
        1 => (0_u8..3).prop_map(|count| Op::Standby { count }),
        2 => (1_u64..20).prop_map(|seconds| Op::Advance { seconds }),
        1 => Just(Op::Restart),
        1 => client().prop_map(|client| Op::RefuseBeat { client }),
    ]
}

/// Two subtopologies, one with state behind a repartition topic.
fn topology() -> Topology {
    let mut counts = counting(&[], "g-changelog");
    counts.repartition_sources = vec![internal("g-repartition", 3)];
    application(vec![mapping(&["t"], &["g-repartition"]), counts])
}

const TOPICS: [&str; 3] = ["t", "g-repartition", "g-changelog"];

#[derive(Default)]
struct Life {
    clients: Vec<Client>,
    joined: usize,
}

impl Life {
    fn pick(&mut self, client: usize) -> Option<&mut Client> {
        let count = self.clients.len();
        (count > 0).then(|| &mut self.clients[client % count])
    }

    fn take(&mut self, client: usize) -> Option<Client> {
        let count = self.clients.len();
        (count > 0).then(|| self.clients.swap_remove(client % count))
    }

    fn run(&mut self, world: &mut World, op: Op) {
        match op {
            Op::Join { process } if self.clients.len() < 6 => {
                self.joined += 1;
                let process = char::from(b'a' + process);
                let id = format!("{process}{}", self.joined);
                let mut client = Client::new(&id, &topology());
                client.beat(world);
                self.clients.push(client);
            }
            Op::Join { .. } => {}
            Op::Beat { client } => {
                if let Some(client) = self.pick(client) {
                    client.beat(world);
                }
            }
            Op::LoseAnswer { client } => {
                if let Some(client) = self.pick(client) {
                    drop(beat(world, client.request()));
                }
            }
            Op::Crash { client } => drop(self.take(client)),
            Op::Leave { client } => {
                if let Some(client) = self.take(client) {
                    drop(beat(world, quiet(&client.member_id, -1)));
                }
            }
            Op::Topic { which } => match TOPICS.get(which) {
                Some(topic) => change_topic(world, topic),
                None => make_topics(world),
            },
            Op::Standby { count } => {
                let count = count.to_string();
                set_group_config(world, "streams.num.standby.replicas", &count);
            }
            Op::Advance { seconds } => world.advance(seconds * 1_000),
            Op::Restart => world.restart(),
            Op::RefuseBeat { client } => {
                world.log = Log::Refuses;
                if let Some(client) = self.pick(client) {
                    let outcome = beat(world, client.request());
                    if outcome != Err(GroupError::CoordinatorNotAvailable) {
                        client.receive(outcome);
                    }
                }
                world.log = Log::Takes;
            }
        }
    }

    fn check(&self, world: &World) {
        let Ok(group) = world.shard.describe_streams(GROUP) else {
            return;
        };
        check_replay(world);
        let given = group
            .members
            .iter()
            .map(|member| (member.member_id.as_str(), &member.assignment));
        check_owners(given);
        // What live members believe to have, as long as the coordinator knows them.
        let known = |client: &&Client| {
            let mut members = group.members.iter();
            members.any(|member| member.member_id == client.member_id)
        };
        let believing = self.clients.iter().filter(known);
        check_owners(believing.map(|client| (client.member_id.as_str(), &client.owned)));
    }

    fn settle(&mut self, world: &mut World) {
        for topic in TOPICS {
            if world.topic_id(topic).is_some() {
                world.delete_topic(topic);
            }
        }
        make_topics(world);
        // Crashed members are given up, while the others beat on.
        for _ in 0..20 {
            for client in &mut self.clients {
                client.beat(world);
                client.beat(world);
            }
            world.advance(5_000);
        }
    }
}

fn check_owners<'a>(members: impl Iterator<Item = (&'a str, &'a Tasks)>) {
    let (mut active, mut in_process) = (BTreeMap::new(), BTreeSet::new());
    for (member_id, tasks) in members {
        for task in each(&tasks.active) {
            let other = active.insert(task, member_id);
            assert_eq!(other, None, "{task:?} has two owners");
        }
        for task in each(&tasks.active).chain(each(&tasks.standby)) {
            let is_new = in_process.insert((process(member_id), task));
            assert!(is_new, "{task:?} is twice in the process of {member_id}");
        }
    }
}

fn change_topic(world: &mut World, topic: &str) {
    match world.partition_count(topic) {
        None => world.create_topic(topic, 2),
        Some(count) if count < 4 => world.grow_topic(topic, count + 1),
        Some(_) => world.delete_topic(topic),
    }
}

/// Makes what is missing as the coordinator asks for it.
fn make_topics(world: &mut World) {
    for (topic, count) in [("t", 2), ("g-repartition", 3), ("g-changelog", 3)] {
        if world.topic_id(topic).is_none() {
            world.create_topic(topic, count);
        }
    }
}

fn live(settings: GroupSettings, ops: Vec<Op>) {
    let mut world = World::with(settings);
    make_topics(&mut world);
    let mut life = Life::default();
    for op in ops {
        life.run(&mut world, op);
        life.check(&world);
    }
    life.settle(&mut world);
    life.check(&world);
    if life.clients.is_empty() {
        return;
    }
    assert_eq!(world.state(), Some(GroupState::Stable));
    let group = describe(&world);
    let known: BTreeSet<&str> = group
        .members
        .iter()
        .map(|member| member.member_id.as_str())
        .collect();
    let alive = life.clients.iter().map(|client| client.member_id.as_str());
    assert_eq!(known, alive.collect::<BTreeSet<&str>>());
    let active: usize = life
        .clients
        .iter()
        .map(|client| each(&client.owned.active).count())
        .sum();
    assert_eq!(active, 5, "2 tasks read t, 3 read the repartition topic");
    for member in &group.members {
        assert_eq!(member.assignment, member.target);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn tasks_never_have_two_owners_and_everything_settles(
        ops in prop::collection::vec(op(), 1..60),
        waits in any::<bool>(),
    ) {
        let settings = if waits { GroupSettings::default() } else { prompt() };
        live(settings, ops);
    }
}
