//! Writes outer headers from the template of a tunnel.

use gateway_common::{
    headers::{ETH_LEN, IPV4_LEN, TAG_LEN, UDP_LEN, V4_LEN, V6_LEN, VXLAN_LEN, ipv4_checksum},
    tunnel::NextHop,
};

use crate::stages::unaligned::{self, store16, store32};

/// Length of outer headers over IPv4 with a VLAN tag.
pub(crate) const V4_TAGGED: usize = V4_LEN + TAG_LEN;
/// Length of outer headers over IPv6 with a VLAN tag.
pub(crate) const V6_TAGGED: usize = V6_LEN + TAG_LEN;

/// Fields of the outer headers that differ from packet to packet.
#[derive(Clone, Copy)]
pub(crate) struct Fill {
    pub(crate) vni: u32,
    /// Bytes of the inner frame.
    pub(crate) len: u32,
    pub(crate) source_port: u16,
}

/// Writes the `N` bytes of outer headers to `to`.
///
/// # Safety
///
/// `N` bytes from `to` must be writable; `N` must be one of [`gateway_common::headers::HEADER_LENGTHS`].
#[inline(always)]
pub(crate) unsafe fn write<const N: usize>(to: *mut u8, hop: &NextHop, fill: Fill) {
    let v4 = N == V4_LEN || N == V4_TAGGED;
    let l4 = N - VXLAN_LEN - UDP_LEN;
    let udp_len = fill.len as u16 + (UDP_LEN + VXLAN_LEN) as u16;
    // SAFETY: all offsets are below N, which the caller vouches for; the template holds HEADER_MAX >= N bytes.
    unsafe {
        unaligned::copy::<N>(hop.header.as_ptr(), to);
        if v4 {
            let l3 = l4 - IPV4_LEN;
            let total_len = udp_len + IPV4_LEN as u16;
            put16(to.add(l3 + 2), total_len);
            put16(to.add(l3 + 10), ipv4_checksum(hop.ip_sum, total_len));
        } else {
            put16(to.add(l4 - 36), udp_len);
        }
        put16(to.add(l4), fill.source_port);
        put16(to.add(l4 + 4), udp_len);
        store32(to.add(l4 + UDP_LEN + 4), (fill.vni << 8).to_be());
    }
}

/// # Safety
///
/// Two bytes from `to` must be writable.
#[inline(always)]
unsafe fn put16(to: *mut u8, value: u16) {
    // SAFETY: the caller vouches for it.
    unsafe { store16(to, value.to_be()) }
}

const _: () = assert!(V4_LEN == ETH_LEN + 36 && V6_LEN == ETH_LEN + 56);
