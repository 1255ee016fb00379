//! The notation in which [`schema`](super::schema) writes down what a message looks like.
//!
//! ```text
//! fields = field (" " field)*
//! field  = name ["#" tag] ":" type ["@" versions] ["?" [versions]]
//! type   = "bool" | "i8" | "i16" | "i32" | "i64" | "uuid" | "str" | "bytes" | "records"
//!        | "[" type "]" | "{" fields "}"
//! versions = first "+" | first "-" last | only
//! ```
//!
//! `#` makes a field a tagged one, `@` says which versions have it (all, without), `?` in which
//! of them it may be null. The notation is read once; a mistake in it is ours and panics, which
//! a test would show.

use crate::api::VersionRange;

/// A field of a structure.
#[derive(Debug)]
pub(crate) struct Field {
    /// The field's name.
    pub(crate) name: &'static str,
    /// The tag, of a tagged field.
    pub(crate) tag: Option<u32>,
    /// What it holds.
    pub(crate) kind: Kind,
    /// The versions that have it.
    pub(crate) versions: VersionRange,
    /// The versions in which it may be null.
    nullable: Option<VersionRange>,
}

impl Field {
    /// Returns whether the field may be null in `version`.
    pub(crate) fn is_nullable(&self, version: i16) -> bool {
        self.nullable
            .is_some_and(|versions| versions.contains(version))
    }
}

/// What a field holds.
#[derive(Debug)]
pub(crate) enum Kind {
    /// One byte that is 0 or 1.
    Bool,
    /// A number or an id of so many bytes.
    Fixed(usize),
    /// Text with a short length.
    String,
    /// Bytes or record batches with a long length.
    Bytes,
    /// A count and so many values.
    Array(Box<Self>),
    /// Fields one after the other, then tagged ones in flexible versions.
    Structure(Vec<Field>),
}

const ALL_VERSIONS: VersionRange = VersionRange {
    min: 0,
    max: i16::MAX,
};

/// Reads a description.
pub(crate) fn parse(text: &'static str) -> Vec<Field> {
    let mut parser = Parser { rest: text };
    let fields = parser.fields();
    assert!(
        parser.rest.is_empty(),
        "nothing may follow the last field: {}",
        parser.rest
    );
    fields
}

struct Parser {
    rest: &'static str,
}

impl Parser {
    fn fields(&mut self) -> Vec<Field> {
        let mut fields = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with('}') {
            fields.push(self.field());
            self.eat(' ');
        }
        fields
    }

    fn field(&mut self) -> Field {
        let name = self.word();
        let tag = self.eat('#').then(|| self.number().unsigned_abs().into());
        assert!(self.eat(':'), "a type must follow {name}");
        let kind = self.kind();
        let versions = if self.eat('@') {
            self.versions()
        } else {
            ALL_VERSIONS
        };
        let nullable = self.eat('?').then(|| {
            let explicit = self.rest.starts_with(|c: char| c.is_ascii_digit());
            if explicit {
                self.versions()
            } else {
                ALL_VERSIONS
            }
        });
        Field {
            name,
            tag,
            kind,
            versions,
            nullable,
        }
    }

    fn kind(&mut self) -> Kind {
        if self.eat('[') {
            let element = self.kind();
            assert!(self.eat(']'), "an array must end");
            return Kind::Array(Box::new(element));
        }
        if self.eat('{') {
            let fields = self.fields();
            assert!(self.eat('}'), "a structure must end");
            return Kind::Structure(fields);
        }
        match self.word() {
            "bool" => Kind::Bool,
            "i8" => Kind::Fixed(1),
            "i16" => Kind::Fixed(2),
            "i32" => Kind::Fixed(4),
            "i64" => Kind::Fixed(8),
            "uuid" => Kind::Fixed(16),
            "str" => Kind::String,
            "bytes" | "records" => Kind::Bytes,
            other => unreachable!("no type is called {other:?}"),
        }
    }

    fn versions(&mut self) -> VersionRange {
        let min = self.number();
        let max = match () {
            () if self.eat('+') => i16::MAX,
            () if self.eat('-') => self.number(),
            () => min,
        };
        VersionRange { min, max }
    }

    fn number(&mut self) -> i16 {
        let digits = self.word();
        digits
            .parse()
            .expect("a version or tag in the notation is a small number")
    }

    /// Takes letters, digits and underscores.
    fn word(&mut self) -> &'static str {
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn eat(&mut self, expected: char) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}
