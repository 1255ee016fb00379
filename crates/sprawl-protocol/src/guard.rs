//! Can these bytes be handed to a decoder that trusts length fields?
//!
//! The `kafka-protocol` crate reserves an array's memory on the word of its length field: eight
//! bytes can ask it for 150 GB, which aborts the process. Here every message of every version is
//! walked over first, by a description of its layout ([`schema`]), and refused if any length goes
//! beyond the bytes that are there, if a tagged field is not as long as it says, or if it has
//! more elements than its API can make use of ([`request_elements_max`]). That bounds what a
//! decoder can reserve: elements times [`ELEMENT_BYTES_MAX`], and [`Measure`] says it beforehand,
//! so that a broker can bound the sum over all connections.
//!
//! Complete because: the descriptions are checked against the crate's own encoder and decoder for
//! every message and version (`tests/schema.rs`), and an API without one does not compile.
//! Complexity: one pass, no allocation. Bytes after the message are left alone, as in Kafka.

pub(crate) mod layout;
mod schema;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::api::ApiKey;
use crate::wire::{ReadError, Reader, Style};
use layout::{Field, Kind};

/// The most array elements and tagged fields any request may hold: 100,000 partitions, the most a
/// client is ever seen to follow, each with its fields, and their topics.
pub const REQUEST_ELEMENTS_MAX: usize = 1 << 17;

/// The most of a request that names what it changes or describes: topics, groups, settings.
const ADMIN_ELEMENTS_MAX: usize = 1 << 15;

/// The most of a request about one member, transaction or connection.
const SMALL_ELEMENTS_MAX: usize = 1 << 10;

/// The most batches of one produce request, with their topics: a producer sends 1 MiB at once
/// unless told otherwise, which is 17,000 of the smallest batches there are.
const PRODUCE_ELEMENTS_MAX: usize = 1 << 15;

/// What one array element or tagged field of a request takes in memory at most, in bytes. The
/// costliest is a single unknown tagged field: a map's node with room for eleven of them.
pub const ELEMENT_BYTES_MAX: usize = 512;

/// Returns the most array elements and tagged fields that a request of this API may hold.
pub const fn request_elements_max(key: ApiKey) -> usize {
    match key {
        ApiKey::Fetch
        | ApiKey::ListOffsets
        | ApiKey::Metadata
        | ApiKey::OffsetCommit
        | ApiKey::OffsetFetch
        | ApiKey::OffsetForLeaderEpoch
        | ApiKey::DescribeLogDirs => REQUEST_ELEMENTS_MAX,
        ApiKey::Produce => PRODUCE_ELEMENTS_MAX,
        ApiKey::ApiVersions | ApiKey::Heartbeat | ApiKey::InitProducerId => SMALL_ELEMENTS_MAX,
        _ => ADMIN_ELEMENTS_MAX,
    }
}

/// What a message is found to be before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The size of its body on the wire, in bytes.
    pub size: usize,
    /// Its array elements and tagged fields.
    pub elements: usize,
}

impl Measure {
    /// The most memory it takes once decoded, beside the frame it refers to, in bytes.
    pub const fn decoded_bytes(self) -> usize {
        self.elements.saturating_mul(ELEMENT_BYTES_MAX)
    }
}

/// The most array elements and tagged fields one response may hold: a `Metadata` answer lists
/// each partition with its replicas.
pub const RESPONSE_ELEMENTS_MAX: usize = 1 << 23;

/// Which half of an exchange a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// From client to broker.
    Request,
    /// From broker to client.
    Response,
}

static LAYOUTS: LazyLock<BTreeMap<(ApiKey, Side), Vec<Field>>> = LazyLock::new(|| {
    let mut layouts = BTreeMap::new();
    for row in schema::TABLE {
        layouts.insert((row.key, Side::Request), layout::parse(row.request));
        layouts.insert((row.key, Side::Response), layout::parse(row.response));
    }
    assert!(
        ApiKey::ALL
            .iter()
            .all(|key| layouts.contains_key(&(*key, Side::Request)))
    );
    layouts
});

/// Returns the layout of a message.
pub(crate) fn layout_of(key: ApiKey, side: Side) -> &'static [Field] {
    LAYOUTS.get(&(key, side)).map_or(&[], Vec::as_slice)
}

