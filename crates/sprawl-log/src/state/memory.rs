//! A state store without a disk, for tests and simulation: a crash loses what was not flushed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{ColumnFamily, Pairs, StateError, StateStore, WriteBatch, full_key};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keeps state in memory; [`MemoryStore::lose_unflushed`] is its crash.
#[derive(Debug, Default)]
pub struct MemoryStore {
    maps: Mutex<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    current: Map,
    flushed: Map,
}

impl MemoryStore {
    /// Forgets everything written since the last flush, as a crash does.
    pub fn lose_unflushed(&self) {
        let mut maps = self.maps();
        maps.current = maps.flushed.clone();
    }

    fn maps(&self) -> std::sync::MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for MemoryStore {
    fn get(&self, family: ColumnFamily, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.maps().current.get(&full_key(family, key)).cloned())
    }

    fn scan(&self, family: ColumnFamily, prefix: &[u8]) -> Result<Pairs, StateError> {
        self.scan_from(family, prefix, prefix, usize::MAX)
    }

    fn scan_from(
        &self,
        family: ColumnFamily,
        prefix: &[u8],
        from: &[u8],
        count: usize,
    ) -> Result<Pairs, StateError> {
        let (prefix, from) = (full_key(family, prefix), full_key(family, from));
        let maps = self.maps();
        let pairs = maps
            .current
            .range(from..)
            .take_while(|(key, _)| key.starts_with(&prefix))
            .take(count);
        Ok(pairs
            .map(|(key, value)| (key.get(1..).unwrap_or_default().to_vec(), value.clone()))
            .collect())
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StateError> {
        let mut maps = self.maps();
        for (key, value) in batch.changes {
            match value {
                Some(value) => drop(maps.current.insert(key, value)),
                None => drop(maps.current.remove(&key)),
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StateError> {
        let mut maps = self.maps();
        maps.flushed = maps.current.clone();
        Ok(())
    }

    fn reset(&self) -> Result<(), StateError> {
        *self.maps() = Maps::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_loses_what_was_not_flushed() {
        let store = MemoryStore::default();
        let mut batch = WriteBatch::default();
        batch.put(ColumnFamily::Store, b"a", b"1".to_vec());
        store.write(batch).unwrap();
        store.flush().unwrap();
        let mut batch = WriteBatch::default();
        batch.delete(ColumnFamily::Store, b"a");
        batch.put(ColumnFamily::Store, b"ab", b"2".to_vec());
        store.write(batch).unwrap();
        assert_eq!(store.get(ColumnFamily::Store, b"a").unwrap(), None);
        store.lose_unflushed();
        assert_eq!(
            store.scan(ColumnFamily::Store, b"a").unwrap(),
            vec![(b"a".to_vec(), b"1".to_vec())]
        );
        assert_eq!(store.scan(ColumnFamily::Partition, b"").unwrap(), vec![]);
    }
}
