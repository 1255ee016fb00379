//! Did the queue keep its promises? Pure: a history in, breaches out.
//!
//! An answer of unknown outcome explains an end and proves none. When a delivery was handed out is
//! known from below only: what a worker saw late is no breach unless it cannot have been handed
//! out before the record's end was durable.

use super::history::{Answer, History, Micros, Outcome, Place, Story};
use crate::breaches::Breaches;

/// A promise, and what breaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Every record is acknowledged or dead in the end.
    EveryRecordEnds,
    /// No record is both.
    NeverBoth,
    /// No record is acknowledged twice, or twice in the dead-letter topic.
    EndsOnce,
    /// No record is handed out when its end was durable.
    NoDeliveryAfterEnd,
    /// No record is delivered more often than the group allows.
    DeliveryLimit,
    /// A record that was rejected is dead; one that is dead was rejected, or delivered as often as
    /// the group allows.
    DeadForAReason,
    /// The records of a partition come in the order of their offsets within a poll (KIP-932).
    OrderInPoll,
    /// Every delivery of a record brings what the producer wrote.
    RecordsUnchanged,
    /// In = acknowledged + dead + live + expired, in every partition, and nothing is live.
    CountsAddUp,
}

impl Promise {
    /// Every promise, in the order of the report.
    pub const ALL: [Self; 9] = [
        Self::EveryRecordEnds,
        Self::NeverBoth,
        Self::EndsOnce,
        Self::NoDeliveryAfterEnd,
        Self::DeliveryLimit,
        Self::DeadForAReason,
        Self::OrderInPoll,
        Self::RecordsUnchanged,
        Self::CountsAddUp,
    ];

    /// The case's name in the results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EveryRecordEnds => "every-record-ends",
            Self::NeverBoth => "never-acked-and-dead",
            Self::EndsOnce => "ends-once",
            Self::NoDeliveryAfterEnd => "no-delivery-after-end",
            Self::DeliveryLimit => "delivery-limit-holds",
            Self::DeadForAReason => "dead-for-a-reason",
            Self::OrderInPoll => "order-within-a-poll",
            Self::RecordsUnchanged => "records-unchanged",
            Self::CountsAddUp => "counts-add-up",
        }
    }
}

/// What becomes of dead records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// They are in the dead-letter topic.
    Kept,
    /// They leave no trace: that a record is dead is known only from its rejection.
    Dropped,
}

/// What the group was told.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How often a record is delivered at most.
    pub deliveries_max: u32,
    /// What becomes of dead records.
    pub letters: Letters,
}

/// How records ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Came in.
    pub entered: u64,
    /// Acknowledged, and some worker knew.
    pub acknowledged: u64,
    /// Acknowledged, going by an answer whose confirmation did not reach its worker.
    pub acknowledged_unheard: u64,
    /// Dead.
    pub dead: u64,
    /// Not over.
    pub live: u64,
    /// Gone from the log before they ended.
    pub expired: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How the records ended.
    pub ended: Ended,
    /// How often a record was delivered.
    pub delivery_count: u64,
    /// Answers that are known to be durable.
    pub durable_count: u64,
    breaches: Breaches<Promise>,
}

impl Verdict {
    /// True when every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.breaches.is_empty()
    }

    /// Examples of what breaks a promise; none when it was kept.
    #[must_use]
    pub fn breaches(&self, promise: Promise) -> Vec<String> {
        self.breaches.examples(promise)
    }

    fn add(&mut self, promise: Promise, breach: String) {
        self.breaches.add(promise, breach);
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ended {
            entered,
            acknowledged,
            acknowledged_unheard,
            dead,
            live,
            expired,
        } = self.ended;
        write!(
            out,
            "{entered} records in {} deliveries: {acknowledged} acknowledged, \
             {acknowledged_unheard} more without confirmation, {dead} dead, {live} live, \
             {expired} expired",
            self.delivery_count
        )?;
        write!(out, ": {}", self.breaches.summary(Promise::name))
    }
}

/// Judges a whole history.
#[must_use]
pub fn judge(history: &History, rules: Rules) -> Verdict {
    let mut verdict = Verdict::default();
    for (place, story) in &history.records {
        verdict.delivery_count += story.deliveries.len() as u64;
        let is_durable = |outcome| matches!(outcome, Outcome::Durable(_));
        let durable = story.answers.iter().filter(|one| is_durable(one.outcome));
        verdict.durable_count += durable.count() as u64;
        one_end(*place, story, &mut verdict);
        reasons(*place, story, rules, &mut verdict);
        deliveries(history, (*place, story), rules, &mut verdict);
    }
    order(history, &mut verdict);
    for partition in history.ends.keys() {
        count(history, *partition, rules, &mut verdict);
    }
    for partition in history.records.keys().map(|(partition, _)| partition) {
        if !history.ends.contains_key(partition)
            && verdict.breaches(Promise::CountsAddUp).is_empty()
        {
            let breach = format!("nothing is known of the end of partition {partition}");
            verdict.add(Promise::CountsAddUp, breach);
        }
    }
    verdict
}

/// When each durable answer of a kind was known.
fn durable(story: &Story, wanted: Answer) -> Vec<Micros> {
    let times = story.answers.iter().filter_map(|one| match one.outcome {
        Outcome::Durable(time) if one.answer == wanted => Some(time),
        _ => None,
    });
    times.collect()
}

fn was_tried(story: &Story, wanted: Answer) -> bool {
    story.answers.iter().any(|one| one.answer == wanted)
}

