//! Clients that are no more, and do not know it: once their epoch is fenced nothing they ask for
//! may succeed (I14).

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::protocol::Request;
use sprawl_io::time::sleep;
use sprawl_model::batch::TxnOutcome;

use super::late::Shared;
use super::ledger::Attempt;
use super::record::{Place, Stamp, Value, build_batch};
use super::wire::{Answer, Producer};
use crate::client::Client;
use crate::invariant::i14_fenced_stays_out;

/// How often a zombie looks whether it is fenced.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How long it waits after that, at most, ms.
const WAIT_MS_MAX: u64 = 400;

/// Leaves a zombie of `producer` behind, in the middle of a transaction.
pub(super) fn leave(
    shared: &Shared,
    producer: &Producer,
    moved: &BTreeMap<Place, Vec<Value>>,
    ends: &BTreeMap<Place, i64>,
) {
    let (own, producer) = (shared.clone(), producer.clone());
    let (moved, ends) = (moved.clone(), ends.clone());
    shared.spawn(async move { haunt(own, producer, moved, ends).await });
}

async fn haunt(
    shared: Shared,
    mut producer: Producer,
    moved: BTreeMap<Place, Vec<Value>>,
    ends: BTreeMap<Place, i64>,
) {
    let ledger = &shared.ledger;
    let own = (producer.id, producer.epoch);
    while !ledger.is_fenced(&producer.transactional_id, own) {
        if ledger.is_stopping() {
            return;
        }
        sleep(LOOK_INTERVAL).await;
    }
    sleep(Duration::from_millis(ledger.random.below(WAIT_MS_MAX))).await;
    let mut client = Client::new(&shared.net, "zombie");
    let generation = producer.generation;
    for (place, values) in &moved {
        let batch = batch(&shared, &mut producer, *place, values);
        let request = producer.produce(*place, batch);
        let version = generation.produce_version();
        refused(
            &shared,
            &mut client,
            (&producer, "Produce"),
            version,
            &request,
        )
        .await;
    }
    let request = producer.commit_offsets(&ends);
    let (version, what) = (generation.commit_version(), "TxnOffsetCommit");
    refused(&shared, &mut client, (&producer, what), version, &request).await;
    let request = producer.end(TxnOutcome::Commit);
    let version = generation.end_version();
    refused(
        &shared,
        &mut client,
        (&producer, "EndTxn"),
        version,
        &request,
    )
    .await;
}

/// A batch as the zombie would have sent next, told apart from those it sent before its fencing.
fn batch(shared: &Shared, producer: &mut Producer, place: Place, values: &[Value]) -> bytes::Bytes {
    let attempt = shared.ledger.attempt(Attempt {
        who: format!("zombie of {}", producer.transactional_id),
        is_fenced: true,
        count: values.len() as u64,
        ..Attempt::default()
    });
    let values: Vec<Value> = (0..)
        .zip(values)
        .map(|(index, value)| Value {
            attempt,
            index,
            count: values.len() as u64,
            ..*value
        })
        .collect();
    let stamp = Stamp {
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        base_sequence: producer.sequences.get(&place).copied().unwrap_or(0),
    };
    let timestamp = shared.ledger.timestamps(values.len());
    build_batch(&values, Some(stamp), timestamp)
}

/// Asks, and reports a success.
async fn refused<R>(
    shared: &Shared,
    client: &mut Client,
    (producer, what): (&Producer, &str),
    version: i16,
    request: &R,
) where
    R: Request,
    R::Response: Answer,
{
    match client.call(version, request).await {
        Ok(answer) if answer.code() == 0 => {
            let who = format!(
                "{} with producer id {}, epoch {}",
                producer.transactional_id, producer.id, producer.epoch
            );
            let what = format!("{what} succeeded");
            shared
                .ledger
                .report(i14_fenced_stays_out(&who, Some(&what)));
        }
        Ok(_) => {}
        Err(_) => client.close(),
    }
}
