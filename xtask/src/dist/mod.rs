//! `cargo xtask dist`: the Debian package.
//!
//! [`verb`] builds the agent and calls the rest. [`tree`] lays out the files as they will be installed; the agent
//! itself makes its manual pages and completions. [`control`] fills in the control files of the package, from
//! `packaging/debian/control`. [`epoch`] is the timestamp of everything in it, so that the same sources and compiler
//! make the same package. `dpkg-deb` then packs it.

mod control;
mod epoch;
mod tree;
mod verb;

pub(crate) use verb::{Compression, Options, make, run};
