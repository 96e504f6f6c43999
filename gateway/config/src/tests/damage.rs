//! Tests with damaged and random files: the loader must always return.

use proptest::prelude::*;

use super::{GOOD, parse};
use crate::ConfigError;

proptest! {
    #[test]
    fn arbitrary_text_does_not_panic(text in ".*") {
        if let Err(error) = parse(&text) {
            let shown = format!("{error:#}");
            prop_assert!(shown.starts_with("g.toml:"), "{}", shown);
        }
    }

    /// Removes bytes from a valid file and inserts others, which gets further in the loader than random text does.
    #[test]
    fn damaged_files_do_not_panic(cuts in prop::collection::vec((0..GOOD.len(), 0..8usize, "[\\[\\]{}=\"',.:#0-9a-zü\n-]{0,4}"), 1..6)) {
        let mut text = GOOD.to_owned();
        for (start, length, put) in cuts {
            let start = text.floor_char_boundary(start);
            let end = text.floor_char_boundary(start + length);
            text.replace_range(start..end, &put);
        }
        if let Err(error) = parse(&text) {
            let ConfigError::Invalid(problems) = &error else { panic!("{error}") };
            prop_assert!(!problems.list.is_empty());
            let shown = error.to_string();
            prop_assert!(shown.lines().all(|line| line.starts_with("g.toml:")), "{shown}");
        }
    }
}
