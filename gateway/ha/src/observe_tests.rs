use gateway_vrrp::{Checksum, Vrid};

use super::*;

const OWN: &str = "10.0.0.1";
const PEER: &str = "10.0.0.2";
const NOW: Time = Time::from_secs(1000);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn advertisement() -> Advertisement {
    Advertisement {
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        priority: 150,
        interval: Interval::DEFAULT,
        addresses: vec![ip("10.0.0.21")],
        checksum: Checksum::PseudoHeader,
    }
}

/// Returns the problems that are reported of `advert` from `from`, and the verdict on it.
fn verdict(advert: &Advertisement, from: &str, peers: &[IpAddr]) -> (Verdict, Vec<String>) {
    let mut observer = Observer::default();
    let accepted = check(&mut observer, advert, ip(from), peers, NOW);
    (accepted, observer.problems().map(str::to_owned).collect())
}

fn check(observer: &mut Observer, advert: &Advertisement, from: IpAddr, peers: &[IpAddr], now: Time) -> Verdict {
    let expected = Expected {
        own: ip(OWN),
        version: Version::V3,
        priority: Priority::DEFAULT,
        interval: Interval::DEFAULT,
        addresses: &[ip("10.0.0.21")],
        peers,
    };
    observer.check(advert, &Envelope { from, to: to(peers), ttl: 255 }, expected, now)
}

/// Destination of the advertisements of a valid node.
fn to(peers: &[IpAddr]) -> IpAddr {
    if peers.is_empty() { gateway_vrrp::GROUP_V4.into() } else { ip(OWN) }
}

fn only(problems: &[String], part: &str) {
    assert!(matches!(problems, [one] if one.contains(part)), "{part:?} expected: {problems:?}");
}

#[test]
fn sound_peer_is_accepted_without_a_problem() {
    assert_eq!(verdict(&advertisement(), PEER, &[]), (Verdict::Accepted, vec![]));
    assert_eq!(verdict(&advertisement(), PEER, &[ip(PEER)]), (Verdict::Accepted, vec![]));
}

#[test]
fn multicast_is_ignored_where_peers_are_configured() {
    let (mut observer, peers) = (Observer::default(), [ip(PEER)]);
    let expected = Expected {
        own: ip(OWN),
        version: Version::V3,
        priority: Priority::DEFAULT,
        interval: Interval::DEFAULT,
        addresses: &[ip("10.0.0.21")],
        peers: &peers,
    };
    let envelope = Envelope { from: ip(PEER), to: gateway_vrrp::GROUP_V4.into(), ttl: 255 };
    assert_eq!(observer.check(&advertisement(), &envelope, expected, NOW), Verdict::Stranger);
    let problems: Vec<String> = observer.problems().map(str::to_owned).collect();
    only(&problems, "10.0.0.2 advertises to 224.0.0.18, though peers are configured here");
}

#[test]
fn an_interval_longer_than_is_waited_for_is_reported() {
    let slow = Interval::from_centiseconds(4095).unwrap();
    let (accepted, problems) = verdict(&Advertisement { interval: slow, ..advertisement() }, PEER, &[]);
    assert_eq!(accepted, Verdict::Accepted);
    only(&problems, "10.0.0.2 advertises every 40.95s, this node every 1s: it is waited for no longer than 3s");
}

#[test]
fn same_vrid_with_no_address_in_common_is_ignored_and_reported() {
    let (accepted, problems) =
        verdict(&Advertisement { addresses: vec![ip("10.0.0.99")], ..advertisement() }, PEER, &[]);
    assert_eq!(accepted, Verdict::Foreign);
    only(&problems, "uses the same VRID for 10.0.0.99");
}

#[test]
fn peer_with_some_addresses_in_common_is_accepted_and_reported() {
    let addresses = vec![ip("10.0.0.21"), ip("10.0.0.22")];
    let (accepted, problems) = verdict(&Advertisement { addresses, ..advertisement() }, PEER, &[]);
    assert_eq!(accepted, Verdict::Accepted);
    only(&problems, "advertises 10.0.0.21, 10.0.0.22, this node 10.0.0.21");
}

#[test]
fn other_version_is_accepted_and_reported() {
    let (accepted, problems) = verdict(&Advertisement { version: Version::V2, ..advertisement() }, PEER, &[]);
    assert_eq!(accepted, Verdict::Accepted);
    only(&problems, "speaks version 2");
}

