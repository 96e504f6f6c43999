//! Check of names in filters: an unknown name is an error, so that a typing error does not look like an empty result.

use std::fmt::Display;

use gateway_api::{
    ctl::CallError,
    view::{Binding, InterfaceRole, Router, Status, Switch, Tunnel},
};
use gateway_base::suggest;

use super::options::Noun;
use crate::verbs::agent::Agent;

/// Most names listed.
const LISTED: usize = 10;

/// Returns a sentence about names in `noun` that do not exist; None if all exist.
pub(super) fn unknown(noun: &Noun, agent: Agent<'_>) -> Result<Option<String>, CallError> {
    let (mut switch, mut vni, mut port, mut remote, mut router) = (None, None, None, None, None);
    match noun {
        Noun::Switches(wanted) => (switch, vni) = (wanted.switch.as_deref(), wanted.vni),
        Noun::Bindings(wanted) => {
            (switch, vni, port) = (wanted.switch.as_deref(), wanted.vni, wanted.port.as_deref());
        }
        Noun::Macs(wanted) => {
            (switch, vni, port, remote) = (wanted.switch.as_deref(), wanted.vni, wanted.port.as_deref(), wanted.remote);
        }
        Noun::Tunnels(wanted) => (vni, remote) = (wanted.vni, wanted.remote),
        Noun::Neighbours(wanted) => remote = wanted.remote,
        Noun::Vrrp(wanted) => router = wanted.router.as_deref(),
        Noun::Counters(_) | Noun::Drops(_) => {}
    }
    if switch.is_some() || vni.is_some() {
        let all: Vec<Switch> = agent.ask("show/switches", &[])?;
        let names = all.iter().filter_map(|one| one.name.clone());
        let missing = switch.and_then(|switch| not_among("--switch", "logical switch", switch, names));
        let vnis = all.iter().filter_map(|one| one.vni);
        if let Some(missing) = missing.or_else(|| not_among("--vni", "VNI", vni?, vnis)) {
            return Ok(Some(missing));
        }
    }
    if let Some(port) = port {
        let status: Status = agent.ask("status", &["json"])?;
        let bindings: Vec<Binding> = agent.ask("show/bindings", &[])?;
        let ports = status.interfaces.into_iter().filter(|one| one.role == InterfaceRole::Port).map(|one| one.name);
        let ports = ports.chain(bindings.into_iter().map(|one| one.port));
        if let Some(missing) = not_among("--port", "access port", port, ports) {
            return Ok(Some(missing));
        }
    }
    if let Some(remote) = remote {
        let all: Vec<Tunnel> = agent.ask("show/tunnels", &[])?;
        if let Some(missing) = not_among("--remote", "remote VTEP", remote, all.into_iter().map(|one| one.remote)) {
            return Ok(Some(missing));
        }
    }
    let Some(router) = router else { return Ok(None) };
    let all: Vec<Router> = agent.ask("show/vrrp", &[])?;
    let names = all.into_iter().flat_map(|one| [one.name, one.vrid.to_string()]);
    Ok(not_among("vrrp", "virtual router", router, names))
}

/// Returns an error text if `wanted` is not one of `all`.
fn not_among<T: Display>(
    option: &str,
    kind: &str,
    wanted: T,
    all: impl Iterator<Item = impl Display>,
) -> Option<String> {
    let wanted = wanted.to_string();
    let mut all: Vec<String> = all.map(|one| one.to_string()).collect();
    all.sort();
    all.dedup();
    if all.contains(&wanted) {
        return None;
    }
    let meant = suggest::question(&wanted, all.iter().map(String::as_str));
    let more = if all.len() > LISTED { ", ..." } else { "" };
    let there = match suggest::by_likeness(&wanted, all.iter().map(String::as_str)).get(..all.len().min(LISTED)) {
        None | Some([]) => "there is none".to_owned(),
        Some(listed) => format!("there are {}{more}", listed.join(", ")),
    };
    Some(format!("{option} {wanted}: no such {kind}{meant}; {there}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_an_unknown_name_suggests_the_closest() {
        let of = |wanted, all: &[&str]| not_among("--switch", "logical switch", wanted, all.iter());
        assert_eq!(of("net1", &["net1", "net2"]), None);
        let error = "--switch nte1: no such logical switch (is net1 meant?); there are net1, other";
        assert_eq!(of("nte1", &["other", "net1"]).as_deref(), Some(error));
        assert_eq!(of("x", &[]).as_deref(), Some("--switch x: no such logical switch; there is none"));
    }
}
