//! Tests of the error text for each kind of mistake, word for word.

use super::{GOOD, parse};

/// Returns the loader's error for [`GOOD`] with `from` replaced by `to`.
fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    match parse(&GOOD.replacen(from, to, 1)) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Checks cases of (text to replace, replacement, expected error without the file name).
fn refuses(cases: &[(&str, &str, &str)]) {
    let actual = |from, to| refusal(from, to).replacen("g.toml:", "", 1);
    let others: Vec<_> = cases
        .iter()
        .map(|(from, to, message)| (from, to, actual(from, to), message))
        .filter(|(_, _, actual, message)| actual != *message)
        .collect();
    assert!(others.is_empty(), "replaced, by, actual, expected: {others:#?}");
}

#[test]
fn the_file_that_is_varied_here_is_good() {
    assert!(parse(GOOD).is_ok());
}

#[test]
fn text_that_is_not_toml() {
    refuses(&[
        ("[gateway]", "[gateway", "1:9: unclosed table, expected `]`"),
        ("5001", "", "12:7: string values must be quoted, expected literal string"),
        ("5001", "5001 5002", "12:7: string values must be quoted, expected literal string"),
        ("mode", "name", "9:1: expected each key once, found \"name\" a second time"),
    ]);
}

#[test]
fn unknown_keys_and_what_could_be_meant() {
    refuses(&[
        (
            "vtep =",
            "vtepp = []\nvtep =",
            "2:1: gateway.vtepp: no such key, is `vtep` meant?; expected one of vtep, udp_port, ttl, ageing, fdb_size, pin_dir, run_dir, control_group",
        ),
        ("mode", "mod", "9:1: port \"eth2\": mod: no such key, is `mode` meant?; expected one of name, mode, track"),
        (
            "learn_limit",
            "learn-limit",
            "13:1: switch \"db-net\": learn-limit: no such key, is `learn_limit` meant?; expected one of name, vni, instance, learn_remote, learn_limit, control_protocols, strict_sources, flood, bindings, macs",
        ),
        (
            "vlan = 0",
            "vln = 0",
            "15:61: switch \"db-net\": bindings[1].vln: no such key, is `vlan` meant?; expected one of port, vlan",
        ),
        (
            "[[uplink]]",
            "[[uplinks]]",
            "3:3: uplinks: no such key, is `uplink` meant?; expected one of gateway, uplink, port, switch, database, switch_options, vrrp, sync, metrics",
        ),
    ]);
}

#[test]
fn unknown_keys_and_bad_values_are_reported_together() {
    let text = GOOD.replacen("vlan = 0", "vln = 5000, frobnicate = 1", 1).replacen("vni = 5002", "vni = 0", 1);
    let error = parse(&text).map(drop).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 4, "{error}");
    for (line, what) in lines.iter().zip([
        "vln: no such key, is `vlan` meant?",
        "5000",
        "frobnicate: no such key; expected one of port, vlan",
        "vni",
    ]) {
        assert!(line.contains(what), "{what}: {error}");
    }
}

#[test]
fn missing_keys() {
    refuses(&[
        ("[gateway]\nvtep = [\"172.31.0.21\", \"2001:db8::21\"]", "", "1:1: gateway: required, but missing"),
        ("vtep = [\"172.31.0.21\", \"2001:db8::21\"]", "", "1:1: gateway.vtep: required, but missing"),
        ("name = \"eth0\"", "", "3:1: uplink[0]: name: required, but missing"),
        ("vni = 5002", "", "17:1: switch \"web-net\": vni: required, but missing"),
        (", vlan = 0", "", "15:44: switch \"db-net\": bindings[1].vlan: required, but missing"),
        ("[[uplink]]\nname = \"eth0\"", "", "1:1: uplink: expected at least one [[uplink]], found none"),
        (
            "vlan = 100 }]\n[[switch]]",
            "}]\n[[switch]]",
            "16:98: switch \"db-net\": macs[1].vlan: required with port, but missing",
        ),
    ]);
}

#[test]
fn values_of_the_wrong_kind() {
    refuses(&[
        ("5001", "\"5001\"", "12:7: switch \"db-net\": vni: expected a whole number, found string \"5001\""),
        ("5001", "1.5", "12:7: switch \"db-net\": vni: expected a whole number, found floating point `1.5`"),
        ("\"eth0\"", "5", "4:8: uplink[0]: name: expected a string, found integer `5`"),
        (
            "vlan = 0",
            "vlan = []",
            "15:68: switch \"db-net\": bindings[1].vlan: expected a whole number, found an array",
        ),
        (
            "[\"172.31.0.11\", \"2001:db8::11\"]",
            "\"172.31.0.11\"",
            "14:9: switch \"db-net\": flood: expected an array, found string \"172.31.0.11\"",
        ),
        (
            "learn_limit = 10",
            "learn_remote = 1",
            "13:16: switch \"db-net\": learn_remote: expected true or false, found integer `1`",
        ),
        (
            "{ port = \"eth2\", vlan = 0 }",
            "7",
            "15:44: switch \"db-net\": bindings[1]: expected a table, found integer `7`",
        ),
        ("[[uplink]]", "[uplink]", "3:1: uplink: expected an array, found a table"),
    ]);
}

