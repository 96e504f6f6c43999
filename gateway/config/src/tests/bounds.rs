//! Tests of the limits of a file.

use super::{GOOD, parse};

fn refusal(text: &str) -> String {
    parse(text).map_or_else(|error| error.to_string(), |_| String::new())
}

/// Returns [`GOOD`] with these MACs and this flood list in place of its own.
fn with_lists(gateway: &str, macs: &str, flood: &str) -> String {
    let lists = GOOD.split_inclusive('\n').filter(|line| !line.starts_with("macs") && !line.starts_with("flood"));
    let text: String = lists.collect();
    text.replacen("vtep", &format!("{gateway}\nvtep"), 1).replacen(
        "vni = 5001",
        &format!("vni = 5001\nmacs = [{macs}]\nflood = [{flood}]"),
        1,
    )
}

fn many(count: u32, one: impl Fn(u8, u8) -> String) -> String {
    (1..=count).map(|i| one((i >> 8) as u8, i as u8) + ",").collect()
}

#[test]
fn static_macs_leave_room_in_the_forwarding_database() {
    let macs = |count| many(count, |a, b| format!("{{ mac = '2:0:0:0:{a:x}:{b:x}', vtep = '172.31.0.11' }}"));
    assert_eq!(refusal(&with_lists("fdb_size = 16", &macs(15), "")), "");
    let refused = refusal(&with_lists("fdb_size = 16", &macs(20), ""));
    assert_eq!(refused.lines().count(), 1);
    assert!(refused.contains("macs[15]: expected at most 15 MACs in all switches"), "{refused}");
}

#[test]
fn copies_of_a_broadcast_frame_are_bounded() {
    let flood = |count| many(count, |a, b| format!("'172.30.{a}.{b}'"));
    assert_eq!(refusal(&with_lists("", "", &flood(4094))), "");
    let refused = refusal(&with_lists("", "", &flood(4100)));
    assert!(refused.contains("flood[4094]: expected at most 4096 flood addresses and bindings"), "{refused}");
    assert_eq!(refused.lines().count(), 1);
}

#[test]
fn remote_vteps_are_bounded() {
    let macs = |count| many(count, |a, b| format!("{{ mac = '2:0:0:0:{a:x}:{b:x}', vtep = '172.30.{a}.{b}' }}"));
    assert_eq!(refusal(&with_lists("", &macs(8192), "")), "");
    let refused = refusal(&with_lists("", &macs(8193), ""));
    assert!(refused.contains("macs[8192].vtep: expected at most 8192 remote VTEPs in all switches"), "{refused}");
}

#[test]
fn bindings_are_bounded() {
    let port = |i| format!("[[port]]\nname = 'p{i}'\n");
    let ports: String = (0..5).map(port).collect();
    let vlans = |i, count| (0..count).map(|vlan| format!("{{ port = 'p{i}', vlan = {vlan} }},")).collect::<String>();
    let switch =
        |i, count| format!("[[switch]]\nname = 's{i}'\nvni = {}\nbindings = [{}]\n", 9000 + i, vlans(i, count));
    let switches: String = (0..4).map(|i| switch(i, 4095)).collect();
    // Two are in the file already.
    assert_eq!(refusal(&format!("{GOOD}{ports}{switches}{}", switch(4, 2))), "");
    let refused = refusal(&format!("{GOOD}{ports}{switches}{}", switch(4, 4)));
    assert!(refused.contains("bindings[2]: expected at most 16384 bindings in all switches"), "{refused}");
    assert_eq!(refused.lines().count(), 1);
}

#[test]
fn switches_are_bounded() {
    let switches: String =
        (3..=16_386).map(|i| format!("[[switch]]\nname = 's{i}'\nvni = {}\n", 100_000 + i)).collect();
    let refused = refusal(&format!("{GOOD}{switches}"));
    assert!(refused.contains("switch \"s16385\": name: expected at most 16384 switches, found more"), "{refused}");
    assert_eq!(refused.lines().count(), 1);
}

#[test]
fn interfaces_are_bounded() {
    let ports = |count| (0..count).map(|i| format!("[[port]]\nname = 'p{i}'\n")).collect::<String>();
    assert_eq!(refusal(&format!("{GOOD}{}", ports(1021))), "");
    let refused = refusal(&format!("{GOOD}{}", ports(1030)));
    assert!(refused.contains("port \"p1021\": name: expected at most 1024 interfaces, found more"), "{refused}");
    assert_eq!(refused.lines().count(), 1);
}
