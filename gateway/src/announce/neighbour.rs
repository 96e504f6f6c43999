//! Announcements of IP addresses to their neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gateway_common::net::MacAddr;

use super::station::{ARP_LEN, MIN_LEN, arp, ethernet};
use crate::vrrp::checksum::pseudo_header;

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const OPERATION_REQUEST: u16 = 1;
const OPERATION_REPLY: u16 = 2;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
const ICMPV6: u8 = 58;
const TYPE_SOLICITATION: u8 = 135;
const TYPE_ADVERTISEMENT: u8 = 136;
/// What neighbours have is to be overridden. Neither a router, nor solicited.
const FLAG_OVERRIDE: u8 = 0x20;
const OPTION_TARGET_LINK_LAYER: u8 = 2;
const ADVERTISEMENT_LEN: u16 = 32;

/// Tells all neighbours that `address` has this MAC: [`gratuitous_arp`] or [`neighbour_advertisement`]. `reply` chooses
/// between two forms of the former. A switch that has cached one a moment ago looks at the other one.
pub fn takeover(mac: MacAddr, address: IpAddr, reply: bool) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => gratuitous_arp(mac, address, reply),
        IpAddr::V6(address) => neighbour_advertisement(mac, address),
    }
}

/// An ARP announcement: a broadcast request by the address for itself (RFC 5227 section 3, RFC 9568 section 6.4.1), or a
/// reply to itself (RFC 5944 section 4.6 knows both). The reply names the sender's MAC as target, too: Linux takes any other
/// for an ordinary reply, and believes none of those within a second of the last (`arp_is_garp` in net/ipv4/arp.c).
pub fn gratuitous_arp(mac: MacAddr, address: Ipv4Addr, reply: bool) -> Vec<u8> {
    let mut frame = ethernet(MacAddr::BROADCAST, mac, ETHERTYPE_ARP, ARP_LEN);
    let (operation, target) = if reply { (OPERATION_REPLY, mac) } else { (OPERATION_REQUEST, MacAddr([0; 6])) };
    arp(&mut frame, operation, (mac, address), (target, address));
    frame.resize(MIN_LEN, 0);
    frame
}

/// An unsolicited neighbour advertisement to all nodes, from the address itself (RFC 4861 sections 4.4 and
/// 7.2.6).
pub fn neighbour_advertisement(mac: MacAddr, address: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![TYPE_ADVERTISEMENT, 0, 0, 0, FLAG_OVERRIDE, 0, 0, 0];
    message.extend(address.octets());
    message.extend([OPTION_TARGET_LINK_LAYER, 1]);
    message.extend(mac.0);
    let sum = pseudo_header(address.into(), ALL_NODES.into(), ICMPV6, message.len()).add(&message);
    message[2..4].copy_from_slice(&sum.checksum().to_be_bytes());

    let mut frame = ethernet(ALL_NODES_MAC, mac, ETHERTYPE_IPV6, 40 + message.len());
    frame.extend([0x60, 0, 0, 0]);
    frame.extend(ADVERTISEMENT_LEN.to_be_bytes());
    frame.extend([ICMPV6, 255]);
    frame.extend(address.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(message);
    frame
}

/// Asks who has `address`, without telling anybody an address of the asker's: an ARP probe (RFC 5227 section 2.1.1) or the
/// neighbour solicitation of duplicate address detection (RFC 4862 section 5.4.2).
pub fn probe(mac: MacAddr, address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => {
            let mut frame = ethernet(MacAddr::BROADCAST, mac, ETHERTYPE_ARP, ARP_LEN);
            arp(&mut frame, OPERATION_REQUEST, (mac, Ipv4Addr::UNSPECIFIED), (MacAddr([0; 6]), address));
            frame.resize(MIN_LEN, 0);
            frame
        }
        IpAddr::V6(address) => solicitation(mac, address),
    }
}

fn solicitation(mac: MacAddr, address: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = address.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
    let mut message = vec![TYPE_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(address.octets());
    let nobody = Ipv6Addr::UNSPECIFIED;
    let sum = pseudo_header(nobody.into(), group.into(), ICMPV6, message.len()).add(&message);
    message[2..4].copy_from_slice(&sum.checksum().to_be_bytes());

    let mut frame = ethernet(MacAddr([0x33, 0x33, 0xff, a, b, c]), mac, ETHERTYPE_IPV6, 40 + message.len());
    frame.extend([0x60, 0, 0, 0]);
    frame.extend((message.len() as u16).to_be_bytes());
    frame.extend([ICMPV6, 255]);
    frame.extend(nobody.octets());
    frame.extend(group.octets());
    frame.extend(message);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    #[test]
    fn gratuitous_arp_is_a_request_by_the_address_for_itself() {
        let frame = gratuitous_arp(MAC, Ipv4Addr::new(10, 9, 0, 100), false);
        #[rustfmt::skip]
        let golden = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06,
            0, 1, 0x08, 0, 6, 4, 0, 1,
            2, 0, 0, 0, 0, 1, 10, 9, 0, 100,
            0, 0, 0, 0, 0, 0, 10, 9, 0, 100,
        ];
        assert_eq!(frame[..42], golden);
        assert_eq!(frame.len(), 60);
        assert_eq!(takeover(MAC, Ipv4Addr::new(10, 9, 0, 100).into(), false), frame);
    }

    #[test]
    fn the_other_form_differs_where_a_cached_flow_looks() {
        let [one, other] = [false, true].map(|reply| takeover(MAC, Ipv4Addr::new(10, 9, 0, 100).into(), reply));
        assert_eq!((one[21], other[21]), (1, 2), "the operation");
        assert_eq!((&one[..20], &one[22..32]), (&other[..20], &other[22..32]));
        assert_eq!(one[38..42], other[38..42], "still gratuitous: for itself");
    }

    #[test]
    fn neighbour_advertisement_is_as_the_rfc_has_it() {
        let frame = neighbour_advertisement(MAC, "2001:db8::100".parse().unwrap());
        #[rustfmt::skip]
        let golden = [
            0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd,
            0x60, 0, 0, 0, 0, 32, 58, 255,
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
            0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            // Sum by hand: twice 2001+0db8+0100, ff02+0001, 20+3a, 8800+2000, 0201+0200+0001 = 2:08d1,
            // folded 08d3, inverted f72c.
            136, 0, 0xf7, 0x2c, 0x20, 0, 0, 0,
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
            2, 1, 2, 0, 0, 0, 0, 1,
        ];
        assert_eq!(frame, golden);
    }
}