#[test]
fn numbers_out_of_range() {
    refuses(&[
        ("5001", "0", "12:7: switch \"db-net\": vni: expected 1 to 16777215, found 0"),
        ("5001", "16777216", "12:7: switch \"db-net\": vni: expected 1 to 16777215, found 16777216"),
        (
            "vlan = 0",
            "vlan = 4095",
            "15:68: switch \"db-net\": bindings[1].vlan: expected 0 (untagged) to 4094, found 4095",
        ),
        (
            "vlan = 0",
            "vlan = -1",
            "15:68: switch \"db-net\": bindings[1].vlan: expected 0 (untagged) to 4094, found -1",
        ),
        ("limit = 10", "limit = -1", "13:15: switch \"db-net\": learn_limit: expected 0 to 16777216, found -1"),
        ("vtep =", "ttl = 0\nvtep =", "2:7: gateway.ttl: expected 1 to 255, found 0"),
        ("vtep =", "ttl = 256\nvtep =", "2:7: gateway.ttl: expected 1 to 255, found 256"),
        ("vtep =", "udp_port = 0\nvtep =", "2:12: gateway.udp_port: expected 1 to 65535, found 0"),
        ("vtep =", "udp_port = 65536\nvtep =", "2:12: gateway.udp_port: expected 1 to 65535, found 65536"),
        ("vtep =", "ageing = 0\nvtep =", "2:10: gateway.ageing: expected 1 to 1000000, found 0"),
        ("vtep =", "ageing = 1_000_001\nvtep =", "2:10: gateway.ageing: expected 1 to 1000000, found 1000001"),
        ("vtep =", "fdb_size = 15\nvtep =", "2:12: gateway.fdb_size: expected 16 to 16777216, found 15"),
        ("vtep =", "fdb_size = 16_777_217\nvtep =", "2:12: gateway.fdb_size: expected 16 to 16777216, found 16777217"),
    ]);
}

#[test]
fn directories_in_the_wrong_place() {
    refuses(&[
        (
            "vtep =",
            "run_dir = \"run\"\nvtep =",
            "2:11: gateway.run_dir: expected an absolute path without \"..\", found \"run\"",
        ),
        (
            "vtep =",
            "run_dir = \"/run/../x\"\nvtep =",
            "2:11: gateway.run_dir: expected an absolute path without \"..\", found \"/run/../x\"",
        ),
        (
            "vtep =",
            "pin_dir = \"/tmp/x\"\nvtep =",
            "2:11: gateway.pin_dir: expected a directory below /sys/fs/bpf, found \"/tmp/x\"",
        ),
        (
            "vtep =",
            "pin_dir = \"/sys/fs/bpf/\"\nvtep =",
            "2:11: gateway.pin_dir: expected a directory below /sys/fs/bpf, found that directory itself",
        ),
        (
            "vtep =",
            "pin_dir = \"/sys/fs/bpf/a.b\"\nvtep =",
            "2:11: gateway.pin_dir: expected a path without a dot, which the BPF file system refuses, found \"/sys/fs/bpf/a.b\"",
        ),
    ]);
}

