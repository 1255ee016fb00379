//! A mover: reads accounts, writes them to the other topic and commits its positions, all in one
//! transaction, again and again.
//!
//! It dies in the middle and begins anew, outstays its timeout, leaves requests behind that arrive
//! later, and leaves zombies behind that go on once they are fenced. It has its own partitions to
//! read, so that its committed positions grow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sprawl_io::time::sleep;
use sprawl_model::batch::TxnOutcome;

use super::late::Shared;
use super::ledger::{Attempt, Scan};
use super::record::{PARTITION_COUNT, Place, Stamp, TOPICS, Value, build_batch};
use super::session::{Session, Stop};
use super::wire::{
    ADD_VERSION, Generation, Isolation, OFFSET_FETCH_VERSION, fetch, positions_in, stable_offsets,
};
use super::zombie;
use crate::invariant::i15_stable_offset;

/// Accounts moved in one transaction, at most.
const MOVED_AT_ONCE: u64 = 6;
/// One attempt in so many is given up on purpose.
const ABORTED_OF: u64 = 6;
/// One request in so many comes a second time, later.
const DOUBLED_OF: u64 = 8;
/// One batch in so many is held back until the client has given up.
const HELD_OF: u64 = 30;
/// One transaction in so many is left open for longer than its timeout.
const OUTSTAYED_OF: u64 = 40;
const OUTSTAY: Duration = Duration::from_secs(5);
/// One marker in so many is written once more, later.
const MARKED_AGAIN_OF: u64 = 4;
/// One death in so many leaves a zombie behind.
const ZOMBIE_OF: u64 = 2;
/// The longest pause between two transactions, ms.
const PAUSE_MS_MAX: u64 = 120;

/// How an attempt went.
enum Went {
    /// It is over and its producer goes on.
    On,
    /// Its producer has to initialise again.
    Over,
}

struct Mover {
    session: Session,
    number: usize,
    /// What it has consumed, by partition.
    positions: BTreeMap<Place, i64>,
    /// The last stable offsets it was told.
    stable: BTreeMap<Place, i64>,
}

/// Moves accounts until it is told to stop.
pub(super) async fn run(shared: Shared, number: usize, generation: Generation) {
    shared.ledger.begin();
    let name = format!("mover-{number}");
    let mut stable = BTreeMap::new();
    while !shared.ledger.is_stopping() {
        let mut mover = Mover {
            session: Session::new(&shared, &name, generation),
            number,
            positions: BTreeMap::new(),
            stable: std::mem::take(&mut stable),
        };
        mover.live().await;
        stable = mover.stable;
    }
    shared.ledger.finished();
}

impl Mover {
    /// One life of the client.
    async fn live(&mut self) {
        self.session.initialise().await;
        if self.find_positions().await.is_err() {
            return;
        }
        while !self.session.shared.ledger.is_stopping() {
            let pause = self.session.shared.ledger.random.below(PAUSE_MS_MAX);
            sleep(Duration::from_millis(pause)).await;
            let read = self.read().await;
            if read.is_empty() {
                continue;
            }
            if let Went::Over = self.attempt(&read).await {
                return;
            }
        }
    }

    fn own_places(&self) -> Vec<Place> {
        let own = (0..TOPICS.len()).map(|topic| Place(topic * PARTITION_COUNT + self.number));
        own.collect()
    }

    /// Reads where the life before this one has come to.
    async fn find_positions(&mut self) -> Result<(), Stop> {
        let request = stable_offsets(&self.own_places());
        let answer = self.session.ask(OFFSET_FETCH_VERSION, &request).await?;
        self.positions = positions_in(&answer);
        let ledger = &self.session.shared.ledger;
        ledger.report(ledger.positions_read(&self.positions));
        Ok(())
    }

    /// Reads some committed accounts behind the positions, from each partition a stretch.
    async fn read(&mut self) -> Vec<(Place, i64, Value)> {
        let mut read = Vec::new();
        for place in self.own_places() {
            let from = self.positions.get(&place).copied().unwrap_or(0);
            let client = &mut self.session.client;
            let Ok(fetched) = fetch(client, place, from, Isolation::Committed).await else {
                client.close();
                continue;
            };
            if fetched.error_code != 0 {
                continue;
            }
            let ledger = &self.session.shared.ledger;
            let before = self.stable.insert(place, fetched.last_stable_offset);
            ledger.report(i15_stable_offset(
                &place.to_string(),
                before.unwrap_or(0),
                fetched.last_stable_offset,
                fetched.high_watermark,
            ));
            let count = 1 + ledger.random.below(MOVED_AT_ONCE / 2);
            let shown = fetched.shown.iter().take(count as usize);
            read.extend(shown.map(|(offset, value)| (place, *offset, *value)));
            if fetched.shown.is_empty() {
                // Markers and aborted records alone.
                self.positions.insert(place, fetched.next);
            }
            ledger.scanned(Scan {
                place,
                from,
                to: fetched.next,
                shown: fetched.shown,
            });
        }
        read
    }

