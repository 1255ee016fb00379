//! Random valid message bodies, made from the layouts alone.

use bytes::{BufMut, BytesMut};

use crate::api::ApiKey;
use crate::guard::layout::{Field, Kind};
use crate::guard::{self, Side};
use crate::wire::{Style, put_long_length, put_string, put_varint};

/// A small generator (SplitMix64), so that a failure is a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn text(&mut self) -> String {
        let alphabet = ['a', 'Z', '0', '-', '.', 'é', '漢'];
        (0..self.below(9))
            .map(|_| alphabet[self.below(alphabet.len())])
            .collect()
    }
}

/// Whether a sample has tagged fields, known and unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    Empty,
    Random,
}

/// Makes a valid body.
pub(crate) fn body(key: ApiKey, side: Side, version: i16, tags: Tags, seed: u64) -> BytesMut {
    let style = Style {
        version,
        flexible: key.is_flexible(version),
    };
    let mut maker = Maker {
        random: Random(seed),
        style,
        tags,
        out: BytesMut::new(),
    };
    maker.structure(guard::layout_of(key, side));
    maker.out
}

/// Every served message and version, with a seed of its own.
pub(crate) fn every_message() -> impl Iterator<Item = (ApiKey, Side, i16)> {
    ApiKey::ALL.iter().flat_map(|key| {
        [Side::Request, Side::Response]
            .into_iter()
            .flat_map(move |side| {
                key.served()
                    .iter()
                    .map(move |version| (*key, side, version))
            })
    })
}

struct Maker {
    random: Random,
    style: Style,
    tags: Tags,
    out: BytesMut,
}

impl Maker {
    fn structure(&mut self, fields: &[Field]) {
        let version = self.style.version;
        let present = |field: &&Field| field.versions.contains(version);
        for field in fields
            .iter()
            .filter(present)
            .filter(|field| field.tag.is_none())
        {
            self.value(&field.kind, field.is_nullable(version));
        }
        if !self.style.flexible {
            return;
        }
        if self.tags == Tags::Empty {
            return put_varint(&mut self.out, 0);
        }
        let mut tagged: Vec<&Field> = fields
            .iter()
            .filter(present)
            .filter(|field| field.tag.is_some())
            .collect();
        tagged.sort_by_key(|field| field.tag);
        tagged.retain(|_| self.random.below(2) == 0);
        let unknown = self.random.below(3);
        put_varint(&mut self.out, (tagged.len() + unknown) as u32);
        for field in tagged {
            let outer = std::mem::take(&mut self.out);
            self.value(&field.kind, field.is_nullable(version));
            let content = std::mem::replace(&mut self.out, outer);
            put_varint(&mut self.out, field.tag.unwrap());
            put_varint(&mut self.out, content.len() as u32);
            self.out.put_slice(&content);
        }
        for tag in 0..unknown {
            let count = self.random.below(200);
            let content = self.random.bytes(count);
            put_varint(&mut self.out, 1000 + tag as u32);
            put_varint(&mut self.out, content.len() as u32);
            self.out.put_slice(&content);
        }
    }

    fn value(&mut self, kind: &Kind, nullable: bool) {
        let null = nullable && self.random.below(4) == 0;
        let flexible = self.style.flexible;
        match kind {
            Kind::Bool => self.out.put_u8((self.random.next() & 1) as u8),
            Kind::Fixed(size) => self.out.put_slice(&self.random.bytes(*size)),
            Kind::String => {
                let text = self.random.text();
                put_string(&mut self.out, flexible, (!null).then_some(&text)).unwrap();
            }
            Kind::Bytes => {
                let count = if null { 0 } else { self.random.below(300) };
                let content = self.random.bytes(count);
                put_long_length(&mut self.out, flexible, (!null).then_some(count)).unwrap();
                self.out.put_slice(&content);
            }
            Kind::Array(element) => {
                let count = if null { 0 } else { self.random.below(4) };
                put_long_length(&mut self.out, flexible, (!null).then_some(count)).unwrap();
                (0..count).for_each(|_| self.value(element, false));
            }
            Kind::Structure(_) if null => self.out.put_u8(0xff),
            Kind::Structure(fields) => {
                if nullable {
                    self.out.put_u8(1);
                }
                self.structure(fields);
            }
        }
    }
}