#[test]
fn this_gateways_addresses() {
    refuses(&[
        (
            "[\"172.31.0.21\", \"2001:db8::21\"]",
            "[]",
            "2:8: gateway.vtep: expected this gateway's tunnel address, found an empty list",
        ),
        (
            "2001:db8::21",
            "172.31.0.22",
            "2:24: gateway.vtep[1]: expected one IPv4 address, found 172.31.0.22 after 172.31.0.21",
        ),
        (
            "172.31.0.21\",",
            "2001:db8::20\",",
            "2:25: gateway.vtep[1]: expected one IPv6 address, found 2001:db8::21 after 2001:db8::20",
        ),
        (
            "172.31.0.21",
            "172.31.0.256",
            "2:9: gateway.vtep[0]: expected an IPv4 or IPv6 address, found \"172.31.0.256\"",
        ),
        (
            "172.31.0.21",
            "172.31.0.21/24",
            "2:9: gateway.vtep[0]: expected an IPv4 or IPv6 address, found \"172.31.0.21/24\"",
        ),
        (
            "172.31.0.21",
            "224.0.0.1",
            "2:9: gateway.vtep[0]: expected a unicast address of the underlay, found a multicast address 224.0.0.1",
        ),
        (
            "2001:db8::21",
            "ff02::1",
            "2:24: gateway.vtep[1]: expected a unicast address of the underlay, found a multicast address ff02::1",
        ),
        (
            "172.31.0.21",
            "0.0.0.0",
            "2:9: gateway.vtep[0]: expected a unicast address of the underlay, found the unspecified address 0.0.0.0",
        ),
        (
            "2001:db8::21",
            "::",
            "2:24: gateway.vtep[1]: expected a unicast address of the underlay, found the unspecified address ::",
        ),
        (
            "172.31.0.21",
            "127.0.0.1",
            "2:9: gateway.vtep[0]: expected a unicast address of the underlay, found a loopback address 127.0.0.1",
        ),
        (
            "2001:db8::21",
            "::1",
            "2:24: gateway.vtep[1]: expected a unicast address of the underlay, found a loopback address ::1",
        ),
        (
            "172.31.0.21",
            "255.255.255.255",
            "2:9: gateway.vtep[0]: expected a unicast address of the underlay, found the broadcast address 255.255.255.255",
        ),
        (
            "2001:db8::21",
            "::ffff:1.2.3.4",
            "2:24: gateway.vtep[1]: expected a unicast address of the underlay, found an IPv4-mapped address ::ffff:1.2.3.4",
        ),
        (
            "2001:db8::21",
            "fe80::1",
            "2:24: gateway.vtep[1]: expected a unicast address of the underlay, found a link-local address fe80::1",
        ),
    ]);
}

#[test]
fn interfaces() {
    refuses(&[
        ("\"eth0\"", "\"\"", "4:8: uplink \"\": name: expected an interface's name, 1 to 15 bytes, found \"\""),
        (
            "\"eth0\"",
            "\"sixteen-bytes-xx\"",
            "4:8: uplink \"sixteen-bytes-xx\": name: expected an interface's name, 1 to 15 bytes, found \"sixteen-bytes-xx\"",
        ),
        (
            "\"eth0\"",
            "\"a/b\"",
            "4:8: uplink \"a/b\": name: expected an interface's name, without slash, colon or space, found \"a/b\"",
        ),
        (
            "\"eth0\"",
            "\"a b\"",
            "4:8: uplink \"a b\": name: expected an interface's name, without slash, colon or space, found \"a b\"",
        ),
        (
            "\"eth0\"",
            "\"a:b\"",
            "4:8: uplink \"a:b\": name: expected an interface's name, without slash, colon or space, found \"a:b\"",
        ),
        (
            "\"eth0\"",
            "\"..\"",
            "4:8: uplink \"..\": name: expected an interface's name, without slash, colon or space, found \"..\"",
        ),
        (
            "\"eth0\"",
            "\"eth1\"",
            "6:8: port \"eth1\": name: expected each interface once, found it a second time (first as uplink)",
        ),
        (
            "\"eth2\"",
            "\"eth1\"",
            "8:8: port \"eth1\": name: expected each interface once, found it a second time (first as port)\n\
            g.toml:15:53: switch \"db-net\": bindings[1].port: expected the name of a [[port]], found \"eth2\"",
        ),
        ("\"tc\"", "\"TC\"", "9:8: port \"eth2\": mode: expected \"auto\", \"xdp\" or \"tc\", found \"TC\""),
    ]);
}

#[test]
fn names_and_vnis_of_switches() {
    let long = "x".repeat(129);
    let quoted = format!("\"{}\"…", "x".repeat(100));
    refuses(&[
        ("web-net", "db-net", "18:8: switch \"db-net\": name: expected a name of its own, found it a second time"),
        ("web-net", "", "18:8: switch \"\": name: expected 1 to 128 characters, found 0"),
        ("web-net", &long, &format!("18:8: switch {quoted}: name: expected 1 to 128 characters, found 129")),
        ("web-net", "a\\u0007", "18:8: switch \"a\\u{7}\": name: expected printable characters, found \"a\\u{7}\""),
        (
            "5002",
            "5001",
            "19:7: switch \"web-net\": vni: expected a VNI of its own, found 5001, that of switch \"db-net\"",
        ),
    ]);
}

#[test]
fn bindings() {
    refuses(&[
        (
            "\"eth2\", vlan",
            "\"eth3\", vlan",
            "15:53: switch \"db-net\": bindings[1].port: expected the name of a [[port]], found \"eth3\"",
        ),
        (
            "\"eth2\", vlan",
            "\"eth0\", vlan",
            "15:53: switch \"db-net\": bindings[1].port: expected the name of a [[port]], found \"eth0\"",
        ),
        (
            "\"eth2\", vlan = 0",
            "\"eth1\", vlan = 100",
            "15:68: switch \"db-net\": bindings[1].vlan: expected each VLAN of a port once, found 100 of eth1 in switch \"db-net\" too",
        ),
        (
            "vni = 5002",
            "vni = 5002\nbindings = [{ port = \"eth2\", vlan = 0 }]",
            "20:37: switch \"web-net\": bindings[0].vlan: expected each VLAN of a port once, found 0 of eth2 in switch \"db-net\" too",
        ),
    ]);
}

