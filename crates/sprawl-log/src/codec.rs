//! Fixed-width big-endian fields of our own formats, read with length checks, never panicking.
//!
//! A sealed value is: version byte, fields, crc32c of everything before it.

use sprawl_model::checksum::crc32c;

/// Why stored bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    /// The value ends too early.
    #[error("value of {found} bytes ends too early")]
    Short {
        /// The size of the value.
        found: usize,
    },
    /// The checksum does not match.
    #[error("checksum is {found:#010x}, expected {expected:#010x}")]
    Checksum {
        /// What the bytes give.
        expected: u32,
        /// What is stored.
        found: u32,
    },
    /// The version is unknown.
    #[error("format version is {found}, expected {expected}")]
    Version {
        /// The version known here.
        expected: u8,
        /// The version stored.
        found: u8,
    },
    /// A field has a value that cannot be.
    #[error("field {field} has the impossible value {found}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// Its value.
        found: i64,
    },
}

/// Writes fields in order.
#[derive(Debug)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    pub(crate) fn new(version: u8) -> Self {
        Self(vec![version])
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    /// Adds the checksum and returns the value.
    pub(crate) fn seal(&mut self) -> Vec<u8> {
        let crc = crc32c(&self.0);
        self.0.extend(crc.to_be_bytes());
        std::mem::take(&mut self.0)
    }
}

/// Reads fields in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    size: usize,
}

impl<'a> Decoder<'a> {
    /// Reads plain fields.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            size: bytes.len(),
        }
    }

    /// Checks the checksum and version of a sealed value and returns its fields.
    pub(crate) fn open(bytes: &'a [u8], version: u8) -> Result<Self, FormatError> {
        let (found, decoder) = Self::open_up_to(bytes, version)?;
        if found != version {
            return Err(FormatError::Version {
                expected: version,
                found,
            });
        }
        Ok(decoder)
    }

    /// Checks the checksum of a sealed value and returns its version, from 1 to `version`, and its
    /// fields.
    pub(crate) fn open_up_to(bytes: &'a [u8], version: u8) -> Result<(u8, Self), FormatError> {
        let short = FormatError::Short { found: bytes.len() };
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or(short)?;
        let (expected, found) = (crc32c(body), u32::from_be_bytes(*crc));
        if expected != found {
            return Err(FormatError::Checksum { expected, found });
        }
        let mut decoder = Self {
            rest: body,
            size: bytes.len(),
        };
        let found = decoder.u8()?;
        if !(1..=version).contains(&found) {
            return Err(FormatError::Version {
                expected: version,
                found,
            });
        }
        Ok((found, decoder))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let short = FormatError::Short { found: self.size };
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(short)?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(u8::from_be_bytes(self.take()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_be_bytes(self.take()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, FormatError> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_be_bytes(self.take()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, FormatError> {
        Ok(i64::from_be_bytes(self.take()?))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        self.take()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_value_survives_and_a_flipped_bit_is_found() {
        let sealed = Encoder::new(1).u32(7).i64(-9).bytes(b"abc").seal();
        let mut fields = Decoder::open(&sealed, 1).unwrap();
        assert_eq!(
            (fields.u32(), fields.i64(), fields.rest()),
            (Ok(7), Ok(-9), &b"abc"[..])
        );
        assert_eq!(
            Decoder::open(&sealed, 2).unwrap_err(),
            FormatError::Version {
                expected: 2,
                found: 1
            }
        );
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Decoder::open(&flipped, 1).is_err());
        }
    }
}
