//! The bytes of the metadata log: a file header, then one frame for each write.
//!
//! One write is one frame and is synced before the next, so only the last frame can be torn. A
//! frame that does not check out and is followed by one that does is damage, and never cut away.
//!
//! Layout in `docs/formats/metadata-log.md`.

use serde::{Deserialize, Serialize};
use sprawl_model::checksum::Crc32c;

use crate::types::{Entry, LogId};

/// The version this build writes.
pub const LOG_FILE_VERSION: u32 = 1;

/// The largest frame, in bytes, header included.
pub const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

pub(crate) const FILE_HEADER_BYTES: usize = 12;
pub(crate) const FRAME_HEADER_BYTES: usize = 16;
const MAGIC: &[u8; 8] = b"SPRLMETA";

/// What one write to the log says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Frame {
    /// These entries follow what is there.
    Append(Vec<Entry>),
    /// The entry with this index and all later ones are gone.
    Truncate {
        /// The first that is gone.
        since: u64,
    },
    /// This entry and all earlier ones are in a snapshot and gone. Stands first in a file, if at
    /// all.
    Purged {
        /// The last that is gone.
        upto: LogId,
    },
}

/// The header of a log file.
pub(crate) fn file_header() -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..].copy_from_slice(&LOG_FILE_VERSION.to_be_bytes());
    header
}

/// Returns what is at the start of a file instead of its header, unless it is the header.
pub(crate) fn check_file_header(bytes: &[u8]) -> Result<(), String> {
    let Some((magic, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(format!("{} bytes", bytes.len()));
    };
    if magic != MAGIC {
        return Err("another kind of file".to_owned());
    }
    match rest
        .first_chunk::<4>()
        .map(|version| u32::from_be_bytes(*version))
    {
        Some(LOG_FILE_VERSION) => Ok(()),
        Some(version) => Err(format!("version {version}")),
        None => Err(format!("{} bytes", bytes.len())),
    }
}

/// Encodes the frame with number `sequence`; the caller has checked the size of the payload.
pub(crate) fn encode_frame(sequence: u64, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("the cap on frames is below 2^32");
    let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&size.to_be_bytes());
    bytes.extend_from_slice(&checksum(size, sequence, payload).to_be_bytes());
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Returns the payload of the frame at the start of `bytes` if it is whole and has this number.
pub(crate) fn decode_frame(bytes: &[u8], sequence: u64) -> Option<&[u8]> {
    let (found, payload) = any_frame(bytes)?;
    (found == sequence).then_some(payload)
}

/// Returns whether any whole frame with a number after `sequence` begins in `bytes`. O(bytes): the
/// checksum is computed only where the number is plausible.
pub(crate) fn has_later_frame(bytes: &[u8], sequence: u64) -> bool {
    let count_max = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let plausible = |start: &[u8]| {
        let number = start
            .get(8..FRAME_HEADER_BYTES)
            .and_then(|bytes| bytes.first_chunk::<8>());
        number
            .map(|number| u64::from_be_bytes(*number))
            .is_some_and(|number| number > sequence && number.saturating_sub(sequence) <= count_max)
    };
    (0..bytes.len())
        .filter_map(|at| bytes.get(at..))
        .any(|start| plausible(start) && any_frame(start).is_some())
}

fn any_frame(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>()?;
    let [s0, s1, s2, s3, c0, c1, c2, c3, number @ ..] = *header;
    let size = u32::from_be_bytes([s0, s1, s2, s3]);
    let crc = u32::from_be_bytes([c0, c1, c2, c3]);
    let sequence = u64::from_be_bytes(number);
    let payload = rest.get(..usize::try_from(size).ok()?)?;
    (checksum(size, sequence, payload) == crc).then_some((sequence, payload))
}

fn checksum(size: u32, sequence: u64, payload: &[u8]) -> u32 {
    let mut crc = Crc32c::default();
    crc.update(&size.to_be_bytes());
    crc.update(&sequence.to_be_bytes());
    crc.update(payload);
    crc.value()
}
