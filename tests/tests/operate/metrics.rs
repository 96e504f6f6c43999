//! The endpoint for monitoring: its values for real traffic, and what clients can do to it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Command, Stdio},
};

use anyhow::{Result, ensure};
use gateway_agent::metrics::measured::MAX_SERIES;
use gateway_common::counters::{DropReason, PathCounter};
use lab::{
    Host,
    config::{Config, Switch},
    crossing::{Crossing, EXT, EXT2, Plan, Site, VLAN, VM, VNI},
    flow::Flow,
    http::{self, Reply},
    process,
    prometheus::Prometheus,
    vlan,
    wait::{SOON, wait_for},
};

/// The file with the alert rules.
pub(crate) const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/prometheus/vtep-gateway.rules.yml");

const AT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9959);

/// The crossing with metrics on loopback of the gateway's machine.
fn build() -> Result<Crossing> {
    let site = Site::build(Plan::default())?;
    let config = site.config().metrics(AT.to_string());
    let lab = site.start(config)?;
    lab.vm.wait_reaches(&EXT.v4().to_string())?;
    wait_served(&lab.gw)?;
    Ok(lab)
}

/// Waits until the agent's loop turns: one that reports that it is ready forwards, and may not have come to that yet.
fn wait_served(host: &Host) -> Result<()> {
    wait_for("the agent is alive", SOON, || get(host, "/healthz").is_ok_and(|reply| reply.status == 200))
}

fn get(host: &Host, path: &str) -> Result<Reply> {
    http::get(host, AT, path)
}

/// The value of the one sample that begins with `series`.
fn value(text: &str, series: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = lines.next()?.parse().ok();
    assert!(lines.next().is_none(), "{series} is there twice");
    value
}

/// Returns the output of promtool for a text, which is empty if it finds nothing wrong.
fn promtool(text: &str) -> Result<String> {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().unwrap().write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    let printed = process::text(&output);
    ensure!(output.status.success() || !printed.is_empty(), "promtool: {}", output.status);
    Ok(printed)
}

#[test]
fn counters_are_those_of_the_maps() -> Result<()> {
    let lab = build()?;
    lab.vm.run(&format!("ping -n -c 20 -i 0.01 {}", EXT.v4()))?;
    let ifindex = lab.gw.ifindex("a0")?;
    let readings = lab.gateway.read();
    let hv = lab.hv.vtep();
    let all = || Ok::<_, anyhow::Error>((readings.drops()?, readings.paths()?, readings.binding(ifindex, VLAN)?));
    // Stations say something unasked now and then, so what is compared are two looks with nothing in between. Of the two
    // scrapes there, the second was measured after the first, since it counts it.
    let mut text = String::new();
    let mut seen = all()?;
    let scrape = || get(&lab.gw, "/metrics").map(|reply| reply.body).unwrap_or_default();
    let requests = |text: &str| value(text, "vtep_gateway_http_requests_total");
    wait_for("a measurement while no packet comes", SOON, || {
        let Ok(before) = all() else { return false };
        let first = requests(&scrape());
        let measured = wait_for("another measurement", SOON, || {
            text = scrape();
            requests(&text) > first
        });
        seen = before;
        measured.is_ok() && all().is_ok_and(|after| after == seen)
    })?;
    let (drops, paths, binding) = seen;
    for reason in DropReason::ALL {
        let series = format!("vtep_gateway_drops_total{{reason=\"{}\"}}", reason.name());
        assert_eq!(value(&text, &series), Some(drops.get(*reason)), "{series}");
    }
    assert!(binding.rx_packets >= 20 && binding.tx_packets >= 20, "{binding:?}");
    let labels = format!("{{port=\"a0\",vlan=\"{VLAN}\",switch=\"net-{VNI}\",vni=\"{VNI}\"}}");
    for (name, count) in [
        ("receive_packets", binding.rx_packets),
        ("receive_bytes", binding.rx_bytes),
        ("transmit_packets", binding.tx_packets),
        ("transmit_bytes", binding.tx_bytes),
    ] {
        let series = format!("vtep_gateway_binding_{name}_total{labels}");
        assert_eq!(value(&text, &series), Some(count), "{series} in {text}");
    }
    // All that came from the VLAN went into the only tunnel, or was answered by nobody.
    let vtep = lab.config.vtep[0];
    let tunnel = format!("vtep_gateway_tunnel_transmit_packets_total{{local=\"{vtep}\",remote=\"{hv}\"}}");
    assert!(value(&text, &tunnel).is_some_and(|packets| packets >= 20), "{text}");
    assert_eq!(value(&text, "vtep_gateway_fdb_learned_total"), Some(paths.get(PathCounter::Learned)));
    let switch = format!("{{switch=\"net-{VNI}\",vni=\"{VNI}\"}}");
    assert_eq!(value(&text, &format!("vtep_gateway_switch_fdb_given{switch}")), Some(1));
    assert_eq!(value(&text, &format!("vtep_gateway_switch_fdb_learned{switch}")), Some(1));
    assert_eq!(value(&text, "vtep_gateway_fdb_entries{origin=\"learned\"}"), Some(1));
    assert_eq!(promtool(&text)?, "");
    Ok(())
}

