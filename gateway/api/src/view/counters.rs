//! `show counters` and `show drops`.

use std::borrow::Cow;

use gateway_common::counters::{DropReason, Drops, PathCounter, Paths};
use serde::{Deserialize, Serialize};

/// Counter with its name, summed over all CPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// The name, as in the maps, the metrics and `docs/DROPS.md`.
    pub name: Cow<'static, str>,
    /// The count.
    pub count: u64,
    /// Its meaning, in one sentence.
    pub help: Cow<'static, str>,
}

impl Counter {
    /// Returns all drop reasons, in the order of their numbers.
    pub fn drops(counted: &Drops) -> Vec<Self> {
        let one = |reason: &DropReason| Self::new(reason.name(), counted.get(*reason), reason.text());
        DropReason::ALL.iter().map(one).collect()
    }

    /// Returns all path counters, in the order of their numbers.
    pub fn paths(counted: &Paths) -> Vec<Self> {
        let one = |which: &PathCounter| Self::new(which.name(), counted.get(*which), which.text());
        PathCounter::ALL.iter().map(one).collect()
    }

    const fn new(name: &'static str, count: u64, help: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), count, help: Cow::Borrowed(help) }
    }
}

const REFERENCE: &str = include_str!("../../../../docs/DROPS.md");

/// Returns the remedy for drops with the reason of this name: the text of `docs/DROPS.md`, on one line. Returns None if
/// no drop reason has this name.
pub fn remedy(name: &str) -> Option<String> {
    DropReason::ALL.iter().find(|reason| reason.name() == name)?;
    let (_, section) = REFERENCE.split_once(&format!("\n### `{name}` ("))?;
    let section = section.split("\n#").next()?;
    let (_, remedy) = section.split_once("*Remedy*:")?;
    let paragraph = remedy.split("\n\n").next()?;
    Some(paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_remedy_for_every_reason_and_for_nothing_else() {
        for reason in DropReason::ALL {
            let remedy = remedy(reason.name());
            assert!(remedy.as_ref().is_some_and(|text| text.len() > 10), "{}: {remedy:?}", reason.name());
        }
        assert_eq!(remedy("xdp_decap"), None);
        assert!(remedy("too_big").is_some_and(|text| !text.contains("*Where*") && !text.contains('\n')));
    }

    #[test]
    fn each_counter_is_shown_under_its_own_name() {
        let drops = Counter::drops(&Drops { too_big: 7, ..Drops::default() });
        assert_eq!(drops.len(), DropReason::ALL.len());
        let counted: Vec<_> = drops.iter().filter(|one| one.count > 0).map(|one| (&*one.name, one.count)).collect();
        assert_eq!(counted, [("too_big", 7)]);
    }
}
