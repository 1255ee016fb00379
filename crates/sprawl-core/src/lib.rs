//! Pure state machines: partition, group, configuration, metadata image.
