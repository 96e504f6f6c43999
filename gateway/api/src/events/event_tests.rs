//! The JSON of events, which `docs/MONITOR.md` promises.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

const REFERENCE: &str = include_str!("../../../../docs/MONITOR.md");

/// Returns an event of each kind with all of its fields.
fn samples() -> Vec<Event> {
    let (vni, vlan, pid) = (5001, 100, 7);
    let text = |text: &str| text.to_owned();
    let switch = || Some(text("net-5001"));
    let mac = MacAddr([2, 0xee, 0, 0, 0, 1]);
    let remote = IpAddr::from([172, 31, 0, 11]);
    let port = || Place::Port { port: text("a0"), vlan };
    let (router, problem) = (text("vrrp-20"), text("interface a0 is down"));
    vec![
        Event::Started { version: text("1.0.0"), pid, adopted: true, switches: 1, bindings: 2, tunnels: 3 },
        Event::Reloaded { file: text("/etc/vtep-gateway/gateway.toml") },
        Event::ReloadRefused { reason: text("line 3: no such key") },
        Event::Learned { vni, switch: switch(), mac, at: port() },
        Event::Moved {
            vni,
            switch: switch(),
            mac,
            from: Some(Place::Tunnel { remote: Some(remote), remote_vni: vni }),
            at: port(),
        },
        Event::Announced { vni, switch: switch(), mac, ip: remote, at: port() },
        Event::Aged { vni, switch: switch(), mac, at: Some(port()) },
        Event::Forgotten { vni, switch: switch(), mac, at: Some(port()), why: Why::Gone },
        Event::SwitchAdded { vni, switch: switch() },
        Event::SwitchRemoved { vni, switch: switch() },
        Event::BindingAdded { port: text("a0"), vlan, vni, switch: switch() },
        Event::BindingRemoved { port: text("a0"), vlan, vni, switch: switch() },
        Event::NextHopResolved { remote, uplink: text("u0"), uplink_vlan: 0, next_hop_mac: mac },
        Event::NextHopLost { remote, reason: text("no route to it") },
        Event::RoleChanged {
            router: router.clone(),
            vrid: 20,
            from: Some(Role::Backup),
            to: Role::Active,
            active_node: Some(remote),
            priority: 150,
        },
        Event::LeaseLost { router: router.clone(), vrid: 20 },
        Event::Database {
            router: Some(router),
            from: Some(DatabaseState::Waiting),
            to: DatabaseState::Following,
            remote: Some(text("tcp:10.0.0.1:6640")),
        },
        Event::Problem { source: Source::Forwarding, problem: problem.clone() },
        Event::ProblemGone { source: Source::Forwarding, problem },
        Event::Fault { fault: text("mac_table_exhaustion") },
        Event::FaultGone { fault: text("mac_table_exhaustion") },
        Event::LeftOut { counts: [(Kind::Learned, 30)].into() },
        Event::Missed { count: 5 },
    ]
}

/// Returns the words in code style at the start of list items: the fields that a text describes.
fn fields_described(body: &str) -> BTreeSet<String> {
    let points = body.lines().filter_map(|line| line.strip_prefix("- `")?.split_once('`'));
    points.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn each_kind_has_a_sample_whose_json_names_it() {
    let kinds: Vec<Kind> = samples().iter().map(Event::kind).collect();
    assert_eq!(kinds, Kind::ALL);
    for event in samples() {
        assert_eq!(serde_json::to_value(&event).unwrap()["event"], event.kind().name());
    }
}

#[test]
fn an_event_is_read_as_it_was_written() {
    for (seq, event) in samples().into_iter().enumerate() {
        let record = Record { seq: seq as u64, time: "2026-01-31T12:00:00.123Z".parse().unwrap(), event };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
    }
}

#[test]
fn the_reference_describes_every_kind_with_all_its_fields_and_no_others() {
    let (_, kinds) = REFERENCE.split_once("\n## Events\n").unwrap();
    let sections: Vec<(&str, &str)> =
        kinds.split("\n### ").skip(1).map(|section| section.split_once('\n').unwrap_or((section, ""))).collect();
    let headings: Vec<&str> = sections.iter().map(|(heading, _)| *heading).collect();
    assert_eq!(headings, Kind::ALL.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>());
    for (event, (heading, body)) in samples().iter().zip(sections) {
        let Value::Object(fields) = serde_json::to_value(event).unwrap() else { panic!("{event:?}") };
        let fields: BTreeSet<String> =
            fields.into_iter().map(|(name, _)| name).filter(|name| name != "event").collect();
        assert_eq!(fields_described(body.split("\n## ").next().unwrap()), fields, "{heading}");
    }
}

#[test]
fn each_kind_has_a_line_for_people_without_what_plays_tricks_on_a_terminal() {
    for event in samples() {
        assert!(!event.to_string().is_empty(), "{event:?}");
    }
    let tricky = Event::Problem { source: Source::Database, problem: "port \"\x1b[2J\nx\"".to_owned() };
    assert_eq!(tricky.to_string(), "database: port \"\\u{1b}[2J\\nx\"");
    let learned = samples().into_iter().find(|event| event.kind() == Kind::Learned).unwrap();
    assert_eq!(learned.to_string(), "02:ee:00:00:00:01 in net-5001 (VNI 5001) at a0 VLAN 100");
}

#[test]
fn the_names_of_kinds_line_up() {
    let longest = Kind::ALL.iter().map(|kind| kind.name().len()).max();
    assert_eq!(longest, Some("next_hop_resolved".len()));
}
