//! When does a change of subscriptions or topics start a rebalance?
//!
//! Patterns are resolved here and at once: the engine takes time linear in the names, whatever the
//! pattern. Resolved topics are recorded, so that a restart does not rebalance.
//!
//! Source: KIP-848 (patterns are RE2's and match whole names), Kafka's
//! `maybeUpdateRegularExpressions` and `updateSubscriptionMetadata`. Syntax differs from RE2 in
//! corners: `\Q...\E`, `\C` and `\pN` without braces beyond one letter are not known.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};
use sprawl_model::TenantId;

use super::draft::Draft;
use super::records::{ConsumerRecord, GroupEpoch, ResolvedRegex};
use crate::group::error::GroupError;
use crate::group::modern::metadata_hash;
use crate::group::shard::Context;

/// The largest compiled pattern. Patterns over long repeated classes reach it; names do not need
/// them.
const REGEX_BYTES_MAX: usize = 1024 * 1024;
/// How often patterns may be resolved anew because topics have changed.
const REFRESH_INTERVAL_MS_MIN: i64 = 10_000;

/// Compiles a pattern that matches whole names.
pub(in crate::group) fn compile(pattern: &str) -> Result<Regex, GroupError> {
    // Compiled by itself first: `a)(b` would close the group around it.
    let build = |text: &str| {
        RegexBuilder::new(text)
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_BYTES_MAX)
            .build()
            .map_err(|_| GroupError::InvalidRegularExpression)
    };
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

impl Draft<'_> {
    /// Brings patterns and epoch in line with members and topics; says whether the group epoch
    /// grew. `is_changed` is whether a member's subscription has changed in this step.
    pub(in crate::group) fn follow_subscriptions(
        &mut self,
        cx: &Context<'_>,
        change: SubscriptionChange,
    ) {
        let version = cx.metadata.applied_index();
        let is_seen = self.group.metadata_seen == Some(version);
        if change == SubscriptionChange::None && is_seen {
            return;
        }
        self.refresh_regexes(cx);
        let hash = metadata_hash(cx.metadata, self.group.subscribed_topics().into_iter());
        if change == SubscriptionChange::Changed || hash != self.group.epoch.metadata_hash {
            self.bump_epoch(hash);
        }
        if self.group.has_partition_metadata {
            self.put(ConsumerRecord::PartitionMetadata(None));
        }
        self.group.metadata_seen = self.regexes_are_fresh(cx).then_some(version);
    }

    /// After members are gone: the epoch grows whatever they subscribed to.
    pub(in crate::group) fn follow_removal(&mut self, cx: &Context<'_>) {
        self.drop_unused_regexes();
        let hash = metadata_hash(cx.metadata, self.group.subscribed_topics().into_iter());
        self.bump_epoch(hash);
    }

    fn bump_epoch(&mut self, metadata_hash: i64) {
        let epoch = self.group.epoch.epoch.saturating_add(1);
        self.put(ConsumerRecord::Group(Some(GroupEpoch {
            epoch,
            metadata_hash,
        })));
    }

    fn drop_unused_regexes(&mut self) {
        let unused: Vec<String> = self
            .group
            .regexes
            .keys()
            .filter(|regex| self.group.regex_member_count(regex) == 0)
            .cloned()
            .collect();
        for regex in unused {
            self.put(ConsumerRecord::Regex(regex, None));
        }
    }

    /// Resolves patterns that are new, or whose topics may have changed.
    fn refresh_regexes(&mut self, cx: &Context<'_>) {
        self.drop_unused_regexes();
        let wanted: BTreeSet<String> = self
            .group
            .members
            .values()
            .filter_map(|member| member.metadata.regex.clone())
            .collect();
        for regex in wanted {
            let known = self.group.regexes.get(&regex);
            if known.is_some_and(|known| is_fresh(known, cx) || is_recent(known, cx)) {
                continue;
            }
            // A record of another implementation may have a pattern that this one cannot read: it
            // matches nothing until its members change it.
            let topics =
                compile(&regex).map_or_else(|_| BTreeSet::new(), |regex| matches(&regex, cx));
            let resolved = ResolvedRegex {
                topics,
                version: i64::try_from(cx.metadata.applied_index()).unwrap_or(i64::MAX),
                timestamp_ms: cx.now.wall_ms,
            };
            if known.is_none_or(|known| known.topics != resolved.topics) {
                self.put(ConsumerRecord::Regex(regex, Some(resolved)));
            } else {
                // Not worth a record: a restart looks again.
                self.group.regexes.insert(regex, resolved);
            }
        }
    }

    /// Whether every pattern was resolved against the present metadata.
    fn regexes_are_fresh(&self, cx: &Context<'_>) -> bool {
        self.group.regexes.values().all(|regex| is_fresh(regex, cx))
    }
}

/// Whether a subscription has changed in this step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum SubscriptionChange {
    Changed,
    None,
}

fn is_fresh(resolved: &ResolvedRegex, cx: &Context<'_>) -> bool {
    u64::try_from(resolved.version) == Ok(cx.metadata.applied_index())
}

fn is_recent(resolved: &ResolvedRegex, cx: &Context<'_>) -> bool {
    let age_ms = cx.now.wall_ms.saturating_sub(resolved.timestamp_ms);
    (0..REFRESH_INTERVAL_MS_MIN).contains(&age_ms)
}

fn matches(regex: &Regex, cx: &Context<'_>) -> BTreeSet<String> {
    cx.metadata
        .topics(TenantId::DEFAULT)
        .filter(|topic| regex.is_match(&topic.name))
        .map(|topic| topic.name.clone())
        .collect()
}
