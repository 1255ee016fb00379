//! The share coordinator, one test a rule; each ends with a replay that gives the same states.

use std::sync::Arc;

use proptest::prelude::*;
use sprawl_model::{Offset, TopicId};
use uuid::Uuid;

use super::*;
use crate::coordinator::{
    AppendId, AppendOutcome, AppendRefusal, BatchKind, Effect, Event, Machine, Now, Record, Token,
};
use crate::metadata::MetadataImage;
use crate::share::{DeliveryState, StateBatch};

const NOW: Now = Now {
    wall_ms: 1_000,
    monotonic_ms: 50,
};

/// A shard and its log.
struct World {
    shard: ShareStateShard,
    log: Vec<Record>,
    unended: Vec<(AppendId, i64)>,
    replies: Vec<(u64, ShareStateResponse)>,
    errands: Vec<ShareStateErrand>,
    tokens: u64,
}

fn settings() -> ShareStateSettings {
    ShareStateSettings {
        updates_per_snapshot: 3,
        prune_interval_ms: 300_000,
        snapshot_interval_ms: 300_000,
    }
}

fn key() -> ShareStateKey {
    ShareStateKey {
        group_id: "g".to_owned(),
        topic_id: TopicId(Uuid::from_u128(7)),
        partition: 2,
    }
}

fn write(start_offset: i64, batches: &[StateBatch]) -> ShareStateWrite {
    ShareStateWrite {
        state_epoch: 1,
        leader_epoch: 4,
        start_offset,
        delivery_complete_count: 0,
        batches: batches.to_vec(),
    }
}

fn run(first: i64, last: i64, state: DeliveryState) -> StateBatch {
    StateBatch {
        first,
        last,
        state,
        delivery_count: 1,
    }
}

impl World {
    fn new() -> Self {
        Self {
            shard: ShareStateShard::new(settings()),
            log: Vec::new(),
            unended: Vec::new(),
            replies: Vec::new(),
            errands: Vec::new(),
            tokens: 0,
        }
    }

    /// A world in which the share-partition was begun at 0 and read by leader epoch 4.
    fn begun() -> Self {
        let mut world = Self::new();
        world.initialize(1, 0);
        world.read(4);
        world
    }

    fn step(&mut self, input: ShareStateInput) {
        for effect in self.shard.step(NOW, input) {
            match effect {
                Effect::Reply(token, reply) => self.replies.push((token.0, reply)),
                Effect::Append {
                    append, records, ..
                } => {
                    self.unended.push((append, self.log.len() as i64));
                    self.log.extend(records);
                }
                Effect::SetTimer { .. } | Effect::CancelTimer(_) => {}
                Effect::Errand(errand) => self.errands.push(errand),
            }
        }
    }

    fn end_appends(&mut self) {
        for (append, at) in std::mem::take(&mut self.unended) {
            let durable = AppendOutcome::Durable(Offset(at));
            self.step(Event::Appended(append, durable).into());
        }
    }

    /// Asks, waits for the log, and returns the answer.
    fn ask(&mut self, input: impl FnOnce(Token) -> ShareStateInput) -> ShareStateResponse {
        self.tokens += 1;
        self.step(input(Token(self.tokens)));
        self.end_appends();
        let (token, reply) = self.replies.pop().unwrap();
        assert_eq!(token, self.tokens);
        reply
    }

    fn initialize(&mut self, state_epoch: i32, start_offset: i64) -> ShareStateResponse {
        self.ask(|token| ShareStateInput::Initialize {
            token,
            key: key(),
            state_epoch,
            start_offset,
        })
    }

    fn read(&mut self, leader_epoch: i32) -> ShareStateResponse {
        self.ask(|token| ShareStateInput::Read {
            token,
            key: key(),
            leader_epoch,
        })
    }

    fn write(&mut self, write: ShareStateWrite) -> ShareStateResponse {
        let key = key();
        self.ask(|token| ShareStateInput::Write { token, key, write })
    }

    fn state(&mut self) -> ShareState {
        match self.read(4) {
            ShareStateResponse::State(Some(state)) => state,
            other => panic!("{other:?}"),
        }
    }

    fn reload(&self) -> Self {
        let mut world = Self::new();
        for record in &self.log {
            world.shard.replay(BatchKind::Plain, record).unwrap();
        }
        world.log = self.log.clone();
        world
    }

