//! Holds no code: see the manifest.
