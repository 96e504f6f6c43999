//! `cargo xtask test`: all checks, in stages.
//!
//! [`verb`] lists the stages and runs them; one that fails does not keep the others from running. A [`stage`] runs one
//! check and reports its result; some run [`beside`] others. [`leftovers`] checks that nothing was left behind. The
//! [`tally`] counts tests as the test harness reports them. The [`report`] is the table at the end, and the counts in
//! the very last line.

mod beside;
mod leftovers;
mod report;
mod stage;
mod tally;
mod verb;

pub(crate) use report::Report;
pub(crate) use stage::{Stage, command};
pub(crate) use tally::Tally;
pub(crate) use verb::{PACKET_TESTS, run};
