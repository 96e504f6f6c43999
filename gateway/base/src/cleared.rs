//! Text of a problem that has gone.

use std::fmt;

/// Problem that is cleared. Prints as `no longer: PROBLEM`, in the log as in events.
#[derive(Clone, Copy, Debug)]
pub struct Cleared<T>(pub T);

impl<T: fmt::Display> fmt::Display for Cleared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no longer: {}", self.0)
    }
}
