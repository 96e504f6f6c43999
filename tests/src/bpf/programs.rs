//! The programs. One passes everything, because a veth takes redirected frames only if its peer runs XDP. Two tag and
//! untag, because a host may have to use VLANs on a kernel without 802.1Q interfaces. One drops VRRP, because a kernel
//! may have no packet filter either.

use std::fs;

use anyhow::{Context, Result};

use super::{
    EXIT, PinnedLink, TYPE_SCHED_CLS, TYPE_XDP,
    instruction::{Instruction, call, copy, instruction as insn, set},
    link::{attach, pin_of},
    load,
};
use crate::Host;

// Numbers of the kernel's ABI, from <linux/bpf.h>.
const ATTACH_XDP: u32 = 37;
const ATTACH_TCX_INGRESS: u32 = 46;
const ATTACH_TCX_EGRESS: u32 = 47;
const HELPER_VLAN_PUSH: i32 = 18;
const HELPER_VLAN_POP: i32 = 19;
const SKB_VLAN_TCI: i16 = 24;
const SKB_DATA: i16 = 76;
const SKB_DATA_END: i16 = 80;
const XDP_PASS: i32 = 2;
const XDP_FLAGS_DRV_MODE: u32 = 4;
const TCX_NEXT: i32 = -1;
const TCX_DROP: i32 = 2;
/// IP protocol of VRRP (RFC 9568 section 5.1.1.4).
const VRRP: i32 = 112;

/// Lets all frames pass `dev` of `host` in native XDP.
///
/// # Errors
/// If the kernel refuses.
pub fn pass(host: &Host, dev: &str) -> Result<()> {
    let program = load(TYPE_XDP, &[set(0, XDP_PASS), EXIT])?;
    attach(&program, host, dev, ATTACH_XDP, XDP_FLAGS_DRV_MODE, "pass").map(drop)
}

/// Detaches the program of [`pass`].
///
/// # Errors
/// If there is none.
pub fn no_longer_pass(host: &Host, dev: &str) -> Result<()> {
    let pin = pin_of(host, dev, "pass");
    fs::remove_file(&pin).with_context(|| format!("removing {}", pin.display()))
}

/// Puts an XDP program on `dev` of `host` that lets all frames pass, until the result is dropped.
///
/// # Errors
/// If the kernel refuses, as it does where there is one.
pub fn foreign_xdp(host: &Host, dev: &str) -> Result<PinnedLink> {
    let program = load(TYPE_XDP, &[set(0, XDP_PASS), EXIT])?;
    PinnedLink::new(&program, host, dev, ATTACH_XDP, XDP_FLAGS_DRV_MODE, "foreign")
}

/// Drops VRRP, over IPv4 and IPv6, that arrives at `dev` of `host`; nothing else. It lasts until the result
/// is dropped.
///
/// # Errors
/// If the kernel refuses.
pub fn cut_vrrp(host: &Host, dev: &str) -> Result<PinnedLink> {
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
    PinnedLink::new(&load(TYPE_SCHED_CLS, &program)?, host, dev, ATTACH_TCX_INGRESS, 0, "cut")
}

/// Tags all frames that leave `dev` of `host` with `vlan`, untags frames that arrive with it, and drops all others that
/// arrive.
///
/// # Errors
/// If the kernel refuses.
pub fn speak_vlan(host: &Host, dev: &str, vlan: u16) -> Result<()> {
    attach(&load(TYPE_SCHED_CLS, &add_tag(vlan))?, host, dev, ATTACH_TCX_EGRESS, 0, "tag")?;
    attach(&load(TYPE_SCHED_CLS, &remove_tag(vlan))?, host, dev, ATTACH_TCX_INGRESS, 0, "untag").map(drop)
}

/// The same, until the result is dropped.
///
/// # Errors
/// If the kernel refuses.
pub fn tag(host: &Host, dev: &str, vlan: u16) -> Result<[PinnedLink; 2]> {
    let out = PinnedLink::new(&load(TYPE_SCHED_CLS, &add_tag(vlan))?, host, dev, ATTACH_TCX_EGRESS, 0, "tag")?;
    let untag = load(TYPE_SCHED_CLS, &remove_tag(vlan))?;
    Ok([out, PinnedLink::new(&untag, host, dev, ATTACH_TCX_INGRESS, 0, "untag")?])
}

fn add_tag(vlan: u16) -> [Instruction; 5] {
    [
        // The helper takes the protocol in network byte order.
        set(2, i32::from(0x8100u16.to_be())),
        set(3, i32::from(vlan)),
        call(HELPER_VLAN_PUSH),
        set(0, TCX_NEXT),
        EXIT,
    ]
}

fn remove_tag(vlan: u16) -> [Instruction; 10] {
    [
        copy(6, 1),
        // r2 = the tag that the kernel has taken off the frame; its low 12 bits are the VLAN.
        insn(0x61, 2, 1, SKB_VLAN_TCI, 0),
        insn(0x57, 2, 0, 0, 0xfff),
        insn(0x15, 2, 0, 2, i32::from(vlan)),
        set(0, TCX_DROP),
        EXIT,
        copy(1, 6),
        call(HELPER_VLAN_POP),
        set(0, TCX_NEXT),
        EXIT,
    ]
}
