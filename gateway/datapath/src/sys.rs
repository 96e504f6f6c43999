//! Calls of bpf(2) that the library for loading programs lacks: holding a link and pinning it again, the programs of a
//! link and of an interface, and the features of the kernel.

use std::{
    ffi::{CString, c_long},
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    path::Path,
};

// Numbers of the kernel's ABI, from <linux/bpf.h>.
const PROG_LOAD: u32 = 5;
const OBJ_PIN: u32 = 6;
const OBJ_GET: u32 = 7;
const OBJ_GET_INFO_BY_FD: u32 = 15;
const PROG_QUERY: u32 = 16;
const LINK_CREATE: u32 = 28;
const LINK_UPDATE: u32 = 29;
const ATTACH_XDP: u32 = 37;
const ATTACH_TCX_INGRESS: u32 = 46;
/// `XDP_FLAGS_DRV_MODE`: in the driver, or not at all.
const DRIVER_MODE: u32 = 1 << 2;
/// Limit of the programs on one hook (`BPF_MPROG_MAX`).
const MOST_PROGRAMS: usize = 64;

/// Hook of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// In the driver.
    Xdp,
    /// At the ingress of TC.
    Tc,
}

impl Hook {
    /// Returns its name, as part of a pin's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::Tc => "tc",
        }
    }

    /// Returns its name, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Xdp => "XDP",
            Self::Tc => "TC",
        }
    }
}

/// The two ends of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkInfo {
    /// Id of the program.
    pub program: u32,
    /// The interface; 0 once the link was detached, or the interface is gone.
    pub ifindex: u32,
}

/// Attaches a program to a hook of an interface.
pub(crate) fn attach(program: BorrowedFd<'_>, ifindex: u32, hook: Hook) -> io::Result<OwnedFd> {
    let (kind, flags) = match hook {
        Hook::Xdp => (ATTACH_XDP, DRIVER_MODE),
        Hook::Tc => (ATTACH_TCX_INGRESS, 0),
    };
    link_create(program, ifindex, kind, flags)
}

/// Makes a link of an attach type (`BPF_XDP`, `BPF_TCX_INGRESS`...) that attaches a program to an interface of the
/// calling thread's network namespace.
///
/// # Errors
/// The kernel refuses.
pub fn link_create(program: BorrowedFd<'_>, ifindex: u32, kind: u32, flags: u32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Create {
        program: i32,
        ifindex: u32,
        kind: u32,
        flags: u32,
    }
    descriptor(LINK_CREATE, &mut Create { program: program.as_raw_fd(), ifindex, kind, flags })
}

/// Replaces the program of a link in one step.
pub(crate) fn link_update(link: &OwnedFd, program: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Update {
        link: i32,
        program: i32,
        flags: u32,
    }
    command(LINK_UPDATE, &mut Update { link: link.as_raw_fd(), program: program.as_raw_fd(), flags: 0 }).map(drop)
}

/// Returns the ends of a link of XDP or TC.
pub(crate) fn link_info(link: &OwnedFd) -> io::Result<LinkInfo> {
    /// The beginning of `struct bpf_link_info`.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        kind: u32,
        id: u32,
        program: u32,
        gap: u32,
        ifindex: u32,
        rest: [u32; 3],
    }
    #[repr(C)]
    struct Ask {
        fd: i32,
        length: u32,
        info: u64,
    }
    let mut info = Info::default();
    let length = size_of::<Info>() as u32;
    command(OBJ_GET_INFO_BY_FD, &mut Ask { fd: link.as_raw_fd(), length, info: (&raw mut info) as u64 })?;
    Ok(LinkInfo { program: info.program, ifindex: info.ifindex })
}

#[repr(C)]
struct Path64 {
    path: u64,
    fd: i32,
    flags: u32,
}

/// Pins an object of the kernel.
pub fn pin(object: &OwnedFd, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    command(OBJ_PIN, &mut Path64 { path: path.as_ptr() as u64, fd: object.as_raw_fd(), flags: 0 }).map(drop)
}

/// Opens a pinned object; returns `None` if there is none.
pub fn open(path: &Path) -> io::Result<Option<OwnedFd>> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    match descriptor(OBJ_GET, &mut Path64 { path: path.as_ptr() as u64, fd: 0, flags: 0 }) {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the ids of the programs at the TC ingress of an interface, for kernels with links for TC (tcx).
pub fn tcx_programs(ifindex: u32) -> io::Result<Vec<u32>> {
    /// `bpf_attr.query`, whole: the kernel writes to its end.
    #[repr(C)]
    #[derive(Default)]
    struct Query {
        ifindex: u32,
        kind: u32,
        query_flags: u32,
        attach_flags: u32,
        ids: u64,
        count: u32,
        gap: u32,
        program_flags: u64,
        link_ids: u64,
        link_flags: u64,
        revision: u64,
    }
    let mut ids = [0_u32; MOST_PROGRAMS];
    let mut query = Query {
        ifindex,
        kind: ATTACH_TCX_INGRESS,
        ids: ids.as_mut_ptr() as u64,
        count: MOST_PROGRAMS as u32,
        ..Query::default()
    };
    command(PROG_QUERY, &mut query)?;
    Ok(ids.into_iter().take(query.count as usize).collect())
}

/// An eBPF instruction (RFC 9669 section 3).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Destination register in the low half, source register in the high half.
    pub registers: u8,
    /// Signed offset, of memory or of a jump.
    pub offset: i16,
    /// Immediate operand.
    pub immediate: i32,
}

/// Loads a program of this type, with these flags.
///
/// # Errors
/// The verifier refuses the program.
pub fn load(kind: u32, flags: u32, program: &[Instruction]) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log: u64,
        kernel: u32,
        flags: u32,
    }
    let mut attributes = Load {
        kind,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel: 0,
        flags,
    };
    descriptor(PROG_LOAD, &mut attributes)
}

/// Calls bpf(2) with a command that returns a descriptor.
fn descriptor<T>(number: u32, attributes: &mut T) -> io::Result<OwnedFd> {
    let fd = i32::try_from(command(number, attributes)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn command<T>(number: u32, attributes: &mut T) -> io::Result<c_long> {
    let size = size_of::<T>();
    // SAFETY: `attributes` is the beginning of `union bpf_attr` for the command, `size` bytes long, and the data that
    // it points to lives in the caller. The kernel takes the rest of the union as zero, and writes to no field that is
    // not there.
    let result = unsafe { libc::syscall(libc::SYS_bpf, number, std::ptr::from_mut(attributes), size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
