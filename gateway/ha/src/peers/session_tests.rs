use std::{collections::BTreeSet, net::IpAddr};

use gateway_common::net::{MacAddr, VlanId, Vni};
use gateway_vrrp::AuthMode;
use proptest::prelude::*;

use super::*;
use crate::peers::{
    Bound, Keys, RouterDescription, Station,
    secure::{RANDOM, tests::keys},
};

const VRID: Vrid = Vrid::new(51).unwrap();
const SECOND: Duration = Duration::from_secs(1);
const ROOM: usize = 200_000;

fn station(number: u32) -> Station {
    let [_, a, b, c] = number.to_be_bytes();
    let ip = number.is_multiple_of(3).then(|| IpAddr::from([10, a, b, c]));
    let vlan = VlanId::new((number % 4000) as u16).unwrap();
    Station { vni: Vni::new(5001).unwrap(), mac: MacAddr([2, 0xee, 0, a, b, c]), port: "eth1".into(), vlan, ip }
}

fn stations(numbers: impl IntoIterator<Item = u32>) -> Stations {
    numbers.into_iter().map(station).collect()
}

fn of(stations: Stations) -> Arc<ByVrid<Stations>> {
    Arc::new([(VRID, stations)].into())
}

fn description(node: &str, vlans: impl IntoIterator<Item = u16>) -> Arc<Description> {
    let bound = |vlan| Bound { port: "eth1".into(), vlan: VlanId::new(vlan).unwrap(), switch: "net".into() };
    let bindings: BTreeSet<Bound> = vlans.into_iter().map(bound).collect();
    let tunnel_ips = ["172.31.0.21".parse().unwrap()].into();
    let router =
        RouterDescription { switch: "gw".to_owned(), tunnel_ips, bindings: bindings.into(), able: Some(1), misled: 0 };
    Arc::new(Description { node: node.to_owned(), routers: [(VRID, router)].into() })
}

fn session(now: Time, side: Side, node: &str, max: usize, keys: Keys) -> Session {
    let random = if side == Side::Source { [1; RANDOM] } else { [2; RANDOM] };
    Session::new(now, side, node, max, Terms { keys: Arc::new(keys), vrid: Some(VRID), random })
}

/// Returns a session without keys.
fn plain(now: Time, side: Side, node: &str, max: usize) -> Session {
    session(now, side, node, max, Keys::default())
}

/// A follower and the node it has called.
struct Pair {
    follower: Session,
    source: Session,
    now: Time,
}

impl Pair {
    fn new() -> Self {
        Self::with(&Keys::default())
    }

    fn with(keys: &Keys) -> Self {
        let now = Time::from_secs(1000);
        let mut follower = session(now, Side::Follower, "gw2", ROOM, keys.clone());
        let mut source = session(now, Side::Source, "gw1", ROOM, keys.clone());
        follower.want(description("gw2", [1]), crate::peers::sender::none());
        source.want(description("gw1", [1]), crate::peers::sender::none());
        Self { follower, source, now }
    }

    fn publish(&mut self, stations: Stations) {
        self.source.want(description("gw1", [1]), of(stations));
    }

    /// Carries bytes in both directions until nothing is left to send.
    fn settle(&mut self) {
        while carry(&mut self.source, &mut self.follower, self.now)
            | carry(&mut self.follower, &mut self.source, self.now)
        {}
    }

    fn received(&self) -> Option<&Stations> {
        self.follower.stations(VRID)
    }
}

fn carry(from: &mut Session, to: &mut Session, now: Time) -> bool {
    let bytes = from.unsent().to_vec();
    from.sent(now, bytes.len());
    to.receive(now, &bytes).unwrap();
    !bytes.is_empty()
}

/// Returns the reaction of a follower, which has just called, to some lines.
fn receive(lines: &str) -> Result<(), SessionError> {
    plain(Time::ZERO, Side::Follower, "gw2", 3).receive(Time::ZERO, lines.as_bytes())
}

fn error(lines: &str) -> String {
    receive(lines).unwrap_err().to_string()
}

const HELLO: &str = "{\"type\":\"hello\",\"protocol\":1,\"node\":\"gw1\"}\n";
const PICTURE: &str = "{\"type\":\"picture\",\"vrid\":51}\n";

