//! Needs of the verbs on a machine, and their installation.
//!
//! [`needs`] is the table. Each need has a purpose, a reason, and a proof that it is met, which is a file to look for.
//! So a machine that has everything is recognised at once and without asking a package manager. [`survey`] compares the
//! table and the toolchains with the machine. [`install`] fetches missing ones, with [`apt`] (which keeps packages from
//! starting daemons) and with cargo and rustup (in [`tools`]). [`verb`] is `cargo xtask setup` itself, and the `ensure`
//! that every other verb begins with.

mod apt;
mod install;
mod needs;
mod survey;
mod tools;
mod verb;

pub(crate) use needs::Purpose;
pub(crate) use verb::{ensure, run};
