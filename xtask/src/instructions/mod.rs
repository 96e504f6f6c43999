//! `cargo xtask instructions`: what a packet costs on each path, counted in instructions and held against a record.
//!
//! The test target `instructions` is run in a VM whose clock follows instructions; [`console`] reads the counts off its
//! console. [`record`] is the table that is checked in beside that target, and [`compare`] says what differs from it.
//! [`verb`] is the verb, and the stage of `cargo xtask test`.

mod compare;
mod console;
mod record;
mod verb;

pub(crate) use verb::{STAGE, What, check, run};
