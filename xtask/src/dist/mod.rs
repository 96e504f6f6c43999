//! `cargo xtask dist`: the Debian package.
//!
//! [`verb`] builds the agent and calls the rest. [`tree`] lays out the files as they will be installed, manual pages and
//! completions made by the agent itself. [`control`] fills in what the package says of itself, from
//! `packaging/debian/control`. [`epoch`] is the time that everything in it bears, so that the same sources and compiler
//! make the same package. `dpkg-deb` then packs it.

mod control;
mod epoch;
mod tree;
mod verb;

pub(crate) use verb::{Options, run};
