//! Prepared transactions, ended by a person in the place of a producer that does not come back.
//!
//! Source: KIP-939. A coordinator does not know which transactions are prepared: those that are
//! open and have no timeout are, as far as it can tell.

use std::fmt;
use std::str::FromStr;

use sprawl_protocol::ApiKey;
use sprawl_protocol::messages::{
    EndTxnRequest, InitProducerIdRequest, InitProducerIdResponse, ProducerId,
};

use super::Admin;
use super::transactions::{TransactionDescription, TransactionFilter, id};
use crate::error::ClientError;

/// The state of an open transaction, in Kafka's words.
const ONGOING: &str = "Ongoing";

/// The timeout of a transaction that has none.
const NO_TIMEOUT_MS: i32 = i32::MAX;

/// The first version of InitProducerId with two-phase commit.
const KEEPING_VERSION: i16 = 6;

/// The timeout that a transactional id has after its transaction was terminated, until its
/// producer comes back and says otherwise.
const TERMINATED_TIMEOUT_MS: i32 = 60_000;

/// What a producer notes of a transaction that it has prepared: Kafka's `PreparedTxnState`, with
/// its text `PRODUCER-ID:EPOCH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreparedTransaction {
    /// The producer id.
    pub producer_id: i64,
    /// The producer epoch.
    pub producer_epoch: i16,
}

impl fmt::Display for PreparedTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.producer_id, self.producer_epoch)
    }
}

impl FromStr for PreparedTransaction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected PRODUCER-ID:EPOCH, found {text:?}");
        let (producer_id, epoch) = text.split_once(':').ok_or_else(expected)?;
        let prepared = Self {
            producer_id: producer_id.parse().map_err(|_| expected())?,
            producer_epoch: epoch.parse().map_err(|_| expected())?,
        };
        if prepared.producer_id < 0 || prepared.producer_epoch < 0 {
            return Err(expected());
        }
        Ok(prepared)
    }
}

/// How a prepared transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreparedOutcome {
    /// Its records become visible.
    Commit,
    /// Its records are passed over.
    Abort,
}

impl TransactionDescription {
    /// Whether the transaction is open until somebody ends it.
    pub fn is_open_without_timeout(&self) -> bool {
        self.state == ONGOING && self.timeout_ms == NO_TIMEOUT_MS
    }

    /// What its producer has noted if it has prepared it.
    pub fn prepared(&self) -> PreparedTransaction {
        PreparedTransaction {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
        }
    }
}

impl Admin {
    /// Describes the transactions that are open until somebody ends them, sorted by id.
    pub async fn prepared_transactions(&self) -> Result<Vec<TransactionDescription>, ClientError> {
        let filter = TransactionFilter {
            states: vec![ONGOING.to_owned()],
            ..TransactionFilter::default()
        };
        let mut prepared = Vec::new();
        for listed in self.list_transactions(&filter).await? {
            let described = self.describe_transaction(&listed.transactional_id).await?;
            if described.is_open_without_timeout() {
                prepared.push(described);
            }
        }
        Ok(prepared)
    }

    /// Commits or aborts a prepared transaction in the place of its producer, which is fenced.
    ///
    /// Errors: `Invalid` where another transaction, or none, is open, or the broker does not let
    /// producers take part in two-phase commit.
    pub async fn end_prepared_transaction(
        &self,
        transactional_id: &str,
        prepared: PreparedTransaction,
        outcome: PreparedOutcome,
    ) -> Result<(), ClientError> {
        // Looked at first, so that nobody is fenced for a slip of the pen.
        let described = self.describe_transaction(transactional_id).await?;
        if described.state != ONGOING || described.prepared() != prepared {
            return Err(not_open(transactional_id, prepared));
        }
        let keep = InitProducerIdRequest {
            transactional_id: Some(id(transactional_id)),
            transaction_timeout_ms: NO_TIMEOUT_MS,
            enable_2_pc: true,
            keep_prepared_txn: true,
            ..InitProducerIdRequest::default()
        };
        let kept = self.initialise(transactional_id, keep).await?;
        let ongoing = PreparedTransaction {
            producer_id: kept.ongoing_txn_producer_id.0,
            producer_epoch: kept.ongoing_txn_producer_epoch,
        };
        if ongoing != prepared {
            return Err(not_open(transactional_id, prepared));
        }
        let producer = (kept.producer_id, kept.producer_epoch);
        self.end(transactional_id, producer, outcome).await
    }

