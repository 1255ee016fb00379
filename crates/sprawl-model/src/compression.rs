//! The five codecs of the record batch format, with a cap on every decompression.
//!
//! What other clients write is read in every framing they use; what we write is what the Java
//! client writes: gzip (RFC 1952), snappy in xerial's framing, lz4 frames of independent blocks,
//! zstd frames.
//!
//! Source: Kafka record batch format; KIP-57 (lz4 framing), KIP-110 (zstd), KIP-390 (levels);
//! the stream format of snappy-java.

use std::io::{self, Read, Write};

use crate::limits::ZSTD_WINDOW_LOG_MAX;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
    /// lz4 frames.
    Lz4,
    /// zstd frames.
    Zstd,
}

impl Codec {
    /// Every codec, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// Returns the codec's number in batch attributes.
    pub fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// Returns the codec with this number.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.id() == id)
    }

    /// Returns Kafka's name, as `compression.type` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Returns the codec of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

/// Why compressed bytes could not be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// They expand to more than the caller allows. Expansion stopped there.
    #[error("{} data expands to more than {bytes_max} bytes", codec.name())]
    TooLarge {
        /// The codec.
        codec: Codec,
        /// The cap.
        bytes_max: usize,
    },
    /// They are not what the codec writes.
    #[error("{} data is damaged: {reason}", codec.name())]
    Damaged {
        /// The codec.
        codec: Codec,
        /// What the codec's library says.
        reason: String,
    },
}

/// The first bytes of xerial's framing.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Version 1, readable by version 1.
const XERIAL_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// What the Java client puts into one snappy block, in bytes.
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
/// The first allocation for expanded bytes; it doubles from there as they come.
const EXPAND_BYTES_START: usize = 64 * 1024;

/// Compresses `bytes`. `level` counts as the codec does; `None` is the codec's default.
pub fn compress(codec: Codec, level: Option<i32>, bytes: &[u8]) -> Vec<u8> {
    match codec {
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => gzip(level, bytes),
        Codec::Snappy => Ok(snappy(bytes)),
        Codec::Lz4 => lz4_frame(level, bytes),
        Codec::Zstd => {
            zstd::bulk::compress(bytes, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL))
        }
    }
    .expect("compressing memory into memory has no way to fail")
}

/// Expands `bytes`, which may grow to at most `bytes_max`.
///
/// Errors: `TooLarge` before more than the cap is held in memory; `Damaged` for everything else.
pub fn decompress(
    codec: Codec,
    bytes: &[u8],
    bytes_max: usize,
) -> Result<Vec<u8>, CompressionError> {
    match codec {
        Codec::None if bytes.len() > bytes_max => {
            Err(CompressionError::TooLarge { codec, bytes_max })
        }
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => read_capped(codec, flate2::read::MultiGzDecoder::new(bytes), bytes_max),
        Codec::Snappy => unsnappy(bytes, bytes_max),
        Codec::Lz4 => unlz4(bytes, bytes_max),
        Codec::Zstd => unzstd(bytes, bytes_max),
    }
}

fn gzip(level: Option<i32>, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let level = level.and_then(|level| u32::try_from(level).ok());
    let level = level.map_or(flate2::Compression::default(), |level| {
        flate2::Compression::new(level.min(flate2::Compression::best().level()))
    });
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 2 + 64);
    out.extend_from_slice(&XERIAL_MAGIC);
    out.extend_from_slice(&XERIAL_VERSIONS);
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(XERIAL_BLOCK_BYTES)];
    for chunk in bytes.chunks(XERIAL_BLOCK_BYTES) {
        let size = encoder
            .compress(chunk, &mut block)
            .expect("the buffer holds the worst case");
        let length = u32::try_from(size).expect("a block of 32 KiB has a small length");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&block[..size]);
    }
    out
}

/// Blocks are independent and no content checksum is written: the Java client reads nothing else.
fn lz4_frame(level: Option<i32>, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let level = level
        .and_then(|level| u32::try_from(level).ok())
        .unwrap_or(0);
    let mut encoder = lz4::EncoderBuilder::new()
        .block_size(lz4::BlockSize::Max64KB)
        .block_mode(lz4::BlockMode::Independent)
        .block_checksum(lz4::liblz4::BlockChecksum::NoBlockChecksum)
        .checksum(lz4::ContentChecksum::NoChecksum)
        .level(level)
        .build(Vec::with_capacity(bytes.len() / 2 + 64))?;
    encoder.write_all(bytes)?;
    let (out, end) = encoder.finish();
    end.map(|()| out)
}

