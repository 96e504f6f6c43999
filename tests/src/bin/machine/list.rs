//! The scenarios to run.

use std::fmt::Write;

use lab::machine::{scenario::Scenario, table::SCENARIOS};

use crate::Cli;

/// Returns the scenarios that the options choose, in the order of the table.
pub(crate) fn choose(cli: &Cli) -> Vec<&'static Scenario> {
    let is_chosen = |scenario: &&Scenario| {
        cli.kernel.as_deref().is_none_or(|kernel| kernel == scenario.kernel)
            && cli.filter.as_deref().is_none_or(|part| scenario.name.contains(part))
            && (scenario.gate || !cli.gate)
    };
    SCENARIOS.iter().filter(is_chosen).collect()
}

/// Formats scenarios as a table.
pub(crate) fn table(scenarios: &[&Scenario]) -> String {
    let width = scenarios.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for one in scenarios {
        let gate = if one.gate { "; in the gate" } else { "" };
        let _ = writeln!(
            text,
            "{:width$}  Linux {}, {}, MTU {}: uplink {} in mode {}, access port {} in mode {}{gate}",
            one.name,
            one.kernel,
            one.nics(),
            one.mtu.of_access(),
            one.uplink,
            one.modes.0,
            one.access,
            one.modes.1
        );
    }
    text
}
