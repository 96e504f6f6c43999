//! Statistics of many runs.

/// Returns the median, the higher one of two: a timer interrupt in one run, or the slow path of a helper in another,
/// does not change it. 0 if there is none.
pub fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_in_the_middle_is_not_moved_by_one_far_off() {
        assert_eq!(median(vec![7, 9000, 5]), 7);
        assert_eq!(median(vec![4, 3, 2, 1]), 3);
        assert_eq!(median(vec![]), 0);
    }
}
