//! Names of modules in the log. Operators know the program, not its crates: `gateway_ha::driver` is shown as
//! `vtep_gateway::ha::driver`.

use std::borrow::Cow;

/// Name of the program, with which the targets of all its lines begin.
pub(super) const PROGRAM: &str = "vtep_gateway";

/// Crates of the gateway, by their names in targets: all targets of the gateway begin with one of these.
pub(super) const OWN_CRATES: [&str; 13] = [
    "gateway",
    "gateway_agent",
    "gateway_api",
    "gateway_base",
    "gateway_cli",
    "gateway_config",
    "gateway_datapath",
    "gateway_ha",
    "gateway_netdev",
    "gateway_ovsdb",
    "gateway_sources",
    "gateway_vrrp",
    PROGRAM,
];

/// Modules that operators set levels of. Each has its name in `vlog/list` and its target.
pub(super) const ROOMS: [(&str, &str); 18] = [
    ("agent", "gateway_agent"),
    ("announce", "gateway_netdev::announce"),
    ("config", "gateway_config"),
    ("ctl", "gateway_agent::ctl"),
    ("database", "gateway_sources"),
    ("datapath", "gateway_datapath"),
    ("devices", "gateway_agent::devices"),
    ("ha", "gateway_ha"),
    ("log", "gateway_base"),
    ("metrics", "gateway_agent::metrics"),
    ("nic", "gateway_netdev::nic"),
    ("ovsdb", "gateway_ovsdb"),
    ("peers", "gateway_ha::peers"),
    ("plan", "gateway_datapath::plan"),
    ("preflight", "gateway_datapath::preflight"),
    ("underlay", "gateway_netdev"),
    ("vrrp", "gateway_vrrp"),
    ("vtep", "gateway_sources::vtep"),
];

/// Returns the target of a room.
pub(super) fn of_room(room: &str) -> &str {
    ROOMS.iter().find(|(name, _)| *name == room).map_or(room, |(_, target)| target)
}

/// Returns the name under which the log shows a target. Targets of libraries stay as they are.
pub(super) fn shown(target: &str) -> Cow<'_, str> {
    let first = target.split("::").next().unwrap_or(target);
    match target.strip_prefix("gateway_") {
        Some(rest) if OWN_CRATES.contains(&first) => Cow::Owned(format!("{PROGRAM}::{rest}")),
        _ => Cow::Borrowed(target),
    }
}

/// Returns the target that an operator means by a name: one that the log shows, such as `vtep_gateway::ha::driver`, one
/// of a room, such as `vtep_gateway::devices`, or the target itself.
pub(super) fn meant(name: &str) -> String {
    let Some(rest) = name.strip_prefix("vtep_gateway::").or_else(|| name.strip_prefix("gateway::")) else {
        return name.to_owned();
    };
    let (first, inside) = rest.split_at(rest.find("::").unwrap_or(rest.len()));
    let own = format!("gateway_{first}");
    if ROOMS.iter().any(|(room, _)| *room == first) {
        format!("{}{inside}", of_room(first))
    } else if OWN_CRATES.contains(&own.as_str()) {
        format!("{own}{inside}")
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_the_gateway_are_shown_by_the_name_of_the_program() {
        assert_eq!(shown("gateway_ha"), "vtep_gateway::ha");
        assert_eq!(shown("gateway_ha::driver"), "vtep_gateway::ha::driver");
        for other in ["vtep_gateway", "vtep_gateway::run", "aya::bpf", "gateway_hamster", "gateway_other::x", ""] {
            assert_eq!(shown(other), other);
        }
    }

    #[test]
    fn a_name_that_the_log_shows_means_its_target() {
        let inside = OWN_CRATES.iter().map(|name| format!("{name}::a::b"));
        let rooms = ROOMS.iter().map(|(_, target)| (*target).to_owned());
        for target in inside.chain(rooms).filter(|target| target.starts_with("gateway_")) {
            assert_eq!(meant(&shown(&target)), target);
            assert_eq!(meant(&target), target);
        }
    }

    #[test]
    fn rooms_may_be_named_by_the_program() {
        assert_eq!(meant("vtep_gateway::devices"), "gateway_agent::devices");
        assert_eq!(meant("gateway::vtep::mirror"), "gateway_sources::vtep::mirror");
        assert_eq!(meant("vtep_gateway::startup"), "vtep_gateway::startup");
        assert_eq!(meant("aya"), "aya");
    }
}
