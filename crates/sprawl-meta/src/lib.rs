//! Replicated metadata on openraft: propose, watch, read index.
