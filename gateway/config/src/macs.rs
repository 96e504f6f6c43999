//! Map of the stations of a logical switch by MAC, cheap to copy and to compare.
//!
//! Each change of one MAC takes a snapshot of its switch, which may have 100,000 MACs. Therefore the sorted entries are
//! kept in small blocks that copies share. A change rewrites one block, and two versions differ only where their blocks
//! are not the same.

use std::{cmp::Ordering, collections::HashSet, fmt, ops::Index, sync::Arc};

use gateway_common::net::MacAddr;

use crate::rows::Location;

/// Most entries of a block.
const BLOCK: usize = 256;

/// Spare entries allocated for a full block; few, since it may stay unchanged for long.
const SLACK: usize = 8;

/// Block of entries. Locations are shared, since there are few of them.
type Block = Vec<(MacAddr, Arc<Location>)>;

/// Sorted map from MAC to [`Location`].
#[derive(Clone, Default)]
pub struct Macs {
    /// Blocks; none is empty, and all MACs of a block are less than those of the next.
    blocks: Vec<Arc<Block>>,
    len: usize,
}

impl Macs {
    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the location of `mac`.
    pub fn get(&self, mac: &MacAddr) -> Option<&Location> {
        let block = self.blocks.get(self.block_of(mac))?;
        let at = block.binary_search_by_key(mac, |(mac, _)| *mac).ok()?;
        Some(&block[at].1)
    }

    /// Sets the location of `mac`, and returns the previous one.
    pub fn insert(&mut self, mac: MacAddr, location: impl Into<Arc<Location>>) -> Option<Arc<Location>> {
        let location = location.into();
        // A MAC greater than all entries goes to the last block.
        let i = self.block_of(&mac).min(self.blocks.len().saturating_sub(1));
        let Some(shared) = self.blocks.get_mut(i) else {
            self.blocks.push(Arc::new(vec![(mac, location)]));
            self.len = 1;
            return None;
        };
        let block = Arc::make_mut(shared);
        match block.binary_search_by_key(&mac, |(mac, _)| *mac) {
            Ok(at) => Some(std::mem::replace(&mut block[at].1, location)),
            Err(at) => {
                if block.len() == block.capacity() {
                    block.reserve_exact(SLACK);
                }
                block.insert(at, (mac, location));
                if block.len() > BLOCK {
                    let upper = block.split_off(BLOCK / 2);
                    block.shrink_to_fit();
                    self.blocks.insert(i + 1, Arc::new(upper));
                }
                self.len += 1;
                None
            }
        }
    }

    /// Removes `mac`, and returns its location.
    pub fn remove(&mut self, mac: &MacAddr) -> Option<Arc<Location>> {
        let i = self.block_of(mac);
        let at = self.blocks.get(i)?.binary_search_by_key(mac, |(mac, _)| *mac).ok()?;
        let block = Arc::make_mut(&mut self.blocks[i]);
        let (_, location) = block.remove(at);
        self.len -= 1;
        if block.is_empty() {
            self.blocks.remove(i);
        } else {
            // Join with both neighbours, so that few blocks are left in any order of removals.
            self.join(i);
            i.checked_sub(1).into_iter().for_each(|before| self.join(before));
        }
        Some(location)
    }

    /// Returns all entries in the order of their MACs.
    pub fn iter(&self) -> impl Iterator<Item = (&MacAddr, &Location)> {
        self.blocks.iter().flat_map(|block| block.iter()).map(|(mac, location)| (mac, &**location))
    }

    /// Returns all locations, in the order of the MACs.
    pub fn values(&self) -> impl Iterator<Item = &Location> {
        self.iter().map(|(_, location)| location)
    }

    /// Returns the MACs, sorted, whose location differs from `other`, or that are in only one of the two. The cost is
    /// proportional to the changes since one was copied from the other, plus a little for each 100 MACs.
    pub fn differing(&self, other: &Self) -> Vec<MacAddr> {
        let (theirs, mine) = (other.blocks(), self.blocks());
        let (mut mine, mut theirs) = (self.unshared(&theirs).peekable(), other.unshared(&mine).peekable());
        let mut differing = Vec::new();
        loop {
            let order = match (mine.peek(), theirs.peek()) {
                (Some(mine), Some(theirs)) => mine.0.cmp(&theirs.0),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return differing,
            };
            let own = if order.is_le() { mine.next() } else { None };
            let other = if order.is_ge() { theirs.next() } else { None };
            if own != other {
                differing.extend(own.or(other).map(|(mac, _)| *mac));
            }
        }
    }

    fn blocks(&self) -> HashSet<*const Block> {
        self.blocks.iter().map(Arc::as_ptr).collect()
    }