    /// Moves what was read.
    async fn attempt(&mut self, read: &[(Place, i64, Value)]) -> Went {
        let ledger = &self.session.shared.ledger;
        let outcome = if ledger.random.chance(1, ABORTED_OF) {
            TxnOutcome::Abort
        } else {
            TxnOutcome::Commit
        };
        let attempt = ledger.attempt(Attempt {
            who: self.session.producer.transactional_id.clone(),
            count: read.len() as u64,
            sources: read.iter().map(|(.., value)| value.attempt).collect(),
            ..Attempt::default()
        });
        let moved = moved(attempt, read);
        let ends: BTreeMap<Place, i64> = read
            .iter()
            .map(|(place, offset, _)| (*place, offset + 1))
            .collect();
        let written = self.write(&moved, &ends).await;
        let outcome = match written {
            Ok(()) => outcome,
            Err(Stop::Died) => return self.die(&moved, &ends),
            Err(Stop::Refused) => return Went::Over,
            // What is not answered may still come: such a transaction can only be given up.
            Err(Stop::Unanswered) => TxnOutcome::Abort,
        };
        if self.session.once_in(OUTSTAYED_OF) {
            sleep(OUTSTAY).await;
        }
        let ran_as = self.session.producer.clone();
        match self.end(attempt, outcome).await {
            Ok(()) => {}
            Err(Stop::Died) => return self.die(&moved, &ends),
            Err(Stop::Refused | Stop::Unanswered) => return Went::Over,
        }
        if outcome == TxnOutcome::Commit {
            self.positions.extend(&ends);
            self.session.shared.ledger.positions_told(&ends);
        }
        let is_bumped = ran_as.generation == Generation::Two;
        if is_bumped && self.session.once_in(MARKED_AGAIN_OF) {
            self.session.shared.hold_marker(&ran_as, outcome);
        }
        // A batch of an epoch that goes on may arrive when its sequence has been given to another.
        if written.is_err() && !is_bumped {
            return Went::Over;
        }
        Went::On
    }

    /// Sends accounts and positions.
    async fn write(
        &mut self,
        moved: &BTreeMap<Place, Vec<Value>>,
        ends: &BTreeMap<Place, i64>,
    ) -> Result<(), Stop> {
        let generation = self.session.producer.generation;
        if generation == Generation::One {
            let places: BTreeSet<Place> = moved.keys().copied().collect();
            let request = self.session.producer.add_partitions(&places);
            if self.session.once_in(DOUBLED_OF) {
                self.session.shared.hold(ADD_VERSION, request.clone());
            }
            self.session.ask(ADD_VERSION, &request).await?;
            let request = self.session.producer.add_offsets();
            self.session.ask(ADD_VERSION, &request).await?;
        }
        for (place, values) in moved {
            self.produce(*place, values).await?;
        }
        let request = self.session.producer.commit_offsets(ends);
        let version = generation.commit_version();
        // With an epoch that lasts it could join the next transaction: KIP-890 is about that.
        if generation == Generation::Two && self.session.once_in(DOUBLED_OF) {
            self.session.shared.hold(version, request.clone());
        }
        self.session.ask(version, &request).await.map(drop)
    }

    async fn produce(&mut self, place: Place, values: &[Value]) -> Result<(), Stop> {
        let producer = &mut self.session.producer;
        let next = producer.sequences.entry(place).or_insert(0);
        let stamp = Stamp {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            base_sequence: *next,
        };
        *next += i32::try_from(values.len()).unwrap_or(0);
        let timestamp = self.session.shared.ledger.timestamps(values.len());
        let batch = build_batch(values, Some(stamp), timestamp);
        let request = producer.produce(place, batch);
        let version = producer.generation.produce_version();
        if self.session.once_in(HELD_OF) {
            self.session.shared.hold(version, request);
            return Err(Stop::Unanswered);
        }
        if self.session.once_in(DOUBLED_OF) {
            self.session.shared.hold(version, request.clone());
            self.session.producer.has_double = true;
        }
        self.session.ask(version, &request).await.map(drop)
    }

    async fn end(&mut self, attempt: u64, outcome: TxnOutcome) -> Result<(), Stop> {
        let generation = self.session.producer.generation;
        let request = self.session.producer.end(outcome);
        let version = generation.end_version();
        let ledger = &self.session.shared.ledger;
        ledger.asked(attempt, outcome);
        // One of an epoch that lasts could end the next transaction: KIP-890 is about that.
        if generation == Generation::Two && self.session.once_in(DOUBLED_OF) {
            self.session.shared.hold(version, request.clone());
        }
        let answer = self.session.ask(version, &request).await?;
        self.session.shared.ledger.told(attempt, outcome);
        if generation == Generation::Two {
            let producer = &mut self.session.producer;
            producer.become_epoch(answer.producer_id.0, answer.producer_epoch);
        }
        Ok(())
    }

    /// Ends this life; what it was about to do may go on elsewhere.
    fn die(&self, moved: &BTreeMap<Place, Vec<Value>>, ends: &BTreeMap<Place, i64>) -> Went {
        if self.session.once_in(ZOMBIE_OF) {
            let (shared, producer) = (&self.session.shared, &self.session.producer);
            zombie::leave(shared, producer, moved, ends);
        }
        Went::Over
    }
}

/// The accounts after their move, by where they go.
fn moved(attempt: u64, read: &[(Place, i64, Value)]) -> BTreeMap<Place, Vec<Value>> {
    let mut moved: BTreeMap<Place, Vec<Value>> = BTreeMap::new();
    for (index, (place, offset, value)) in (0..).zip(read) {
        let to = place.next(value.account, value.hop);
        moved.entry(to).or_default().push(Value {
            account: value.account,
            hop: value.hop + 1,
            attempt,
            index,
            count: read.len() as u64,
            source: (*place, *offset),
        });
    }
    moved
}
