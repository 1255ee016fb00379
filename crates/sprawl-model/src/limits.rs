//! Named caps shared by several crates.
