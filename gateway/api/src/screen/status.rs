//! The screen of `vtep-gateway status`.

use super::{
    look::{Look, Paint},
    quantities::span,
    table::{
        Column::{Number, Text, Word},
        Table,
    },
    text::{clean, wrap},
};
use crate::view::{
    Carried, Database, DatabaseLock, DatabaseState, Following, Forwarding, Interface, Role, Router, Severity, Status,
};

/// Most problems shown as text; the rest is only counted.
const PROBLEMS: usize = 6;
/// Most interfaces without problems in a row; the rest is only counted.
const INTERFACES: usize = 6;

/// Renders the state of the gateway on one screen of 80 columns and 24 lines, unless many problems stand. The order is:
/// the node, its roles, database and forwarding, interfaces, and last, nearest to the prompt, the problems.
pub fn status(status: &Status, look: Look) -> String {
    let mut text = head(status, look);
    text.push('\n');
    text.push_str(&roles(status, look));
    text.push('\n');
    text.push_str(&ground(status, look));
    text.push('\n');
    text.push_str(&interfaces(status, look));
    text.push('\n');
    text.push_str(&problems(status, look));
    text
}

fn head(status: &Status, look: Look) -> String {
    let faults = status.problems.iter().filter(|problem| problem.severity == Severity::Fault).count();
    let verdict = match (status.healthy, faults) {
        (true, _) => look.paint(Paint::Good, "healthy"),
        (false, 1) => look.paint(Paint::Bad, "NOT HEALTHY: 1 fault"),
        (false, faults) => look.paint(Paint::Bad, &format!("NOT HEALTHY: {faults} faults")),
    };
    let name = look.paint(Paint::Bold, &clean(&status.node));
    format!(
        "{name}  {verdict}\nvtep-gateway {}, up {}, pid {}, kernel {}\n",
        clean(&status.version),
        span(status.uptime_seconds),
        status.pid,
        clean(&status.kernel)
    )
}

/// Lines with the same margin.
fn line(label: &str, what: &str, look: Look) -> String {
    wrap(what, look.columns(), &format!("{label:<12}"), &" ".repeat(12))
}

fn roles(status: &Status, look: Look) -> String {
    if status.vrrp.is_empty() {
        let vteps: Vec<String> = status.vteps.iter().map(ToString::to_string).collect();
        return line("Role", &format!("standalone (no VRRP), with tunnel address {}", vteps.join(" and ")), look);
    }
    let mut table = Table::new(&[
        ("Router", Text),
        ("VRID", Number),
        ("Role", Word),
        ("Since", Word),
        ("Prio", Number),
        ("Lease", Number),
        ("VIP", Text),
        ("Active node", Word),
    ]);
    for router in &status.vrrp {
        table.row([
            router.name.clone(),
            router.vrid.to_string(),
            router.role.name().to_owned(),
            span(router.seconds_in_role),
            router.priority.to_string(),
            router.lease_left_ms.map_or("-".to_owned(), lease),
            list(&router.addresses),
            active_node(router),
        ]);
    }
    let painted = [
        (Role::Active.name(), Paint::Good),
        (Role::Fault.name(), Paint::Bad),
        (Role::Starting.name(), Paint::Poor),
        (Role::Claiming.name(), Paint::Poor),
    ];
    let mut text = table.write(look, &painted, "");
    let standbys: std::collections::BTreeSet<&String> =
        status.nodes.iter().flat_map(|nodes| nodes.standbys.values().flatten()).collect();
    if !standbys.is_empty() {
        let standbys: Vec<&str> = standbys.into_iter().map(String::as_str).collect();
        text.push_str(&line("Standby", &standbys.join(", "), look));
    }
    text
}

