//! The few tiny programs that hosts of a lab need, assembled by hand. One passes everything, because a veth takes
//! redirected frames only if its peer runs XDP. Two tag and untag, because a host may have to use VLANs on a kernel
//! without 802.1Q interfaces. One drops VRRP, because a kernel may have no packet filter either.
//!
//! Links are pinned, so they live as long as the lab, not as long as the process that made them.

use std::{
    ffi::{CString, c_long},
    fs, io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::Host;

/// An eBPF instruction (RFC 9669 section 3).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Insn {
    code: u8,
    /// Destination register in the low half, source register in the high half.
    registers: u8,
    offset: i16,
    immediate: i32,
}

pub(crate) const fn insn(code: u8, dst: u8, src: u8, offset: i16, immediate: i32) -> Insn {
    Insn { code, registers: dst | src << 4, offset, immediate }
}

pub(crate) const fn set(dst: u8, value: i32) -> Insn {
    insn(0xb7, dst, 0, 0, value)
}

const fn copy(dst: u8, src: u8) -> Insn {
    insn(0xbf, dst, src, 0, 0)
}

const fn call(helper: i32) -> Insn {
    insn(0x85, 0, 0, 0, helper)
}

pub(crate) const EXIT: Insn = insn(0x95, 0, 0, 0, 0);

// Numbers of the kernel's ABI, from <linux/bpf.h>.
const CMD_PROG_LOAD: u32 = 5;
const CMD_OBJ_PIN: u32 = 6;
const CMD_OBJ_GET: u32 = 7;
const CMD_LINK_CREATE: u32 = 28;
const CMD_LINK_DETACH: u32 = 34;
pub(crate) const TYPE_SCHED_CLS: u32 = 3;
pub(crate) const TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
const ATTACH_TCX_INGRESS: u32 = 46;
const ATTACH_TCX_EGRESS: u32 = 47;
const HELPER_VLAN_PUSH: i32 = 18;
const HELPER_VLAN_POP: i32 = 19;
const SKB_VLAN_TCI: i16 = 24;
const SKB_DATA: i16 = 76;
const SKB_DATA_END: i16 = 80;
/// IP protocol of VRRP (RFC 9568 section 5.1.1.4).
const VRRP: i32 = 112;
const XDP_PASS: i32 = 2;
const XDP_FLAGS_DRV_MODE: u32 = 4;
const TCX_NEXT: i32 = -1;
const TCX_DROP: i32 = 2;

/// Lets all frames pass `dev` of `host` in native XDP.
///
/// # Errors
/// If the kernel refuses.
pub fn pass(host: &Host, dev: &str) -> Result<()> {
    let program = load(TYPE_XDP, &[set(0, XDP_PASS), EXIT])?;
    attach(&program, host, dev, ATTACH_XDP, XDP_FLAGS_DRV_MODE, "pass").map(drop)
}

/// Detaches the link that is pinned at `pin`, as `bpftool link detach` does. A holder of the link keeps one without an
/// interface.
///
/// # Errors
/// If there is none.
pub fn detach_link(pin: &Path) -> Result<()> {
    let path = CString::new(pin.as_os_str().as_encoded_bytes())?;
    let link = bpf(CMD_OBJ_GET, &Pin { path: path.as_ptr() as u64, fd: 0, flags: 0 })
        .with_context(|| format!("opening {}", pin.display()))?;
    command(CMD_LINK_DETACH, &link.as_raw_fd()).map(drop).with_context(|| format!("detaching {}", pin.display()))
}

/// Foreign XDP program on an interface, until it is dropped.
#[derive(Debug)]
pub struct Foreign {
    pin: PathBuf,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // Only the pin holds the program there.
        let _ = fs::remove_file(&self.pin);
    }
}

/// Puts an XDP program on `dev` of `host` that lets all frames pass.
///
/// # Errors
/// If the kernel refuses, as it does where there is one.
pub fn foreign_xdp(host: &Host, dev: &str) -> Result<Foreign> {
    let program = load(TYPE_XDP, &[set(0, XDP_PASS), EXIT])?;
    attach(&program, host, dev, ATTACH_XDP, XDP_FLAGS_DRV_MODE, "foreign").map(|pin| Foreign { pin })
}

/// Detaches the program of [`pass`].
///
/// # Errors
/// If there is none.
pub fn no_longer_pass(host: &Host, dev: &str) -> Result<()> {
    let pin = host.lab().pins("peers").join(format!("{}_{dev}_pass", host.name()));
    fs::remove_file(&pin).with_context(|| format!("removing {}", pin.display()))
}

/// Drops all VRRP that arrives at an interface, until it is dropped.
#[derive(Debug)]
pub struct VrrpCut {
    pin: PathBuf,
}

impl Drop for VrrpCut {
    fn drop(&mut self) {
        // Only the pin holds the program there.
        let _ = fs::remove_file(&self.pin);
    }
}

