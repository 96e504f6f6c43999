use std::{cell::Cell, cmp::Ordering, collections::BTreeMap, hash::Hasher};

use proptest::prelude::*;

use super::*;

thread_local! {
    static COMPARED: Cell<u64> = const { Cell::new(0) };
}

/// A key that counts its comparisons: one or a few for each node that is visited.
#[derive(Clone, Debug)]
struct Counted(u32);

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARED.set(COMPARED.get() + 1);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Counted {}

/// Returns the number of key comparisons during `work`.
fn compared(work: impl FnOnce()) -> u64 {
    let before = COMPARED.get();
    work();
    COMPARED.get() - before
}

/// Returns the comparisons for one change of a map of `many` entries that is shared with a copy, including its
/// comparison with the copy.
fn cost_of_a_change(many: u32) -> u64 {
    const CHANGES: u32 = 200;
    let mut map: SharedMap<Counted, u8> = (0..many).map(|number| (Counted(number * 2), 0)).collect();
    let spent = compared(|| {
        for round in 0..CHANGES {
            let before = map.clone();
            let number = round * (many / CHANGES).max(1);
            map.insert(Counted(number * 2 + 1), 1);
            map.remove(&Counted(number * 2));
            let mut differences = 0;
            map.differences(&before, |_, _, _| differences += 1);
            assert!(differences == 2 && map != before);
        }
    });
    spent / u64::from(CHANGES)
}

#[test]
fn a_change_costs_a_few_steps_however_many_entries_there_are() {
    let (few, many) = (cost_of_a_change(1000), cost_of_a_change(100_000));
    // A tree of a hundred times as many entries is 1.7 times as deep.
    assert!(many < few * 3, "{few} comparisons of 1000 entries, {many} of 100,000");
    assert!(many < 2000, "{many} comparisons");
}

#[test]
fn a_copy_is_the_same_value_until_it_is_changed() {
    let map: SharedMap<u32, u8> = (0..100).map(|number| (number, 0)).collect();
    let mut copy = map.clone();
    copy.insert(5, 0);
    copy.remove(&200);
    assert!(copy.is(&map), "nothing has changed");
    copy.insert(5, 1);
    assert!(!copy.is(&map) && copy != map);
    copy.insert(5, 0);
    assert_eq!(copy, map);
}

#[test]
fn the_shape_does_not_depend_on_the_order() {
    fn shape(link: &Link<u32, u8>) -> Vec<u32> {
        link.iter().flat_map(|node| [vec![node.key], shape(&node.left), shape(&node.right)].concat()).collect()
    }
    let forwards: SharedMap<u32, u8> = (0..500).map(|number| (number, 0)).collect();
    let mut backwards: SharedMap<u32, u8> = (0..600).rev().map(|number| (number, 0)).collect();
    for number in 500..600 {
        backwards.remove(&number);
    }
    assert_eq!(shape(&forwards.root), shape(&backwards.root));
}

proptest! {
    /// Compares with the map of the standard library. There are few keys, so that collisions occur.
    #[test]
    fn a_map_as_any_other(steps in prop::collection::vec((0..200u32, prop::option::of(0..3u8)), 0..600), from in 0..200u32) {
        let (mut map, mut model) = (SharedMap::default(), BTreeMap::new());
        let (mut old, mut old_model) = (map.clone(), model.clone());
        for (i, (key, value)) in steps.iter().enumerate() {
            let (before, model_before) = match value {
                Some(value) => (map.insert(*key, *value), model.insert(*key, *value)),
                None => (map.remove(key), model.remove(key)),
            };
            prop_assert_eq!(before, model_before);
            prop_assert_eq!(map.get(key), model.get(key));
            if i == steps.len() / 2 {
                (old, old_model) = (map.clone(), model.clone());
            }
        }
        prop_assert_eq!(map.len(), model.len());
        prop_assert!(map.iter().eq(model.iter()));
        prop_assert!(old.iter().eq(old_model.iter()), "a copy stays as it is");
        prop_assert!(map.after(&from).eq(model.range(from + 1..)));
        let keys = model.keys().chain(old_model.keys()).copied().collect::<std::collections::BTreeSet<_>>();
        let expected = keys.into_iter().map(|key| (key, old_model.get(&key).copied(), model.get(&key).copied()));
        let expected: Vec<_> = expected.filter(|(_, before, now)| before != now).collect();
        let mut found = Vec::new();
        map.differences(&old, |key, before, now| found.push((*key, before.copied(), now.copied())));
        prop_assert_eq!(found, expected);
        prop_assert_eq!(map == old, model == old_model);
    }
}
