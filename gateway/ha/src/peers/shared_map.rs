//! Ordered map whose copies share their common parts (a persistent treap).
//!
//! A copy costs nothing, a change costs as much as the depth of the tree, and two copies are compared along the paths
//! on which they differ. A set of many thousand stations can therefore be passed from task to task as a value, and the
//! receiver of the next version finds the changes without reading the rest.
//!
//! It is a treap: a search tree by key that is a heap by a priority, which is a keyed hash of the key. Two maps with
//! the same keys therefore have the same shape, in whatever order they were built, and no choice of keys can make the
//! tree deep.

use std::{
    borrow::Borrow,
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    ops::ControlFlow,
    sync::{Arc, LazyLock},
};

/// The key of the hash, one for all maps of the process.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

type Link<K, V> = Option<Arc<Node<K, V>>>;

#[derive(Clone)]
struct Node<K, V> {
    key: K,
    value: V,
    priority: u64,
    left: Link<K, V>,
    right: Link<K, V>,
}

impl<K: Ord, V> Node<K, V> {
    /// Returns true if this node is above the other one in a tree that has both.
    fn outranks(&self, other: &Self) -> bool {
        (self.priority, &self.key) > (other.priority, &other.key)
    }
}

/// See the [module](self).
pub(super) struct SharedMap<K, V> {
    root: Link<K, V>,
    len: usize,
}

impl<K, V> SharedMap<K, V> {
    /// Returns the number of entries.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Returns true if there is no entry.
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns true if both are one value: no change was made since one was copied from the other.
    pub(super) fn is(&self, other: &Self) -> bool {
        same(&self.root, &other.root)
    }

    /// Returns all entries in the order of their keys.
    pub(super) fn iter(&self) -> Iter<'_, K, V> {
        let mut iter = Iter { above: Vec::new() };
        iter.descend(&self.root);
        iter
    }
}

impl<K: Ord + Clone + Hash, V: Clone + PartialEq> SharedMap<K, V> {
    /// Returns the value of a key.
    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let mut link = &self.root;
        while let Some(node) = link {
            link = match key.cmp(node.key.borrow()) {
                std::cmp::Ordering::Less => &node.left,
                std::cmp::Ordering::Equal => return Some(&node.value),
                std::cmp::Ordering::Greater => &node.right,
            };
        }
        None
    }

    /// Sets the value of a key. Returns its previous value.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        // Without a change the paths stay shared.
        if let Some(known) = self.get(&key)
            && *known == value
        {
            return Some(value);
        }
        let priority = HASHER.hash_one(&key);
        let before = put(&mut self.root, Node { key, value, priority, left: None, right: None });
        self.len += usize::from(before.is_none());
        before
    }

    /// Removes a key. Returns its value.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.get(key)?;
        let before = take(&mut self.root, key);
        self.len -= usize::from(before.is_some());
        before
    }

    /// Returns the entries after `key`, in the order of their keys.
    pub(super) fn after(&self, key: &K) -> Iter<'_, K, V> {
        let mut iter = Iter { above: Vec::new() };
        let mut link = &self.root;
        while let Some(node) = link {
            link = if node.key > *key {
                iter.above.push(node);
                &node.left
            } else {
                &node.right
            };
        }
        iter
    }

    /// Calls `found` with each entry that differs from `before`, in the order of the keys: the key, its value in
    /// `before`, and its value here. The cost is proportional to the number of differences if one was copied from the
    /// other.
    pub(super) fn differences(&self, before: &Self, mut found: impl FnMut(&K, Option<&V>, Option<&V>)) {
        let _: ControlFlow<()> = differences(&before.root, &self.root, &mut |key, before, now| {
            found(key, before, now);
            ControlFlow::Continue(())
        });
    }
}

