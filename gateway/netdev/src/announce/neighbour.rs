//! Announcements of IP addresses to neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gateway_common::net::MacAddr;
use gateway_vrrp::{Time, checksum::pseudo_header};

use super::station::{ARP_LEN, MIN_LEN, arp, ethernet};

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const OPERATION_REQUEST: u16 = 1;
const OPERATION_REPLY: u16 = 2;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const IPV6_LEN: usize = 40;
const ICMPV6: u8 = 58;
/// Hop limit of neighbour discovery. Neighbours ignore messages with any other (RFC 4861 section 7.1).
const HOP_LIMIT: u8 = 255;
const TYPE_SOLICITATION: u8 = 135;
const TYPE_ADVERTISEMENT: u8 = 136;
/// Flags of an advertisement: override the existing entry, neither a router nor solicited.
const FLAG_OVERRIDE: u8 = 0x20;
const OPTION_TARGET_LINK_LAYER: u8 = 2;

/// Returns the frames that announce `address` to all neighbours. For IPv4 there are two: [`gratuitous_arp`], which
/// hosts accept at once, and one for Open vSwitch in userspace.
///
/// Open vSwitch learns neighbours only from packets that match no cached flow (`tnl_arp_snoop` in
/// lib/tnl-neigh-cache.c), and keeps a flow for ten seconds after its last packet. A bridge's flows match the Ethernet
/// destination, so the second frame goes to a group address that changes with each millisecond of `now`. It is a reply,
/// because older releases learn from nothing else. For IPv6 Open vSwitch learns only from packets that are addressed to
/// itself (`is_neighbor_reply_correct` in ofproto/ofproto-dpif-xlate.c).
pub fn takeover(mac: MacAddr, address: IpAddr, now: Time) -> Vec<Vec<u8>> {
    match address {
        IpAddr::V4(address) => vec![gratuitous_arp(mac, address), uncached_arp(mac, address, now)],
        IpAddr::V6(address) => vec![neighbour_advertisement(mac, address)],
    }
}

/// Returns an ARP announcement: a broadcast request by the address for itself (RFC 5227 section 3, RFC 9568 section
/// 6.4.1).
pub fn gratuitous_arp(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    arp_frame(MacAddr::BROADCAST, OPERATION_REQUEST, (mac, address), (MacAddr([0; 6]), address))
}

/// Returns an ARP announcement in the form of a reply (RFC 5944 section 4.6), to a locally administered group without
/// members.
fn uncached_arp(mac: MacAddr, address: Ipv4Addr, now: Time) -> Vec<u8> {
    // The clock continues when the agent restarts, so the same group does not recur for 49 days.
    let [.., a, b, c, d] = now.as_millis().to_be_bytes();
    arp_frame(MacAddr([0x03, 0, a, b, c, d]), OPERATION_REPLY, (mac, address), (mac, address))
}

fn arp_frame(to: MacAddr, operation: u16, sender: (MacAddr, Ipv4Addr), target: (MacAddr, Ipv4Addr)) -> Vec<u8> {
    let mut frame = ethernet(to, sender.0, ETHERTYPE_ARP, ARP_LEN);
    arp(&mut frame, operation, sender, target);
    frame.resize(MIN_LEN, 0);
    frame
}

/// Returns an unsolicited neighbour advertisement to all nodes, from the address itself (RFC 4861 sections 4.4 and
/// 7.2.6).
pub fn neighbour_advertisement(mac: MacAddr, address: Ipv6Addr) -> Vec<u8> {
    let mut message = vec![TYPE_ADVERTISEMENT, 0, 0, 0, FLAG_OVERRIDE, 0, 0, 0];
    message.extend(address.octets());
    message.extend([OPTION_TARGET_LINK_LAYER, 1]);
    message.extend(mac.0);
    icmpv6(mac, address, ALL_NODES, message)
}

/// Returns a request for the owner of `address` that contains no address of the sender: an ARP probe (RFC 5227 section
/// 2.1.1) or the neighbour solicitation of duplicate address detection (RFC 4862 section 5.4.2).
pub fn probe(mac: MacAddr, address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => {
            let sender = (mac, Ipv4Addr::UNSPECIFIED);
            arp_frame(MacAddr::BROADCAST, OPERATION_REQUEST, sender, (MacAddr([0; 6]), address))
        }
        IpAddr::V6(address) => solicitation(mac, address),
    }
}

fn solicitation(mac: MacAddr, address: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = address.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
    let mut message = vec![TYPE_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(address.octets());
    icmpv6(mac, Ipv6Addr::UNSPECIFIED, group, message)
}

/// Wraps an ICMPv6 message to a multicast group, and fills in its checksum (RFC 4443 section 2.3).
fn icmpv6(mac: MacAddr, source: Ipv6Addr, group: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    let sum = pseudo_header(source.into(), group.into(), ICMPV6, message.len()).update(&message);
    message[2..4].copy_from_slice(&sum.checksum().to_be_bytes());
    // RFC 2464 section 7.
    let [.., a, b, c, d] = group.octets();
    let mut frame = ethernet(MacAddr([0x33, 0x33, a, b, c, d]), mac, ETHERTYPE_IPV6, IPV6_LEN + message.len());
    frame.extend([0x60, 0, 0, 0]);
    frame.extend((message.len() as u16).to_be_bytes());
    frame.extend([ICMPV6, HOP_LIMIT]);
    frame.extend(source.octets());
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
        let frame = gratuitous_arp(MAC, Ipv4Addr::new(10, 9, 0, 100));
        #[rustfmt::skip]
        let golden = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06,
            0, 1, 0x08, 0, 6, 4, 0, 1,
            2, 0, 0, 0, 0, 1, 10, 9, 0, 100,
            0, 0, 0, 0, 0, 0, 10, 9, 0, 100,
        ];
        assert_eq!(frame[..42], golden);
        assert_eq!(frame.len(), 60);
        assert_eq!(takeover(MAC, Ipv4Addr::new(10, 9, 0, 100).into(), Time::ZERO)[0], frame);
    }

    #[test]
    fn second_arp_announcement_goes_to_another_group_each_time() {
        let address = Ipv4Addr::new(10, 9, 0, 100);
        let [one, other] = [0x0102_0304, 0x0102_0305].map(|at| {
            let frames = takeover(MAC, address.into(), Time::from_millis(at));
            frames[1].clone()
        });
        #[rustfmt::skip]
        let golden = [
            0x03, 0, 1, 2, 3, 4, 2, 0, 0, 0, 0, 1, 0x08, 0x06,
            0, 1, 0x08, 0, 6, 4, 0, 2,
            2, 0, 0, 0, 0, 1, 10, 9, 0, 100,
            2, 0, 0, 0, 0, 1, 10, 9, 0, 100,
        ];
        assert_eq!(one[..42], golden);
        assert_eq!(other[..6], [0x03, 0, 1, 2, 3, 5]);
        assert_eq!(one[6..], other[6..]);
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
