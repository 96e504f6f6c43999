//! Interner with reference counts, for few values that are held many times: a number stands for each value.

use std::hash::Hash;

use hashbrown::HashMap;

/// Assigns numbers to values. Keeps each value while its reference count is not zero.
#[derive(Clone, Debug)]
pub struct Interner<T> {
    numbers: HashMap<T, u32>,
    /// Values by number, each with its reference count. A number with count zero is free.
    values: Vec<(T, u32)>,
    free: Vec<u32>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new(), free: Vec::new() }
    }
}

impl<T: Copy + Eq + Hash> Interner<T> {
    /// Adds a reference to `value` and returns its number.
    pub fn hold(&mut self, value: T) -> u32 {
        if let Some(&number) = self.numbers.get(&value) {
            self.values[number as usize].1 += 1;
            return number;
        }
        let number = match self.free.pop() {
            Some(number) => {
                self.values[number as usize] = (value, 1);
                number
            }
            None => {
                self.values.push((value, 1));
                (self.values.len() - 1) as u32
            }
        };
        self.numbers.insert(value, number);
        number
    }

    /// Drops a reference to the value of `number`. The number becomes invalid with the last reference.
    pub fn release(&mut self, number: u32) {
        let (value, held) = &mut self.values[number as usize];
        *held -= 1;
        if *held == 0 {
            self.numbers.remove(value);
            self.free.push(number);
        }
    }

    /// Returns the value of a number that is held.
    pub fn value(&self, number: u32) -> T {
        self.values[number as usize].0
    }

    /// Returns the values that are held, each with its reference count.
    pub fn held(&self) -> impl Iterator<Item = (T, u32)> + '_ {
        self.values.iter().filter(|(_, held)| *held > 0).copied()
    }

    /// Returns the number of a value, if it is held.
    pub fn number(&self, value: &T) -> Option<u32> {
        self.numbers.get(value).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_for_each_value() {
        let mut interner = Interner::default();
        let (a, b) = (interner.hold('a'), interner.hold('b'));
        assert_ne!(a, b);
        assert_eq!(interner.hold('a'), a);
        assert_eq!((interner.value(a), interner.value(b)), ('a', 'b'));
        assert_eq!((interner.number(&'b'), interner.number(&'c')), (Some(b), None));
    }

    #[test]
    fn a_value_goes_when_it_is_held_no_more_and_its_number_is_used_again() {
        let mut interner = Interner::default();
        let a = interner.hold('a');
        interner.hold('a');
        interner.release(a);
        assert_eq!(interner.number(&'a'), Some(a));
        interner.release(a);
        assert_eq!(interner.number(&'a'), None);
        assert_eq!(interner.hold('b'), a);
        assert_eq!(interner.value(a), 'b');
    }
}
