//! Announcements of stations to switches, and the common parts of ARP-like frames.

use std::net::Ipv4Addr;

use gateway_common::net::{MacAddr, VlanId};

/// Least length of an Ethernet frame without its checksum (IEEE 802.3 clause 3.2.7).
pub(super) const MIN_LEN: usize = 60;
/// Length of an ARP message for Ethernet and IPv4.
pub(super) const ARP_LEN: usize = 28;
const TAG_LEN: usize = 4;
const ETHERTYPE_RARP: u16 = 0x8035;
const ETHERTYPE_VLAN: u16 = 0x8100;
const OPERATION_REQUEST_REVERSE: u16 = 3;

/// Returns a broadcast from `station`, from which switches learn the port behind which it is now. It is a request for
/// the station's own IP address (RFC 903), from which no host learns an address. It has a tag unless the VLAN is
/// [`VlanId::UNTAGGED`].
pub fn rarp(station: MacAddr, vlan: VlanId) -> Vec<u8> {
    let (mut frame, len) = if vlan == VlanId::UNTAGGED {
        (ethernet(MacAddr::BROADCAST, station, ETHERTYPE_RARP, ARP_LEN), MIN_LEN)
    } else {
        let mut frame = ethernet(MacAddr::BROADCAST, station, ETHERTYPE_VLAN, ARP_LEN + TAG_LEN);
        frame.extend(vlan.get().to_be_bytes());
        frame.extend(ETHERTYPE_RARP.to_be_bytes());
        // The frame is still long enough after a switch has removed the tag.
        (frame, MIN_LEN + TAG_LEN)
    };
    let unknown = Ipv4Addr::UNSPECIFIED;
    arp(&mut frame, OPERATION_REQUEST_REVERSE, (station, unknown), (station, unknown));
    frame.resize(len, 0);
    frame
}

/// Returns an Ethernet header, with room for that many bytes behind it.
pub(super) fn ethernet(to: MacAddr, from: MacAddr, ethertype: u16, room: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity((14 + room).max(MIN_LEN + TAG_LEN));
    frame.extend(to.0);
    frame.extend(from.0);
    frame.extend(ethertype.to_be_bytes());
    frame
}

/// Appends an ARP or RARP message (RFC 826).
pub(super) fn arp(frame: &mut Vec<u8>, operation: u16, sender: (MacAddr, Ipv4Addr), target: (MacAddr, Ipv4Addr)) {
    // Ethernet, IPv4, and the lengths of their addresses.
    frame.extend([0, 1, 0x08, 0x00, 6, 4]);
    frame.extend(operation.to_be_bytes());
    for (mac, address) in [sender, target] {
        frame.extend(mac.0);
        frame.extend(address.octets());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATION: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

    #[rustfmt::skip]
    const MESSAGE: [u8; 28] = [
        0, 1, 0x08, 0, 6, 4, 0, 3,
        2, 0, 0, 0, 0, 7, 0, 0, 0, 0,
        2, 0, 0, 0, 0, 7, 0, 0, 0, 0,
    ];

    #[test]
    fn station_is_announced_by_a_broadcast_of_its_own() {
        let frame = rarp(STATION, VlanId::UNTAGGED);
        assert_eq!(frame[..14], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 7, 0x80, 0x35]);
        assert_eq!(frame[14..42], MESSAGE);
        assert_eq!(frame.len(), 60);
    }

    #[test]
    fn tag_comes_before_the_ethertype() {
        let frame = rarp(STATION, VlanId::new(301).unwrap());
        assert_eq!(frame[12..18], [0x81, 0x00, 0x01, 0x2d, 0x80, 0x35]);
        assert_eq!(frame[18..46], MESSAGE);
        assert_eq!(frame.len(), 64);
    }
}
