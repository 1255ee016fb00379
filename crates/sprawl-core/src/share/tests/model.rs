//! Any order of fetches, answers, lost locks, failed writes and crashes: every record ends consumed
//! or dead, never both, and none is delivered after its end was written.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::share::write::overlay;

const LOG_END: i64 = 60;

#[derive(Clone, Debug)]
enum Event {
    Fetch {
        member: u8,
        records_max: u64,
        cut: bool,
    },
    Answer {
        member: u8,
        ack: u8,
        count: usize,
    },
    Written {
        succeeds: bool,
    },
    Wait {
        ms: u64,
    },
    Leave {
        member: u8,
    },
    MoveDead {
        succeeds: bool,
    },
    Crash,
}

fn event() -> impl Strategy<Value = Event> {
    let member = 0_u8..3;
    prop_oneof![
        4 => (member.clone(), 1_u64..12, any::<bool>())
            .prop_map(|(member, records_max, cut)| Event::Fetch { member, records_max, cut }),
        6 => (member.clone(), 1_u8..5, 1_usize..8)
            .prop_map(|(member, ack, count)| Event::Answer { member, ack, count }),
        6 => any::<u8>().prop_map(|odds| Event::Written { succeeds: odds > 50 }),
        2 => (0_u64..20_000).prop_map(|ms| Event::Wait { ms }),
        1 => member.prop_map(|member| Event::Leave { member }),
        2 => any::<bool>().prop_map(|succeeds| Event::MoveDead { succeeds }),
        1 => Just(Event::Crash),
    ]
}

/// The stored state and the dead-letter topic, which outlive a crash.
#[derive(Default)]
struct World {
    start_offset: i64,
    runs: Vec<StateBatch>,
    dead_letter_topic: Vec<i64>,
    consumed: BTreeSet<i64>,
    now_ms: u64,
    /// Writes under way and the offsets that each accepts.
    unwritten: VecDeque<(StateWrite, Vec<i64>)>,
    held: BTreeSet<(u8, i64)>,
}

fn log() -> Vec<LogBatch> {
    let batches = (0..LOG_END / 5).map(|at| {
        let (first, last) = (at * 5, at * 5 + 4);
        if at % 4 == 3 {
            no_records(first, last)
        } else {
            records(first, last)
        }
    });
    batches.collect()
}

fn is_record(offset: i64) -> bool {
    offset < LOG_END && (offset / 5) % 4 != 3
}

fn load(world: &World) -> SharePartition {
    let settings = SharePartitionSettings {
        record_locks_max: 30,
        retry_delay: RetryDelay {
            first_ms: 50,
            multiplier_percent: 200,
            max_ms: 1_000,
            jitter_percent: 20,
        },
        dead_letters: DeadLetters::Moved,
        ..settings()
    };
    let clock = (world.now_ms, 77);
    SharePartition::load(settings, (0, 0), world.start_offset, &world.runs, clock).unwrap()
}

impl World {
    fn is_over(&self, offset: i64) -> bool {
        let run = self
            .runs
            .iter()
            .find(|run| run.first <= offset && offset <= run.last);
        offset < self.start_offset || run.is_some_and(|run| run.state != DeliveryState::Available)
    }

    fn store(&mut self, partition: &mut SharePartition, succeeds: bool) {
        let Some((write, accepted)) = self.unwritten.pop_front() else {
            return;
        };
        if succeeds {
            self.write_down(&write, accepted);
        }
        partition.written(write.id, if succeeds { Ok(()) } else { Err(()) });
    }

    fn write_down(&mut self, write: &StateWrite, accepted: Vec<i64>) {
        self.start_offset = self.start_offset.max(write.start_offset);
        self.runs = overlay(&self.runs, &write.batches, self.start_offset);
        self.consumed.extend(accepted);
    }

    fn fetch(&mut self, partition: &mut SharePartition, member: u8, limit: (u64, AcquireMode)) {
        let name = member.to_string();
        for (first, last, _) in fetch_at_most(partition, self.now_ms, &name, &log(), limit) {
            for offset in first..=last {
                assert!(is_record(offset), "{offset} is no record");
                assert!(
                    !self.is_over(offset),
                    "{offset} was delivered after its end"
                );
                assert!(
                    !self.dead_letter_topic.contains(&offset),
                    "{offset} is dead"
                );
                let is_held = (0..3).any(|other| self.held.contains(&(other, offset)));
                assert!(!is_held, "{offset} has two holders");
                self.held.insert((member, offset));
            }
        }
    }

