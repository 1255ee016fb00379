//! What may people see of transactions?
//!
//! Source: DescribeTransactions 0, ListTransactions 0 to 2; KIP-664, KIP-994 (duration), KIP-1152
//! (pattern, in RE2's syntax, which is that of the `regex` crate; it matches the whole id).

use sprawl_model::{ProducerId, ProducerIdAndEpoch, TopicPartition};

use super::error::TransactionError;
use super::shard::{Transaction, TransactionShard};
use super::state::TransactionState;
use super::value::TransactionVersion;

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A transactional id, in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedTransaction {
    /// The producer. Of a kept transaction, the one it was begun with: that is what whoever
    /// prepared it has noted.
    pub producer: ProducerIdAndEpoch,
    /// The state.
    pub state: TransactionState,
    /// How long a transaction may stay open; `i32::MAX` for two-phase commit.
    pub timeout_ms: i32,
    /// When the last transaction began, in ms since the Unix epoch; -1 for none.
    pub start_ms: i64,
    /// The version it was last run with.
    pub client_version: TransactionVersion,
    /// The partitions of the open transaction, in order.
    pub partitions: Vec<TopicPartition>,
}

/// A transactional id, in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTransaction {
    /// The transactional id.
    pub transactional_id: String,
    /// The producer.
    pub producer_id: ProducerId,
    /// The state.
    pub state: TransactionState,
}

/// A regular expression over whole transactional ids.
#[derive(Clone, Debug)]
pub struct TransactionIdPattern(regex::Regex);

impl TransactionIdPattern {
    /// Compiles a pattern; `None` where it is none, or takes too much memory.
    pub fn new(pattern: &str) -> Option<Self> {
        // Alone first: a lone parenthesis must not pair up with ours.
        let compile = |pattern: &str| {
            regex::RegexBuilder::new(pattern)
                .size_limit(PATTERN_BYTES_MAX)
                .dfa_size_limit(PATTERN_BYTES_MAX)
                .build()
                .ok()
        };
        compile(pattern)?;
        compile(&format!("^(?:{pattern})$")).map(Self)
    }

    fn matches(&self, transactional_id: &str) -> bool {
        self.0.is_match(transactional_id)
    }
}

/// Which transactional ids are listed.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// In one of these states; `None` for all.
    pub states: Option<Vec<TransactionState>>,
    /// Of one of these producers; empty for all.
    pub producer_ids: Vec<ProducerId>,
    /// Begun more than this long ago; `None` for all.
    pub older_than_ms: Option<i64>,
    /// Whose id matches; `None` for all.
    pub pattern: Option<TransactionIdPattern>,
}

impl ListFilter {
    fn takes(&self, (transactional_id, transaction): (&str, &Transaction), now_ms: i64) -> bool {
        let value = &transaction.value;
        let is_wanted = |states: &Vec<TransactionState>| states.contains(&value.state);
        self.states.as_ref().is_none_or(is_wanted)
            && (self.producer_ids.is_empty()
                || self.producer_ids.contains(&value.producer.producer_id))
            && self
                .older_than_ms
                .is_none_or(|than_ms| now_ms.saturating_sub(value.start_ms) > than_ms)
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| pattern.matches(transactional_id))
    }
}

impl TransactionShard {
    /// Describes a transactional id.
    pub fn describe(
        &self,
        transactional_id: &str,
    ) -> Result<DescribedTransaction, TransactionError> {
        if transactional_id.is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        let transaction = self
            .transactions
            .get(transactional_id)
            .filter(|transaction| !transaction.value.is_new())
            .filter(|transaction| transaction.pending != Some(TransactionState::Dead))
            .ok_or(TransactionError::TransactionalIdNotFound)?;
        let value = &transaction.value;
        Ok(DescribedTransaction {
            producer: value.producer,
            state: value.state,
            timeout_ms: value.timeout_ms,
            start_ms: value.start_ms,
            client_version: value.client_version,
            partitions: value.partitions.iter().cloned().collect(),
        })
    }

    /// Lists the transactional ids that pass the filter, in order.
    pub fn list<'a>(
        &'a self,
        filter: &'a ListFilter,
        now_ms: i64,
    ) -> impl Iterator<Item = ListedTransaction> + 'a {
        let known = self
            .transactions
            .iter()
            .filter(|(_, transaction)| !transaction.value.is_new());
        known
            .filter(move |(id, transaction)| filter.takes((id.as_str(), *transaction), now_ms))
            .map(|(id, transaction)| ListedTransaction {
                transactional_id: id.clone(),
                producer_id: transaction.value.producer.producer_id,
                state: transaction.value.state,
            })
    }
}
