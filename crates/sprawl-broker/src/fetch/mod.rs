//! Reading for consumers: sessions, bounds, the read itself, and the wait for more.

pub(crate) mod read;
pub(crate) mod session;
