//! How are Kafka's primitive types read from and written to record keys and values?
//!
//! Reading never panics and never allocates more than the input holds: every length is checked
//! against the bytes that are left. Source: Kafka protocol primitive types; the flexible forms
//! (compact lengths, tagged fields) are those of KIP-482.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::record::RecordError;

/// Whether lengths are plain or compact (KIP-482).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// int16 or int32 lengths.
    Plain,
    /// Unsigned varint lengths, one added; 0 is null.
    Compact,
}

/// Reads from the front of `bytes`.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    encoding: Encoding,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            encoding: Encoding::Plain,
        }
    }

    pub(crate) fn set_encoding(&mut self, encoding: Encoding) {
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

    pub(crate) fn int8(&mut self) -> Result<i8, RecordError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, RecordError> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    pub(crate) fn int16(&mut self) -> Result<i16, RecordError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn uint16(&mut self) -> Result<u16, RecordError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn int32(&mut self) -> Result<i32, RecordError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn int64(&mut self) -> Result<i64, RecordError> {
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

    pub(crate) fn nullable_string(&mut self) -> Result<Option<String>, RecordError> {
        let Some(size) = self.length(|reader| reader.int16().map(i32::from))? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(self.take(size)?).map_err(|_| RecordError::Utf8)?;
        Ok(Some(text.to_owned()))
    }

    pub(crate) fn string(&mut self) -> Result<String, RecordError> {
        self.nullable_string()?.ok_or(RecordError::Null)
    }

    pub(crate) fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, RecordError> {
        match self.length(Self::int32)? {
            Some(size) => self.take(size).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, RecordError> {
        let bytes = self.nullable_bytes()?.ok_or(RecordError::Null)?;
        Ok(Bytes::copy_from_slice(bytes))
    }

    /// The count of an array. Each element takes at least one byte, so that a count larger than
    /// what is left is a lie; callers push element by element and reserve nothing.
    pub(crate) fn count(&mut self) -> Result<usize, RecordError> {
        self.nullable_count()?.ok_or(RecordError::Null)
    }

    /// The count of an array as [`Self::count`] reads it; `None` for null.
    pub(crate) fn nullable_count(&mut self) -> Result<Option<usize>, RecordError> {
        match self.length(Self::int32)? {
            Some(count) if count > self.bytes.len() => Err(RecordError::Short {
                expected: count,
                found: self.bytes.len(),
            }),
            count => Ok(count),
        }
    }

    /// Skips the tagged fields at the end of a flexible structure; nothing in the plain encoding.
    pub(crate) fn tagged_fields(&mut self) -> Result<(), RecordError> {
        self.tags(|_, _| Ok(()))
    }

    /// Gives each tagged field at the end of a flexible structure to `each`, as its tag and a
    /// reader of its bytes.
    pub(crate) fn tags(
        &mut self,
        mut each: impl FnMut(u32, &mut Reader<'a>) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        if self.encoding == Encoding::Plain {
            return Ok(());
        }
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()?;
            let mut field = Reader {
                bytes: self.take(size as usize)?,
                encoding: self.encoding,
            };
            each(tag, &mut field)?;
        }
        Ok(())
    }
}

/// Writes one of the two encodings. In the plain one, strings longer than an int16 counts are
/// refused.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: BytesMut,
    encoding: Encoding,
}

impl Writer {
    /// Begins a key or value of a version without flexible fields.
    pub(crate) fn version(version: i16) -> Self {
        let mut writer = Self {
            bytes: BytesMut::new(),
            encoding: Encoding::Plain,
        };
        writer.bytes.put_i16(version);
        writer
    }

    /// Begins a value of a flexible version.
    pub(crate) fn flexible(version: i16) -> Self {
        Self {
            encoding: Encoding::Compact,
            ..Self::version(version)
        }
    }

    /// Begins the content of a tagged field.
    fn field() -> Self {
        Self {
            bytes: BytesMut::new(),
            encoding: Encoding::Compact,
        }
    }

    /// Writes the content of a tagged field for [`Self::tag_list`].
    pub(crate) fn content(write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut field = Self::field();
        write(&mut field);
        field.bytes.to_vec()
    }

    pub(crate) fn int8(&mut self, value: i8) -> &mut Self {
        self.bytes.put_i8(value);
        self
    }

    pub(crate) fn int16(&mut self, value: i16) -> &mut Self {
        self.bytes.put_i16(value);
        self
    }

    pub(crate) fn uint16(&mut self, value: u16) -> &mut Self {
        self.bytes.put_u16(value);
        self
    }

    pub(crate) fn int32(&mut self, value: i32) -> &mut Self {
        self.bytes.put_i32(value);
        self
    }

    pub(crate) fn int64(&mut self, value: i64) -> &mut Self {
        self.bytes.put_i64(value);
        self
    }

    pub(crate) fn uuid(&mut self, value: Uuid) -> &mut Self {
        self.bytes.put_slice(value.as_bytes());
        self
    }

    fn unsigned_varint(&mut self, mut value: u32) {
        while value > 0x7f {
            self.bytes.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.put_u8(value as u8);
    }

    /// Writes a length in the compact form: one added, so that 0 is null.
    fn compact_length(&mut self, size: usize) {
        let size = u32::try_from(size)
            .ok()
            .and_then(|size| size.checked_add(1));
        self.unsigned_varint(size.expect("a request is smaller than 2 GiB"));
    }

    /// Writes a string. Everything written here came over the wire in a string of the same or a
    /// smaller kind, or was cut by [`fits`] before.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        match self.encoding {
            Encoding::Plain => {
                let size = i16::try_from(text.len()).expect("callers check `fits` first");
                self.bytes.put_i16(size);
            }
            Encoding::Compact => self.compact_length(text.len()),
        }
        self.bytes.put_slice(text.as_bytes());
        self
    }

    pub(crate) fn nullable_string(&mut self, text: Option<&str>) -> &mut Self {
        match (text, self.encoding) {
            (Some(text), _) => return self.string(text),
            (None, Encoding::Plain) => self.bytes.put_i16(-1),
            (None, Encoding::Compact) => self.bytes.put_u8(0),
        }
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len());
        self.bytes.put_slice(bytes);
        self
    }

    /// Writes the count of an array.
    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        match self.encoding {
            Encoding::Plain => {
                let count = i32::try_from(count).expect("a request is smaller than 2 GiB");
                self.bytes.put_i32(count);
            }
            Encoding::Compact => self.compact_length(count),
        }
        self
    }

    /// Writes null in the place of an array.
    pub(crate) fn null_array(&mut self) -> &mut Self {
        match self.encoding {
            Encoding::Plain => self.bytes.put_i32(-1),
            Encoding::Compact => self.bytes.put_u8(0),
        }
        self
    }

    /// Ends a structure of a flexible version that has no tagged field to write.
    pub(crate) fn no_tags(&mut self) -> &mut Self {
        self.bytes.put_u8(0);
        self
    }

    /// Ends a structure of a flexible version with one tagged field.
    pub(crate) fn one_tag(&mut self, tag: u32, content: impl FnOnce(&mut Self)) -> &mut Self {
        let mut field = Self::field();
        content(&mut field);
        self.unsigned_varint(1);
        self.unsigned_varint(tag);
        self.unsigned_varint(u32::try_from(field.bytes.len()).expect("a field is small"));
        self.bytes.put_slice(&field.bytes);
        self
    }

    /// Ends a structure of a flexible version with tagged fields, in the order of their tags.
    pub(crate) fn tag_list(&mut self, fields: &[(u32, Vec<u8>)]) -> &mut Self {
        self.unsigned_varint(u32::try_from(fields.len()).expect("a record has few tags"));
        for (tag, content) in fields {
            self.unsigned_varint(*tag);
            self.unsigned_varint(u32::try_from(content.len()).expect("a field is small"));
            self.bytes.put_slice(content);
        }
        self
    }

    pub(crate) fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes).freeze()
    }
}

/// Whether `text` fits a string of the plain encoding. Flexible request versions can carry longer
/// ones, which the records of `__consumer_offsets` have no place for.
pub(crate) fn fits(text: &str) -> bool {
    i16::try_from(text.len()).is_ok()
}
