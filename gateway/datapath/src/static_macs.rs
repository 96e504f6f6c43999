//! Compact store of the static MACs, of which there may be a hundred thousand.

use gateway_base::interner::Interner;
use gateway_common::fdb::{FdbEntry, FdbKey, Target};
use hashbrown::HashMap;

/// Static MACs of map `fdb`. There are far fewer places than MACs, so each place is stored once.
#[derive(Clone, Debug, Default)]
pub struct StaticMacs {
    numbers: HashMap<FdbKey, u32>,
    entries: Interner<FdbEntry>,
}

impl StaticMacs {
    /// Returns the number of MACs.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Returns the entry of `key`.
    pub fn get(&self, key: &FdbKey) -> Option<FdbEntry> {
        self.numbers.get(key).map(|number| self.entries.value(*number))
    }

    /// Returns true if `key` is static.
    pub fn contains_key(&self, key: &FdbKey) -> bool {
        self.numbers.contains_key(key)
    }

    /// Records the entry of `key`.
    pub fn insert(&mut self, key: FdbKey, entry: FdbEntry) {
        let number = self.entries.hold(entry);
        if let Some(before) = self.numbers.insert(key, number) {
            self.entries.release(before);
        }
    }

    /// Removes the entry of `key`.
    pub fn remove(&mut self, key: &FdbKey) {
        if let Some(before) = self.numbers.remove(key) {
            self.entries.release(before);
        }
    }

    /// Iterates over all entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (FdbKey, FdbEntry)> + '_ {
        self.numbers.iter().map(|(key, number)| (*key, self.entries.value(*number)))
    }

    /// Iterates over the places of MACs, each with the number of its MACs. Costs O(places).
    pub fn places(&self) -> impl Iterator<Item = (Target, u32)> + '_ {
        self.entries.held().map(|(entry, count)| (entry.to, count))
    }

    /// Iterates over the keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &FdbKey> + '_ {
        self.numbers.keys()
    }
}

impl FromIterator<(FdbKey, FdbEntry)> for StaticMacs {
    fn from_iter<I: IntoIterator<Item = (FdbKey, FdbEntry)>>(entries: I) -> Self {
        let mut macs = Self::default();
        entries.into_iter().for_each(|(key, entry)| macs.insert(key, entry));
        macs
    }
}

/// Equal if the entries are equal, whatever the numbers.
impl PartialEq for StaticMacs {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(key, entry)| other.get(&key) == Some(entry))
    }
}

impl Eq for StaticMacs {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gateway_common::fdb::STATIC;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Compares with the map of the standard library, with few MACs and places, so that they collide.
        #[test]
        fn a_map_as_any_other(steps in prop::collection::vec((0..20u8, prop::option::of(0..4u32)), 0..200)) {
            let (mut macs, mut model) = (StaticMacs::default(), BTreeMap::new());
            for (mac, place) in steps {
                let key = FdbKey::new(1, [2, 0, 0, 0, 0, mac]);
                match place {
                    Some(tunnel) => {
                        let entry = FdbEntry { to: Target::remote(tunnel, 1), seen: 0, origin: STATIC, flags: 0 };
                        macs.insert(key, entry);
                        model.insert(key, entry);
                    }
                    None => {
                        macs.remove(&key);
                        model.remove(&key);
                    }
                }
                prop_assert_eq!(macs.get(&key), model.get(&key).copied());
            }
            prop_assert_eq!(macs.iter().collect::<BTreeMap<_, _>>(), model.clone());
            prop_assert_eq!(macs, model.into_iter().collect());
        }
    }
}