#[test]
fn the_gateway_is_alive_and_ready_and_reports_what_is_missing() -> Result<()> {
    let lab = build()?;
    assert_eq!(get(&lab.gw, "/healthz")?.status, 200);
    assert_eq!(get(&lab.gw, "/readyz")?.status, 200);
    // A port that is gone is one that programs are not attached to.
    lab.gw.ip("link del a0")?;
    wait_for("the link is reported to be down", SOON, || {
        let text = get(&lab.gw, "/metrics").map(|reply| reply.body).unwrap_or_default();
        value(&text, "vtep_gateway_link_up{interface=\"a0\",role=\"port\"}") == Some(0)
            && value(&text, "vtep_gateway_problems{severity=\"fault\"}").is_some_and(|faults| faults > 0)
    })?;
    assert_eq!(get(&lab.gw, "/healthz")?.status, 200);
    Ok(())
}

#[test]
fn a_gateway_whose_database_was_never_seen_is_alive_and_not_ready() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let mut config = site.config().database("tcp:127.0.0.1:6640", "gw").metrics(AT.to_string());
    config.switches.clear();
    let lab = site.start(config)?;
    wait_served(&lab.gw)?;
    let reply = get(&lab.gw, "/readyz")?;
    assert_eq!((reply.status, reply.body.as_str()), (503, "the database has not been reached yet\n"));
    assert_eq!(get(&lab.gw, "/healthz")?.status, 200);
    let text = get(&lab.gw, "/metrics")?.body;
    assert_eq!(value(&text, "vtep_gateway_database_state{name=\"gateway\",state=\"waiting\"}"), Some(1));
    assert_eq!(value(&text, "vtep_gateway_database_state{name=\"gateway\",state=\"following\"}"), Some(0));
    assert_eq!(value(&text, "vtep_gateway_database_connected{name=\"gateway\"}"), Some(0));
    Ok(())
}

#[test]
fn a_reload_moves_the_endpoint_and_takes_series_along() -> Result<()> {
    let mut lab = build()?;
    let reload = |lab: &mut Crossing, change: &dyn Fn(&mut Config)| {
        change(&mut lab.config);
        lab.gateway.reload(&lab.config)
    };
    assert!(get(&lab.gw, "/metrics")?.body.contains("vtep_gateway_binding_receive_packets_total{"));
    reload(&mut lab, &|config| config.switch_mut(VNI).bindings.clear())?;
    wait_for("the series of a binding that is gone", SOON, || {
        get(&lab.gw, "/metrics").is_ok_and(|reply| !reply.body.contains("vtep_gateway_binding_receive_packets_total{"))
    })?;
    let text = get(&lab.gw, "/metrics")?.body;
    assert_eq!(value(&text, "vtep_gateway_reloads_total{outcome=\"applied\"}"), Some(1));

    let bad = lab.config.to_string().replace(&format!("vni = {VNI}"), "vni = 0");
    assert!(lab.gateway.reload_text(&bad)?.contains("reload refused"));
    wait_for("a reload that is refused is reported", SOON, || {
        let text = get(&lab.gw, "/metrics").map(|reply| reply.body).unwrap_or_default();
        value(&text, "vtep_gateway_last_reload_successful") == Some(0)
            && value(&text, "vtep_gateway_reloads_total{outcome=\"refused\"}") == Some(1)
    })?;

    let other = SocketAddr::new(AT.ip(), 9960);
    reload(&mut lab, &|config| config.metrics = vec![other.to_string()])?;
    wait_for("the other address", SOON, || {
        http::get(&lab.gw, other, "/healthz").is_ok_and(|reply| reply.status == 200)
    })?;
    wait_for("the end of the first one", SOON, || get(&lab.gw, "/healthz").is_err())?;
    reload(&mut lab, &|config| config.metrics.clear())?;
    wait_for("the end of the other one", SOON, || http::get(&lab.gw, other, "/healthz").is_err())
}

