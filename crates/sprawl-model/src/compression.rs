//! The five codecs of the record batch format, with a cap on every decompression.
