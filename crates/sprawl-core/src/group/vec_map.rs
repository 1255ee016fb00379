//! How is a small map kept in little memory? Sorted, in one allocation that grows by one while it
//! is small.
//!
//! Most groups read a topic or two, and ten thousand of them may have nothing to do. The nodes of a
//! tree have room for eleven entries each, which costs such groups more than all else about them.
//! Finding is O(log entries), a new entry in the middle O(entries).

use std::borrow::Borrow;

/// From here on an allocation grows in larger steps.
const SMALL_MAX: usize = 8;

/// A sorted map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::group) struct VecMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for VecMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> VecMap<K, V> {
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0
            .binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    pub(in crate::group) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let index = self.find(key).ok()?;
        self.0.get(index).map(|(_, value)| value)
    }

    pub(in crate::group) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let index = self.find(key).ok()?;
        self.0.get_mut(index).map(|(_, value)| value)
    }

    /// The value of `key`, put there if there is none.
    pub(in crate::group) fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let index = match self.find(&key) {
            Ok(index) => index,
            Err(index) => {
                self.insert_at(index, key, V::default());
                index
            }
        };
        &mut self.0[index].1
    }

    /// Puts a value and returns the one that it replaces.
    pub(in crate::group) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(index) => Some(std::mem::replace(&mut self.0[index].1, value)),
            Err(index) => {
                self.insert_at(index, key, value);
                None
            }
        }
    }

    fn insert_at(&mut self, index: usize, key: K, value: V) {
        if self.0.len() < SMALL_MAX {
            self.0.reserve_exact(1);
        }
        self.0.insert(index, (key, value));
    }

    pub(in crate::group) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let index = self.find(key).ok()?;
        Some(self.0.remove(index).1)
    }

    pub(in crate::group) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(in crate::group) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(in crate::group) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(in crate::group) fn len(&self) -> usize {
        self.0.len()
    }

    pub(in crate::group) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for VecMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn does_what_a_tree_does(ops in prop::collection::vec((0_u8..20, any::<bool>()), 0..80)) {
            let (mut map, mut tree) = (VecMap::default(), BTreeMap::new());
            for (at, (key, is_put)) in ops.into_iter().enumerate() {
                if is_put {
                    prop_assert_eq!(map.insert(key, at), tree.insert(key, at));
                } else {
                    prop_assert_eq!(map.remove(&key), tree.remove(&key));
                }
                prop_assert_eq!(map.get(&key), tree.get(&key));
                prop_assert!(map.iter().eq(tree.iter()));
                prop_assert!(map.keys().eq(tree.keys()) && map.values().eq(tree.values()));
                let collected: VecMap<_, _> = tree.clone().into_iter().collect();
                prop_assert_eq!(&collected, &map);
                prop_assert_eq!((map.len(), map.is_empty()), (tree.len(), tree.is_empty()));
            }
        }
    }

    #[test]
    fn small_map_has_no_room_to_spare() {
        let mut map = VecMap::default();
        for key in 0..5 {
            *map.or_default(key) = [0_u64; 9];
            assert_eq!(map.0.capacity(), map.len());
        }
    }
}