#[test]
fn a_hostile_name_of_a_switch_arrives_at_prometheus_as_it_is() -> Result<()> {
    let mut lab = build()?;
    let name = "net\"} 1 # \\n\u{2028}{a=\"b\"},\\";
    let text = lab.config.to_string().replace(&format!("\"net-{VNI}\""), &format!("'''{name}'''"));
    assert!(lab.gateway.reload_text(&text)?.contains("reloaded"));
    wait_for("the name", SOON, || get(&lab.gw, "/metrics").is_ok_and(|reply| reply.body.contains("net\\\"} 1 # ")))?;
    assert_eq!(promtool(&get(&lab.gw, "/metrics")?.body)?, "");
    let prometheus = Prometheus::start(&lab.gw, &[AT], RULES.as_ref())?;
    wait_for("Prometheus has the name", SOON, || {
        let query = format!("vtep_gateway_switch_fdb_given{{vni=\"{VNI}\"}}");
        let samples = prometheus.query(&query).unwrap_or_default();
        samples.len() == 1 && samples[0].labels["switch"] == name
    })
}

#[test]
fn more_bindings_than_there_are_series_for_are_counted_and_left_out() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let hv = site.hv.vtep();
    vlan::host(&site.gw, "a1", VLAN, "ext2", &EXT2.mac().to_string(), &[])?;
    let (mut config, mut more) = (site.config().port("a1", site.plan.port), Switch::new(VNI + 1, &[hv]));
    config.switch_mut(VNI).bindings = (1..=4000).map(|vlan| ("a0".to_owned(), vlan)).collect();
    more.bindings = (1..=200).map(|vlan| ("a1".to_owned(), vlan)).collect();
    let lab = site.start(config.switch(more).metrics(AT.to_string()))?;
    wait_served(&lab.gw)?;
    let text = get(&lab.gw, "/metrics")?.body;
    let series = text.lines().filter(|line| line.starts_with("vtep_gateway_binding_receive_bytes_total{")).count();
    assert_eq!(series, MAX_SERIES);
    assert_eq!(value(&text, "vtep_gateway_programmed{what=\"bindings\"}"), Some(4200));
    assert_eq!(value(&text, "vtep_gateway_series_left_out{what=\"bindings\"}"), Some(4200 - MAX_SERIES as u64));
    assert_eq!(value(&text, "vtep_gateway_series_left_out{what=\"switches\"}"), Some(0));
    lab.vm.wait_reaches(&EXT.v4().to_string())
}

#[test]
fn hostile_clients_hurt_neither_others_nor_traffic() -> Result<()> {
    let lab = build()?;
    let flow = Flow::start(&lab.vm, &lab.ext, EXT.v4().into())?;
    let hostile = lab.gw.enter(|| {
        let mut clients = Vec::new();
        for number in 0..1000 {
            let mut stream = TcpStream::connect_timeout(&AT, SOON)?;
            let garbage: &[u8] = match number % 5 {
                0 => b"",
                1 => b"GET /metrics HTTP/1.1\r\nX-Slow: ",
                2 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                3 => b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
                _ => &[b'A'; 40_000],
            };
            // Some are hung up on at once.
            let _ = stream.write_all(garbage);
            clients.push(stream);
        }
        Ok(clients)
    })?;
    for _ in 0..20 {
        let reply = get(&lab.gw, "/metrics")?;
        assert_eq!(reply.status, 200);
        assert!(value(&reply.body, "vtep_gateway_attached") == Some(1), "{}", reply.body);
    }
    assert_eq!(lab.gateway.status()?["healthy"], true);
    let text = get(&lab.gw, "/metrics")?.body;
    assert!(value(&text, "process_open_fds").is_some_and(|fds| fds < 300), "{text}");
    // Those that sit there, 400, but for the 64 that may.
    wait_for("clients that sit there are counted", SOON, || {
        let text = get(&lab.gw, "/metrics").map(|reply| reply.body).unwrap_or_default();
        value(&text, "vtep_gateway_http_hung_up_total").is_some_and(|clients| clients >= 400 - 64)
    })?;
    drop(hostile);
    let tally = flow.finish()?;
    assert!(tally.is_whole(), "{tally:?}");
    Ok(())
}

#[test]
fn a_client_that_asks_and_does_not_read_gets_its_answer_when_it_does() -> Result<()> {
    let lab = build()?;
    let answer = lab.gw.enter(|| {
        let mut late = TcpStream::connect_timeout(&AT, SOON)?;
        late.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
        for _ in 0..10 {
            let mut other = TcpStream::connect_timeout(&AT, SOON)?;
            other.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            other.read_to_string(&mut answer)?;
            ensure!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
        }
        let mut answer = String::new();
        late.read_to_string(&mut answer)?;
        Ok(answer)
    })?;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.contains("vtep_gateway_attached 1\n"), "{answer}");
    assert_eq!(lab.ext.neighbour(VM.v4().into()), Some(VM.mac()));
    Ok(())
}
