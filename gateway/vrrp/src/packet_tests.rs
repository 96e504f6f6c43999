use std::net::IpAddr;

use proptest::prelude::*;

use super::{Advertisement, Checksum, Envelope, GROUP_V4, GROUP_V6, Interval, PacketError, Version, Vrid, unwrap_ipv4};

/// Captured packets of keepalived 2.2.7 and FRR 8.4.4, with the IP header.
mod captured {
    pub(super) const KEEPALIVED_V2: &str = "45c0002c00010000ff70d0840a090001e0000012 \
        2133c802000101ee0a0900640a0900650000000000000000";
    pub(super) const KEEPALIVED_V2_PASSWORD: &str = "45c0002800010000ff70d0880a090001e0000012 \
        2133c8010101cf100a0900647365637265740000";
    pub(super) const KEEPALIVED_V3: &str = "45c0002000010000ff70d0900a090001e0000012 3133c801001911ac0a090064";
    pub(super) const KEEPALIVED_V3_IPV6: &str = "3133c8020064dafcfe800000000000000000000000000100\
        20010db8000000000000000000000100";
    pub(super) const FRR_V2: &str = "45c00028d6944000ff70b9f40a090001e0000012 \
        2133c80100010c5d0a0900640000000000000000";
    pub(super) const FRR_V3: &str = "45c000209e0f4000ff70f2810a090001e0000012 3133c801006411610a090064";
    pub(super) const FRR_V3_IPV6: &str = "3133c8010064785c20010db8000000000000000000000100";
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn envelope(from: &str) -> Envelope {
    let from = ip(from);
    let to = if from.is_ipv4() { GROUP_V4.into() } else { GROUP_V6.into() };
    Envelope { from, to, ttl: 255 }
}

fn parse_ipv4(hex: &str) -> Result<Advertisement, PacketError> {
    let packet = bytes(hex);
    let (envelope, message) = unwrap_ipv4(&packet)?;
    Advertisement::parse(message, &envelope)
}

fn advertisement(version: Version, centiseconds: u16, addresses: &[&str]) -> Advertisement {
    Advertisement {
        version,
        vrid: Vrid::new(51).unwrap(),
        priority: 200,
        interval: Interval::from_centiseconds(centiseconds).unwrap(),
        addresses: addresses.iter().map(|address| ip(address)).collect(),
        checksum: if version == Version::V2 { Checksum::MessageOnly } else { Checksum::PseudoHeader },
    }
}

/// Bytes 0x31 0x07 0x64 1, 100 cs, one address, made by hand.
fn by_hand(checksum: u16) -> Vec<u8> {
    let [high, low] = checksum.to_be_bytes();
    vec![0x31, 7, 100, 1, 0, 100, high, low, 192, 0, 2, 1]
}

/// 3107 + 6401 + 0064 + c000 + 0201 = 1:576d, folded 576e, inverted a891.
const MESSAGE_ONLY: u16 = 0xa891;
/// And 0a00 + 0001 + e000 + 0012 + 0070 + 000c = ea8f: 576e + ea8f = 1:41fd, folded 41fe, inverted be01.
const PSEUDO_HEADER: u16 = 0xbe01;

#[test]
fn version_3_of_the_rfc_reads_with_either_checksum() {
    for (checksum, convention) in [(MESSAGE_ONLY, Checksum::MessageOnly), (PSEUDO_HEADER, Checksum::PseudoHeader)] {
        let read = Advertisement::parse(&by_hand(checksum), &envelope("10.0.0.1")).unwrap();
        assert_eq!((read.version, read.vrid.get(), read.priority), (Version::V3, 7, 100));
        assert_eq!((read.interval, read.addresses.as_slice()), (Interval::DEFAULT, [ip("192.0.2.1")].as_slice()));
        assert_eq!(read.checksum, convention);
        assert_eq!(read.emit(ip("10.0.0.1"), GROUP_V4.into()), by_hand(checksum));
    }
}

#[test]
fn keepalived_is_understood() {
    use captured::{KEEPALIVED_V2, KEEPALIVED_V3, KEEPALIVED_V3_IPV6};
    let v2 = advertisement(Version::V2, 100, &["10.9.0.100", "10.9.0.101"]);
    assert_eq!(parse_ipv4(KEEPALIVED_V2), Ok(v2));
    assert_eq!(parse_ipv4(KEEPALIVED_V3), Ok(advertisement(Version::V3, 25, &["10.9.0.100"])));
    let v6 = advertisement(Version::V3, 100, &["fe80::100", "2001:db8::100"]);
    assert_eq!(Advertisement::parse(&bytes(KEEPALIVED_V3_IPV6), &envelope("fe80::ff:fe00:1")), Ok(v6));
}

#[test]
fn frr_is_understood() {
    use captured::{FRR_V2, FRR_V3, FRR_V3_IPV6};
    assert_eq!(parse_ipv4(FRR_V2), Ok(advertisement(Version::V2, 100, &["10.9.0.100"])));
    assert_eq!(parse_ipv4(FRR_V3), Ok(advertisement(Version::V3, 100, &["10.9.0.100"])));
    let v6 = advertisement(Version::V3, 100, &["2001:db8::100"]);
    assert_eq!(Advertisement::parse(&bytes(FRR_V3_IPV6), &envelope("fe80::200:5eff:fe00:233")), Ok(v6));
}

#[test]
fn what_is_sent_is_what_others_send() {
    use captured::{FRR_V2, FRR_V3, FRR_V3_IPV6, KEEPALIVED_V2, KEEPALIVED_V3};
    for hex in [KEEPALIVED_V2, KEEPALIVED_V3, FRR_V2, FRR_V3] {
        let packet = bytes(hex);
        let (Envelope { from, to, .. }, message) = unwrap_ipv4(&packet).unwrap();
        assert_eq!(parse_ipv4(hex).unwrap().emit(from, to), message);
    }
    let v6 = advertisement(Version::V3, 100, &["2001:db8::100"]);
    assert_eq!(v6.emit(ip("fe80::200:5eff:fe00:233"), GROUP_V6.into()), bytes(FRR_V3_IPV6));
}

#[test]
fn password_is_recognised() {
    assert_eq!(parse_ipv4(captured::KEEPALIVED_V2_PASSWORD), Err(PacketError::Authentication(1)));
}

#[test]
fn checksum_holds_for_one_receiver_only() {
    let sent = advertisement(Version::V3, 100, &["192.0.2.1"]);
    let message = sent.emit(ip("10.0.0.1"), ip("10.0.0.2"));
    let to = |to| Envelope { from: ip("10.0.0.1"), to: ip(to), ttl: 255 };
    assert_eq!(Advertisement::parse(&message, &to("10.0.0.2")), Ok(sent));
    assert_eq!(Advertisement::parse(&message, &to("10.0.0.3")), Err(PacketError::Checksum));
}

#[test]
fn version_2_rounds_the_interval_up_to_seconds() {
    for (centiseconds, seconds) in [(1, 1), (100, 1), (101, 2), (4095, 41)] {
        let message = advertisement(Version::V2, centiseconds, &[]).emit(ip("10.0.0.1"), GROUP_V4.into());
        assert_eq!(message[4..6], [0, seconds]);
    }
}

/// A message with one change, and a checksum that is right again.
fn refused(change: impl FnOnce(&mut Vec<u8>)) -> PacketError {
    refused_from("10.0.0.1", by_hand(0), change)
}

fn refused_from(from: &str, mut message: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> PacketError {
    change(&mut message);
    if message.len() >= 8 {
        message[6..8].fill(0);
        let envelope = envelope(from);
        let sum = if envelope.from.is_ipv4() {
            super::checksum::Sum::default()
        } else {
            super::checksum::pseudo_header(envelope.from, envelope.to, 112, message.len())
        };
        let checksum = sum.update(&message).checksum();
        message[6..8].copy_from_slice(&checksum.to_be_bytes());
    }
    Advertisement::parse(&message, &envelope(from)).unwrap_err()
}

#[test]
fn ttl_other_than_255_is_refused_before_anything_else() {
    let envelope = Envelope { ttl: 254, ..envelope("10.0.0.1") };
    assert_eq!(Advertisement::parse(&by_hand(PSEUDO_HEADER), &envelope), Err(PacketError::Ttl(254)));
    assert_eq!(Advertisement::parse(&[], &envelope), Err(PacketError::Ttl(254)));
}

#[test]
fn less_than_a_header_is_refused() {
    assert_eq!(refused(|message| message.truncate(7)), PacketError::Short(7));
}

#[test]
fn unknown_versions_are_refused() {
    assert_eq!(refused(|message| message[0] = 0x11), PacketError::Version(1));
    assert_eq!(refused(|message| message[0] = 0x41), PacketError::Version(4));
}

#[test]
fn version_2_over_ipv6_is_refused() {
    let v6 = bytes(captured::FRR_V3_IPV6);
    assert_eq!(refused_from("fe80::1", v6, |message| message[0] = 0x21), PacketError::Version(2));
}

#[test]
fn other_types_are_refused() {
    assert_eq!(refused(|message| message[0] = 0x32), PacketError::Type(2));
}

#[test]
fn wrong_checksum_is_refused() {
    let envelope = envelope("10.0.0.1");
    assert_eq!(Advertisement::parse(&by_hand(MESSAGE_ONLY ^ 1), &envelope), Err(PacketError::Checksum));
}

#[test]
fn ipv6_without_a_pseudo_header_is_refused() {
    let mut message = bytes(captured::FRR_V3_IPV6);
    message[6..8].fill(0);
    let checksum = super::checksum::Sum::default().update(&message).checksum();
    message[6..8].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(Advertisement::parse(&message, &envelope("fe80::1")), Err(PacketError::Checksum));
}

#[test]
fn vrid_0_is_refused() {
    assert_eq!(refused(|message| message[1] = 0), PacketError::Vrid);
}

#[test]
fn no_address_is_refused_in_version_3() {
    let none = |message: &mut Vec<u8>| {
        message[3] = 0;
        message.truncate(8);
    };
    assert_eq!(refused(none), PacketError::NoAddress);
}

#[test]
fn addresses_that_are_not_there_or_too_many_are_refused() {
    assert_eq!(refused(|message| message[3] = 2), PacketError::Count { count: 2, len: 12 });
    assert_eq!(refused(|message| message.extend([1, 2, 3, 4])), PacketError::Count { count: 1, len: 16 });
    assert_eq!(refused(|message| message.push(1)), PacketError::Count { count: 1, len: 13 });
}

#[test]
fn version_2_without_room_for_a_password_is_refused() {
    assert_eq!(refused(|message| message[0] = 0x21), PacketError::Count { count: 1, len: 12 });
}

#[test]
fn interval_0_is_refused() {
    assert_eq!(refused(|message| message[5] = 0), PacketError::Interval);
    // The upper four bits are reserved in version 3.
    assert_eq!(refused(|message| message[4..6].copy_from_slice(&[0xf0, 0])), PacketError::Interval);
}

#[test]
fn ipv4_options_are_skipped_and_padding_is_dropped() {
    let mut packet = bytes(captured::FRR_V3);
    packet.splice(20..20, [1; 8]);
    packet[0] = 0x47;
    packet[3] = 40;
    packet.extend([0xaa; 18]);
    let (envelope, message) = unwrap_ipv4(&packet).unwrap();
    assert_eq!(envelope, Envelope { from: ip("10.9.0.1"), to: GROUP_V4.into(), ttl: 255 });
    assert_eq!(message, &bytes(captured::FRR_V3)[20..]);
}

#[test]
fn damaged_ipv4_headers_are_refused() {
    let damaged = |at: usize, value: u8| {
        let mut packet = bytes(captured::FRR_V3);
        packet[at] = value;
        unwrap_ipv4(&packet).map(|_| ())
    };
    assert_eq!(damaged(0, 0x65), Err(PacketError::IpHeader), "not version 4");
    assert_eq!(damaged(0, 0x44), Err(PacketError::IpHeader), "a header of 16 bytes");
    assert_eq!(damaged(0, 0x4f), Err(PacketError::IpHeader), "a header longer than the packet");
    assert_eq!(damaged(3, 33), Err(PacketError::IpHeader), "a packet longer than what has arrived");
    assert_eq!(unwrap_ipv4(&[0x45; 19]).map(|_| ()), Err(PacketError::IpHeader));
}

prop_compose! {
    fn any_advertisement()(
        (version, over_v4) in prop_oneof![Just((Version::V2, true)), Just((Version::V3, true)), Just((Version::V3, false))],
        message_only: bool,
        vrid in 1..=255_u8,
        priority: u8,
        seconds in 1..=40_u16,
        centiseconds in 1..=4095_u16,
        addresses in prop::collection::vec(any::<u128>(), 1..=255),
    ) -> Advertisement {
        let bare = version == Version::V2 || (over_v4 && message_only);
        let address = |bits: u128| if over_v4 { IpAddr::from((bits as u32).to_be_bytes()) } else { bits.to_be_bytes().into() };
        Advertisement {
            version,
            vrid: Vrid::new(vrid).unwrap(),
            priority,
            interval: Interval::from_centiseconds(if version == Version::V2 { seconds * 100 } else { centiseconds }).unwrap(),
            addresses: addresses.into_iter().map(address).collect(),
            checksum: if bare { Checksum::MessageOnly } else { Checksum::PseudoHeader },
        }
    }
}

proptest! {
    #[test]
    fn what_is_emitted_reads_the_same(sent in any_advertisement()) {
        let envelope = envelope(if sent.addresses[0].is_ipv4() { "10.0.0.1" } else { "fe80::1" });
        let message = sent.emit(envelope.from, envelope.to);
        prop_assert_eq!(Advertisement::parse(&message, &envelope), Ok(sent));
    }

    #[test]
    fn one_changed_bit_is_noticed(sent in any_advertisement(), bit: prop::sample::Index) {
        let envelope = envelope(if sent.addresses[0].is_ipv4() { "10.0.0.1" } else { "fe80::1" });
        let mut message = sent.emit(envelope.from, envelope.to);
        let bit = bit.index(message.len() * 8);
        message[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Advertisement::parse(&message, &envelope).is_err());
    }

    #[test]
    fn nothing_that_arrives_is_a_panic(bytes: Vec<u8>, ttl in 254..=255_u8) {
        let _header = unwrap_ipv4(&bytes);
        let _v4 = Advertisement::parse(&bytes, &Envelope { ttl, ..envelope("10.0.0.1") });
        let _v6 = Advertisement::parse(&bytes, &Envelope { ttl, ..envelope("fe80::1") });
    }
}