/// A record ends in one way, once.
fn one_end(place: Place, story: &Story, verdict: &mut Verdict) {
    let accepts = durable(story, Answer::Accept).len();
    let rejects = durable(story, Answer::Reject).len();
    if accepts > 0 && !story.letters.is_empty() {
        verdict.add(
            Promise::NeverBoth,
            format!("{place:?} is acknowledged, and in the dead-letter topic"),
        );
    }
    if accepts > 0 && rejects > 0 {
        verdict.add(
            Promise::NeverBoth,
            format!("{place:?} is acknowledged, and rejected"),
        );
    }
    if accepts > 1 || rejects > 1 {
        verdict.add(
            Promise::EndsOnce,
            format!("{place:?} is acknowledged {accepts} times, rejected {rejects} times"),
        );
    }
    if story.letters.len() > 1 {
        let count = story.letters.len();
        verdict.add(
            Promise::EndsOnce,
            format!("{place:?} is in the dead-letter topic {count} times"),
        );
    }
}

fn reasons(place: Place, story: &Story, rules: Rules, verdict: &mut Verdict) {
    let is_rejected = !durable(story, Answer::Reject).is_empty();
    if rules.letters == Letters::Kept && is_rejected && story.letters.is_empty() {
        let breach = format!("{place:?} was rejected, and is not in the dead-letter topic");
        verdict.add(Promise::DeadForAReason, breach);
    }
    for count in &story.letters {
        if *count > rules.deliveries_max || *count == 0 {
            let breach = format!("{place:?} is dead after {count} deliveries");
            verdict.add(Promise::DeliveryLimit, breach);
        } else if *count < rules.deliveries_max && !was_tried(story, Answer::Reject) {
            let breach = format!("{place:?} is dead after {count} deliveries, nobody rejected it");
            verdict.add(Promise::DeadForAReason, breach);
        }
    }
}

fn deliveries(
    history: &History,
    (place, story): (Place, &Story),
    rules: Rules,
    verdict: &mut Verdict,
) {
    let ends = [Answer::Accept, Answer::Reject].map(|end| durable(story, end));
    let end = ends.into_iter().flatten().min();
    for delivery in &story.deliveries {
        let worker = &history.workers[delivery.worker];
        if let Some(end) = end.filter(|end| delivery.bound > *end) {
            let breach = format!(
                "{place:?} came to {worker}, handed out at {} or later; its end was durable at \
                 {end}",
                delivery.bound
            );
            verdict.add(Promise::NoDeliveryAfterEnd, breach);
        }
        if delivery.count == 0 || delivery.count > rules.deliveries_max {
            let breach = format!("delivery {} of {place:?} to {worker}", delivery.count);
            verdict.add(Promise::DeliveryLimit, breach);
        }
        if story.produced.as_ref() != Some(&delivery.value) {
            let breach = format!(
                "{worker} got {} at {place:?}, where the producer wrote {:?}",
                delivery.value, story.produced
            );
            verdict.add(Promise::RecordsUnchanged, breach);
        }
    }
}

fn order(history: &History, verdict: &mut Verdict) {
    for ((worker, poll, partition), offsets) in &history.polls {
        if let Some(pair) = offsets.windows(2).find(|pair| pair[0] >= pair[1]) {
            let worker = &history.workers[*worker];
            let breach = format!(
                "poll {poll} of {worker} gave {} of partition {partition} after {}",
                pair[1], pair[0]
            );
            verdict.add(Promise::OrderInPoll, breach);
        }
    }
}

/// Sorts the records of a partition by where they ended.
fn count(history: &History, partition: u32, rules: Rules, verdict: &mut Verdict) {
    let ends = history.ends[&partition];
    let mut here = Ended::default();
    let mut lost = 0;
    for (place, story) in history
        .records
        .range((partition, 0)..=(partition, u64::MAX))
    {
        if story.produced.is_none() {
            let breach = format!("{place:?} was never produced");
            verdict.add(Promise::RecordsUnchanged, breach);
            continue;
        }
        here.entered += 1;
        let is_dead = match rules.letters {
            Letters::Kept => !story.letters.is_empty(),
            Letters::Dropped => !durable(story, Answer::Reject).is_empty(),
        };
        if !durable(story, Answer::Accept).is_empty() {
            here.acknowledged += 1;
        } else if is_dead {
            here.dead += 1;
        } else if place.1 < ends.log_start {
            here.expired += 1;
        } else if place.1 >= ends.group_start {
            here.live += 1;
            let breach = format!("{place:?} is not over");
            verdict.add(Promise::EveryRecordEnds, breach);
        } else if was_tried(story, Answer::Accept) {
            here.acknowledged_unheard += 1;
        } else if rules.letters == Letters::Dropped {
            here.dead += 1;
        } else {
            lost += 1;
            let breach = format!("{place:?} is over, neither acknowledged nor dead");
            verdict.add(Promise::EveryRecordEnds, breach);
        }
    }
    let placed =
        here.acknowledged + here.acknowledged_unheard + here.dead + here.live + here.expired;
    if here.entered != ends.log_end || placed != here.entered || here.live > 0 {
        let breach = format!(
            "partition {partition} has {} offsets, {} records came in, {placed} ended somewhere, \
             {lost} nowhere, {} are live",
            ends.log_end, here.entered, here.live
        );
        verdict.add(Promise::CountsAddUp, breach);
    }
    let all = &mut verdict.ended;
    all.entered += here.entered;
    all.acknowledged += here.acknowledged;
    all.acknowledged_unheard += here.acknowledged_unheard;
    all.dead += here.dead;
    all.live += here.live;
    all.expired += here.expired;
}

#[cfg(test)]
mod tests;
