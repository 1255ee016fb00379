//! Those who write and do not move: one who opens accounts outside of any transaction, and
//! producers that begin a transaction and are never heard of again (I19).

use std::collections::BTreeSet;
use std::time::Duration;

use sprawl_io::time::sleep;

use super::late::Shared;
use super::ledger::Attempt;
use super::record::{NO_ATTEMPT, PLACE_COUNT, Place, Stamp, Value, build_batch};
use super::session::Session;
use super::wire::{ADD_VERSION, Answer, Generation, produce};
use crate::client::Client;

/// Accounts that are opened, at most; they move for ever.
const ACCOUNT_COUNT: usize = 24;
/// The longest pause between two accounts, ms.
const OPEN_PAUSE_MS_MAX: u64 = 400;
/// The longest pause between two strays, ms.
const STRAY_PAUSE_MS_MAX: u64 = 5_000;
/// An account that no account has, for records that nobody shall see.
const STRAY_ACCOUNT: u64 = u64::MAX;

/// Opens accounts. One that is not acknowledged may be there all the same; the next try opens
/// another.
pub(super) async fn open_accounts(shared: Shared) {
    let mut client = Client::new(&shared.net, "opener");
    let ledger = &shared.ledger;
    let mut opened_count = 0;
    while opened_count < ACCOUNT_COUNT && !ledger.is_stopping() {
        let place = Place(ledger.random.below(PLACE_COUNT as u64) as usize);
        let value = Value {
            account: ledger.next_account(),
            hop: 0,
            attempt: NO_ATTEMPT,
            index: 0,
            count: 1,
            source: (place, 0),
        };
        let batch = build_batch(&[value], None, ledger.timestamps(1));
        let version = Generation::Two.produce_version();
        match client.call(version, &produce(place, batch)).await {
            Ok(answer) if answer.code() == 0 => opened_count += 1,
            Ok(_) => {}
            Err(_) => client.close(),
        }
        sleep(Duration::from_millis(
            ledger.random.below(OPEN_PAUSE_MS_MAX),
        ))
        .await;
    }
}

/// Begins transactions that nobody ends but their timeout.
pub(super) async fn stray(shared: Shared) {
    let mut number = 0;
    loop {
        let pause = shared.ledger.random.below(STRAY_PAUSE_MS_MAX);
        sleep(Duration::from_millis(pause)).await;
        if shared.ledger.is_stopping() {
            return;
        }
        number += 1;
        let generation = if shared.ledger.random.chance(1, 2) {
            Generation::One
        } else {
            Generation::Two
        };
        let mut session = Session::new(&shared, &format!("stray-{number}"), generation);
        session.initialise().await;
        begin(&mut session).await;
    }
}

/// Begins a transaction. It is lost in any case; how far it came makes no difference.
async fn begin(session: &mut Session) {
    let ledger = session.shared.ledger.clone();
    let place = Place(ledger.random.below(PLACE_COUNT as u64) as usize);
    let generation = session.producer.generation;
    if generation == Generation::One {
        let request = session.producer.add_partitions(&BTreeSet::from([place]));
        if session.ask(ADD_VERSION, &request).await.is_err() {
            return;
        }
    }
    let attempt = ledger.attempt(Attempt {
        who: session.producer.transactional_id.clone(),
        count: 1,
        ..Attempt::default()
    });
    let value = Value {
        account: STRAY_ACCOUNT,
        hop: 0,
        attempt,
        index: 0,
        count: 1,
        source: (place, 0),
    };
    let stamp = Stamp {
        producer_id: session.producer.id,
        producer_epoch: session.producer.epoch,
        base_sequence: 0,
    };
    let batch = build_batch(&[value], Some(stamp), ledger.timestamps(1));
    let request = session.producer.produce(place, batch);
    let version = generation.produce_version();
    let _lost = session.ask(version, &request).await;
}
