//! Commands of bpf(2). Numbers and structures are those of <linux/bpf.h>.

use std::{
    ffi::{CString, c_long},
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::Path,
};

use anyhow::{Context, Result};

use super::Instruction;

const PROG_LOAD: u32 = 5;
const OBJ_PIN: u32 = 6;
const OBJ_GET: u32 = 7;
const PROG_TEST_RUN: u32 = 10;
const LINK_CREATE: u32 = 28;
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
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
    }
    let license = c"GPL";
    let mut attributes = Load {
        kind,
        count: u32::try_from(program.len())?,
        instructions: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
    };
    descriptor(PROG_LOAD, &mut attributes).context("loading a program of the lab")
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

/// Attaches a program to an interface of the calling thread's namespace.
pub(super) fn create_link(program: &OwnedFd, ifindex: u32, kind: u32, flags: u32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Create {
        program: i32,
        ifindex: u32,
        kind: u32,
        flags: u32,
    }
    descriptor(LINK_CREATE, &mut Create { program: program.as_raw_fd(), ifindex, kind, flags })
}

/// Detaches a link. A holder of the link keeps one without an interface.
pub(super) fn detach(link: &OwnedFd) -> io::Result<()> {
    command(LINK_DETACH, &mut link.as_raw_fd()).map(drop)
}

#[repr(C)]
struct Pin {
    path: u64,
    fd: i32,
    flags: u32,
}

/// Pins an object at a path of the BPF file system.
pub(super) fn pin(object: &OwnedFd, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    command(OBJ_PIN, &mut Pin { path: path.as_ptr() as u64, fd: object.as_raw_fd(), flags: 0 }).map(drop)
}

/// Opens a pinned object.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    descriptor(OBJ_GET, &mut Pin { path: path.as_ptr() as u64, fd: 0, flags: 0 })
}

/// Calls bpf(2) with a command that returns a descriptor.
fn descriptor<T>(number: u32, attributes: &mut T) -> io::Result<OwnedFd> {
    let fd = i32::try_from(command(number, attributes)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for this process; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn command<T>(number: u32, attributes: &mut T) -> io::Result<c_long> {
    let size = size_of::<T>();
    // SAFETY: `attributes` is the beginning of `union bpf_attr` for the command, `size` bytes long. The kernel writes
    // no further, and takes the rest of the union as zero. The data that it points to lives in the caller.
    let result = unsafe { libc::syscall(libc::SYS_bpf, number, std::ptr::from_mut(attributes), size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
