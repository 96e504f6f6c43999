//! Reads outer headers as docs/ARCHITECTURE.md describes the walk of a packet from the uplink, slowly and in order.

use gateway_common::counters::DropReason;

use crate::plane::{GATEWAY_MAC, GATEWAY_V4, GATEWAY_V6, Outcome, PORT, REMOTE_V4, REMOTE_V6};

/// What is to become of a packet.
#[derive(Debug)]
pub(crate) enum Expected {
    /// Up the stack, not counted.
    Passed,
    /// Dropped for its outer headers.
    Dropped(DropReason),
    /// Decapsulated: no logical switch is there, so that it ends as unknown, or before that for what is inside.
    Opened,
}

/// What a frame from a tunnel can end by, where there is no logical switch.
const INSIDE: [DropReason; 6] = [
    DropReason::FrameMalformed,
    DropReason::BadSource,
    DropReason::LinkLocal,
    DropReason::ControlProtocol,
    DropReason::InnerTagged,
    DropReason::UnknownVni,
];

impl Expected {
    /// True if a program may do that.
    pub(crate) fn allows(&self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Self::Passed, Outcome::Passed) => true,
            (Self::Dropped(expected), Outcome::Dropped(reason)) => expected == reason,
            (Self::Opened, Outcome::Dropped(reason)) => INSIDE.contains(reason),
            _ => false,
        }
    }
}

/// The rest of a packet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    fn be16(&mut self) -> Option<u16> {
        self.take().map(|bytes| u16::from_be_bytes(*bytes))
    }
}

/// The fate of `packet`.
pub(crate) fn parse(packet: &[u8]) -> Expected {
    outer(packet).unwrap_or(Expected::Passed)
}

/// `None` for what is no VXLAN packet.
fn outer(packet: &[u8]) -> Option<Expected> {
    let mut rest = Rest(packet);
    let to: [u8; 6] = *rest.take()?;
    let _from: &[u8; 6] = rest.take()?;
    let mut ethertype = rest.be16()?;
    let mut vlan = 0;
    if ethertype == 0x8100 {
        vlan = rest.be16()? & 0xfff;
        ethertype = rest.be16()?;
    }
    let ours = to == GATEWAY_MAC && vlan == 0;
    match ethertype {
        0x0800 => ipv4(rest, ours),
        0x86dd => ipv6(rest, ours),
        _ => None,
    }
}

fn ipv4(mut rest: Rest, ours: bool) -> Option<Expected> {
    let header: &[u8; 20] = rest.take()?;
    let (version, words) = (header[0] >> 4, usize::from(header[0] & 0xf));
    let length = u16::from_be_bytes([header[2], header[3]]);
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    if version != 4 || words < 5 || header[9] != 17 || fragment & 0x1fff != 0 {
        return None;
    }
    let options = words * 4 - 20;
    let ports = rest.0.get(options..options + 4)?;
    if ports[2..] != PORT.to_be_bytes() {
        return None;
    }
    let known = header[12..16] == REMOTE_V4.octets();
    if header[16..20] != GATEWAY_V4.octets() {
        return Some(Expected::Passed);
    }
    let refusal = if options > 0 {
        Some(DropReason::OuterOptions)
    } else if fragment & 0x2000 != 0 {
        Some(DropReason::OuterFragment)
    } else {
        None
    };
    Some(admitted(rest, known, ours, refusal, usize::from(length).checked_sub(20)))
}

fn ipv6(mut rest: Rest, ours: bool) -> Option<Expected> {
    let header: &[u8; 40] = rest.take()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let (from, to): ([u8; 16], [u8; 16]) = (header[8..24].try_into().ok()?, header[24..40].try_into().ok()?);
    let mapped = |address: [u8; 16]| address[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    let mut refusal = (mapped(from) || mapped(to)).then_some(DropReason::OuterMalformed);
    let at = match header[6] {
        17 => 0,
        44 => {
            let extension = rest.0.get(..8)?;
            if extension[0] != 17 || u16::from_be_bytes([extension[2], extension[3]]) & 0xfff8 != 0 {
                return None;
            }
            refusal = Some(DropReason::OuterFragment);
            8
        }
        _ => return None,
    };
    if rest.0.get(at + 2..at + 4)? != PORT.to_be_bytes() {
        return None;
    }
    // In the maps an IPv4 address has the form of a mapped one.
    let is = |address: [u8; 16], v4: [u8; 4], v6: [u8; 16]| address == v6 || mapped(address) && address[12..] == v4;
    if !is(to, GATEWAY_V4.octets(), GATEWAY_V6.octets()) {
        return Some(Expected::Passed);
    }
    let pairs = [
        (REMOTE_V4.to_ipv6_mapped().octets(), GATEWAY_V4.to_ipv6_mapped().octets()),
        (REMOTE_V6.octets(), GATEWAY_V6.octets()),
    ];
    Some(admitted(rest, pairs.contains(&(from, to)), ours, refusal, Some(length)))
}

/// A packet to a VTEP address of the gateway, `rest` from its UDP header on, of which the IP header counts `length` bytes.
fn admitted(mut rest: Rest, known: bool, ours: bool, refusal: Option<DropReason>, length: Option<usize>) -> Expected {
    if !known {
        return Expected::Dropped(DropReason::UnknownVtep);
    }
    if !ours {
        return Expected::Dropped(DropReason::OuterMisaddressed);
    }
    if let Some(reason) = refusal {
        return Expected::Dropped(reason);
    }
    let there = rest.0.len();
    let (Some(udp), Some(vxlan)) = (rest.take::<8>(), rest.take::<8>()) else {
        // The flags alone may be there, and are looked at first.
        return match rest_flags(there, rest.0) {
            Some(flags) if flags & 0xb5 != 0 => Expected::Dropped(DropReason::OuterExtended),
            _ => Expected::Dropped(DropReason::OuterMalformed),
        };
    };
    if vxlan[0] & 0xb5 != 0 {
        return Expected::Dropped(DropReason::OuterExtended);
    }
    let datagram = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
    let sound = length.is_some_and(|length| (16..=length).contains(&datagram) && length <= there);
    if !sound || vxlan[0] & 0x08 == 0 {
        return Expected::Dropped(DropReason::OuterMalformed);
    }
    Expected::Opened
}

/// The VXLAN header's first byte in what is left of a packet with `there` bytes from its UDP header on, where the UDP
/// header was there and the VXLAN header was not, whole.
fn rest_flags(there: usize, rest: &[u8]) -> Option<u8> {
    if there > 8 { rest.first().copied() } else { None }
}
