//! Scenarios: each test is a run of requests, time and log events, with what was answered.

mod end;
mod init;
mod records;
mod restart;
mod script;
mod timeouts;
mod tools;
mod two_phase;

use sprawl_model::{PartitionId, ProducerEpoch, ProducerId, ProducerIdAndEpoch, TopicPartition};

use super::error::TransactionError;
use super::request::{OpenTransaction, Outcome, Response};
use super::state::TransactionState;
use super::value::TransactionVersion;
use script::Script;

fn producer(id: i64, epoch: i16) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch),
    }
}

fn tp(name: &str) -> TopicPartition {
    TopicPartition {
        topic: name.to_owned(),
        partition: PartitionId(0),
    }
}

fn is(id: i64, epoch: i16) -> Response {
    Response::Producer(producer(id, epoch))
}

fn refused(error: TransactionError) -> Response {
    Response::Refused(error)
}
