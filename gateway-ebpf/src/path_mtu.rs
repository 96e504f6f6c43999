//! What routers on the underlay say: a packet of ours was too big for the path.
//!
//! The kernel throws such messages away, since no socket of its own has sent what they are about. Believed is who quotes a
//! packet that can be ours: from one of our addresses to a known VTEP of the tunnel's, by the ports of VXLAN, not to be
//! fragmented, and longer than what is said to fit. An underlay where anybody can forge that has to keep forged sources out;
//! the agent believes in no path narrower than every path has to be.

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

use crate::{
    count,
    frame::{Ether, Frame, read, read_be16},
    lease,
    maps::{HEADER, PATH_MTU, REMOTE_VTEPS, UDP_PORT},
    observer::Observer,
};

/// Notes the MTU for the agent, if this is such a message. The packet goes on as it would without.
///
/// A call of its own, so that its variables are not on the stack of the path that packets take; and because little is left
/// there, key and value are put together where outer headers are otherwise.
#[inline(never)]
#[expect(clippy::needless_borrows_for_generic_args, reason = "moved, key and value would take room on the stack")]
pub(crate) fn learn<F: Frame>(frame: &F) {
    if F::Observer::DRY_RUN {
        return;
    }
    let Some(room) = HEADER.get_ptr_mut(0) else { return };
    let room: *mut Note = room.cast();
    // SAFETY: this CPU's own map value, longer than a note, used by one packet at a time; any bytes are one.
    let note = unsafe { &mut *room };
    if said(frame, note).is_none() || REMOTE_VTEPS.get_ptr(&note.ends).is_none() {
        return;
    }
    count::path(PathCounter::PathMtu);
    note.value.told = lease::now();
    note.value.reserved = 0;
    // SAFETY: a live map value, used at once.
    let wider = unsafe { PATH_MTU.get(&note.ends) }
        .is_some_and(|old| old.mtu < note.value.mtu && note.value.told - old.told < PATH_MTU_NS);
    if !wider {
        // One for which there is no room comes again with the next packet.
        let _ = PATH_MTU.insert(&note.ends, &note.value, u64::from(BPF_ANY));
    }
}

/// What is noted, in the making.
#[repr(C)]
struct Note {
    ends: RemoteVtepKey,
    value: PathMtu,
}

const _: () = assert!(size_of::<Note>() <= gateway_common::headers::HEADER_MAX);

impl Note {
    /// Sets an address, by its words as they lie in memory.
    #[inline(always)]
    fn set(&mut self, local: [u64; 2], remote: [u64; 2]) {
        // SAFETY: an address is as long as two words, and lies at a multiple of eight bytes in a map's value.
        unsafe {
            let ends: *mut u64 = (&raw mut self.ends).cast();
            ends.write(local[0]);
            ends.add(1).write(local[1]);
            ends.add(2).write(remote[0]);
            ends.add(3).write(remote[1]);
        }
    }
}

/// The last word of an IPv4 address, as [`gateway_common::tunnel::Addr`] has it.
#[inline(always)]
fn mapped(address: u32) -> u64 {
    u64::from(address) << 32 | u64::from(u32::from_le_bytes([0, 0, 0xff, 0xff]))
}

#[inline(always)]
fn said<F: Frame>(frame: &F, note: &mut Note) -> Option<()> {
    let ether = Ether::parse(frame, 0, true)?;
    match ether.ethertype {
        ETH_P_IP => fragmentation_needed(frame, ether.payload, note),
        ETH_P_IPV6 => packet_too_big(frame, ether.payload, note),
        _ => None,
    }
}

/// ICMP in the IPv4 packet at `at` (RFC 1191). Of a router that does not say which MTU would fit, from before that, nothing is
/// learned.
#[inline(always)]
fn fragmentation_needed(frame: &impl Frame, at: usize, note: &mut Note) -> Option<()> {
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
        // To whom the packet is from that it quotes.
        && read::<u32>(frame, at + 16)? == source
        && is_vxlan(frame, quoted + IPV4_LEN)?;
    if !plausible {
        return None;
    }
    note.set([0, mapped(source)], [0, mapped(read(frame, quoted + 16)?)]);
    note.value.mtu = mtu.into();
    Some(())
}

/// ICMPv6 in the IPv6 packet at `at`.
#[inline(always)]
fn packet_too_big(frame: &impl Frame, at: usize, note: &mut Note) -> Option<()> {
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
    note.set(source, [read(frame, quoted + 24)?, read(frame, quoted + 32)?]);
    note.value.mtu = mtu;
    Some(())
}

/// True if the UDP header at `at` can be one that we have written: by our ports, without a checksum.
#[inline(always)]
fn is_vxlan(frame: &impl Frame, at: usize) -> Option<bool> {
    Some(
        read_be16(frame, at)? >= SOURCE_PORT_BASE
            && read_be16(frame, at + 2)? == UDP_PORT.load()
            && read_be16(frame, at + 6)? == 0,
    )
}
