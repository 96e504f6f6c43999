//! Suggests the closest valid name for a wrong one.

use std::cmp::Reverse;

/// Sorts `names` by their likeness to `wrong`, the closest first.
pub fn by_likeness<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by_cached_key(|name| {
        (strsim::damerau_levenshtein(wrong, name), Reverse(common_start(wrong, name)), (*name).to_owned())
    });
    names
}

/// Returns the name that `wrong` is probably a slip of: at most a third of it, or two characters, differ.
pub fn meant<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likest = by_likeness(wrong, names).into_iter().next()?;
    let slips = strsim::damerau_levenshtein(wrong, likest);
    (slips <= (wrong.chars().count() / 3).max(2)).then_some(likest)
}

/// Returns a question with the name that was probably meant, to be appended to an error; empty if no name is close.
pub fn question<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    meant(wrong, names).map(|name| format!(" (is {name} meant?)")).unwrap_or_default()
}

fn common_start(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likest_comes_first() {
        assert_eq!(by_likeness("udpport", ["vtep", "ttl", "udp_port"])[0], "udp_port");
    }

    #[test]
    fn equal_distances_are_settled_by_the_common_start() {
        assert_eq!(by_likeness("eth2", ["xth2", "eth1"]), ["eth1", "xth2"]);
    }

    #[test]
    fn far_names_are_not_what_was_meant() {
        assert_eq!(meant("wlan-uplink", ["lo", "eth0"]), None);
        assert_eq!(meant("eht0", ["lo", "eth0"]), Some("eth0"));
    }
}