fn unsnappy(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    let Some(framed) = bytes.strip_prefix(&XERIAL_MAGIC) else {
        unsnappy_block(bytes, &mut out, bytes_max)?;
        return Ok(out);
    };
    let mut rest = framed
        .get(XERIAL_VERSIONS.len()..)
        .ok_or_else(|| damaged(Codec::Snappy, "the stream header ends early"))?;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        // Two streams written one after the other: the second has its own header.
        if rest.starts_with(&XERIAL_MAGIC) {
            rest = rest
                .get(XERIAL_MAGIC.len() + XERIAL_VERSIONS.len()..)
                .unwrap_or_default();
            continue;
        }
        let size = usize::try_from(u32::from_be_bytes(*length))
            .map_err(|_| damaged(Codec::Snappy, "a block is longer than memory"))?;
        let (block, next) = after
            .split_at_checked(size)
            .ok_or_else(|| damaged(Codec::Snappy, "a block ends early"))?;
        unsnappy_block(block, &mut out, bytes_max)?;
        rest = next;
    }
    if rest.is_empty() {
        Ok(out)
    } else {
        Err(damaged(Codec::Snappy, "a block length ends early"))
    }
}

/// Expands one block behind what `out` holds. The block declares its size, so it is checked first.
fn unsnappy_block(
    block: &[u8],
    out: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<(), CompressionError> {
    let codec = Codec::Snappy;
    let size = snap::raw::decompress_len(block).map_err(|error| damaged(codec, error))?;
    let start = out.len();
    let end = start.saturating_add(size);
    if end > bytes_max {
        return Err(CompressionError::TooLarge { codec, bytes_max });
    }
    out.resize(end, 0);
    let target = out.get_mut(start..).unwrap_or_default();
    snap::raw::Decoder::new()
        .decompress(block, target)
        .map_err(|error| damaged(codec, error))?;
    Ok(())
}

fn unlz4(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, CompressionError> {
    let mut decoder = lz4::Decoder::new(bytes).map_err(|error| damaged(Codec::Lz4, error))?;
    let out = read_capped(Codec::Lz4, &mut decoder, bytes_max)?;
    decoder
        .finish()
        .1
        .map_err(|_| damaged(Codec::Lz4, "the frame ends early"))?;
    Ok(out)
}

fn unzstd(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, CompressionError> {
    let codec = Codec::Zstd;
    let mut decoder =
        zstd::stream::read::Decoder::with_buffer(bytes).map_err(|error| damaged(codec, error))?;
    decoder
        .window_log_max(ZSTD_WINDOW_LOG_MAX)
        .map_err(|error| damaged(codec, error))?;
    read_capped(codec, decoder, bytes_max)
}

/// Reads to the end, holding at most `bytes_max` bytes however much there would be.
fn read_capped(
    codec: Codec,
    mut reader: impl Read,
    bytes_max: usize,
) -> Result<Vec<u8>, CompressionError> {
    let mut out = vec![0; EXPAND_BYTES_START.min(bytes_max.saturating_add(1))];
    let mut size = 0;
    loop {
        let room = out.get_mut(size..).unwrap_or_default();
        match reader.read(room) {
            Ok(0) => break,
            Ok(read) => size += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(damaged(codec, error)),
        }
        if size > bytes_max {
            return Err(CompressionError::TooLarge { codec, bytes_max });
        }
        if size == out.len() {
            out.resize(size.saturating_mul(2).min(bytes_max.saturating_add(1)), 0);
        }
    }
    out.truncate(size);
    Ok(out)
}

fn damaged(codec: Codec, reason: impl ToString) -> CompressionError {
    CompressionError::Damaged {
        codec,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMPRESSING: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    proptest! {
        #[test]
        fn bytes_survive_every_codec(bytes: Vec<u8>, repeat in 1_usize..200) {
            let bytes = bytes.repeat(repeat);
            for codec in Codec::ALL {
                let small = compress(codec, None, &bytes);
                prop_assert_eq!(&decompress(codec, &small, bytes.len()).unwrap(), &bytes);
            }
        }

        #[test]
        fn garbage_is_refused_or_expanded_within_the_cap(bytes: Vec<u8>) {
            for codec in Codec::ALL {
                if let Ok(out) = decompress(codec, &bytes, 1000) {
                    prop_assert!(out.len() <= 1000);
                }
            }
        }

        #[test]
        fn flipped_bits_do_not_break_the_cap(bit in 0_usize..800, seed: u8) {
            let bytes: Vec<u8> = (0..2000_u32).map(|i| (i / 7) as u8 ^ seed).collect();
            for codec in COMPRESSING {
                let mut small = compress(codec, None, &bytes);
                let at = bit / 8 % small.len();
                small[at] ^= 1 << (bit % 8);
                if let Ok(out) = decompress(codec, &small, 4000) {
                    prop_assert!(out.len() <= 4000);
                }
            }
        }
    }

    #[test]
    fn every_level_of_every_codec_is_read_back() {
        let bytes = b"all work and no play ".repeat(5000);
        for (codec, levels) in [
            (Codec::Gzip, 1..=9),
            (Codec::Lz4, 1..=17),
            (Codec::Zstd, -5..=22),
        ] {
            for level in levels {
                let small = compress(codec, Some(level), &bytes);
                assert!(small.len() < bytes.len() / 10, "{codec:?} {level}");
                assert_eq!(decompress(codec, &small, bytes.len()).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn bombs_stop_at_the_cap() {
        let zeros = vec![0; 16 << 20];
        for codec in COMPRESSING {
            let bomb = compress(codec, None, &zeros);
            let bytes_max = 1 << 20;
            let refused = Err(CompressionError::TooLarge { codec, bytes_max });
            assert_eq!(decompress(codec, &bomb, bytes_max), refused);
        }
    }

    #[test]
    fn cut_streams_are_damaged() {
        let bytes: Vec<u8> = (0..100_000_u32)
            .flat_map(|i| i.wrapping_mul(i).to_le_bytes())
            .collect();
        for codec in COMPRESSING {
            let small = compress(codec, None, &bytes);
            let cut = decompress(codec, &small[..small.len() - 5], 1 << 20);
            assert!(
                matches!(cut, Err(CompressionError::Damaged { .. })),
                "{codec:?}"
            );
        }
    }

    #[test]
    fn snappy_without_framing_is_read() {
        let raw = snap::raw::Encoder::new()
            .compress_vec(b"librdkafka writes it so")
            .unwrap();
        assert_eq!(
            decompress(Codec::Snappy, &raw, 100).unwrap(),
            b"librdkafka writes it so"
        );
    }

    #[test]
    fn snappy_block_that_declares_too_much_is_refused_unread() {
        let huge = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0];
        let refused = CompressionError::TooLarge {
            codec: Codec::Snappy,
            bytes_max: 100,
        };
        assert_eq!(decompress(Codec::Snappy, &huge, 100), Err(refused));
    }

    #[test]
    fn gzip_of_two_members_is_one_stream() {
        let mut two = compress(Codec::Gzip, None, b"one ");
        two.extend(compress(Codec::Gzip, None, b"two"));
        assert_eq!(decompress(Codec::Gzip, &two, 7).unwrap(), b"one two");
    }

    #[test]
    fn lz4_frame_is_what_the_java_client_accepts() {
        let frame = compress(Codec::Lz4, None, b"hello hello hello");
        assert_eq!(frame[..4], 0x184D_2204_u32.to_le_bytes());
        // Version 1, independent blocks, no checksums, no content size; blocks of 64 KiB.
        assert_eq!(frame[4..6], [0b0110_0000, 0x40]);
    }

    #[test]
    fn names_and_numbers_are_kafkas() {
        let table = Codec::ALL.map(|codec| (codec.id(), codec.name()));
        let expected = [
            (0, "none"),
            (1, "gzip"),
            (2, "snappy"),
            (3, "lz4"),
            (4, "zstd"),
        ];
        assert_eq!(table, expected);
        assert_eq!(Codec::from_id(5), None);
        assert_eq!(Codec::from_name("brotli"), None);
    }
}
