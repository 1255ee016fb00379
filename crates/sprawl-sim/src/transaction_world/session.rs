//! One client of transactions and its dealings with the broker: what is asked until it is answered,
//! what ends the client.

use std::io;
use std::time::Duration;

use kafka_protocol::protocol::Request;
use sprawl_io::Clock;
use sprawl_io::time::sleep;

use super::late::Shared;
use super::wire::{Answer, FIND_COORDINATOR_VERSION, Generation, Producer, find_coordinators};
use crate::client::Client;
use crate::error_code;
use crate::invariant::{Check, i13_error_is_safe};

/// The pause before what failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(40);
/// How long a client asks for the same thing before it takes the outcome for unknown.
const PATIENCE: Duration = Duration::from_secs(6);
/// A client dies at one of so many exchanges.
const DEATH_EVERY: u64 = 120;
/// Timeouts of transactions, ms.
const TIMEOUT_MS: std::ops::Range<u64> = 1_000..4_000;

/// Why a client does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its process died.
    Died,
    /// The broker refuses, for good.
    Refused,
    /// No final answer came in time.
    Unanswered,
}

/// A client.
pub(super) struct Session {
    pub(super) shared: Shared,
    pub(super) client: Client,
    pub(super) producer: Producer,
}

impl Session {
    pub(super) fn new(shared: &Shared, transactional_id: &str, generation: Generation) -> Self {
        Self {
            client: Client::new(&shared.net, transactional_id),
            shared: shared.clone(),
            producer: Producer::new(transactional_id.to_owned(), generation),
        }
    }

    /// Says whether something happens that does so one time of so many.
    pub(super) fn once_in(&self, count: u64) -> bool {
        self.shared.ledger.random.chance(1, count)
    }

    /// Becomes the only owner of the transactional id. Asked until it is so.
    pub(super) async fn initialise(&mut self) {
        while self.try_initialise().await.is_err() {
            self.client.close();
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn try_initialise(&mut self) -> io::Result<()> {
        for request in find_coordinators(&self.producer.transactional_id) {
            let answer = self.client.call(FIND_COORDINATOR_VERSION, &request).await?;
            expect_good(answer.code())?;
        }
        let span = TIMEOUT_MS.end - TIMEOUT_MS.start;
        let timeout_ms = TIMEOUT_MS.start + self.shared.ledger.random.below(span);
        let request = self
            .producer
            .init(i32::try_from(timeout_ms).unwrap_or(i32::MAX));
        let version = self.producer.generation.init_version();
        let answer = self.client.call(version, &request).await?;
        let code = answer.code();
        if code != error_code::CONCURRENT_TRANSACTIONS {
            // Nobody else has this transactional id, and the request names no epoch.
            let check = i13_error_is_safe("InitProducerId", code, |code| {
                code == 0 || error_code::is_safe_to_retry(code)
            });
            self.shared.ledger.report(check);
        }
        expect_good(code)?;
        let (id, epoch) = (answer.producer_id.0, answer.producer_epoch);
        self.producer.become_epoch(id, epoch);
        self.shared.ledger.initialised(&self.producer);
        Ok(())
    }

    /// A refusal is one that a producer comes to terms with (I13).
    ///
    /// A batch that arrives a second time in a later transaction of its epoch has its partition
    /// verify the transaction from that batch's sequence on, here as in Kafka; only an epoch that
    /// lasts lets it get so far.
    fn check_refusal(&self, code: i16) -> Check {
        let is_expected = if self.producer.has_double {
            |code| code == error_code::OUT_OF_ORDER_SEQUENCE || error_code::ends_a_transaction(code)
        } else {
            error_code::ends_a_transaction
        };
        i13_error_is_safe(&self.producer.transactional_id, code, is_expected)
    }

    /// Asks until there is a final answer.
    pub(super) async fn ask<R>(&mut self, version: i16, request: &R) -> Result<R::Response, Stop>
    where
        R: Request,
        R::Response: Answer,
    {
        let start = self.shared.clock.monotonic();
        loop {
            if self.once_in(DEATH_EVERY) {
                return Err(Stop::Died);
            }
            let answer = self.client.call(version, request).await;
            if self.once_in(DEATH_EVERY) {
                return Err(Stop::Died);
            }
            match answer.as_ref().map(Answer::code) {
                Ok(0) => return answer.map_err(|_| Stop::Unanswered),
                Ok(code) if is_retriable(code) => {}
                Ok(code) => {
                    self.shared.ledger.report(self.check_refusal(code));
                    return Err(Stop::Refused);
                }
                Err(_) => self.client.close(),
            }
            if self.shared.clock.monotonic() - start > PATIENCE {
                return Err(Stop::Unanswered);
            }
            sleep(RETRY_PAUSE).await;
        }
    }
}

/// Says whether a transactional client asks the same again.
pub(super) fn is_retriable(code: i16) -> bool {
    matches!(
        code,
        error_code::CONCURRENT_TRANSACTIONS | error_code::UNSTABLE_OFFSET_COMMIT
    ) || error_code::is_safe_to_retry(code)
}

fn expect_good(code: i16) -> io::Result<()> {
    match code {
        0 => Ok(()),
        code => Err(io::Error::other(format!("error code {code}"))),
    }
}
