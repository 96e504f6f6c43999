//! `cargo xtask instructions`: the cost of a packet on each path, counted in instructions and compared with a record.
//!
//! The test target `instructions` runs in a VM whose clock follows instructions; [`console`] reads the counts from its
//! console. [`record`] is the table that is checked in beside that target, and [`compare`] reports the differences from
//! it. [`verb`] is the verb, and the stage of `cargo xtask test`.

mod compare;
mod console;
mod record;
mod verb;

pub(crate) use verb::{STAGE, What, check, run};
