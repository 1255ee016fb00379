//! Settings that are fine alone and not together.

use super::share_groups::SHARE_BOUNDS;
use super::streams_groups::STREAMS_BOUNDS;
use super::values::Values;
use crate::config::error::ConfigError;

/// Settings of which the first is at or below the second.
const ORDERED: [(&str, &str); 10] = [
    (
        "group.min.session.timeout.ms",
        "group.max.session.timeout.ms",
    ),
    (
        "group.consumer.min.session.timeout.ms",
        "group.consumer.session.timeout.ms",
    ),
    (
        "group.consumer.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ),
    (
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.assignment.interval.ms",
    ),
    (
        "group.consumer.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
    (
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.heartbeat.interval.ms",
    ),
    (
        "group.consumer.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    (
        "group.streams.num.standby.replicas",
        "group.streams.max.standby.replicas",
    ),
    ("message.max.bytes", "socket.request.max.bytes"),
    ("sprawl.disk.throttle.percent", "sprawl.disk.full.percent"),
];

impl Values<'_> {
    /// Settings that are fine alone and not together.
    pub(super) fn check_contradictions(&self) -> Result<(), ConfigError> {
        for [min, default, max] in SHARE_BOUNDS.into_iter().chain(STREAMS_BOUNDS) {
            for (name, other) in [(min, default), (default, max)] {
                let (lower, upper) = (self.integer(name)?, self.integer(other)?);
                let expected = "the first at or below the second";
                self.expect_at_most((name, lower), (other, upper), expected)?;
            }
        }
        let lower = "the first at or below the second";
        for (name, other) in ORDERED {
            self.expect_at_most(
                (name, self.integer(name)?),
                (other, self.integer(other)?),
                lower,
            )?;
        }
        let (node, broker) = ("node.id", "broker.id");
        if self.integer(node)? != self.integer(broker)? {
            let same = "the same number for both, or one of them alone";
            let ids = (node, self.integer(node)?);
            return Err(contradiction(ids, (broker, self.integer(broker)?), same));
        }
        let (queued, request) = ("queued.max.request.bytes", "socket.request.max.bytes");
        let queued_bytes = self.integer(queued)?;
        if queued_bytes > 0 {
            let room = "room for the largest request";
            self.expect_at_most(
                (request, self.integer(request)?),
                (queued, queued_bytes),
                room,
            )?;
        }
        // The journal is recycled file by file: one is written, one is synced, two wait for the
        // segments to catch up.
        let (file, all) = ("sprawl.journal.file.bytes", "sprawl.journal.bytes.max");
        let four_files = self.integer(file)?.saturating_mul(4);
        let room = "room for at least four journal files";
        if four_files > self.integer(all)? {
            let limits = (file, self.integer(file)?);
            return Err(contradiction(limits, (all, self.integer(all)?), room));
        }
        Ok(())
    }

    fn expect_at_most(
        &self,
        lower: (&'static str, i64),
        upper: (&'static str, i64),
        expected: &'static str,
    ) -> Result<(), ConfigError> {
        if lower.1 <= upper.1 {
            Ok(())
        } else {
            Err(contradiction(lower, upper, expected))
        }
    }
}

fn contradiction(
    (name, value): (&'static str, i64),
    (other, other_value): (&'static str, i64),
    expected: &'static str,
) -> ConfigError {
    let (value, other_value) = (value.to_string(), other_value.to_string());
    ConfigError::Contradiction {
        name,
        value,
        other,
        other_value,
        expected,
    }
}