    /// Asserts that a replay of the log gives what is kept.
    fn check_replay(&mut self) {
        let mut again = self.reload();
        let (kept, replayed) = (self.state(), again.state());
        assert_eq!(kept.batches, replayed.batches);
        assert_eq!(kept.start_offset, replayed.start_offset);
        assert_eq!(kept.state_epoch, replayed.state_epoch);
        assert_eq!(self.shard.summary(&key()), again.shard.summary(&key()));
    }
}

#[test]
fn a_share_partition_that_never_began_has_no_state() {
    assert_eq!(World::new().read(0), ShareStateResponse::State(None));
}

#[test]
fn changes_are_laid_over_each_other_and_end_at_the_start_offset() {
    let mut world = World::begun();
    world.write(write(0, &[run(2, 9, DeliveryState::Available)]));
    world.write(write(0, &[run(4, 5, DeliveryState::Acknowledged)]));
    world.write(write(3, &[run(3, 3, DeliveryState::Archiving)]));
    let expected = [
        run(3, 3, DeliveryState::Archiving),
        run(4, 5, DeliveryState::Acknowledged),
        run(6, 9, DeliveryState::Available),
    ];
    let state = world.state();
    assert_eq!((state.start_offset, state.batches), (3, expected.to_vec()));
    world.check_replay();
}

#[test]
fn a_snapshot_follows_as_many_changes_as_the_limit() {
    let mut world = World::begun();
    for offset in 0..8 {
        world.write(write(offset, &[]));
    }
    // The reading leader's epoch is a change too.
    let is_snapshot = |record: &Record| record.key[..2] == [0, 0];
    let kinds: Vec<bool> = world.log.iter().map(is_snapshot).collect();
    let expected = [
        true, false, false, false, true, false, false, false, true, false,
    ];
    assert_eq!(kinds, expected);
    world.check_replay();
}

#[test]
fn an_older_leader_is_fenced() {
    let mut world = World::begun();
    let (found, current) = (3, 4);
    let fenced = ShareStateResponse::Refused(ShareStateError::FencedLeaderEpoch { found, current });
    assert_eq!(world.read(3), fenced);
    let late = ShareStateWrite {
        leader_epoch: 3,
        ..write(1, &[])
    };
    assert_eq!(world.write(late), fenced);
    let mut again = world.reload();
    assert_eq!(again.read(3), fenced);
}

#[test]
fn a_new_beginning_fences_writes_of_the_old_one() {
    let mut world = World::begun();
    world.write(write(5, &[run(7, 8, DeliveryState::Acknowledged)]));
    assert_eq!(world.initialize(2, 100), ShareStateResponse::Done);
    let (found, current) = (1, 2);
    let fenced = ShareStateResponse::Refused(ShareStateError::FencedStateEpoch { found, current });
    assert_eq!(world.write(write(6, &[])), fenced);
    assert_eq!(world.initialize(1, 0), fenced);
    let state = world.state();
    assert_eq!((state.start_offset, state.batches), (100, vec![]));
    world.check_replay();
}

#[test]
fn a_beginning_without_an_offset_leaves_a_state_as_it_is() {
    let mut world = World::begun();
    world.write(write(5, &[run(7, 8, DeliveryState::Acknowledged)]));
    assert_eq!(world.initialize(9, -1), ShareStateResponse::Done);
    let state = world.state();
    assert_eq!((state.state_epoch, state.start_offset), (1, 5));
}

#[test]
fn what_is_deleted_stays_so() {
    let mut world = World::begun();
    let delete = |token| ShareStateInput::Delete { token, key: key() };
    assert_eq!(world.ask(delete), ShareStateResponse::Done);
    assert_eq!(world.read(0), ShareStateResponse::State(None));
    assert_eq!(world.ask(delete), ShareStateResponse::Done);
    assert_eq!(world.reload().read(0), ShareStateResponse::State(None));
}

#[test]
fn a_refused_append_takes_its_change_back() {
    let mut world = World::begun();
    let (token, key) = (Token(99), key());
    let change = write(5, &[]);
    world.step(ShareStateInput::Write {
        token,
        key,
        write: change,
    });
    world.log.pop();
    let (append, _) = world.unended.pop().unwrap();
    let refused = AppendOutcome::Refused(AppendRefusal::DiskFull);
    world.step(Event::Appended(append, refused).into());
    let reply = world.replies.pop().unwrap();
    assert_eq!(
        reply,
        (99, ShareStateResponse::Refused(ShareStateError::NoRoom))
    );
    assert_eq!(world.state().start_offset, 0);
}