fn same<K, V>(a: &Link<K, V>, b: &Link<K, V>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

fn put<K: Ord + Clone, V: Clone>(link: &mut Link<K, V>, new: Node<K, V>) -> Option<V> {
    match link {
        Some(node) if node.key == new.key => Some(std::mem::replace(&mut Arc::make_mut(node).value, new.value)),
        Some(node) if node.outranks(&new) => {
            let node = Arc::make_mut(node);
            put(if new.key < node.key { &mut node.left } else { &mut node.right }, new)
        }
        // If the key were below, it would outrank this node.
        _ => {
            let (left, right) = split(link.take(), &new.key);
            *link = Some(Arc::new(Node { left, right, ..new }));
            None
        }
    }
}

fn take<K: Ord + Clone, V: Clone>(link: &mut Link<K, V>, key: &K) -> Option<V> {
    let node = link.as_mut()?;
    match key.cmp(&node.key) {
        std::cmp::Ordering::Less => take(&mut Arc::make_mut(node).left, key),
        std::cmp::Ordering::Greater => take(&mut Arc::make_mut(node).right, key),
        std::cmp::Ordering::Equal => {
            let Node { value, left, right, .. } = Arc::unwrap_or_clone(link.take()?);
            *link = merge(left, right);
            Some(value)
        }
    }
}

/// Splits a tree without `key` into the entries less than `key`, and those greater.
fn split<K: Ord + Clone, V: Clone>(link: Link<K, V>, key: &K) -> (Link<K, V>, Link<K, V>) {
    let Some(mut shared) = link else { return (None, None) };
    let node = Arc::make_mut(&mut shared);
    if node.key < *key {
        let (less, greater) = split(node.right.take(), key);
        node.right = less;
        (Some(shared), greater)
    } else {
        let (less, greater) = split(node.left.take(), key);
        node.left = greater;
        (less, Some(shared))
    }
}

/// Merges two trees. All keys of the first must be less than all of the second.
fn merge<K: Ord + Clone, V: Clone>(less: Link<K, V>, greater: Link<K, V>) -> Link<K, V> {
    match (less, greater) {
        (None, one) | (one, None) => one,
        (Some(mut less), Some(mut greater)) => {
            if less.outranks(&greater) {
                let node = Arc::make_mut(&mut less);
                node.right = merge(node.right.take(), Some(greater));
                Some(less)
            } else {
                let node = Arc::make_mut(&mut greater);
                node.left = merge(Some(less), node.left.take());
                Some(greater)
            }
        }
    }
}

type Found<'f, K, V> = dyn FnMut(&K, Option<&V>, Option<&V>) -> ControlFlow<()> + 'f;

fn differences<K: Ord + Clone, V: Clone + PartialEq>(
    before: &Link<K, V>,
    now: &Link<K, V>,
    found: &mut Found<'_, K, V>,
) -> ControlFlow<()> {
    if same(before, now) {
        return ControlFlow::Continue(());
    }
    // The node that is above the other in a tree of both. The other tree has it in that place or not at all.
    let top = match (before, now) {
        (Some(before), Some(now)) if before.outranks(now) => before,
        (_, Some(now)) => now,
        (Some(before), None) => before,
        (None, None) => return ControlFlow::Continue(()),
    };
    let before = at(before, &top.key);
    let now = at(now, &top.key);
    differences(&before.0, &now.0, found)?;
    if before.1 != now.1 {
        found(&top.key, before.1, now.1)?;
    }
    differences(&before.2, &now.2, found)
}

/// Returns the entries less than `key`, its own value, and the entries greater.
fn at<'l, K: Ord + Clone, V: Clone>(link: &'l Link<K, V>, key: &K) -> (Link<K, V>, Option<&'l V>, Link<K, V>) {
    match link {
        Some(node) if node.key == *key => (node.left.clone(), Some(&node.value), node.right.clone()),
        _ => {
            let (less, greater) = split(link.clone(), key);
            (less, None, greater)
        }
    }
}

/// Entries of a [`SharedMap`] in the order of their keys.
pub(super) struct Iter<'m, K, V> {
    /// Nodes whose entry and right side were not returned yet, the next one last.
    above: Vec<&'m Node<K, V>>,
}

impl<'m, K, V> Iter<'m, K, V> {
    fn descend(&mut self, mut link: &'m Link<K, V>) {
        while let Some(node) = link {
            self.above.push(node);
            link = &node.left;
        }
    }
}

impl<'m, K, V> Iterator for Iter<'m, K, V> {
    type Item = (&'m K, &'m V);

    fn next(&mut self) -> Option<Self::Item> {
        let node = self.above.pop()?;
        self.descend(&node.right);
        Some((&node.key, &node.value))
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { root: None, len: 0 }
    }
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), len: self.len }
    }
}

impl<K: Ord + Clone + Hash, V: Clone + PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len
            && differences(&other.root, &self.root, &mut |_, _, _| ControlFlow::Break(())).is_continue()
    }
}

impl<K: Ord + Clone + Hash, V: Clone + Eq> Eq for SharedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone + Hash, V: Clone + PartialEq> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
#[path = "shared_map_tests.rs"]
mod tests;