    /// Aborts whatever transaction is open, prepared or not, and fences its producer; as Kafka's
    /// `forceTerminateTransaction` does.
    pub async fn terminate_transaction(&self, transactional_id: &str) -> Result<(), ClientError> {
        // An id that nobody uses is not made by looking at it.
        self.describe_transaction(transactional_id).await?;
        let request = InitProducerIdRequest {
            transactional_id: Some(id(transactional_id)),
            transaction_timeout_ms: TERMINATED_TIMEOUT_MS,
            ..InitProducerIdRequest::default()
        };
        self.initialise(transactional_id, request).await?;
        Ok(())
    }

    async fn initialise(
        &self,
        transactional_id: &str,
        request: InitProducerIdRequest,
    ) -> Result<InitProducerIdResponse, ClientError> {
        let retry = self.client.retry();
        loop {
            match self.initialise_once(transactional_id, &request).await {
                Ok(response) => return Ok(response),
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    async fn initialise_once(
        &self,
        transactional_id: &str,
        request: &InitProducerIdRequest,
    ) -> Result<InitProducerIdResponse, ClientError> {
        let coordinator = self.client.transaction_coordinator(transactional_id);
        let coordinator = coordinator.await?;
        let version = coordinator.version_of(ApiKey::InitProducerId)?;
        if request.keep_prepared_txn && version < KEEPING_VERSION {
            return Err(ClientError::Invalid(
                "the broker does not let prepared transactions be ended: set \
                 transaction.two.phase.commit.enable on it, or abort the transaction by \
                 terminating it"
                    .to_owned(),
            ));
        }
        let response = coordinator.call(request.clone()).await?;
        let what = || format!("producer of {transactional_id}");
        ClientError::check(what, response.error_code)?;
        Ok(response)
    }

    async fn end(
        &self,
        transactional_id: &str,
        (producer_id, producer_epoch): (ProducerId, i16),
        outcome: PreparedOutcome,
    ) -> Result<(), ClientError> {
        let request = EndTxnRequest::default()
            .with_transactional_id(id(transactional_id))
            .with_producer_id(producer_id)
            .with_producer_epoch(producer_epoch)
            .with_committed(outcome == PreparedOutcome::Commit);
        let retry = self.client.retry();
        loop {
            let call = self
                .client
                .call_transaction_coordinator(transactional_id, request.clone());
            let what = || format!("transaction of {transactional_id}");
            let ended = match call.await {
                Ok(response) => ClientError::check(what, response.error_code),
                Err(error) => Err(error),
            };
            match ended {
                Ok(()) => return Ok(()),
                Err(error) => retry.pause(error).await?,
            }
        }
    }
}

fn not_open(transactional_id: &str, prepared: PreparedTransaction) -> ClientError {
    ClientError::Invalid(format!(
        "{transactional_id} has no open transaction {prepared}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepared_transactions_have_kafkas_text() {
        let prepared = PreparedTransaction {
            producer_id: 42,
            producer_epoch: 7,
        };
        assert_eq!(prepared.to_string(), "42:7");
        assert_eq!("42:7".parse(), Ok(prepared));
        for bad in ["", "42", "42:", ":7", "-1:7", "42:-1", "42:7:1", "42:40000"] {
            assert!(bad.parse::<PreparedTransaction>().is_err(), "{bad}");
        }
    }
}
