//! The primitive types of the Kafka protocol, and a macro for messages written by hand.
//!
//! Invariants: every read is checked against what is left; a length never reserves memory by
//! itself. Source: Kafka protocol guide, protocol primitive types; KIP-482 for compact types.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{GroupId, ProducerId, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use thiserror::Error;
use uuid::Uuid;

/// Why bytes are not what the protocol says they should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// A value ends beyond the last byte.
    #[error("{needed} more bytes than the {left} that are left")]
    Short {
        /// How many bytes the value takes.
        needed: usize,
        /// How many there are.
        left: usize,
    },
    /// A length below -1, or null where a value must be.
    #[error("length {0} where a value must be")]
    Length(i64),
    /// A variable-length integer of more than 32 bits.
    #[error("a variable-length integer of more than 32 bits")]
    Varint,
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8")]
    Utf8,
    /// A tag above `i32::MAX`, which the crate that holds unknown fields cannot write again.
    #[error("tag {0}")]
    Tag(u32),
    /// A tagged field whose size differs from its content.
    #[error("tagged field {tag} of {size} bytes holding {content}")]
    TaggedFieldSize {
        /// The field's tag.
        tag: u32,
        /// The size as sent.
        size: usize,
        /// The bytes its content takes.
        content: usize,
    },
    /// More elements than one message may have.
    #[error("more than {limit} array elements and tagged fields")]
    TooManyElements {
        /// The limit in force.
        limit: usize,
    },
}

/// Reads protocol primitives from a slice.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            size: bytes.len(),
        }
    }

    /// How many bytes have been read.
    pub(crate) fn position(&self) -> usize {
        self.size.saturating_sub(self.bytes.len())
    }

    /// How many bytes are left.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let Some((head, tail)) = self.bytes.split_at_checked(count) else {
            return Err(ReadError::Short {
                needed: count,
                left: self.bytes.len(),
            });
        };
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let Some((head, tail)) = self.bytes.split_first_chunk::<N>() else {
            return Err(ReadError::Short {
                needed: N,
                left: self.bytes.len(),
            });
        };
        self.bytes = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ReadError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, ReadError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, ReadError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, ReadError> {
        self.array().map(Uuid::from_bytes)
    }

    /// Reads an unsigned variable-length integer of up to 5 bytes.
    pub(crate) fn varint(&mut self) -> Result<u32, ReadError> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.u8()?;
            if shift == 28 && byte > 0x0f {
                return Err(ReadError::Varint);
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    /// Reads the length of a string in the message's style; `None` is null.
    pub(crate) fn string_length(&mut self, flexible: bool) -> Result<Option<usize>, ReadError> {
        if flexible {
            self.compact_length()
        } else {
            length(i64::from(self.i16()?))
        }
    }

    /// Reads the length of bytes, records or an array in the message's style; `None` is null.
    pub(crate) fn long_length(&mut self, flexible: bool) -> Result<Option<usize>, ReadError> {
        if flexible {
            self.compact_length()
        } else {
            length(i64::from(self.i32()?))
        }
    }

    fn compact_length(&mut self) -> Result<Option<usize>, ReadError> {
        match self.varint()?.checked_sub(1) {
            Some(size) => length(i64::from(size)),
            None => Ok(None),
        }
    }

    /// Reads a string of the message's style; `None` is null.
    pub(crate) fn string(&mut self, flexible: bool) -> Result<Option<&'a str>, ReadError> {
        let Some(size) = self.string_length(flexible)? else {
            return Ok(None);
        };
        let bytes = self.take(size)?;
        std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|_| ReadError::Utf8)
    }

    /// Reads a non-compact nullable string, as headers use in every version.
    pub(crate) fn nullable_string(&mut self) -> Result<Option<&'a str>, ReadError> {
        self.string(false)
    }

    /// Passes over a section of tagged fields without looking inside.
    pub(crate) fn skip_tagged_fields(&mut self) -> Result<(), ReadError> {
        for _ in 0..self.varint()? {
            let _tag = self.varint()?;
            let size = self.varint()?;
            self.take(usize::try_from(size).map_err(|_| ReadError::Varint)?)?;
        }
        Ok(())
    }
}

/// Turns a signed length into a size; -1 is null.
fn length(value: i64) -> Result<Option<usize>, ReadError> {
    match value {
        -1 => Ok(None),
        size => usize::try_from(size)
            .map(Some)
            .map_err(|_| ReadError::Length(size)),
    }
}

/// Writes an unsigned variable-length integer.
pub(crate) fn put_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    #[allow(clippy::cast_possible_truncation, reason = "below 0x80")]
    out.put_u8(value as u8);
}

