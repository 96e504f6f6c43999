//! Small BPF programs that hosts of a lab need, assembled by hand: a lab needs no compiler for them.
//!
//! `syscall` has the commands of bpf(2), `instruction` the assembler, `link` what attaches programs, and `programs` the
//! programs.

mod instruction;
mod link;
mod programs;
mod syscall;

pub(crate) use instruction::{EXIT, Instruction, instruction, set};
pub use link::{PinnedLink, detach_link};
pub use programs::{cut_vrrp, foreign_xdp, no_longer_pass, pass, speak_vlan, tag};
pub(crate) use syscall::{TYPE_SCHED_CLS, TYPE_XDP, load, test_run};
