//! Checks before anything is attached.
//!
//! An agent that fails half-way leaves a partial state, and the kernel's reasons ("operation not permitted", "invalid
//! argument") seldom show the remedy. So everything that can be known beforehand is checked first: `facts` asks the
//! system, `abilities` the kernel, and `checks` evaluates the answers; `capabilities` has the rights that are needed. `bpffs` mounts the BPF file system if it is
//! missing, the one fault that can be repaired here.
//!
//! There is no check of the limit on locked memory: since Linux 5.11 BPF memory is not counted there.

mod abilities;
mod bpffs;
mod capabilities;
mod checks;
mod facts;
mod run;

pub use abilities::Ability;
pub use bpffs::{ensure as ensure_bpffs, is_bpffs};
pub use capabilities::{effective_capabilities, missing_capabilities};
pub use checks::Failure;
pub use checks::{OLDEST_KERNEL, lacking, version};
pub use facts::Facts;
pub use run::{PreflightError, preflight};