/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a {what} of at most {limit}, found {found}")]
pub(crate) struct TooLong {
    /// What is too long.
    pub(crate) what: &'static str,
    /// Its largest length.
    pub(crate) limit: usize,
    /// Its length.
    pub(crate) found: usize,
}

/// Writes the length of an array, bytes or records in the message's style; `None` is null.
pub(crate) fn put_long_length(
    out: &mut BytesMut,
    flexible: bool,
    size: Option<usize>,
) -> Result<(), TooLong> {
    let Some(size) = size else {
        if flexible {
            out.put_u8(0)
        } else {
            out.put_i32(-1)
        }
        return Ok(());
    };
    let limit = i32::MAX;
    let Ok(value) = i32::try_from(size) else {
        return Err(TooLong {
            what: "length",
            limit: limit.unsigned_abs() as usize,
            found: size,
        });
    };
    if flexible {
        put_varint(out, value.unsigned_abs().saturating_add(1))
    } else {
        out.put_i32(value)
    }
    Ok(())
}

/// Writes a string in the message's style; `None` is null.
pub(crate) fn put_string(
    out: &mut BytesMut,
    flexible: bool,
    text: Option<&str>,
) -> Result<(), TooLong> {
    if flexible {
        put_long_length(out, true, text.map(str::len))?;
    } else {
        let size = text.map_or(Ok(-1), |text| i16::try_from(text.len()));
        let found = text.map_or(0, str::len);
        out.put_i16(size.map_err(|_| TooLong {
            what: "string",
            limit: 32_767,
            found,
        })?);
    }
    out.put_slice(text.unwrap_or_default().as_bytes());
    Ok(())
}

/// A value that can stand in a message: how it is read and written in one message style.
///
/// `version` selects fields, `flexible` selects compact lengths and tagged sections.
pub(crate) trait Value: Sized {
    /// Reads one value from the front of `bytes`.
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, ReadError>;
    /// Appends the value to `out`.
    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), TooLong>;
}

/// How one version of one message is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// The API version.
    pub(crate) version: i16,
    /// Whether it is a flexible version.
    pub(crate) flexible: bool,
}

macro_rules! fixed_value {
    ($($type:ty: $get:ident $put:ident $size:literal;)*) => {$(
        impl Value for $type {
            fn read(bytes: &mut Bytes, _: Style) -> Result<Self, ReadError> {
                let left = bytes.remaining();
                bytes.$get().map_err(|_| ReadError::Short { needed: $size, left })
            }
            fn write(&self, out: &mut BytesMut, _: Style) -> Result<(), TooLong> {
                out.$put(*self);
                Ok(())
            }
        }
    )*};
}
fixed_value! {
    i8: try_get_i8 put_i8 1;
    i16: try_get_i16 put_i16 2;
    u16: try_get_u16 put_u16 2;
    i32: try_get_i32 put_i32 4;
    i64: try_get_i64 put_i64 8;
}

impl Value for bool {
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, ReadError> {
        Ok(i8::read(bytes, style)? != 0)
    }
    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), TooLong> {
        i8::from(*self).write(out, style)
    }
}

impl Value for Uuid {
    fn read(bytes: &mut Bytes, _: Style) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        let id = reader.uuid()?;
        bytes.advance(16);
        Ok(id)
    }
    fn write(&self, out: &mut BytesMut, _: Style) -> Result<(), TooLong> {
        out.put_slice(self.as_bytes());
        Ok(())
    }
}

impl Value for Option<StrBytes> {
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        let size = reader.string_length(style.flexible)?;
        let (start, left) = (reader.position(), reader.remaining());
        bytes.advance(start);
        let Some(size) = size else {
            return Ok(None);
        };
        if size > left {
            return Err(ReadError::Short { needed: size, left });
        }
        StrBytes::from_utf8(bytes.split_to(size))
            .map(Some)
            .map_err(|_| ReadError::Utf8)
    }
    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), TooLong> {
        put_string(out, style.flexible, self.as_ref().map(StrBytes::as_str))
    }
}

impl Value for StrBytes {
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, ReadError> {
        Option::<Self>::read(bytes, style)?.ok_or(ReadError::Length(-1))
    }
    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), TooLong> {
        put_string(out, style.flexible, Some(self.as_str()))
    }
}

macro_rules! named_string {
    ($($type:ident)*) => {$(
        impl Value for $type {
            fn read(bytes: &mut Bytes, style: Style) -> Result<Self, ReadError> {
                StrBytes::read(bytes, style).map($type)
            }
            fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), TooLong> {
                self.0.write(out, style)
            }
        }
    )*};
}
named_string!(GroupId TopicName);

