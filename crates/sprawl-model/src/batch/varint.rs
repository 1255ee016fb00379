//! Zigzag numbers of variable length, as records and their headers use them.
//!
//! Source: Kafka protocol primitive types `VARINT` and `VARLONG` (those of Protocol Buffers).

use super::error::RecordFault;

/// A cursor over the fields of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn byte(&mut self) -> Result<u8, RecordFault> {
        let (&byte, rest) = self.rest.split_first().ok_or(RecordFault::EndsEarly)?;
        self.rest = rest;
        Ok(byte)
    }

    /// Reads at most 5 bytes; bits beyond 32 are a fault.
    pub(super) fn varint(&mut self) -> Result<i32, RecordFault> {
        let bits = self.unsigned(5)?;
        let bits = u32::try_from(bits).map_err(|_| RecordFault::NumberTooLong)?;
        Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed())
    }

    /// Reads at most 10 bytes; bits beyond 64 are a fault.
    pub(super) fn varlong(&mut self) -> Result<i64, RecordFault> {
        let bits = self.unsigned(10)?;
        Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed())
    }

    fn unsigned(&mut self, bytes_max: u32) -> Result<u64, RecordFault> {
        let mut bits = 0_u64;
        for index in 0..bytes_max {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7F);
            let shifted = part << (7 * index);
            if shifted >> (7 * index) != part {
                return Err(RecordFault::NumberTooLong);
            }
            bits |= shifted;
            if byte & 0x80 == 0 {
                return Ok(bits);
            }
        }
        Err(RecordFault::NumberTooLong)
    }

    /// Reads a length that must not be negative.
    pub(super) fn length(&mut self) -> Result<usize, RecordFault> {
        usize::try_from(self.varint()?).map_err(|_| RecordFault::NegativeLength)
    }

    pub(super) fn bytes(&mut self, size: usize) -> Result<&'a [u8], RecordFault> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(size)
            .ok_or(RecordFault::EndsEarly)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads bytes behind their length; -1 means none.
    pub(super) fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, RecordFault> {
        match self.varint()? {
            -1 => Ok(None),
            length => {
                let size = usize::try_from(length).map_err(|_| RecordFault::NegativeLength)?;
                self.bytes(size).map(Some)
            }
        }
    }
}

/// Appends a number in at most 5 bytes.
pub(super) fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_unsigned(
        out,
        u64::from(((value << 1) ^ (value >> 31)).cast_unsigned()),
    );
}

/// Appends a number in at most 10 bytes.
pub(super) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

fn put_unsigned(out: &mut Vec<u8>, mut bits: u64) {
    while bits > 0x7F {
        out.push((bits & 0x7F) as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

/// Returns how many bytes [`put_varint`] takes.
pub(super) fn varint_size(value: i32) -> usize {
    let bits = ((value << 1) ^ (value >> 31)).cast_unsigned();
    (38 - bits.leading_zeros() as usize) / 7 + usize::from(bits == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive_their_encoding(small: i32, large: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, small);
            prop_assert_eq!(out.len(), varint_size(small));
            put_varlong(&mut out, large);
            let mut fields = Fields::new(&out);
            prop_assert_eq!(fields.varint(), Ok(small));
            prop_assert_eq!(fields.varlong(), Ok(large));
            prop_assert!(fields.rest().is_empty());
        }
    }

    #[test]
    fn sizes_at_the_edges_are_exact() {
        for value in [0, -1, 1, 63, -64, 64, -65, 8191, 8192, i32::MAX, i32::MIN] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_size(value), "{value}");
        }
    }

    #[test]
    fn numbers_of_too_many_bits_are_refused() {
        let read = |bytes: &[u8]| Fields::new(bytes).varint();
        assert_eq!(read(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]), Ok(i32::MIN));
        assert_eq!(
            read(&[0xFF, 0xFF, 0xFF, 0xFF, 0x1F]),
            Err(RecordFault::NumberTooLong)
        );
        assert_eq!(read(&[0x80; 6]), Err(RecordFault::NumberTooLong));
        assert_eq!(read(&[0x80, 0x80]), Err(RecordFault::EndsEarly));
        let mut ten = [0xFF; 10];
        ten[9] = 1;
        assert_eq!(Fields::new(&ten).varlong(), Ok(i64::MIN));
        ten[9] = 2;
        assert_eq!(Fields::new(&ten).varlong(), Err(RecordFault::NumberTooLong));
    }
}
