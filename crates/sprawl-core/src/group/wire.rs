//! How are Kafka's primitive types read from and written to record keys and values?
//!
//! Reading never panics and never allocates more than the input holds: every length is checked
//! against the bytes that are left. Source: Kafka protocol primitive types; the flexible forms
//! (compact lengths, tagged fields) are read only, as this crate writes no flexible version.

use bytes::{BufMut, Bytes, BytesMut};

use super::records::RecordError;

/// Whether lengths are plain or compact (KIP-482).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// int16 or int32 lengths.
    Plain,
    /// Unsigned varint lengths, one added; 0 is null.
    Compact,
}

/// Reads from the front of `bytes`.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    encoding: Encoding,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            encoding: Encoding::Plain,
        }
    }

    pub(super) fn set_encoding(&mut self, encoding: Encoding) {
        self.encoding = encoding;
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(size)
            .ok_or(RecordError::Short {
                expected: size,
                found: self.bytes.len(),
            })?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn int16(&mut self) -> Result<i16, RecordError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(super) fn int32(&mut self) -> Result<i32, RecordError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(super) fn int64(&mut self) -> Result<i64, RecordError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn unsigned_varint(&mut self) -> Result<u32, RecordError> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError::Varint)
    }

    /// A length, or `None` for null; `plain` reads the length of the plain encoding.
    fn length(
        &mut self,
        plain: fn(&mut Self) -> Result<i32, RecordError>,
    ) -> Result<Option<usize>, RecordError> {
        let length = match self.encoding {
            Encoding::Plain => i64::from(plain(self)?),
            Encoding::Compact => i64::from(self.unsigned_varint()?) - 1,
        };
        if length == -1 {
            return Ok(None);
        }
        usize::try_from(length)
            .map(Some)
            .map_err(|_| RecordError::Length(length))
    }

    pub(super) fn nullable_string(&mut self) -> Result<Option<String>, RecordError> {
        let Some(size) = self.length(|reader| reader.int16().map(i32::from))? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(self.take(size)?).map_err(|_| RecordError::Utf8)?;
        Ok(Some(text.to_owned()))
    }

    pub(super) fn string(&mut self) -> Result<String, RecordError> {
        self.nullable_string()?.ok_or(RecordError::Null)
    }

    pub(super) fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, RecordError> {
        match self.length(Self::int32)? {
            Some(size) => self.take(size).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, RecordError> {
        let bytes = self.nullable_bytes()?.ok_or(RecordError::Null)?;
        Ok(Bytes::copy_from_slice(bytes))
    }

    /// The count of an array. Each element takes at least one byte, so that a count larger than
    /// what is left is a lie; callers push element by element and reserve nothing.
    pub(super) fn count(&mut self) -> Result<usize, RecordError> {
        let count = self.length(Self::int32)?.ok_or(RecordError::Null)?;
        if count > self.bytes.len() {
            return Err(RecordError::Short {
                expected: count,
                found: self.bytes.len(),
            });
        }
        Ok(count)
    }

    /// Skips the tagged fields at the end of a flexible structure; nothing in the plain encoding.
    pub(super) fn tagged_fields(&mut self) -> Result<(), RecordError> {
        if self.encoding == Encoding::Plain {
            return Ok(());
        }
        for _ in 0..self.unsigned_varint()? {
            self.unsigned_varint()?;
            let size = self.unsigned_varint()?;
            self.take(size as usize)?;
        }
        Ok(())
    }
}

/// Writes the plain encoding. Strings longer than an int16 counts are refused.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: BytesMut,
}

impl Writer {
    pub(super) fn version(version: i16) -> Self {
        let mut writer = Self::default();
        writer.bytes.put_i16(version);
        writer
    }

    pub(super) fn int32(&mut self, value: i32) -> &mut Self {
        self.bytes.put_i32(value);
        self
    }

    pub(super) fn int64(&mut self, value: i64) -> &mut Self {
        self.bytes.put_i64(value);
        self
    }

    /// Writes a string. Everything written here came over the wire in a string of the same or a
    /// smaller kind, or was cut by [`fits`] before.
    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        let size = i16::try_from(text.len()).expect("callers check `fits` first");
        self.bytes.put_i16(size);
        self.bytes.put_slice(text.as_bytes());
        self
    }

    pub(super) fn nullable_string(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.string(text),
            None => {
                self.bytes.put_i16(-1);
                self
            }
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let size = i32::try_from(bytes.len()).expect("a request is smaller than 2 GiB");
        self.bytes.put_i32(size);
        self.bytes.put_slice(bytes);
        self
    }

    pub(super) fn count(&mut self, count: usize) -> &mut Self {
        self.int32(i32::try_from(count).expect("group.max.size is an int32"))
    }

    pub(super) fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes).freeze()
    }
}

/// Whether `text` fits a string of the plain encoding. Flexible request versions can carry longer
/// ones, which the records of `__consumer_offsets` have no place for.
pub(super) fn fits(text: &str) -> bool {
    i16::try_from(text.len()).is_ok()
}
