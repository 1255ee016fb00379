//! Named caps shared by several crates. Each stands between a number read from the network or the
//! disk and an allocation of that size.

/// The largest request a listener reads, in bytes (`socket.request.max.bytes`).
pub const REQUEST_BYTES_MAX: usize = 100 * 1024 * 1024;

/// The largest record batch any part of the system accepts, in bytes. A batch travels in a request.
pub const BATCH_BYTES_MAX: usize = REQUEST_BYTES_MAX;

/// The most bytes the records of one batch may have once decompressed. One hundredfold of the
/// default `max.message.bytes` (1 MiB) and a little more.
pub const DECOMPRESSED_BYTES_MAX: usize = 128 * 1024 * 1024;

/// The largest record whose delivery may be delayed, in bytes: it gets a few headers more and must
/// still fit a batch.
pub const DELAYED_RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The base-2 logarithm of the largest zstd window accepted: 128 MiB, what level 22 declares. The
/// memory is touched only as far as data fills it, which [`DECOMPRESSED_BYTES_MAX`] bounds as well.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The longest topic name, in bytes (Kafka's limit, so that a directory name stays below 255).
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

const _: () = assert!(1_usize << ZSTD_WINDOW_LOG_MAX <= DECOMPRESSED_BYTES_MAX);
const _: () = assert!(DELAYED_RECORD_BYTES_MAX < BATCH_BYTES_MAX / 2 + BATCH_BYTES_MAX / 4);
const _: () = assert!(BATCH_BYTES_MAX <= i32::MAX as usize);
const _: () = assert!(DECOMPRESSED_BYTES_MAX <= i32::MAX as usize);
