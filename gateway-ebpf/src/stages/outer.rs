//! Parser of the outer headers of a VXLAN packet.

use gateway_common::{
    counters::DropReason,
    headers::{
        ETH_P_IP, ETH_P_IPV6, IPPROTO_UDP, IPV4_LEN, IPV6_LEN, UDP_LEN, VXLAN_EXTENDED, VXLAN_FLAG_I, VXLAN_LEN,
    },
    tunnel::{Addr, Arrival, RemoteVtepKey},
};

use crate::stages::{
    frame::{Ether, Frame, read, read_be16},
    maps::{ARRIVALS, UDP_PORT, VTEPS},
};

/// Next header: fragment (RFC 8200 section 4.5).
const IPPROTO_FRAGMENT: u8 = 44;
/// IPv4 flag: more fragments follow.
const MORE_FRAGMENTS: u16 = 0x2000;
/// IPv4 fragment offset, in units of 8 bytes.
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// A UDP packet to the VXLAN port.
pub(crate) struct Outer {
    /// Local VTEP and remote VTEP, if this is a tunnel packet.
    pub(crate) ends: RemoteVtepKey,
    /// Outermost MAC and VLAN.
    arrival: Arrival,
    /// Offset of the UDP header.
    udp: usize,
    /// Offset of the end of the packet, by the IP header.
    end: usize,
    /// Reason to drop the packet if it is addressed to this gateway.
    refusal: Option<DropReason>,
}

/// The inner frame.
pub(crate) struct Inner {
    pub(crate) vni: u32,
    /// Offset of the inner frame.
    pub(crate) start: usize,
    /// Offset of its end.
    pub(crate) end: usize,
}

impl Outer {
    /// Parses the packet; `None` if it is not to the VXLAN port.
    #[inline(always)]
    pub(crate) fn parse<F: Frame>(frame: &F) -> Option<Self> {
        let ether = Ether::parse(frame, 0, true)?;
        match ether.ethertype {
            ETH_P_IP => ipv4(frame, &ether),
            ETH_P_IPV6 => ipv6(frame, &ether),
            _ => None,
        }
    }

    /// True if the destination is one of our VTEP addresses.
    #[inline(always)]
    pub(crate) fn is_for_us(&self) -> bool {
        VTEPS.get_ptr(self.ends.local).is_some()
    }

    /// Offset of the inner frame.
    #[inline(always)]
    pub(crate) const fn to_inner(&self) -> usize {
        self.udp + UDP_LEN + VXLAN_LEN
    }

    /// True if the outermost MAC and VLAN are those of packets for this gateway.
    #[inline(always)]
    pub(crate) fn is_addressed_here(&self) -> bool {
        ARRIVALS.get_ptr(self.arrival).is_some()
    }

    /// Finds the inner frame and checks that all lengths agree.
    #[inline(always)]
    pub(crate) fn inner<F: Frame>(&self, frame: &F) -> Result<Inner, DropReason> {
        if !self.is_addressed_here() {
            return Err(DropReason::OuterMisaddressed);
        }
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        if read::<u8>(frame, self.udp + UDP_LEN).is_some_and(|flags| flags & VXLAN_EXTENDED != 0) {
            return Err(DropReason::OuterExtended);
        }
        self.lengths_and_vni(frame).ok_or(DropReason::OuterMalformed)
    }

    #[inline(always)]
    fn lengths_and_vni<F: Frame>(&self, frame: &F) -> Option<Inner> {
        let end = self.udp + usize::from(read_be16(frame, self.udp + 4)?);
        let vxlan = self.udp + UDP_LEN;
        let flags: u8 = read(frame, vxlan)?;
        let vni = u32::from_be(read(frame, vxlan + 4)?) >> 8;
        let start = vxlan + VXLAN_LEN;
        let fits = start <= end && end <= self.end && self.end <= frame.len() as usize;
        if fits && flags & VXLAN_FLAG_I != 0 { Some(Inner { vni, start, end }) } else { None }
    }
}

#[inline(always)]
fn is_vxlan<F: Frame>(frame: &F, udp: usize) -> bool {
    read_be16(frame, udp + 2) == Some(UDP_PORT.load())
}

#[inline(always)]
fn arrival(ether: &Ether) -> Arrival {
    Arrival { mac: ether.dst, vlan: ether.vlan() }
}

#[inline(always)]
fn ipv4<F: Frame>(frame: &F, ether: &Ether) -> Option<Outer> {
    let (at, arrival) = (ether.payload, arrival(ether));
    let [version, _, len_high, len_low]: [u8; 4] = read(frame, at)?;
    let [frag_high, frag_low, _, protocol]: [u8; 4] = read(frame, at + 6)?;
    let header = usize::from(version & 0xf) * 4;
    let fragment = u16::from_be_bytes([frag_high, frag_low]);
    // Later fragments have no ports, so they can't be distinguished from the host's own traffic.
    if protocol != IPPROTO_UDP || version >> 4 != 4 || header < IPV4_LEN || fragment & FRAGMENT_OFFSET != 0 {
        return None;
    }
    let ends = RemoteVtepKey { remote: Addr::v4(read(frame, at + 12)?), local: Addr::v4(read(frame, at + 16)?) };
    let end = at + usize::from(u16::from_be_bytes([len_high, len_low]));
    if header == IPV4_LEN {
        let udp = at + IPV4_LEN;
        let refusal = if fragment & MORE_FRAGMENTS != 0 { Some(DropReason::OuterFragment) } else { None };
        return is_vxlan(frame, udp).then_some(Outer { ends, arrival, udp, end, refusal });
    }
    let refusal = Some(DropReason::OuterOptions);
    is_vxlan(frame, at + header).then_some(Outer { ends, arrival, udp: at + IPV4_LEN, end, refusal })
}

#[inline(always)]
fn ipv6<F: Frame>(frame: &F, ether: &Ether) -> Option<Outer> {
    let (at, arrival) = (ether.payload, arrival(ether));
    let end = at + IPV6_LEN + usize::from(read_be16(frame, at + 4)?);
    let next_header: u8 = read(frame, at + 6)?;
    let ends =
        RemoteVtepKey { remote: Addr { bytes: read(frame, at + 8)? }, local: Addr { bytes: read(frame, at + 24)? } };
    let udp = at + IPV6_LEN;
    if next_header == IPPROTO_UDP {
        // The maps use this form for IPv4 addresses. A packet with such addresses would bypass IPv4 filters of the
        // underlay.
        let pretends = ends.remote.is_v4_mapped() || ends.local.is_v4_mapped();
        let refusal = if pretends { Some(DropReason::OuterMalformed) } else { None };
        return is_vxlan(frame, udp).then_some(Outer { ends, arrival, udp, end, refusal });
    }
    let first = next_header == IPPROTO_FRAGMENT
        && read::<u8>(frame, udp) == Some(IPPROTO_UDP)
        && read_be16(frame, udp + 2)? & 0xfff8 == 0;
    let refusal = Some(DropReason::OuterFragment);
    (first && is_vxlan(frame, udp + 8)).then_some(Outer { ends, arrival, udp, end, refusal })
}