/// Checks that `bytes` start with a well-formed body and measures it.
///
/// Errors: a length that lies, or too many elements. Text is not checked for UTF-8 here.
pub fn check(key: ApiKey, side: Side, version: i16, bytes: &[u8]) -> Result<Measure, ReadError> {
    let limit = match side {
        Side::Request => request_elements_max(key),
        Side::Response => RESPONSE_ELEMENTS_MAX,
    };
    let style = Style {
        version,
        flexible: key.is_flexible(version),
    };
    let mut scan = Scan {
        reader: Reader::new(bytes),
        style,
        elements: limit,
        limit,
    };
    scan.structure(layout_of(key, side))?;
    Ok(Measure {
        size: scan.reader.position(),
        elements: limit.saturating_sub(scan.elements),
    })
}

/// Finds where a field at the top of a well-formed body stands, in bytes from its start.
pub(crate) fn position_of(
    key: ApiKey,
    side: Side,
    (version, bytes): (i16, &[u8]),
    name: &str,
) -> Option<usize> {
    let style = Style {
        version,
        flexible: key.is_flexible(version),
    };
    let mut scan = Scan {
        reader: Reader::new(bytes),
        style,
        elements: RESPONSE_ELEMENTS_MAX,
        limit: RESPONSE_ELEMENTS_MAX,
    };
    let present = |field: &&Field| field.tag.is_none() && field.versions.contains(version);
    for field in layout_of(key, side).iter().filter(present) {
        if field.name == name {
            return Some(scan.reader.position());
        }
        scan.value(&field.kind, field.is_nullable(version)).ok()?;
    }
    None
}

/// One pass over one message.
struct Scan<'a> {
    reader: Reader<'a>,
    style: Style,
    /// How many more elements are allowed.
    elements: usize,
    limit: usize,
}

impl Scan<'_> {
    fn structure(&mut self, fields: &[Field]) -> Result<(), ReadError> {
        let version = self.style.version;
        for field in fields {
            if field.tag.is_none() && field.versions.contains(version) {
                self.value(&field.kind, field.is_nullable(version))?;
            }
        }
        if self.style.flexible {
            self.tagged_fields(fields)
        } else {
            Ok(())
        }
    }

    fn tagged_fields(&mut self, fields: &[Field]) -> Result<(), ReadError> {
        let version = self.style.version;
        let count = self.reader.varint()?;
        self.admit(usize::try_from(count).unwrap_or(usize::MAX))?;
        for _ in 0..count {
            let tag = self.reader.varint()?;
            i32::try_from(tag).map_err(|_| ReadError::Tag(tag))?;
            let size = usize::try_from(self.reader.varint()?).map_err(|_| ReadError::Varint)?;
            let start = self.reader.position();
            let known = fields.iter().find(|field| field.tag == Some(tag));
            match known.filter(|field| field.versions.contains(version)) {
                Some(field) => self.value(&field.kind, field.is_nullable(version))?,
                None => self.skip(size)?,
            }
            let content = self.reader.position().saturating_sub(start);
            if content != size {
                return Err(ReadError::TaggedFieldSize { tag, size, content });
            }
        }
        Ok(())
    }

    fn value(&mut self, kind: &Kind, nullable: bool) -> Result<(), ReadError> {
        match kind {
            Kind::Bool => self.skip(1),
            Kind::Fixed(size) => self.skip(*size),
            Kind::String => {
                let size = self.reader.string_length(self.style.flexible)?;
                self.skip(size.unwrap_or(0))
            }
            Kind::Bytes => {
                let size = self.reader.long_length(self.style.flexible)?;
                self.skip(size.unwrap_or(0))
            }
            Kind::Array(element) => {
                let count = self.reader.long_length(self.style.flexible)?.unwrap_or(0);
                self.admit(count)?;
                (0..count).try_for_each(|_| self.value(element, false))
            }
            Kind::Structure(fields) if nullable => match self.reader.u8()? {
                1 => self.structure(fields),
                0xff => Ok(()),
                other => Err(ReadError::Length(i64::from(other))),
            },
            Kind::Structure(fields) => self.structure(fields),
        }
    }

    /// Admits `count` more elements, each of which takes at least one byte.
    fn admit(&mut self, count: usize) -> Result<(), ReadError> {
        let left = self.reader.remaining();
        if count > left {
            return Err(ReadError::Short {
                needed: count,
                left,
            });
        }
        let Some(elements) = self.elements.checked_sub(count) else {
            return Err(ReadError::TooManyElements { limit: self.limit });
        };
        self.elements = elements;
        Ok(())
    }

    fn skip(&mut self, size: usize) -> Result<(), ReadError> {
        self.reader.take(size).map(drop)
    }
}
