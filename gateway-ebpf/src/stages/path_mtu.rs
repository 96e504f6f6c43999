//! Path MTU discovery for tunnels: ICMP and ICMPv6 errors of routers on the underlay.
//!
//! The kernel ignores these errors, because no socket of the host has sent the quoted packet. An error is accepted if
//! it quotes a packet that can be ours: from one of our VTEP addresses to a known remote VTEP, with VXLAN ports, not to
//! be fragmented, and longer than the reported MTU. An underlay on which anyone could forge such an error has to filter
//! forged sources. The agent ignores an MTU below the minimum of the address family.

use aya_ebpf::bindings::BPF_ANY;
use gateway_common::{
    counters::PathCounter,
    headers::{
        ETH_P_IP, ETH_P_IPV6, FRAGMENTATION_NEEDED, ICMP_LEN, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_UDP, IPV4_LEN,
        IPV6_LEN, PACKET_TOO_BIG, SOURCE_PORT_BASE,
    },
    limits::PATH_MTU_NS,
    path_mtu::PathMtu,
    tunnel::RemoteVtepKey,
};

use crate::stages::{
    count,
    frame::{Ether, Frame, read, read_be16},
    lease,
    maps::{HEADER, PATH_MTU, REMOTE_VTEPS, UDP_PORT},
    observer::Observer,
};

/// Stores the MTU for the agent if the packet is such an error. The packet itself continues unchanged.
///
/// Not inlined: its variables must not be on the stack of the packet path. Little stack is left even so, so key and
/// value are built in the map that otherwise holds outer headers.
#[inline(never)]
#[expect(clippy::needless_borrows_for_generic_args, reason = "moved, key and value would take room on the stack")]
pub(crate) fn learn<F: Frame>(frame: &F) {
    if F::Observer::DRY_RUN {
        return;
    }
    let Some(room) = HEADER.get_ptr_mut(0) else { return };
    let room: *mut Report = room.cast();
    // SAFETY: this CPU's own map value, longer than `Report`, used by one packet at a time; any bytes are a valid one.
    let report = unsafe { &mut *room };
    if parse(frame, report).is_none() || REMOTE_VTEPS.get_ptr(&report.ends).is_none() {
        return;
    }
    count::path(PathCounter::PathMtu);
    report.value.reported = lease::now();
    report.value.reserved = 0;
    // SAFETY: a live map value, used at once.
    let wider = unsafe { PATH_MTU.get(&report.ends) }
        .is_some_and(|old| old.mtu < report.value.mtu && report.value.reported - old.reported < PATH_MTU_NS);
    if !wider {
        // Without room in the map the error is lost; the next packet causes another one.
        let _ = PATH_MTU.insert(&report.ends, &report.value, u64::from(BPF_ANY));
    }
}

/// Key and value of an element under construction.
#[repr(C)]
struct Report {
    ends: RemoteVtepKey,
    value: PathMtu,
}

const _: () = assert!(size_of::<Report>() <= gateway_common::headers::HEADER_MAX);

impl Report {
    /// Sets both addresses, as words in memory order.
    #[inline(always)]
    fn set(&mut self, local: [u64; 2], remote: [u64; 2]) {
        // SAFETY: an address is two words long, and is aligned to eight bytes in a map value.
        unsafe {
            let ends: *mut u64 = (&raw mut self.ends).cast();
            ends.write(local[0]);
            ends.add(1).write(local[1]);
            ends.add(2).write(remote[0]);
            ends.add(3).write(remote[1]);
        }
    }
}

/// Last word of an IPv4 address in the form of [`gateway_common::tunnel::Addr`].
#[inline(always)]
fn mapped(address: u32) -> u64 {
    u64::from(address) << 32 | u64::from(u32::from_le_bytes([0, 0, 0xff, 0xff]))
}

#[inline(always)]
fn parse<F: Frame>(frame: &F, report: &mut Report) -> Option<()> {
    let ether = Ether::parse(frame, 0, true)?;
    match ether.ethertype {
        ETH_P_IP => fragmentation_needed(frame, ether.payload, report),
        ETH_P_IPV6 => packet_too_big(frame, ether.payload, report),
        _ => None,
    }
}

/// Parses ICMP "fragmentation needed" in the IPv4 packet at `at` (RFC 1191). An error without an MTU, from a router
/// older than that RFC, is ignored.
#[inline(always)]
fn fragmentation_needed(frame: &impl Frame, at: usize, report: &mut Report) -> Option<()> {
    let icmp = at + IPV4_LEN;
    if read::<u8>(frame, at)? != 0x45
        || read::<u8>(frame, at + 9)? != IPPROTO_ICMP
        || read_be16(frame, icmp)? != u16::from_be_bytes(FRAGMENTATION_NEEDED)
    {
        return None;
    }
    let (mtu, quoted) = (read_be16(frame, icmp + 6)?, icmp + ICMP_LEN);
    let source: u32 = read(frame, quoted + 12)?;
    let plausible = read::<u8>(frame, quoted)? == 0x45
        && read::<u8>(frame, quoted + 6)? & 0x40 != 0
        && read::<u8>(frame, quoted + 9)? == IPPROTO_UDP
        && mtu != 0
        && mtu < read_be16(frame, quoted + 2)?
        // The error goes to the source of the packet that it quotes.
        && read::<u32>(frame, at + 16)? == source
        && is_vxlan(frame, quoted + IPV4_LEN)?;
    if !plausible {
        return None;
    }
    report.set([0, mapped(source)], [0, mapped(read(frame, quoted + 16)?)]);
    report.value.mtu = mtu.into();
    Some(())
}

/// Parses ICMPv6 "packet too big" in the IPv6 packet at `at` (RFC 4443 section 3.2).
#[inline(always)]
fn packet_too_big(frame: &impl Frame, at: usize, report: &mut Report) -> Option<()> {
    let icmp = at + IPV6_LEN;
    if read::<u8>(frame, at + 6)? != IPPROTO_ICMPV6 || read_be16(frame, icmp)? != u16::from_be_bytes(PACKET_TOO_BIG) {
        return None;
    }
    let (mtu, quoted) = (u32::from_be(read(frame, icmp + 4)?), icmp + ICMP_LEN);
    let source = [read::<u64>(frame, quoted + 8)?, read::<u64>(frame, quoted + 16)?];
    let plausible = read::<u8>(frame, quoted + 6)? == IPPROTO_UDP
        && mtu < u32::from(read_be16(frame, quoted + 4)?) + IPV6_LEN as u32
        && read::<u64>(frame, at + 24)? == source[0]
        && read::<u64>(frame, at + 32)? == source[1]
        && is_vxlan(frame, quoted + IPV6_LEN)?;
    if !plausible {
        return None;
    }
    report.set(source, [read(frame, quoted + 24)?, read(frame, quoted + 32)?]);
    report.value.mtu = mtu;
    Some(())
}

/// True if the UDP header at `at` can be ours: VXLAN ports and no checksum.
#[inline(always)]
fn is_vxlan(frame: &impl Frame, at: usize) -> Option<bool> {
    Some(
        read_be16(frame, at)? >= SOURCE_PORT_BASE
            && read_be16(frame, at + 2)? == UDP_PORT.load()
            && read_be16(frame, at + 6)? == 0,
    )
}
