//! Kafka wire protocol: frames, versions, request and response types; bytes in, values out.
