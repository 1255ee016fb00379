//! Broker settings: the disk, the journal and the hot queue.

use super::{MAX, broker};
use crate::config::definition::ConfigType::{Int, Long};
use crate::config::definition::Importance::{High, Low, Medium};
use crate::config::definition::Update::ReadOnly;
use crate::config::definition::{Definition, Rule};

pub(super) const TABLE: &[Definition] = &[
    broker(
        "sprawl.disk.ballast.bytes",
        (Long, Some("134217728"), Rule::Between(0, MAX)),
        (Medium, ReadOnly),
        "The size of a file that is kept so that it can be given up when the disk is full; 0 \
         keeps none.",
    ),
    broker(
        "sprawl.disk.full.percent",
        (Int, Some("95"), Rule::Between(1, 100)),
        (High, ReadOnly),
        "How full the disk may be before writes are refused with an error that clients retry.",
    ),
    broker(
        "sprawl.disk.throttle.percent",
        (Int, Some("90"), Rule::Between(1, 100)),
        (Medium, ReadOnly),
        "How full the disk may be before producers are slowed down.",
    ),
    broker(
        "sprawl.hot.queue.bytes",
        (Long, Some("-1"), Rule::Between(-1, MAX)),
        (High, ReadOnly),
        "The most bytes of recent batches kept in memory; -1 is a quarter of the memory this \
         process may use.",
    ),
    broker(
        "sprawl.journal.bytes.max",
        (Long, Some("1073741824"), Rule::Between(134_217_728, MAX)),
        (Medium, ReadOnly),
        "The most bytes of journal; appends wait for the segments to catch up beyond it.",
    ),
    broker(
        "sprawl.journal.file.bytes",
        (
            Long,
            Some("67108864"),
            Rule::Between(8_388_608, 1_073_741_824),
        ),
        (Low, ReadOnly),
        "The size of one journal file. Files are written once and then used again.",
    ),
];