/// Formats the rest of a lease in seconds.
pub(super) fn lease(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

fn active_node(router: &Router) -> String {
    match (router.role, router.active_node) {
        (Role::Active, _) => "this node".to_owned(),
        (_, Some(address)) => address.to_string(),
        (_, None) => "none heard".to_owned(),
    }
}

pub(super) fn list<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn ground(status: &Status, look: Look) -> String {
    let mut text = String::new();
    match &status.database {
        Database::Static => text.push_str(&line("Database", "static, in the configuration file", look)),
        Database::HardwareVtep(following) => text.push_str(&line("Database", &database(following), look)),
        Database::Several { .. } => {
            for (instance, following) in status.database.followed() {
                let what = format!("{}: {}", instance.unwrap_or_default(), database(following));
                text.push_str(&line("Database", &what, look));
            }
        }
    }
    let forwarding = &status.forwarding;
    let unresolved = match forwarding.tunnels_unresolved {
        0 => String::new(),
        unresolved => format!(" ({unresolved} unresolved)"),
    };
    let what = format!(
        "{}, {}, {}{unresolved}",
        counted(forwarding.switches, "switch", "switches"),
        bindings(forwarding),
        counted(forwarding.tunnels, "tunnel", "tunnels"),
    );
    text.push_str(&line("Forwarding", &what, look));
    if let Some(carried) = forwarding.known_unicast {
        text.push_str(&line("Unicast", &unicast(carried), look));
    }
    let macs = format!(
        "{} static, {} learned on access ports, room for {}",
        forwarding.macs, forwarding.stations, forwarding.fdb_size
    );
    text.push_str(&line("MACs", &macs, look));
    text
}

/// Says which hook carried frames to known stations of late.
fn unicast(carried: Carried) -> String {
    let all = carried.xdp + carried.tc;
    match (carried.xdp * 100).checked_div(all) {
        None => "none to known stations in the last 10 s".to_owned(),
        Some(share) => {
            format!("{share} % by XDP, {} to known stations in the last 10 s", counted(all, "frame", "frames"))
        }
    }
}

fn bindings(forwarding: &Forwarding) -> String {
    match (forwarding.bindings_forwarding, forwarding.bindings_bound) {
        (forwarding, bound) if forwarding == bound => counted(bound, "binding", "bindings"),
        (forwarding, bound) => format!("{forwarding} of {} forward", counted(bound, "binding", "bindings")),
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn database(following: &Following) -> String {
    let since = following.state_seconds.map(|seconds| format!(" for {}", span(seconds))).unwrap_or_default();
    let left = following.hold_seconds_left.map(|left| format!(", held for another {}", span(left)));
    let remote = following.remote.as_deref().map_or(", not connected".to_owned(), |remote| format!(", {remote}"));
    let why =
        following.unreachable.as_ref().map(|why| format!(" ({}: {})", why.remote, why.reason)).unwrap_or_default();
    let lock = match following.lock {
        DatabaseLock::Waiting => ", another gateway of this name writes to it",
        DatabaseLock::Stolen => ", another gateway of this name has begun to write to it",
        _ => "",
    };
    match following.state {
        DatabaseState::Following => format!("following{since}{remote}{lock}"),
        state => format!("{}{since}{}{remote}{why}{lock}", state.name(), left.unwrap_or_default()),
    }
}

fn interfaces(status: &Status, look: Look) -> String {
    let mut table =
        Table::new(&[("Interface", Word), ("Is", Word), ("Link", Word), ("MTU", Number), ("Programs", Text)]);
    let sound = |one: &Interface| one.mode.is_some() && one.link.is_some_and(|link| link.up);
    let (mut shown, mut hidden) = (0, 0);
    for interface in &status.interfaces {
        if sound(interface) {
            if shown == INTERFACES {
                hidden += 1;
                continue;
            }
            shown += 1;
        }
        let (link, mtu) = match interface.link {
            None => ("missing", "-".to_owned()),
            Some(link) => (if link.up { "up" } else { "down" }, link.mtu.to_string()),
        };
        table.row([
            interface.name.clone(),
            interface.role.name().to_owned(),
            link.to_owned(),
            mtu,
            programs(interface),
        ]);
    }
    let painted = [("missing", Paint::Bad), ("down", Paint::Bad), ("none", Paint::Bad)];
    let mut text = table.write(look, &painted, "");
    if hidden > 0 {
        text.push_str(&format!("and {hidden} more, all up and in use\n"));
    }
    text
}

fn programs(interface: &Interface) -> String {
    let Some(mode) = interface.mode else { return "none attached".to_owned() };
    let programs = match (mode, interface.xdp_transmit) {
        (crate::view::Mode::Xdp, true) => "XDP".to_owned(),
        (crate::view::Mode::Xdp, false) => "XDP in, TC out".to_owned(),
        _ => "TC".to_owned(),
    };
    match &interface.members {
        None => programs,
        Some(members) if mode == crate::view::Mode::Xdp => {
            let xdp: Vec<&str> =
                members.iter().filter(|member| member.xdp).map(|member| member.name.as_str()).collect();
            let by = if xdp.is_empty() { "none".to_owned() } else { xdp.join(", ") };
            format!("{programs}, bond: in by {by} of {}", counted(members.len() as u64, "member", "members"))
        }
        Some(members) => format!("{programs}, bond of {}", counted(members.len() as u64, "member", "members")),
    }
}

fn problems(status: &Status, look: Look) -> String {
    if status.problems.is_empty() {
        return line("Problems", "none", look);
    }
    let mut text = String::new();
    for problem in status.problems.iter().take(PROBLEMS) {
        let (label, paint) = match problem.severity {
            Severity::Fault => ("FAULT", Paint::Bad),
            Severity::Warning => ("Warning", Paint::Poor),
        };
        let lines = line(label, &problem.text, look);
        text.push_str(&lines.replacen(label, &look.paint(paint, label), 1));
    }
    let rest = status.problems.len().saturating_sub(PROBLEMS);
    if rest > 0 {
        text.push_str(&line("", &format!("and {rest} more; `vtep-gateway status --json` has all of them"), look));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{Problem, samples};

    #[test]
    fn a_healthy_gateway_fits_a_screen_of_80_columns_and_24_lines() {
        let text = status(&samples::healthy(), Look::PLAIN);
        assert!(text.lines().count() <= 24 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for word in ["healthy", "active", "172.31.0.21", "2.9 s", "following", "eth0", "XDP", "gw2"] {
            assert!(text.contains(word), "{word}:\n{text}");
        }
    }

    #[test]
    fn many_problems_are_counted_rather_than_listed() {
        let mut many = samples::healthy();
        many.healthy = false;
        many.problems = (0..20).map(|number| Problem::fault(format!("number {number}"))).collect();
        let text = status(&many, Look::PLAIN);
        assert!(text.contains("NOT HEALTHY: 20 faults") && text.contains("and 14 more"), "{text}");
        assert!(text.lines().count() <= 24, "{text}");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let painted = status(&samples::healthy(), Look { colours: true, ..Look::PLAIN });
        let mut plain = painted.clone();
        while let (Some(from), true) = (plain.find('\x1b'), plain.contains('\x1b')) {
            let to = plain[from..].find('m').unwrap() + from;
            plain.replace_range(from..=to, "");
        }
        assert_ne!(painted, plain);
        assert_eq!(plain, status(&samples::healthy(), Look::PLAIN));
    }
}
