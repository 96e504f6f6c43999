//! Parser of the counts that the test target prints.

use std::collections::BTreeMap;

/// Prefix of each count.
const MARKER: &str = "instructions: ";

/// Instructions per packet, by the name of the path.
pub(super) type Counts = BTreeMap<String, u64>;

/// Adds the count in a line of the console, if there is one: `instructions: xdp_decap_first 512`.
pub(super) fn read(line: &str, counts: &mut Counts) {
    // The kernel may have printed text of its own before it on the same line.
    if let Some((_, measured)) = line.split_once(MARKER)
        && let Some((path, count)) = measured.split_once(' ')
        && let Ok(count) = count.parse()
    {
        counts.insert(path.to_owned(), count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts_of(console: &str) -> Vec<(String, u64)> {
        let mut counts = Counts::new();
        for line in console.lines() {
            read(line, &mut counts);
        }
        counts.into_iter().collect()
    }

    #[test]
    fn a_count_is_read_also_behind_output_of_the_kernel() {
        let console = "instructions: tc_decap 7\n[    1.000000] instructions: xdp_decap 512";
        assert_eq!(counts_of(console), [("tc_decap".to_owned(), 7), ("xdp_decap".to_owned(), 512)]);
    }

    #[test]
    fn other_lines_are_no_counts() {
        for line in ["init: Linux 6.12.1", "error: 1000 instructions took 78 ns", "instructions: half a", ""] {
            assert_eq!(counts_of(line), [], "{line}");
        }
    }
}