fn stations_line(count: usize) -> String {
    let one = |n| format!(r#"{{"vni":5001,"mac":"02:00:00:00:00:{n:02x}","port":"eth1","vlan":0}}"#);
    let all: Vec<String> = (0..count).map(one).collect();
    format!("{{\"type\":\"stations\",\"vrid\":51,\"there\":[{}],\"gone\":[]}}\n", all.join(","))
}

#[test]
fn with_a_key_all_is_sent_as_without_and_a_stranger_learns_not_even_a_name() {
    let keys = keys(AuthMode::Enforce, &[(1, 1)]);
    let mut pair = Pair::with(&keys);
    pair.publish(stations(0..3000));
    pair.settle();
    assert_eq!(pair.received(), Some(&stations(0..3000)));
    assert_eq!(pair.source.node(), Some("gw2"));
    let mut source = session(Time::ZERO, Side::Source, "gw1", 3, keys.clone());
    source.want(description("gw1", [1]), of(stations([1])));
    assert!(source.unsent().is_empty());
    let failure = source.receive(Time::ZERO, HELLO.as_bytes()).unwrap_err();
    assert!(source.farewell(&failure).is_empty() && source.unsent().is_empty());
    let mut silent = session(Time::ZERO, Side::Source, "gw1", 3, keys);
    assert_eq!(silent.look(SILENCE - SECOND), Ok(()));
    assert!(silent.look(SILENCE).is_err(), "it is given up");
}

#[test]
fn both_learn_who_the_other_is_and_what_is_bound_there() {
    let mut pair = Pair::new();
    pair.source.want(description("gw1", 1..=1000), of(stations([])));
    pair.settle();
    assert_eq!((pair.follower.node(), pair.source.node()), (Some("gw1"), Some("gw2")));
    assert_eq!(pair.follower.description(), Some(&description("gw1", 1..=1000)));
    assert_eq!(pair.source.description(), Some(&description("gw2", [1])));
}

#[test]
fn a_change_of_the_description_is_sent() {
    let mut pair = Pair::new();
    pair.settle();
    let mut changed = description("gw2", [2, 3]);
    Arc::make_mut(&mut changed).routers.get_mut(&VRID).unwrap().switch = "other".to_owned();
    pair.follower.want(changed.clone(), crate::peers::sender::none());
    pair.settle();
    assert_eq!(pair.source.description(), Some(&changed));
    let none = Arc::new(Description { node: "gw2".to_owned(), ..Description::default() });
    pair.follower.want(none.clone(), crate::peers::sender::none());
    pair.settle();
    assert_eq!(pair.source.description(), Some(&none));
}

#[test]
fn a_follower_receives_all_stations_and_then_the_changes() {
    let mut pair = Pair::new();
    pair.publish(stations(0..100_000));
    pair.settle();
    assert_eq!(pair.received(), Some(&stations(0..100_000)));
    pair.publish(stations(10..100_001));
    let unsent = pair.source.unsent().len();
    assert!(unsent < 4096, "only changes are sent, not {unsent} bytes");
    pair.settle();
    assert_eq!(pair.received(), Some(&stations(10..100_001)));
}

#[test]
fn a_change_during_the_picture_is_sent_after_it() {
    let mut pair = Pair::new();
    pair.publish(stations(0..10_000));
    carry(&mut pair.source, &mut pair.follower, pair.now);
    assert_eq!(pair.received(), None, "half a picture is none");
    pair.publish(stations(5..10_005));
    pair.settle();
    assert_eq!(pair.received(), Some(&stations(5..10_005)));
}

#[test]
fn who_is_no_longer_active_takes_its_stations_back() {
    let mut pair = Pair::new();
    pair.publish(stations(0..10));
    pair.settle();
    pair.source.want(description("gw1", [1]), crate::peers::sender::none());
    pair.settle();
    assert_eq!(pair.received(), None);
    pair.publish(stations(5..6));
    pair.settle();
    assert_eq!(pair.received(), Some(&stations(5..6)));
}

#[test]
fn a_follower_sends_no_stations() {
    let mut pair = Pair::new();
    pair.follower.want(description("gw2", [1]), of(stations(0..10)));
    pair.settle();
    assert_eq!(pair.source.stations(VRID), None);
}

#[test]
fn half_a_message_waits_for_its_other_half() {
    let mut session = plain(Time::ZERO, Side::Follower, "gw2", 3);
    for byte in HELLO.bytes() {
        assert_eq!(session.node(), None);
        session.receive(Time::ZERO, &[byte]).unwrap();
    }
    assert_eq!(session.node(), Some("gw1"));
}

#[test]
fn what_is_no_message_ends_it() {
    for garbage in ["\n", "SSH-2.0-OpenSSH\r\n", "\u{0}\u{1}\n", "{}\n", "[1]\n", "{\"type\":\"hello\"}\n"] {
        assert!(error(garbage).starts_with("it sent what is no message ("), "{garbage:?}: {}", error(garbage));
    }
    let unknown = format!("{HELLO}{{\"type\":\"strange\"}}\n");
    assert!(error(&unknown).contains("unknown variant `strange`"), "{}", error(&unknown));
    let binary: Vec<u8> = (0..=255).rev().cycle().take(5000).chain([b'\n']).collect();
    assert!(plain(Time::ZERO, Side::Source, "gw2", 3).receive(Time::ZERO, &binary).is_err());
}

#[test]
fn a_line_that_is_too_long_ends_it_before_it_is_complete() {
    let mut session = plain(Time::ZERO, Side::Source, "gw2", 3);
    let part = vec![b'{'; 64 << 10];
    let fitting = LINE / part.len();
    for _ in 0..fitting {
        session.receive(Time::ZERO, &part).unwrap();
    }
    assert_eq!(session.receive(Time::ZERO, &part), Err(SessionError::TooLong));
}

#[test]
fn another_version_is_named() {
    let other = HELLO.replace("\"protocol\":1", "\"protocol\":2");
    assert_eq!(error(&other), "it speaks version 2 of the protocol, and this node version 1: are both of one release?");
}

#[test]
fn messages_out_of_order_end_it() {
    for (lines, expected) in [
        ("{\"type\":\"alive\"}\n".to_owned(), ReceiveError::NoHello),
        (format!("{HELLO}{HELLO}"), ReceiveError::TwoHellos),
        (format!("{HELLO}{}", stations_line(1)), ReceiveError::NoPicture(VRID)),
        (format!("{HELLO}{{\"type\":\"whole\",\"vrid\":51}}\n"), ReceiveError::NoPicture(VRID)),
        (
            format!("{HELLO}{{\"type\":\"bindings\",\"vrid\":51,\"there\":[],\"gone\":[]}}\n"),
            ReceiveError::NoPicture(VRID),
        ),
        (format!("{HELLO}{PICTURE}{}", stations_line(4)), ReceiveError::TooMany { what: "stations", max: 3 }),
        (format!("{HELLO}{{\"type\":\"bye\",\"reason\":\"full\\n\"}}\n"), ReceiveError::Bye("full".to_owned())),
    ] {
        assert_eq!(receive(&lines), Err(SessionError::Received(expected)), "{lines}");
    }
    assert_eq!(receive(&format!("{HELLO}{PICTURE}{}", stations_line(3))), Ok(()));
}

#[test]
fn a_node_that_was_not_called_for_stations_may_not_send_them() {
    let mut session = plain(Time::ZERO, Side::Source, "gw1", 3);
    let received = session.receive(Time::ZERO, format!("{HELLO}{PICTURE}").as_bytes());
    assert_eq!(received, Err(SessionError::Received(ReceiveError::NotAsked)));
}

#[test]
fn who_does_not_read_costs_no_more_memory_than_a_message_and_is_given_up() {
    let mut pair = Pair::new();
    carry(&mut pair.follower, &mut pair.source, pair.now);
    let mut most = 0;
    for round in 0..200 {
        pair.publish(stations(round * 100..round * 100 + 5000));
        most = most.max(pair.source.unsent().len());
        pair.source.receive(pair.now, b"").unwrap();
    }
    assert!(most <= READY + LINE, "{most} bytes wait");
    assert!(pair.source.waiting_messages() <= 5000 / crate::peers::message::CHUNK * 2 + 10);
    pair.source.receive(pair.now + SILENCE - SECOND, b"").unwrap();
    assert_eq!(pair.source.look(pair.now + SILENCE - SECOND), Ok(()));
    assert_eq!(pair.source.look(pair.now + SILENCE), Err(SessionError::Stuck(SILENCE)));
}

#[test]
fn two_with_nothing_to_say_stay_connected() {
    let mut pair = Pair::new();
    for _ in 0..100 {
        pair.settle();
        pair.now = pair.source.deadline().min(pair.follower.deadline());
        pair.source.look(pair.now).unwrap();
        pair.follower.look(pair.now).unwrap();
    }
    assert!(pair.now > Time::from_secs(1000) + SILENCE * 10);
}

#[test]
fn silence_is_the_end() {
    let mut pair = Pair::new();
    pair.settle();
    assert_eq!(pair.source.look(pair.now + SILENCE - SECOND), Ok(()));
    assert_eq!(pair.source.look(pair.now + SILENCE), Err(SessionError::Silent(SILENCE)));
}

#[test]
fn who_only_drips_bytes_is_not_kept_without_a_name() {
    let mut session = plain(Time::ZERO, Side::Source, "gw1", 3);
    let mut now = Time::ZERO;
    let mut drips = HELLO.bytes();
    let failure = loop {
        now += SECOND;
        session.receive(now, &[drips.next().unwrap()]).unwrap();
        let waiting = session.unsent().len();
        session.sent(now, waiting);
        if let Err(failure) = session.look(now) {
            break failure;
        }
        assert!(session.deadline() > now);
    };
    assert_eq!((failure, now), (SessionError::Nameless(SILENCE), SILENCE));
}

#[test]
fn the_other_side_is_notified_of_the_reason() {
    let mut pair = Pair::new();
    pair.settle();
    let failure = pair.source.receive(pair.now, b"nonsense\n").unwrap_err();
    let received = pair.follower.receive(pair.now, &pair.source.farewell(&failure)).unwrap_err();
    assert_eq!(received.to_string(), format!("it said: {failure}"));
    assert!(pair.follower.farewell(&received).is_empty(), "a farewell is not answered");
}

#[test]
fn a_farewell_does_not_follow_half_a_line() {
    let mut pair = Pair::new();
    pair.source.unsent();
    pair.source.sent(pair.now, 1);
    assert!(pair.source.farewell(&SessionError::TooLong).is_empty());
}

#[test]
fn a_million_lines_are_taken() {
    let mut session = plain(Time::ZERO, Side::Follower, "gw2", 3);
    session.receive(Time::ZERO, HELLO.as_bytes()).unwrap();
    let thousand = "{\"type\":\"alive\"}\n".repeat(1000);
    for _ in 0..1000 {
        session.receive(Time::ZERO, thousand.as_bytes()).unwrap();
    }
    assert!(session.unsent().len() < 1000, "nothing is sent to that");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_the_follower_ends_with_what_there_is(
        history in prop::collection::vec((prop::option::of(prop::collection::btree_set(0u32..2000, 0..600)), 0usize..80_000), 1..12),
    ) {
        let mut pair = Pair::new();
        let mut last = None;
        for (set, carried) in history {
            last = set.map(stations);
            match &last {
                Some(set) => pair.publish(set.clone()),
                None => pair.source.want(description("gw1", [1]), crate::peers::sender::none()),
            }
            // A part of the data arrives before the next change.
            let bytes = pair.source.unsent().to_vec();
            let count = carried.min(bytes.len());
            pair.source.sent(pair.now, count);
            pair.follower.receive(pair.now, &bytes[..count]).unwrap();
        }
        pair.settle();
        prop_assert_eq!(pair.received(), last.as_ref());
    }

    #[test]
    fn what_is_fuzzed_holds(how: u8, lines in prop::collection::vec(prop_oneof![
        Just(HELLO.to_owned()),
        Just(PICTURE.to_owned()),
        (0usize..5).prop_map(stations_line),
        Just("{\"type\":\"whole\",\"vrid\":51}\n".to_owned()),
        ".{0,40}",
    ], 0..8)) {
        crate::peers::fuzzing::session(&[&[how], lines.concat().as_bytes()].concat());
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..400), after_hello: bool) {
        let mut session = plain(Time::ZERO, Side::Follower, "gw2", 3);
        if after_hello {
            session.receive(Time::ZERO, HELLO.as_bytes()).unwrap();
        }
        let _ = session.receive(Time::ZERO, &bytes);
    }
}
