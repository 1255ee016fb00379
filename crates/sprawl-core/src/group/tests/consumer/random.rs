//! Random lives of a group: joins, lost answers, silence, goodbyes, changing topics and patterns,
//! restarts, logs that refuse. After each step no partition has two owners, and no member has what
//! the coordinator does not know of; in the end everything settles.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sprawl_model::TopicId;

use super::world::{Client, GROUP, Log, World, at_once, quiet};
use crate::group::{Assignment, GroupError, GroupSettings, GroupState};

const TOPICS: [&str; 3] = ["t0", "t1", "u0"];

#[derive(Clone, Debug)]
enum Op {
    Join { subscription: u8 },
    Beat { client: usize },
    LoseAnswer { client: usize },
    Crash { client: usize },
    Leave { client: usize },
    Subscribe { client: usize, subscription: u8 },
    Topic { which: usize },
    Advance { seconds: u64 },
    Restart,
    RefuseBeat { client: usize },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => any::<u8>().prop_map(|subscription| Op::Join { subscription }),
        12 => any::<usize>().prop_map(|client| Op::Beat { client }),
        3 => any::<usize>().prop_map(|client| Op::LoseAnswer { client }),
        1 => any::<usize>().prop_map(|client| Op::Crash { client }),
        2 => any::<usize>().prop_map(|client| Op::Leave { client }),
        2 => (any::<usize>(), any::<u8>())
            .prop_map(|(client, subscription)| Op::Subscribe { client, subscription }),
        2 => (0..TOPICS.len()).prop_map(|which| Op::Topic { which }),
        2 => (1_u64..20).prop_map(|seconds| Op::Advance { seconds }),
        1 => Just(Op::Restart),
        1 => any::<usize>().prop_map(|client| Op::RefuseBeat { client }),
    ]
}

#[derive(Default)]
struct Life {
    clients: Vec<Client>,
    joined: usize,
}

fn subscribe(client: &mut Client, subscription: u8) {
    let named = TOPICS.iter().enumerate();
    let named = named.filter(|(index, _)| subscription >> index & 1 == 1);
    client.topics = named.map(|(_, name)| (*name).to_owned()).collect();
    let regex = if subscription & 8 == 8 { "t." } else { "" };
    client.regex = Some(regex.to_owned());
}

impl Life {
    fn pick(&mut self, client: usize) -> Option<&mut Client> {
        let count = self.clients.len();
        (count > 0).then(|| &mut self.clients[client % count])
    }

    fn run(&mut self, world: &mut World, op: Op) {
        match op {
            Op::Join { subscription } if self.clients.len() < 6 => {
                self.joined += 1;
                let mut client = Client::new(&format!("m{}", self.joined), &[]);
                subscribe(&mut client, subscription);
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
                    drop(world.beat(client.request()));
                }
            }
            Op::Crash { client } => {
                let count = self.clients.len();
                if count > 0 {
                    self.clients.swap_remove(client % count);
                }
            }
            Op::Leave { client } => {
                let count = self.clients.len();
                if count > 0 {
                    let client = self.clients.swap_remove(client % count);
                    drop(world.beat(quiet(&client.member_id, -1)));
                }
            }
            Op::Subscribe {
                client,
                subscription,
            } => {
                if let Some(client) = self.pick(client) {
                    subscribe(client, subscription);
                    client.beat(world);
                }
            }
            Op::Topic { which } => change_topic(world, TOPICS[which]),
            Op::Advance { seconds } => world.advance(seconds * 1_000),
            Op::Restart => world.restart(),
            Op::RefuseBeat { client } => {
                world.log = Log::Refuses;
                if let Some(client) = self.pick(client) {
                    let outcome = world.beat(client.request());
                    if outcome != Err(GroupError::CoordinatorNotAvailable) {
                        client.receive(outcome);
                    }
                }
                world.log = Log::Takes;
            }
        }
    }

    /// No two owners, and nobody owns what the coordinator has not given it.
    fn check(&self, world: &World) {
        let Ok(group) = world.shard.describe_consumer(GROUP) else {
            return;
        };
        assert_eq!(
            world.replayed().describe_consumer(GROUP).as_ref(),
            Ok(&group)
        );
        let mut owners: BTreeMap<(TopicId, i32), &str> = BTreeMap::new();
        for member in &group.members {
            for partition in each(&member.assignment) {
                let other = owners.insert(partition, &member.member_id);
                assert_eq!(other, None, "{partition:?} has two owners");
            }
        }
        // What live members believe to have, as long as the coordinator knows them by this epoch.
        let mut believed: BTreeMap<(TopicId, i32), &str> = BTreeMap::new();
        for client in &self.clients {
            let known = group
                .members
                .iter()
                .any(|member| member.member_id == client.member_id);
            if !known {
                continue;
            }
            for partition in each(&client.owned) {
                let other = believed.insert(partition, &client.member_id);
                assert_eq!(other, None, "two members believe to own {partition:?}");
                let owner = owners.get(&partition);
                assert!(
                    owner.is_none_or(|owner| *owner == client.member_id),
                    "{} still has {partition:?}, which was given to {owner:?}",
                    client.member_id
                );
            }
        }
    }

    fn settle(&mut self, world: &mut World) {
        // Whoever crashed is given up, patterns see every topic.
        for _ in 0..8 {
            for client in &mut self.clients {
                client.beat(world);
            }
            self.check(world);
            world.advance(10_000);
        }
        for client in &mut self.clients {
            client.beat(world);
        }
        if self.clients.is_empty() {
            return;
        }
        assert_eq!(world.state(), Some(GroupState::Stable));
        let group = world.describe();
        let held: BTreeSet<(TopicId, i32)> = self
            .clients
            .iter()
            .flat_map(|client| each(&client.owned))
            .collect();
        assert_eq!(held, self.wanted(world), "every partition has its reader");
        for client in &self.clients {
            assert_eq!(client.epoch, group.group_epoch);
        }
    }

    fn wanted(&self, world: &World) -> BTreeSet<(TopicId, i32)> {
        let mut wanted = BTreeSet::new();
        for name in world.topic_names() {
            let is_read = self.clients.iter().any(|client| {
                let by_regex = client.regex.as_deref() == Some("t.") && name.starts_with('t');
                by_regex || client.topics.contains(&name)
            });
            if is_read {
                let topic_id = world.topic_id(&name).unwrap();
                let count = world.partition_count(&name).unwrap();
                wanted.extend((0..count).map(|partition| (topic_id, partition)));
            }
        }
        wanted
    }
}

fn change_topic(world: &mut World, name: &str) {
    match world.partition_count(name) {
        None => world.create_topic(name, 3),
        Some(count) if count < 9 => world.grow_topic(name, count + 2),
        Some(_) => world.delete_topic(name),
    }
}

fn each(assignment: &Assignment) -> impl Iterator<Item = (TopicId, i32)> + '_ {
    assignment.iter().flat_map(|(topic_id, partitions)| {
        partitions.iter().map(|partition| (*topic_id, *partition))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_partition_has_two_owners_and_everything_settles(
        ops in prop::collection::vec(op(), 1..60),
        is_batched in any::<bool>(),
    ) {
        let settings = if is_batched { GroupSettings::default() } else { at_once() };
        let mut world = World::with(settings);
        world.create_topic("t0", 4);
        let mut life = Life::default();
        for op in ops {
            life.run(&mut world, op);
            life.check(&world);
        }
        life.settle(&mut world);
    }
}
