//! CRC-32C (Castagnoli), the checksum of record batches, journal frames and our own files.
//!
//! Source: RFC 3720, appendix B.4; Kafka record batch format v2.

use crc_fast::CrcAlgorithm;

/// Returns the CRC-32C of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    narrow(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

/// A CRC-32C over bytes that come in pieces.
#[derive(Debug)]
pub struct Crc32c(crc_fast::Digest);

impl Default for Crc32c {
    fn default() -> Self {
        Self(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi))
    }
}

impl Crc32c {
    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the checksum of all pieces so far.
    pub fn value(&self) -> u32 {
        narrow(self.0.finalize())
    }
}

/// The crate returns every width of CRC in 64 bits; this one fills the lower 32.
fn narrow(crc: u64) -> u32 {
    u32::try_from(crc).expect("a 32-bit CRC fits 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value_of_the_algorithm_is_met_whole_and_in_pieces() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(b""), 0);
        let mut crc = Crc32c::default();
        crc.update(b"1234");
        crc.update(b"");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xE306_9283);
    }
}