    fn answer(&mut self, partition: &mut SharePartition, member: u8, ack: AckType, count: usize) {
        let offsets = self.held.iter().filter(|(who, _)| *who == member);
        let offsets: Vec<i64> = offsets.map(|(_, offset)| *offset).take(count).collect();
        let answers: Vec<AckBatch> = offsets.iter().map(|at| answer(*at, *at, ack)).collect();
        let write = partition.acknowledge((self.now_ms, 5), &member.to_string(), &answers);
        // Refused where a lock has run out in the meantime.
        let Ok(write) = write else { return };
        if ack != AckType::Renew {
            self.held
                .retain(|(who, offset)| *who != member || !offsets.contains(offset));
        }
        let accepted = if ack == AckType::Accept {
            offsets
        } else {
            Vec::new()
        };
        self.unwritten.extend(write.map(|write| (write, accepted)));
    }

    fn queue(&mut self, write: Option<StateWrite>) {
        self.unwritten
            .extend(write.map(|write| (write, Vec::new())));
    }

    fn move_dead(&mut self, partition: &mut SharePartition, succeeds: bool) {
        let letters = partition.take_dead_letters(self.now_ms);
        for offset in letters.iter().flat_map(|letter| letter.first..=letter.last) {
            if !self.dead_letter_topic.contains(&offset) {
                self.dead_letter_topic.push(offset);
            }
        }
        if succeeds {
            self.queue(partition.dead_letters_moved(&letters));
        } else {
            partition.dead_letters_failed(&letters, self.now_ms + 10);
        }
    }

    fn take(&mut self, partition: &mut SharePartition, event: Event) {
        match event {
            Event::Fetch {
                member,
                records_max,
                cut,
            } => {
                let mode = if cut {
                    AcquireMode::RecordLimit
                } else {
                    AcquireMode::BatchOptimized
                };
                self.fetch(partition, member, (records_max, mode));
            }
            Event::Answer { member, ack, count } => {
                let ack = AckType::from_number(ack.cast_signed()).unwrap();
                self.answer(partition, member, ack, count);
            }
            Event::Written { succeeds } => self.store(partition, succeeds),
            Event::Wait { ms } => {
                self.now_ms += ms;
                self.queue(partition.expire_locks((self.now_ms, 9)));
                self.held
                    .retain(|(member, offset)| partition.holds(&member.to_string(), *offset));
            }
            Event::Leave { member } => {
                self.queue(partition.release_member(&member.to_string()));
                self.held.retain(|(who, _)| *who != member);
            }
            Event::MoveDead { succeeds } => self.move_dead(partition, succeeds),
            Event::Crash => {
                // A write under way may have got through or not.
                if let Some((write, accepted)) = self.unwritten.pop_front() {
                    self.write_down(&write, accepted);
                }
                self.unwritten.clear();
                self.held.clear();
                *partition = load(self);
            }
        }
        // A failed write gives records back to their holders.
        for member in 0..3 {
            for offset in 0..LOG_END {
                if partition.holds(&member.to_string(), offset) {
                    self.held.insert((member, offset));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn every_record_ends_consumed_or_dead(events in prop::collection::vec(event(), 1..120)) {
        let mut world = World { now_ms: NOW, ..World::default() };
        let mut partition = load(&world);
        for event in events {
            world.take(&mut partition, event);
        }
        // Faults stop: everything is consumed.
        for _ in 0..40 {
            while !world.unwritten.is_empty() {
                world.store(&mut partition, true);
            }
            world.take(&mut partition, Event::Wait { ms: 40_000 });
            world.take(&mut partition, Event::MoveDead { succeeds: true });
            let (member, records_max) = (0, 100);
            world.take(&mut partition, Event::Fetch { member, records_max, cut: false });
            world.take(&mut partition, Event::Answer { member, ack: 1, count: 100 });
        }
        while !world.unwritten.is_empty() {
            world.store(&mut partition, true);
        }
        let counts = partition.counts();
        prop_assert_eq!(counts.live, 0);
        prop_assert!(counts.add_up());
        for offset in (0..LOG_END).filter(|offset| is_record(*offset)) {
            let consumed = world.consumed.contains(&offset);
            let dead = world.dead_letter_topic.contains(&offset);
            prop_assert!(consumed != dead, "{}: consumed {} dead {}", offset, consumed, dead);
        }
    }
}
