//! Commands of bpf(2), beside those of the data plane's [`sys`]. Numbers and structures are those of <linux/bpf.h>.

use std::{
    ffi::c_long,
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use anyhow::{Context, Result};
use gateway_datapath::sys;

use super::Instruction;

const PROG_TEST_RUN: u32 = 10;
const LINK_DETACH: u32 = 34;

/// Type of classifiers at TC.
pub(crate) const TYPE_SCHED_CLS: u32 = 3;
/// Type of XDP programs.
pub(crate) const TYPE_XDP: u32 = 6;

/// Result of a test run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestRun {
    /// Return value of the program.
    pub(crate) returned: u32,
    /// Time of one run, in nanoseconds.
    pub(crate) nanoseconds: u32,
}

/// Loads a program.
///
/// # Errors
/// If the kernel refuses.
pub(crate) fn load(kind: u32, program: &[Instruction]) -> Result<OwnedFd> {
    sys::load(kind, 0, program).context("loading a program of the lab")
}

/// Runs a program once on a packet.
///
/// # Errors
/// If the kernel refuses.
pub(crate) fn test_run(program: &OwnedFd, packet: &[u8]) -> Result<TestRun> {
    #[repr(C)]
    struct Attributes {
        program: i32,
        returned: u32,
        size_in: u32,
        size_out: u32,
        data_in: u64,
        data_out: u64,
        repeat: u32,
        nanoseconds: u32,
    }
    let mut attributes = Attributes {
        program: program.as_raw_fd(),
        returned: 0,
        size_in: u32::try_from(packet.len())?,
        size_out: 0,
        data_in: packet.as_ptr() as u64,
        data_out: 0,
        repeat: 1,
        nanoseconds: 0,
    };
    command(PROG_TEST_RUN, &mut attributes)?;
    Ok(TestRun { returned: attributes.returned, nanoseconds: attributes.nanoseconds })
}

/// Detaches a link. A holder of the link keeps one without an interface.
pub(super) fn detach(link: &OwnedFd) -> io::Result<()> {
    command(LINK_DETACH, &mut link.as_raw_fd()).map(drop)
}

/// Calls bpf(2).
fn command<T>(number: u32, attributes: &mut T) -> io::Result<c_long> {
    let size = size_of::<T>();
    // SAFETY: `attributes` is the beginning of `union bpf_attr` for the command, `size` bytes long. The kernel writes
    // no further, and takes the rest of the union as zero. The data that it points to lives in the caller.
    let result = unsafe { libc::syscall(libc::SYS_bpf, number, std::ptr::from_mut(attributes), size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