#[test]
fn other_interval_that_is_no_longer_than_is_waited_for_is_reported_in_version_2_only() {
    let interval = Interval::from_centiseconds(30).unwrap();
    assert_eq!(verdict(&Advertisement { interval, ..advertisement() }, PEER, &[]), (Verdict::Accepted, vec![]));
    let (_, problems) = verdict(&Advertisement { interval, version: Version::V2, ..advertisement() }, PEER, &[]);
    assert!(problems.iter().any(|problem| problem.contains("every 300ms")), "{problems:?}");
}

#[test]
fn sender_that_is_no_configured_peer_is_ignored_and_reported() {
    let (accepted, problems) = verdict(&advertisement(), "10.0.0.3", &[ip(PEER)]);
    assert_eq!(accepted, Verdict::Stranger);
    only(&problems, "none of the configured peers");
}

#[test]
fn own_address_of_another_host_is_ignored_and_reported() {
    let (accepted, problems) = verdict(&advertisement(), OWN, &[]);
    assert_eq!(accepted, Verdict::Stranger);
    only(&problems, "own address");
}

#[test]
fn same_priority_is_accepted_and_reported() {
    let (accepted, problems) = verdict(&Advertisement { priority: 100, ..advertisement() }, PEER, &[]);
    assert_eq!(accepted, Verdict::Accepted);
    only(&problems, "same priority");
}

#[test]
fn unsound_packet_is_reported_with_its_reason() {
    let mut observer = Observer::default();
    observer.refuse(&PacketError::Authentication(1), ip(PEER), NOW);
    only(&observer.problems().map(str::to_owned).collect::<Vec<_>>(), "authentication");
}

#[test]
fn problem_is_gone_three_intervals_after_it_was_last_seen() {
    let mut observer = Observer::default();
    let mut late = NOW;
    for second in 0..20 {
        late = NOW + Duration::from_secs(second);
        check(&mut observer, &Advertisement { priority: 100, ..advertisement() }, ip(PEER), &[], late);
    }
    observer.expire(late + Duration::from_millis(2999));
    assert_eq!(observer.problems().count(), 1);
    observer.expire(late + Duration::from_secs(3));
    assert_eq!(observer.problems().count(), 0);
}

#[test]
fn forged_senders_take_bounded_room_and_add_nothing_new_for_a_while() {
    let mut observer = Observer::default();
    let mut texts = std::collections::BTreeSet::new();
    for n in 0..100_000_u32 {
        let now = NOW + Duration::from_micros(u64::from(n) * 50);
        let from = IpAddr::from(std::net::Ipv4Addr::from(0x0b00_0000 + n));
        check(&mut observer, &Advertisement { addresses: vec![from], ..advertisement() }, from, &[], now);
        check(&mut observer, &Advertisement { priority: n as u8, ..advertisement() }, from, &[], now);
        observer.refuse(&PacketError::Checksum, from, now);
        observer.expire(now);
        texts.extend(observer.problems().map(str::to_owned));
    }
    assert!(observer.sightings.len() <= ROOM && observer.others.len() <= OTHERS);
    // Five seconds of it.
    assert!(texts.len() <= ROOM, "{}", texts.len());
}

#[test]
fn what_is_reported_of_others_is_in_the_reference() {
    const REFERENCE: &str = include_str!("../../../docs/FAULTS.md");
    let sound = advertisement();
    let other = |change: fn(&mut Advertisement)| {
        let mut advert = sound.clone();
        change(&mut advert);
        advert
    };
    let two = Interval::from_seconds(2).unwrap();
    let cases = [
        (sound.clone(), OWN, vec![]),
        (sound.clone(), PEER, vec![ip("10.0.0.3")]),
        (other(|advert| advert.addresses = vec![ip("10.0.0.99")]), PEER, vec![]),
        (other(|advert| advert.addresses.push(ip("10.0.0.22"))), PEER, vec![]),
        (other(|advert| advert.version = Version::V2), PEER, vec![]),
        (Advertisement { version: Version::V2, interval: two, ..sound.clone() }, PEER, vec![]),
        (other(|advert| advert.priority = 100), PEER, vec![]),
    ];
    for (advert, from, peers) in cases {
        let (_, problems) = verdict(&advert, from, &peers);
        assert!(!problems.is_empty());
        for problem in problems {
            assert!(REFERENCE.contains(&format!("\n| {problem} |")), "{problem}");
        }
    }
}