#[test]
fn a_read_waits_until_what_it_tells_of_is_durable() {
    let mut world = World::begun();
    world.step(ShareStateInput::Write {
        token: Token(98),
        key: key(),
        write: write(5, &[]),
    });
    world.step(ShareStateInput::Read {
        token: Token(99),
        key: key(),
        leader_epoch: 4,
    });
    assert_eq!(world.replies, []);
    world.end_appends();
    let tokens: Vec<u64> = world.replies.iter().map(|(token, _)| *token).collect();
    assert_eq!(tokens, [98, 99]);
}

#[test]
fn runs_out_of_order_are_refused() {
    let mut world = World::begun();
    let crossed = [
        run(4, 6, DeliveryState::Available),
        run(6, 7, DeliveryState::Available),
    ];
    let refused = ShareStateResponse::Refused(ShareStateError::InvalidBatches);
    assert_eq!(world.write(write(0, &crossed)), refused);
}

#[test]
fn the_log_is_pruned_up_to_the_first_snapshot_that_is_needed() {
    let mut world = World::begun();
    for offset in 0..5 {
        world.write(write(offset, &[]));
    }
    world.step(Event::Timer(ShareStateTimer::Prune).into());
    let before = Offset(4);
    assert_eq!(world.errands, [ShareStateErrand::Prune { before }]);
    // Where a snapshot stands is not known after a replay, so nothing is pruned until there is a
    // new one.
    let mut again = world.reload();
    again.step(Event::Timer(ShareStateTimer::Prune).into());
    assert_eq!(again.errands, []);
    again.step(Event::Timer(ShareStateTimer::Snapshot).into());
    again.end_appends();
    again.step(Event::Timer(ShareStateTimer::Prune).into());
    let before = Offset(world.log.len() as i64);
    assert_eq!(again.errands, [ShareStateErrand::Prune { before }]);
}

#[test]
fn an_image_from_before_the_metadata_deletes_nothing() {
    let mut world = World::begun();
    let image: Arc<MetadataImage> = Arc::default();
    world.step(Event::MetadataChanged(image).into());
    assert_eq!(world.shard.state_count(), 1);
}

#[test]
fn giving_up_the_partition_answers_whoever_waits() {
    let mut world = World::begun();
    world.step(ShareStateInput::Write {
        token: Token(98),
        key: key(),
        write: write(5, &[]),
    });
    world.step(Event::Unload.into());
    let refused = ShareStateResponse::Refused(ShareStateError::NotCoordinator);
    assert_eq!(world.replies, [(98, refused)]);
}

proptest! {
    #[test]
    fn hostile_records_never_panic_and_make_no_state_without_order(
        version in 0_u8..3,
        key_bytes in prop::collection::vec(any::<u8>(), 0..40),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..120)),
    ) {
        let mut shard = ShareStateShard::new(settings());
        let value = value.map(|value| [&[0, 0], value.as_slice()].concat());
        let hostile = Record {
            key: [&[0, version], key_bytes.as_slice()].concat().into(),
            value: value.clone().map(Into::into),
        };
        let good_key = Record {
            key: records::tombstone(&key()).key,
            value: value.map(Into::into),
        };
        let replayed = [hostile, good_key].map(|record| shard.replay(BatchKind::Plain, &record));
        let read = replayed.iter().filter(|replayed| replayed.is_ok()).count();
        prop_assert!(shard.state_count() <= read, "a record that is refused makes no state");
        shard.step(NOW, ShareStateInput::from(Event::Loaded));
    }
}

#[test]
fn value_that_promises_two_billion_batches_is_refused_before_anything_is_reserved() {
    let mut shard = ShareStateShard::new(settings());
    // Version, snapshot epoch, state epoch, leader epoch, start offset, two timestamps, a count.
    let head = [0; 2 + 4 + 4 + 4 + 8 + 8 + 8];
    let value = [&head[..], &[0xff, 0xff, 0xff, 0xff, 0x07]].concat();
    let record = Record {
        key: records::tombstone(&key()).key,
        value: Some(value.into()),
    };
    assert!(shard.replay(BatchKind::Plain, &record).is_err());
}