impl Value for Option<TransactionalId> {
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, ReadError> {
        let id = Option::<StrBytes>::read(bytes, style)?;
        Ok(id.map(TransactionalId))
    }
    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), TooLong> {
        let id = self.as_ref().map(|id| id.0.clone());
        id.write(out, style)
    }
}

impl Value for ProducerId {
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, ReadError> {
        i64::read(bytes, style).map(Self)
    }
    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), TooLong> {
        self.0.write(out, style)
    }
}

impl<T: Value> Value for Option<Vec<T>> {
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        let count = reader.long_length(style.flexible)?;
        let start = reader.position();
        bytes.advance(start);
        let Some(count) = count else {
            return Ok(None);
        };
        // No type takes less than a byte, so a count beyond what is left is a lie.
        if count > bytes.len() {
            return Err(ReadError::Short {
                needed: count,
                left: bytes.len(),
            });
        }
        (0..count)
            .map(|_| T::read(bytes, style))
            .collect::<Result<_, _>>()
            .map(Some)
    }
    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), TooLong> {
        put_long_length(out, style.flexible, self.as_ref().map(Vec::len))?;
        self.iter()
            .flatten()
            .try_for_each(|element| element.write(out, style))
    }
}

impl<T: Value> Value for Vec<T> {
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, ReadError> {
        Option::<Self>::read(bytes, style)?.ok_or(ReadError::Length(-1))
    }
    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), TooLong> {
        put_long_length(out, style.flexible, Some(self.len()))?;
        self.iter()
            .try_for_each(|element| element.write(out, style))
    }
}

/// Declares a structure of a message: its fields, the versions that have them, and defaults.
///
/// A field outside its versions is not written and reads as its default. Tagged fields of
/// flexible versions are skipped on reading and written as an empty section.
macro_rules! structure {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])*
          $field:ident: $type:ty, $min:literal..=$max:literal $(, default $default:expr)?;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                #[allow(unused_mut, unused_assignments, reason = "a structure may have no defaults of its own")]
                let value = Self {
                    $($field: $crate::wire::structure!(@default $type $(, $default)?),)*
                };
                value
            }
        }

        impl $crate::wire::Value for $name {
            fn read(
                bytes: &mut bytes::Bytes,
                style: $crate::wire::Style,
            ) -> Result<Self, $crate::wire::ReadError> {
                let mut value = Self::default();
                $(if ($min..=$max).contains(&style.version) {
                    value.$field = $crate::wire::Value::read(bytes, style)?;
                })*
                if style.flexible {
                    $crate::wire::skip_tags(bytes)?;
                }
                Ok(value)
            }

            fn write(
                &self,
                out: &mut bytes::BytesMut,
                style: $crate::wire::Style,
            ) -> Result<(), $crate::wire::TooLong> {
                $(if ($min..=$max).contains(&style.version) {
                    $crate::wire::Value::write(&self.$field, out, style)?;
                })*
                if style.flexible {
                    $crate::wire::put_varint(out, 0);
                }
                Ok(())
            }
        }
    };
    (@default $type:ty) => { <$type>::default() };
    (@default $type:ty, $default:expr) => { $default };
}
pub(crate) use structure;

/// Lets structures be null in the fields that say so: a byte before the value tells.
macro_rules! nullable {
    ($($name:ident),*) => {$(
        impl $crate::wire::Value for Option<$name> {
            fn read(
                bytes: &mut bytes::Bytes,
                style: $crate::wire::Style,
            ) -> Result<Self, $crate::wire::ReadError> {
                match i8::read(bytes, style)? {
                    -1 => Ok(None),
                    1 => <$name as $crate::wire::Value>::read(bytes, style).map(Some),
                    other => Err($crate::wire::ReadError::Length(other.into())),
                }
            }

            fn write(
                &self,
                out: &mut bytes::BytesMut,
                style: $crate::wire::Style,
            ) -> Result<(), $crate::wire::TooLong> {
                match self {
                    None => (-1_i8).write(out, style),
                    Some(value) => {
                        1_i8.write(out, style)?;
                        $crate::wire::Value::write(value, out, style)
                    }
                }
            }
        }
    )*};
}
pub(crate) use nullable;

/// Passes over a section of tagged fields.
pub(crate) fn skip_tags(bytes: &mut Bytes) -> Result<(), ReadError> {
    let mut reader = Reader::new(bytes);
    reader.skip_tagged_fields()?;
    let size = reader.position();
    bytes.advance(size);
    Ok(())
}