#[test]
fn flood_addresses() {
    refuses(&[
        (
            "\"172.31.0.11\", \"2001",
            "\"x\", \"2001",
            "14:10: switch \"db-net\": flood[0]: expected an IPv4 or IPv6 address, found \"x\"",
        ),
        (
            "\"172.31.0.11\", \"2001",
            "\"239.1.1.1\", \"2001",
            "14:10: switch \"db-net\": flood[0]: expected a unicast address of the underlay, found a multicast address 239.1.1.1",
        ),
        (
            "2001:db8::11",
            "172.31.0.11",
            "14:25: switch \"db-net\": flood[1]: expected each address once, found 172.31.0.11 a second time",
        ),
        (
            "2001:db8::11",
            "2001:db8::21",
            "14:25: switch \"db-net\": flood[1]: expected the address of another VTEP, found this gateway's own, 2001:db8::21",
        ),
        (
            ", \"2001:db8::21\"",
            "",
            "14:25: switch \"db-net\": flood[1]: expected a family that gateway.vtep has too, found IPv6 address 2001:db8::11",
        ),
    ]);
}

#[test]
fn macs() {
    refuses(&[
        (
            "02:aa:00:00:00:01",
            "02-aa-00-00-00-01",
            "16:17: switch \"db-net\": macs[0].mac: expected six hexadecimal bytes with colons between, like 02:00:5e:00:00:01, found \"02-aa-00-00-00-01\"",
        ),
        (
            "02:aa:00:00:00:01",
            "03:aa:00:00:00:01",
            "16:17: switch \"db-net\": macs[0].mac: expected the address of one station, found multicast 03:aa:00:00:00:01",
        ),
        (
            "02:aa:00:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "16:17: switch \"db-net\": macs[0].mac: expected the address of one station, found broadcast ff:ff:ff:ff:ff:ff",
        ),
        (
            "02:aa:00:00:00:01",
            "0:0:0:0:0:0",
            "16:17: switch \"db-net\": macs[0].mac: expected the address of one station, found 00:00:00:00:00:00",
        ),
        (
            "02:ee:00:00:00:01",
            "02:AA:00:00:00:01",
            "16:70: switch \"db-net\": macs[1].mac: expected each MAC once, found 02:aa:00:00:00:01 a second time",
        ),
        (
            ", vtep = \"172.31.0.11\"",
            "",
            "16:17: switch \"db-net\": macs[0]: expected vtep, or port and vlan, found no place",
        ),
        (
            "vtep = \"172.31.0.11\"",
            "vtep = \"172.31.0.11\", vlan = 1",
            "16:45: switch \"db-net\": macs[0]: expected either vtep, or port and vlan, found both",
        ),
        (
            "vtep = \"172.31.0.11\"",
            "vtep = \"172.31.0.21\"",
            "16:45: switch \"db-net\": macs[0].vtep: expected the address of another VTEP, found this gateway's own, 172.31.0.21",
        ),
        (
            "\"02:ee:00:00:00:01\", port = \"eth1\", vlan = 100",
            "\"02:ee:00:00:00:01\", port = \"eth9\", vlan = 100",
            "16:98: switch \"db-net\": macs[1].port: expected the name of a [[port]], found \"eth9\"",
        ),
        (
            "\"02:ee:00:00:00:01\", port = \"eth1\", vlan = 100",
            "\"02:ee:00:00:00:01\", port = \"eth1\", vlan = 101",
            "16:113: switch \"db-net\": macs[1].vlan: expected a VLAN of the switch's bindings, found 101 of eth1",
        ),
    ]);
}

#[test]
fn all_errors_are_reported_at_once() {
    let text = GOOD.replace("5002", "0").replace("eth0", "et h0").replace("vlan = 0", "vlan = 5000");
    assert_eq!(
        parse(&text).unwrap_err().to_string(),
        "g.toml:4:8: uplink \"et h0\": name: expected an interface's name, without slash, colon or space, found \"et h0\"\n\
         g.toml:15:68: switch \"db-net\": bindings[1].vlan: expected 0 (untagged) to 4094, found 5000\n\
         g.toml:19:7: switch \"web-net\": vni: expected 1 to 16777215, found 0"
    );
}

#[test]
fn a_refused_address_of_the_gateway_is_one_error() {
    assert_eq!(refusal("172.31.0.21", "localhost").lines().count(), 1);
}
