//! The dashboard and the alert rules, against a real Prometheus that scrapes a pair of gateways in a cloud of real OVN.

use std::{collections::BTreeSet, fs, net::SocketAddr, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use lab::{
    cluster::{Pair, Plan, plan::NODES},
    crossing::{EXT, Underlay},
    http,
    ovn::Deployment,
    process,
    prometheus::Prometheus,
    wait::{SOON, wait_for},
};
use serde_json::Value;

use crate::metrics::RULES;

const REFERENCE: &str = include_str!("../../../docs/METRICS.md");
const DASHBOARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/grafana/vtep-gateway.json");

fn dashboard() -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(DASHBOARD)?)?)
}

/// A query as Grafana would put it, for all gateways.
fn filled_in(query: &str) -> String {
    query.replace("$instance", ".*").replace("$__rate_interval", "10s")
}

/// All queries of the dashboard's panels, with the titles of the panels.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap();
    let mut all = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        for target in panel["targets"].as_array().unwrap() {
            all.push((panel["title"].as_str().unwrap().to_owned(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    all
}

/// The gateway's metrics that an expression names.
fn named(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    words.filter(|word| word.starts_with("vtep_gateway_")).collect()
}

fn promtool(arguments: &[&str]) -> Result<()> {
    let output = Command::new("promtool").args(arguments).output().context("starting promtool")?;
    let printed = process::text(&output);
    ensure!(output.status.success(), "promtool {}: {printed}", arguments.join(" "));
    Ok(())
}

#[test]
fn the_alert_rules_pass_their_own_tests() -> Result<()> {
    let tests = RULES.replace(".rules.yml", ".rules.test.yml");
    promtool(&["check", "rules", RULES])?;
    promtool(&["test", "rules", &tests])?;
    // Each of them has a test in which it is raised.
    let (rules, tests) = (fs::read_to_string(RULES)?, fs::read_to_string(tests)?);
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 20, "{alerts:?}");
    let described = REFERENCE.lines().filter_map(|line| line.strip_prefix("| `VtepGateway")?.split('`').next());
    assert!(
        described.map(|name| format!("VtepGateway{name}")).eq(alerts.iter().copied()),
        "docs/METRICS.md lists others"
    );
    for alert in alerts {
        let firing = tests.contains(&format!("alertname=\"{alert}\""))
            || tests.contains(&format!("- alertname: {alert}\n        eval_time"));
        assert!(firing, "{alert} has no test in which it is raised");
    }
    Ok(())
}

#[test]
fn panels_do_not_overlap_and_speak_of_the_chosen_gateways_only() -> Result<()> {
    let dashboard = dashboard()?;
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for y in at("y")..at("y") + at("h") {
            for x in at("x")..at("x") + at("w") {
                assert!(x < 24 && taken.insert((x, y)), "{} overlaps at {x}, {y}", panel["title"]);
            }
        }
    }
    for (title, query) in queries(&dashboard) {
        let (metrics, chosen) =
            (query.matches("vtep_gateway_").count(), query.matches("instance=~\"$instance\"").count());
        assert!(chosen > 0 && metrics <= chosen, "{title}: {query}");
    }
    Ok(())
}

#[test]
fn every_panel_has_data_and_every_alert_its_metrics() -> Result<()> {
    let mut pair = Pair::ovn(&Plan::steady(), Deployment::PerNode)?;
    let mut targets: Vec<SocketAddr> = Vec::new();
    for (member, (number, _)) in pair.members.iter_mut().zip(NODES) {
        let at = SocketAddr::new(Underlay::V4.ip(number), 9959);
        member.config.metrics.push(at.to_string());
        targets.push(at);
    }
    pair.start()?;
    let prometheus = Prometheus::start(&pair.members[0].host, &targets, Path::new(RULES))?;
    let probes = pair.probes()?;
    pair.wait_forwards(0)?;
    let has = |query: &str| prometheus.query(query).is_ok_and(|samples| !samples.is_empty());
    wait_for("both gateways are scraped", SOON, || {
        prometheus.query("count_over_time(up[1m]) > 5 and up == 1").is_ok_and(|samples| samples.len() == 2)
    })?;

    for (title, query) in queries(&dashboard()?) {
        let query = filled_in(&query);
        prometheus.query(&query).with_context(|| format!("panel {title:?}"))?;
        wait_for(&format!("data for panel {title:?}: {query}"), SOON, || has(&query))?;
    }
    let annotation = dashboard()?["annotations"]["list"][0]["expr"].as_str().map(filled_in).unwrap();
    prometheus.query(&annotation)?;

    wait_for("all rules were evaluated", SOON, || {
        prometheus.rules().is_ok_and(|rules| rules.iter().all(|rule| rule["health"] != "unknown"))
    })?;
    let rules = prometheus.rules()?;
    assert!(rules.len() > 20, "{rules:?}");
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        for metric in named(rule["query"].as_str().unwrap()) {
            // Nothing is held while the database is followed.
            assert!(has(metric), "{} has no metric {metric}", rule["name"]);
        }
    }

    // Who is active, by both.
    let active = prometheus.query("vtep_gateway_vrrp_role{role=\"active\"} == 1")?;
    assert_eq!(active.len(), 1, "{active:?}");
    assert_eq!(active[0].labels["instance"], targets[0].to_string());
    assert_eq!((active[0].labels["router"].as_str(), active[0].labels["vrid"].as_str()), ("vrrp-20", "20"));
    let lease = prometheus.query("vtep_gateway_vrrp_lease_left_seconds > 0")?;
    assert_eq!(lease.len(), 1, "{lease:?}");
    for target in &targets {
        // One that stands by is ready.
        assert_eq!(http::get(&pair.members[0].host, *target, "/readyz")?.status, 200);
    }
    let silence = prometheus.query("time() - vtep_gateway_database_last_contact_timestamp_seconds")?;
    assert!(silence.len() == 2 && silence.iter().all(|one| (0.0..60.0).contains(&one.value)), "{silence:?}");

    // Counted by the gateway, scraped, asked for: the same as in the map.
    let report = probes.finish()?;
    assert!(report.out.sent > 100);
    let ifindex = pair.members[0].host.ifindex("a0")?;
    let readings = pair.members[0].read()?;
    let series = format!("vtep_gateway_binding_receive_packets_total{{port=\"a0\",instance=\"{}\"}}", targets[0]);
    wait_for("the count of the map arrives", SOON, || {
        let map = readings.binding(ifindex, 100).map(|traffic| traffic.rx_packets as f64);
        let scraped = prometheus.query(&series).unwrap_or_default();
        scraped.len() == 1 && map.is_ok_and(|map| map > 100.0 && (scraped[0].value - map).abs() < 0.5)
    })?;
    assert!(pair.ext.reaches(&lab::crossing::VM.v4().to_string()), "{}", EXT.v4());
    Ok(())
}
