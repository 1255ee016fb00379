//! The same store on RocksDB and real files.
