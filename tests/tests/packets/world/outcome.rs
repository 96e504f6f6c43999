//! Results of running packets through programs.

use std::time::Duration;

use gateway_common::counters::{DropReason, Drops, PathCounter, Paths};

/// Verdict of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Drop,
    Redirect,
}

/// Result of running a packet through a program.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// The packet afterwards. At TC a VLAN tag is beside it, not in it.
    pub(crate) bytes: Vec<u8>,
    /// Run time of the program, as the kernel reports it.
    #[allow(dead_code, reason = "for the count of instructions")]
    pub(crate) took: Duration,
    pub(crate) drops: (Drops, Drops),
    pub(crate) paths: (Paths, Paths),
}

impl Outcome {
    /// Returns the reasons for which packets were dropped, or copies of one, with the counts.
    pub(crate) fn dropped(&self) -> Vec<(DropReason, u64)> {
        let reasons = DropReason::ALL.iter();
        let counted = reasons.map(|reason| (*reason, self.drops.1.get(*reason) - self.drops.0.get(*reason)));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// Returns how often it was counted on a path.
    pub(crate) fn counted(&self, path: PathCounter) -> u64 {
        self.paths.1.get(path) - self.paths.0.get(path)
    }

    /// Asserts that it was dropped for this reason and no other.
    #[track_caller]
    pub(crate) fn is_dropped(&self, reason: DropReason) {
        assert_eq!((self.verdict, self.dropped()), (Verdict::Drop, vec![(reason, 1)]));
    }

    /// Asserts that it was passed up the stack, and not counted as anything.
    #[track_caller]
    pub(crate) fn is_passed(&self, packet: &[u8]) {
        assert_eq!((self.verdict, self.dropped()), (Verdict::Pass, vec![]));
        assert_eq!(self.bytes, packet, "a packet that is not ours must stay as it is");
    }
}