/// Drops VRRP, over IPv4 and IPv6, that arrives at `dev` of `host`; nothing else.
///
/// # Errors
/// If the kernel refuses.
pub fn cut_vrrp(host: &Host, dev: &str) -> Result<VrrpCut> {
    let ipv4 = i32::from(0x0800u16.to_be());
    let ipv6 = i32::from(0x86ddu16.to_be());
    let program = [
        // r2 = the frame, r3 = its end; a frame shorter than an IPv4 header up to its protocol passes.
        insn(0x61, 2, 1, SKB_DATA, 0),
        insn(0x61, 3, 1, SKB_DATA_END, 0),
        copy(4, 2),
        insn(0x07, 4, 0, 0, 24),
        insn(0x2d, 4, 3, 7, 0),
        // r5 = EtherType, then the protocol of IPv4 or the next header of IPv6.
        insn(0x69, 5, 2, 12, 0),
        insn(0x55, 5, 0, 2, ipv4),
        insn(0x71, 5, 2, 23, 0),
        insn(0x05, 0, 0, 2, 0),
        insn(0x55, 5, 0, 2, ipv6),
        insn(0x71, 5, 2, 20, 0),
        insn(0x15, 5, 0, 2, VRRP),
        set(0, TCX_NEXT),
        EXIT,
        set(0, TCX_DROP),
        EXIT,
    ];
    let pin = attach(&load(TYPE_SCHED_CLS, &program)?, host, dev, ATTACH_TCX_INGRESS, 0, "cut")?;
    Ok(VrrpCut { pin })
}

/// Tags all frames that leave `dev` of `host` with `vlan`, untags frames that arrive with it, and drops all others that
/// arrive.
///
/// # Errors
/// If the kernel refuses.
pub fn speak_vlan(host: &Host, dev: &str, vlan: u16) -> Result<()> {
    let vlan = i32::from(vlan);
    let tag = [
        // The helper takes the protocol in network byte order.
        set(2, i32::from(0x8100u16.to_be())),
        set(3, vlan),
        call(HELPER_VLAN_PUSH),
        set(0, TCX_NEXT),
        EXIT,
    ];
    let untag = [
        copy(6, 1),
        // r2 = the tag that the kernel has taken off the frame; its low 12 bits are the VLAN.
        insn(0x61, 2, 1, SKB_VLAN_TCI, 0),
        insn(0x57, 2, 0, 0, 0xfff),
        insn(0x15, 2, 0, 2, vlan),
        set(0, TCX_DROP),
        EXIT,
        copy(1, 6),
        call(HELPER_VLAN_POP),
        set(0, TCX_NEXT),
        EXIT,
    ];
    attach(&load(TYPE_SCHED_CLS, &tag)?, host, dev, ATTACH_TCX_EGRESS, 0, "tag")?;
    attach(&load(TYPE_SCHED_CLS, &untag)?, host, dev, ATTACH_TCX_INGRESS, 0, "untag").map(drop)
}

#[repr(C)]
struct Pin {
    path: u64,
    fd: i32,
    flags: u32,
}

pub(crate) fn load(kind: u32, program: &[Insn]) -> Result<OwnedFd> {
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
    }
    let license = c"GPL";
    let attributes = Load {
        kind,
        count: u32::try_from(program.len())?,
        instructions: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
    };
    bpf(CMD_PROG_LOAD, &attributes).context("loading a program of the lab")
}

fn attach(program: &OwnedFd, host: &Host, dev: &str, kind: u32, flags: u32, name: &str) -> Result<PathBuf> {
    #[repr(C)]
    struct Create {
        program: i32,
        ifindex: u32,
        kind: u32,
        flags: u32,
    }
    let attributes = Create { program: program.as_raw_fd(), ifindex: host.ifindex(dev)?, kind, flags };
    // The index refers to the namespace of the caller.
    let link = host
        .enter(|| Ok(bpf(CMD_LINK_CREATE, &attributes)?))
        .with_context(|| format!("attaching the program `{name}` to {dev}"))?;
    let pins = host.lab().pins("peers");
    fs::create_dir_all(&pins).with_context(|| format!("making {}", pins.display()))?;
    let pin = pins.join(format!("{}_{dev}_{name}", host.name()));

    let path = CString::new(pin.as_os_str().as_encoded_bytes())?;
    let attributes = Pin { path: path.as_ptr() as u64, fd: link.as_raw_fd(), flags: 0 };
    command(CMD_OBJ_PIN, &attributes).with_context(|| format!("pinning {}", pin.display()))?;
    Ok(pin)
}

/// Calls bpf(2) with a command that returns a descriptor.
fn bpf<T>(number: u32, attributes: &T) -> io::Result<OwnedFd> {
    let fd = command(number, attributes)?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn command<T>(number: u32, attributes: &T) -> io::Result<c_long> {
    let size = size_of::<T>();
    // SAFETY: `attributes` is the beginning of `union bpf_attr` for the command, `size` bytes long, and the data that
    // it points to lives in the caller. The kernel takes the rest of the union as zero.
    let result = unsafe { libc::syscall(libc::SYS_bpf, number, std::ptr::from_ref(attributes), size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
