//! Tests that go through more than one module.
//!
//! - `sample`: random valid bodies made from the layouts.
//! - `schema`: layouts, codecs of the `kafka-protocol` crate and codecs of our own agree.
//! - `hostile`: no input panics or reserves memory on the word of a length.
//! - `hot_path`: `Produce` and `Fetch` against the `kafka-protocol` crate.
//! - `conversation`: whole frames, including answers to what is not served.
//! - `coverage`: `docs/kip-coverage.md` is what the table says.

mod conversation;
mod coverage;
mod hostile;
mod hot_path;
mod sample;
mod schema;
