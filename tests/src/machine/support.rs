//! The part of `docs/SUPPORT.md` that is made from the table of scenarios.

use std::fmt::Write;

use super::{
    scenario::{Event, Scenario},
    table::SCENARIOS,
};

/// Scenarios that have not been run to their end yet.
const NOT_RUN: &[&str] = &[
    "virtio-xdp-tc",
    "virtio-tc-xdp",
    "vlan-access",
    "bond-backup",
    "bond-xor",
    "bond-lacp-uplink",
    "reboot",
    "virtio-1",
    "virtio-2",
    "vmxnet3",
    "e1000e",
    "e1000",
    "rtl8139",
    "virtio-e1000e",
    "6.1-virtio-tc",
    "6.1-bond-backup",
    "6.1-bond-lacp",
    "6.1-openvswitch",
    "6.1-reboot",
    "6.1-vmxnet3",
];

/// Line before the part.
const BEGIN: &str = "<!-- Made by `cargo xtask docs` from tests/src/machine/table.rs -->\n";
/// Line after it.
const END: &str = "<!-- End of what is made from the table -->\n";

/// Returns the page with its part made again; `None` if it has no place for it.
pub fn page(present: &str) -> Option<String> {
    let (before, rest) = present.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{}{END}{after}", part(SCENARIOS)))
}

/// Formats scenarios as a table.
fn part(scenarios: &[Scenario]) -> String {
    let mut text = "| scenario | kernel | NICs | MTU | uplink | access port | carried by | afterwards | |\n".to_owned();
    text += "|---|---|---|---|---|---|---|---|---|\n";
    for one in scenarios {
        let (uplink, access, mtu) = (side(one.uplink, one.modes.0), side(one.access, one.modes.1), one.mtu.of_access());
        let carried = match one.carried {
            (from, to) if from == to => from.to_string(),
            (from, to) => format!("{from} from tunnels, {to} to tunnels"),
        };
        let events: Vec<_> = one.events.iter().map(|&event| name(event)).collect();
        let tested = match (one.gate, NOT_RUN.contains(&one.name)) {
            (true, _) => "tested with `--servers`",
            (false, true) => "not run yet",
            (false, false) => "tried",
        };
        let tested = if one.limit.is_empty() { tested.to_owned() } else { format!("{tested}; limit: {}", one.limit) };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {mtu} | {uplink} | {access} | {carried} | {} | {tested} |",
            one.name,
            one.kernel,
            one.nics(),
            events.join(", "),
        );
    }
    text
}

/// Names what is on one side, with its mode unless the gateway chooses.
fn side(interface: impl std::fmt::Display, mode: crate::config::Mode) -> String {
    match mode {
        crate::config::Mode::Auto => interface.to_string(),
        mode => format!("{interface}, mode `{mode}`"),
    }
}

const fn name(event: Event) -> &'static str {
    match event {
        Event::Restart => "restart",
        Event::Upgrade => "upgrade",
        Event::Reboot => "reboot",
        Event::MemberFails => "a member's link fails",
        Event::MemberLeaves => "a member leaves and joins",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_page_stays() {
        let made = page(&format!("# Before\n{BEGIN}old\n{END}after\n")).unwrap();
        assert!(made.starts_with(&format!("# Before\n{BEGIN}| scenario ")) && made.ends_with(&format!("{END}after\n")));
        assert!(!made.contains("old\n"));
        assert_eq!(page(&made), Some(made.clone()));
        assert_eq!(page("# Another page\n"), None);
    }

    #[test]
    fn only_scenarios_of_the_table_are_not_run() {
        assert!(NOT_RUN.iter().all(|name| SCENARIOS.iter().any(|one| one.name == *name && !one.gate)));
    }

    #[test]
    fn each_scenario_is_a_row() {
        let text = part(SCENARIOS);
        assert_eq!(text.lines().count(), SCENARIOS.len() + 2);
        assert!(text.contains("| tested with `--servers` |"));
    }
}
