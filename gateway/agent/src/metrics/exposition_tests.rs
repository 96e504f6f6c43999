//! Tests of the exposition, line by line.

use std::{sync::Arc, time::Duration};

use gateway_common::{
    binding::Traffic,
    counters::{Drops, Paths},
    net::VlanId,
};
use proptest::prelude::*;

use super::*;
use crate::metrics::{
    measured::{Binding, Measured, Program, Switch},
    sink::LONGEST_LABEL,
};

fn binding(switch: &str) -> Measured {
    let traffic = Traffic { rx_packets: 3, rx_bytes: 180, tx_packets: 2, tx_bytes: 120 };
    let binding = Binding {
        port: "eth1".to_owned(),
        vlan: VlanId::new(100).unwrap(),
        switch: switch.to_owned(),
        vni: 5001,
        traffic,
    };
    Measured { bindings: vec![binding], ..Measured::default() }
}

fn expose(measured: Measured, format: Format) -> String {
    Scrape { measured: Arc::new(measured), ..Scrape::default() }.expose(format).unwrap()
}

#[test]
fn both_forms_of_a_counter_with_a_unit() {
    let sample =
        "vtep_gateway_binding_receive_bytes_total{port=\"eth1\",vlan=\"100\",switch=\"db-net\",vni=\"5001\"} 180\n";
    let open = expose(binding("db-net"), Format::OpenMetrics);
    assert!(open.contains(sample), "{open}");
    assert!(open.contains(
        "# TYPE vtep_gateway_binding_receive_bytes counter\n# UNIT vtep_gateway_binding_receive_bytes bytes\n"
    ));
    assert!(open.ends_with("\n# EOF\n"));
    let text = expose(binding("db-net"), Format::Text);
    assert!(text.contains(sample), "{text}");
    assert!(text.contains("# TYPE vtep_gateway_binding_receive_bytes_total counter\n"));
    assert!(!text.contains("# UNIT") && !text.contains("# EOF"));
}

#[test]
fn an_info_is_a_gauge_in_the_older_form() {
    let sample = format!("vtep_gateway_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
    let open = expose(Measured::default(), Format::OpenMetrics);
    assert!(open.contains(&sample) && open.contains("# TYPE vtep_gateway_build info\n"), "{open}");
    let text = expose(Measured::default(), Format::Text);
    assert!(text.contains(&sample) && text.contains("# TYPE vtep_gateway_build_info gauge\n"), "{text}");
}

#[test]
fn every_metric_is_announced_under_the_name_of_its_samples() {
    let text = expose(Measured::default(), Format::Text);
    for family in families::all() {
        assert!(
            text.contains(&format!("# HELP {} {}\n# TYPE {} ", family.name, family.help, family.name)),
            "{}",
            family.name
        );
    }
}

#[test]
fn a_counter_that_could_not_be_read_is_missing_and_not_zero() {
    let sample = |text: &str| text.lines().any(|line| line.starts_with("vtep_gateway_drops_total{"));
    assert!(!sample(&expose(Measured::default(), Format::Text)));
    let measured = Measured { drops: Some(Drops { too_big: 7, ..Drops::default() }), ..Measured::default() };
    let text = expose(measured, Format::Text);
    assert!(sample(&text) && text.contains("vtep_gateway_drops_total{reason=\"too_big\"} 7\n"), "{text}");
}

#[test]
fn refused_macs_are_counted_by_reason_and_times_are_in_seconds() {
    let paths = Paths { learn_limit: 4, fdb_full: 5, ..Paths::default() };
    let programs = vec![Program { name: "xdp_uplink", run_time: Duration::from_millis(1500), runs: 9 }];
    let text = expose(Measured { paths: Some(paths), programs, ..Measured::default() }, Format::Text);
    for line in [
        "vtep_gateway_fdb_refused_total{reason=\"learn_limit\"} 4\n",
        "vtep_gateway_fdb_refused_total{reason=\"fdb_full\"} 5\n",
        "vtep_gateway_bpf_run_seconds_total{program=\"xdp_uplink\"} 1.5\n",
        "vtep_gateway_bpf_runs_total{program=\"xdp_uplink\"} 9\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn a_hostile_name_stays_within_its_label() {
    let name = "a\"} 1\nvtep_gateway_attached 0\n\\\u{7}\u{202e}";
    let text = expose(binding(name), Format::Text);
    assert!(
        text.contains("switch=\"a\\\"} 1\u{fffd}vtep_gateway_attached 0\u{fffd}\\\\\u{fffd}\u{202e}\",vni="),
        "{text}"
    );
    let line = text.lines().filter(|line| line.starts_with("vtep_gateway_attached ")).collect::<Vec<_>>();
    assert_eq!(line, ["vtep_gateway_attached 0"]);
}

#[test]
fn a_long_name_is_cut_where_a_character_ends() {
    let text = expose(binding(&"ü".repeat(100_000)), Format::Text);
    assert!(text.contains(&format!("switch=\"{}\",", "ü".repeat(LONGEST_LABEL))));
    assert!(text.len() < 50_000, "{}", text.len());
}

/// Parses a sample as the text format specifies: labels and value.
fn parse(line: &str) -> Option<(BTreeMap<String, String>, u64)> {
    let mut rest = line.split_once('{')?.1;
    let mut labels = BTreeMap::new();
    loop {
        let (name, after) = rest.split_once("=\"")?;
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next()? {
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (at, '"') => break at,
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.to_owned(), value);
        rest = &after[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((labels, rest.strip_prefix("} ")?.parse().ok()?)),
        }
    }
}

proptest! {
    #[test]
    fn any_name_comes_back_but_for_control_characters(name in "\\PC{0,40}|.{0,40}|[\"\\\\{},= \n]{0,20}") {
        let switches = vec![Switch { name: name.clone(), vni: 7, static_macs: 1, learned: 2, learn_limit: 3 }];
        for format in [Format::Text, Format::OpenMetrics] {
            let text = expose(Measured { switches: switches.clone(), ..Measured::default() }, format);
            let samples: Vec<&str> =
                text.split('\n').filter(|line| line.starts_with("vtep_gateway_switch_fdb_learned{")).collect();
            prop_assert_eq!(samples.len(), 1);
            let (labels, value) = parse(samples[0]).unwrap();
            prop_assert_eq!(value, 2);
            prop_assert_eq!(&labels["vni"], "7");
            prop_assert_eq!(&labels["switch"], &name.replace(char::is_control, "\u{fffd}"));
        }
    }
}
