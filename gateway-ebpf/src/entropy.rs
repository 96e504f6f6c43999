//! A hash of the inner flow, for the outer source port: routers and receiving NICs spread tunnels by it
//! (RFC 7348 section 5).

use gateway_common::headers::{ETH_P_IP, ETH_P_IPV6, IPV4_LEN, IPV6_LEN, stir};

use crate::frame::{Ether, Frame, read, read_be16};

const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
const IPPROTO_SCTP: u8 = 132;

/// Hash of addresses, protocol and ports where the frame has them, else of the MACs.
#[inline(always)]
pub(crate) fn of<F: Frame>(frame: &F, ether: &Ether) -> u32 {
    let flow = match ether.ethertype {
        ETH_P_IP => ipv4(frame, ether.payload),
        ETH_P_IPV6 => ipv6(frame, ether.payload),
        _ => None,
    };
    flow.unwrap_or_else(|| macs(ether))
}

#[inline(always)]
fn macs(ether: &Ether) -> u32 {
    let [a, b, c, d, e, f] = ether.dst;
    let [g, h, i, j, k, l] = ether.src;
    let hash = stir(u32::from(ether.ethertype), u32::from_le_bytes([a, b, c, d]));
    let hash = stir(hash, u32::from_le_bytes([e, f, g, h]));
    stir(hash, u32::from_le_bytes([i, j, k, l]))
}

#[inline(always)]
fn ipv4<F: Frame>(frame: &F, at: usize) -> Option<u32> {
    let version: u8 = read(frame, at)?;
    let fragment = read_be16(frame, at + 6)?;
    let protocol: u8 = read(frame, at + 9)?;
    let hash = stir(u32::from(protocol), read(frame, at + 12)?);
    let hash = stir(hash, read(frame, at + 16)?);
    // Fragments have no ports, or not all of them: the whole datagram takes one path.
    if version != 0x45 || fragment & 0x3fff != 0 {
        return Some(hash);
    }
    Some(ports(frame, at + IPV4_LEN, protocol, hash))
}

#[inline(always)]
fn ipv6<F: Frame>(frame: &F, at: usize) -> Option<u32> {
    let next_header: u8 = read(frame, at + 6)?;
    let words: [u32; 8] = read(frame, at + 8)?;
    let mut hash = u32::from(next_header);
    for word in words {
        hash = stir(hash, word);
    }
    Some(ports(frame, at + IPV6_LEN, next_header, hash))
}

#[inline(always)]
fn ports<F: Frame>(frame: &F, at: usize, protocol: u8, hash: u32) -> u32 {
    if !matches!(protocol, IPPROTO_TCP | IPPROTO_UDP | IPPROTO_SCTP) {
        return hash;
    }
    match read(frame, at) {
        Some(ports) => stir(hash, ports),
        None => hash,
    }
}