    /// Returns the entries in blocks other than `shared`, in the order of their MACs.
    fn unshared(&self, shared: &HashSet<*const Block>) -> impl Iterator<Item = &(MacAddr, Arc<Location>)> {
        self.blocks.iter().filter(|block| !shared.contains(&Arc::as_ptr(block))).flat_map(|block| block.iter())
    }

    /// Merges block `i` with the next one if they fill at most half a block together.
    fn join(&mut self, i: usize) {
        let (Some(block), Some(next)) = (self.blocks.get(i), self.blocks.get(i + 1)) else { return };
        if block.len() + next.len() <= BLOCK / 2 {
            let next = self.blocks.remove(i + 1);
            Arc::make_mut(&mut self.blocks[i]).extend(next.iter().cloned());
        }
    }

    /// Returns the index of the only block that can contain `mac`; past the last if `mac` is greater than all entries.
    fn block_of(&self, mac: &MacAddr) -> usize {
        self.blocks.partition_point(|block| block.last().is_some_and(|(last, _)| last < mac))
    }
}

impl PartialEq for Macs {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.differing(other).is_empty()
    }
}

impl Eq for Macs {}

impl fmt::Debug for Macs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl FromIterator<(MacAddr, Location)> for Macs {
    fn from_iter<I: IntoIterator<Item = (MacAddr, Location)>>(entries: I) -> Self {
        let mut macs = Self::default();
        for (mac, location) in entries {
            macs.insert(mac, location);
        }
        macs
    }
}

impl Index<&MacAddr> for Macs {
    type Output = Location;

    fn index(&self, mac: &MacAddr) -> &Location {
        self.get(mac).unwrap_or_else(|| panic!("no MAC {mac}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::rows::Remote;

    fn mac(number: u32) -> MacAddr {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddr([2, 0, a, b, c, d])
    }

    fn place(number: u8) -> Location {
        Location::Remote(Remote { address: [172, 31, 0, number].into(), vni: None })
    }

    fn many() -> Macs {
        (0..10_000).map(|i| (mac(i * 7919 % 10_007), place(1))).collect()
    }

    #[test]
    fn a_change_of_one_leaves_the_other_blocks_shared() {
        let (old, mut new) = (many(), many());
        new.clone_from(&old);
        new.insert(mac(5), place(2));
        let shared = new.blocks.iter().filter(|block| old.blocks.iter().any(|old| Arc::ptr_eq(old, block))).count();
        assert_eq!(shared, old.blocks.len() - 1);
    }

    #[test]
    fn blocks_stay_small_and_are_not_too_many() {
        let mut macs = many();
        assert!(macs.blocks.iter().all(|block| block.len() <= BLOCK));
        assert!(macs.blocks.len() <= 2 * 10_000 / BLOCK + 1, "{}", macs.blocks.len());
        for i in (0..10_007).filter(|i| i % 100 != 0) {
            macs.remove(&mac(i));
        }
        assert!(macs.blocks.len() <= 4 * macs.len() / BLOCK + 1, "{} for {}", macs.blocks.len(), macs.len());
    }

    #[test]
    fn equal_however_they_were_made() {
        let backwards: Macs = (0..1000).rev().map(|i| (mac(i), place(1))).collect();
        let forwards: Macs = (0..1000).map(|i| (mac(i), place(1))).collect();
        assert_eq!(backwards, forwards);
    }

    proptest! {
        /// Compares with the map of the standard library. Few MACs are used, so that collisions occur.
        #[test]
        fn a_map_as_any_other(steps in prop::collection::vec((0..600u32, prop::option::of(0..3u8)), 0..1500)) {
            let (mut macs, mut model) = (Macs::default(), BTreeMap::new());
            let (mut old, mut old_model) = (macs.clone(), model.clone());
            for (i, (number, to)) in steps.iter().enumerate() {
                let key = mac(*number);
                let (before, model_before) = match to {
                    Some(to) => (macs.insert(key, place(*to)), model.insert(key, place(*to))),
                    None => (macs.remove(&key), model.remove(&key)),
                };
                prop_assert_eq!(before.as_deref(), model_before.as_ref());
                prop_assert_eq!(macs.get(&key), model.get(&key));
                if i == steps.len() / 2 {
                    (old, old_model) = (macs.clone(), model.clone());
                }
            }
            prop_assert_eq!(macs.len(), model.len());
            prop_assert!(macs.iter().eq(model.iter()));
            let keys = model.keys().chain(old_model.keys());
            let expected: BTreeSet<MacAddr> = keys.filter(|key| model.get(key) != old_model.get(key)).copied().collect();
            prop_assert_eq!(macs.differing(&old), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
