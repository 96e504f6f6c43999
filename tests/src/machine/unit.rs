//! The gateway on a server: its unit, its configuration, and what it reports.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{
    fabric::Fabric,
    scenario::{Path, Scenario},
    server::Server,
};
use crate::{
    config::{Config, Switch},
    crossing::{GW, HV, Underlay, VNI},
};

/// Counters by name.
pub(super) type Counters = BTreeMap<String, u64>;

/// Writes the configuration of a scenario and starts the unit.
///
/// # Errors
/// If the configuration is refused, or the unit does not start; the error has the end of its log.
pub(super) fn start(server: &mut Server, fabric: &Fabric, scenario: &Scenario) -> Result<()> {
    let Scenario { uplink, access, modes, .. } = scenario;
    let switch = Switch::new(VNI, &[Underlay::V4.ip(HV)]).bound(access.name(), access.vlan()).learning();
    let config = Config {
        pin_dir: "/sys/fs/bpf/vtep-gateway".into(),
        run_dir: "/run/vtep-gateway".into(),
        ..Config::new(&fabric.switch, &[Underlay::V4.ip(GW)])
    };
    let config = config.uplink(uplink.name(), modes.0).port(access.name(), modes.1).switch(switch);
    server.write("/etc/vtep-gateway/gateway.toml", "644", &config.to_string())?;
    server.run("vtep-gateway check-config")?;
    server.run("systemctl reset-failed vtep-gateway; systemctl start vtep-gateway").map_err(|trouble| {
        let log = server.attempt("journalctl --no-pager --output=cat --lines=15 --unit vtep-gateway");
        trouble.context(log.map(|log| log.text).unwrap_or_default())
    })?;
    Ok(())
}

/// Stops the unit and takes the gateway off all interfaces.
///
/// # Errors
/// If one of them fails.
pub(super) fn detach(server: &mut Server) -> Result<()> {
    server.run("systemctl stop vtep-gateway && vtep-gateway detach").map(drop)
}

/// Returns the counters of packets by path.
///
/// # Errors
/// If the agent does not answer.
pub(super) fn counters(server: &mut Server) -> Result<Counters> {
    let text = server.run("vtep-gateway show counters --json")?;
    let all: Vec<Value> = serde_json::from_str(&text).context("reading counters")?;
    let one = |counter: &Value| Some((counter["name"].as_str()?.to_owned(), counter["count"].as_u64()?));
    Ok(all.iter().filter_map(one).collect())
}

/// Returns the problems that the agent reports.
///
/// # Errors
/// If the agent does not answer.
pub(super) fn problems(server: &mut Server) -> Result<Vec<String>> {
    let text = server.attempt("vtep-gateway status --json")?.text;
    let status: Value = serde_json::from_str(&text).with_context(|| format!("reading the status: {text}"))?;
    let problems = status["problems"].as_array().context("a status without problems")?;
    let text = |problem: &Value| {
        let (severity, text) = (problem["severity"].as_str(), problem["text"].as_str());
        format!("{}: {}", severity.unwrap_or_default(), text.unwrap_or_default())
    };
    Ok(problems.iter().map(text).collect())
}

/// Returns the path that carried at least nine of ten packets between two readings, for the counters `xdp_WHAT` and
/// `tc_WHAT`.
///
/// # Errors
/// If neither did, or nothing was counted.
pub(super) fn carrier(before: &Counters, after: &Counters, what: &str) -> Result<Path> {
    let grown = |name: String| {
        let value = |all: &Counters| all.get(&name).copied().unwrap_or_default();
        value(after).saturating_sub(value(before))
    };
    let (xdp, tc) = (grown(format!("xdp_{what}")), grown(format!("tc_{what}")));
    match (xdp, tc) {
        (0, 0) => bail!("no packet was counted, neither xdp_{what} nor tc_{what}"),
        (xdp, tc) if tc * 9 <= xdp => Ok(Path::Xdp),
        (xdp, tc) if xdp * 9 <= tc => Ok(Path::Tc),
        (xdp, tc) => bail!("both paths carry: {xdp} xdp_{what}, {tc} tc_{what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(xdp: u64, tc: u64) -> Counters {
        [("xdp_decap".to_owned(), xdp), ("tc_decap".to_owned(), tc)].into()
    }

    #[test]
    fn the_carrier_is_what_has_nine_tenths() {
        let zero = Counters::new();
        assert_eq!(carrier(&zero, &counters(90, 10), "decap").unwrap(), Path::Xdp);
        assert_eq!(carrier(&zero, &counters(3, 300), "decap").unwrap(), Path::Tc);
        assert!(carrier(&zero, &counters(50, 50), "decap").is_err());
    }

    #[test]
    fn what_was_counted_before_does_not_matter() {
        let before = counters(1000, 0);
        assert_eq!(carrier(&before, &counters(1000, 20), "decap").unwrap(), Path::Tc);
        assert!(carrier(&before, &before, "decap").is_err());
    }
}
