//! Checks before anything is attached.
//!
//! An agent that finds out half-way that it cannot go on leaves a mess, and the kernel's reasons ("operation not
//! permitted", "invalid argument") seldom say what an operator can do. So what can be known beforehand is looked at first:
//! `facts` asks the system, `abilities` the kernel, `checks` judges what it said, and `bpffs` mounts the BPF file system where it is
//! missing, the one thing that can be put right from here.
//!
//! There is no check of the limit on locked memory: since Linux 5.11 BPF memory is not counted there.

mod abilities;
mod bpffs;
mod checks;
mod facts;
mod run;

pub use abilities::Ability;
pub use bpffs::{ensure as ensure_bpffs, is_bpffs};
pub use checks::Failure;
pub use checks::{OLDEST_KERNEL, lacking, missing_capabilities, version};
pub use facts::{Facts, effective_capabilities};
pub use run::{PreflightError, preflight};
