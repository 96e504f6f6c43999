//! Outer UDP source port, a hash of the inner flow. Routers (ECMP) and receiving NICs (RSS) spread tunnel traffic by it
//! (RFC 7348 section 5).

use gateway_common::headers::{ETH_P_IP, ETH_P_IPV6, IPPROTO_TCP, IPPROTO_UDP, IPV4_LEN, IPV6_LEN, source_port};

use crate::stages::{
    frame::{Ether, Frame, read},
    unaligned::{load32, load64},
};

const IPPROTO_SCTP: u8 = 132;

/// Hashes IP addresses, protocol and ports where the frame has them, otherwise the MAC addresses.
#[inline(always)]
pub(crate) fn of<F: Frame>(frame: &F, ether: &Ether) -> u16 {
    let port = match ether.ethertype {
        ETH_P_IP => ipv4(frame, ether.payload),
        ETH_P_IPV6 => ipv6(frame, ether.payload),
        _ => None,
    };
    port.unwrap_or_else(|| macs(ether))
}

#[inline(always)]
fn macs(ether: &Ether) -> u16 {
    let [a, b, c, d, e, f] = ether.dst;
    let [g, h, i, j, k, l] = ether.src;
    let [m, n] = ether.ethertype.to_ne_bytes();
    source_port([u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes([i, j, k, l, m, n, 0, 0])])
}

#[inline(always)]
fn ipv4<F: Frame>(frame: &F, at: usize) -> Option<u16> {
    let version: u8 = read(frame, at)?;
    let [frag_high, frag_low, _, protocol]: [u8; 4] = read(frame, at + 6)?;
    let addresses = read(frame, at + 12)?;
    // Fragments have no ports, or not all of them have. All fragments of a datagram must take one path.
    let whole = version == 0x45 && frag_high & 0x3f == 0 && frag_low == 0;
    let ports = if whole { ports(frame, at + IPV4_LEN, protocol) } else { 0 };
    Some(source_port([addresses, u64::from(protocol) << 32 | u64::from(ports)]))
}

/// Same as [`of`] for the IPv4 header at `at`.
///
/// # Safety
///
/// The header, taken as one without options, and the four bytes after it must be readable.
#[inline(always)]
pub(crate) unsafe fn of_ipv4(at: *const u8) -> u16 {
    // SAFETY: the caller vouches for the bytes.
    let (version, middle, addresses, ports) =
        unsafe { (at.read(), load32::<6>(at), load64::<12>(at), load32::<IPV4_LEN>(at)) };
    let [frag_high, frag_low, _, protocol] = middle.to_ne_bytes();
    let has_ports = version == 0x45
        && frag_high & 0x3f == 0
        && frag_low == 0
        && matches!(protocol, IPPROTO_TCP | IPPROTO_UDP | IPPROTO_SCTP);
    let ports = if has_ports { ports } else { 0 };
    source_port([addresses, u64::from(protocol) << 32 | u64::from(ports)])
}

#[inline(always)]
fn ipv6<F: Frame>(frame: &F, at: usize) -> Option<u16> {
    let next_header: u8 = read(frame, at + 6)?;
    let [a, b, c, d]: [u64; 4] = read(frame, at + 8)?;
    let ports = ports(frame, at + IPV6_LEN, next_header);
    Some(source_port([a, b, c, d, u64::from(next_header) << 32 | u64::from(ports)]))
}

/// Returns both ports as one word, or 0 if the protocol has none.
#[inline(always)]
fn ports<F: Frame>(frame: &F, at: usize, protocol: u8) -> u32 {
    if !matches!(protocol, IPPROTO_TCP | IPPROTO_UDP | IPPROTO_SCTP) {
        return 0;
    }
    read(frame, at).unwrap_or(0)
}
