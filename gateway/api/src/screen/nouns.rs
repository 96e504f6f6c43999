//! The nouns of `vtep-gateway show`.

use super::{
    look::{Look, Paint},
    quantities::{Rates, bytes, span},
    status::{lease, list},
    table::{
        Column::{Name, Number, Text, Word},
        Table,
    },
    text::{clean, wrap},
};
use crate::view::BindingState;
use crate::view::{self, Binding, Counter, Mac, Neighbour, NeighbourState, Path, Place, Role, Router, Switch, Tunnel};

/// Most VNIs or remote VTEPs listed for a tunnel or next hop; the rest is only counted.
const LISTED: usize = 3;

fn or_dash(text: Option<impl ToString>) -> String {
    text.map_or("-".to_owned(), |text| text.to_string())
}

fn few<T: ToString>(all: &[T]) -> String {
    if all.len() > LISTED { format!("{} of them", all.len()) } else { list(all).replace(", ", " ") }
}

/// A VLAN of an access port.
fn vlan(vlan: u16) -> String {
    if vlan == 0 { "untagged".to_owned() } else { vlan.to_string() }
}

/// Renders `show switches`.
pub fn switches(all: &[Switch], look: Look) -> String {
    let mut table = Table::new(&[
        ("SWITCH", Name),
        ("VNI", Number),
        ("INSTANCE", Name),
        ("VLANS", Number),
        ("REMOTES", Number),
        ("STATIC", Number),
        ("LEARNED", Number),
        ("LIMIT", Number),
        ("FORWARDS", Word),
    ]);
    for one in all {
        table.row([
            or_dash(one.name.as_ref()),
            or_dash(one.vni),
            or_dash(one.instance.as_ref()),
            if one.bindings == one.bindings_bound {
                one.bindings.to_string()
            } else {
                format!("{}/{}", one.bindings, one.bindings_bound)
            },
            one.flood_remotes.to_string(),
            one.macs_given.to_string(),
            one.macs_learned.to_string(),
            one.learn_limit.to_string(),
            if one.programmed { "yes" } else { "no" }.to_owned(),
        ]);
    }
    let mut text = table.write(look, &[("no", Paint::Bad)], "no logical switch");
    let why = |one: &Switch| Some((or_dash(one.name.as_ref()), one.reason.clone()?));
    reasons(&mut text, all.iter().filter_map(why), look);
    text
}

/// Lists below a table each entry that is in a bad state, with its reason.
fn reasons(text: &mut String, all: impl Iterator<Item = (String, String)>, look: Look) {
    for (at, (what, why)) in all.enumerate() {
        if at == 0 {
            text.push('\n');
        }
        text.push_str(&wrap(&format!("{what}: {why}"), look.columns(), "", "    "));
    }
}

/// Renders `show bindings`.
pub fn bindings(all: &[Binding], look: Look) -> String {
    let mut table = Table::new(&[
        ("PORT", Word),
        ("VLAN", Number),
        ("VNI", Number),
        ("SWITCH", Name),
        ("STATE", Word),
        ("RX PKTS", Number),
        ("RX BYTES", Number),
        ("TX PKTS", Number),
        ("TX BYTES", Number),
    ]);
    for one in all {
        table.row([
            one.port.clone(),
            vlan(one.vlan),
            or_dash(one.vni),
            or_dash(one.switch.as_ref()),
            one.state.clone().into_owned(),
            one.traffic.rx_packets.to_string(),
            bytes(one.traffic.rx_bytes),
            one.traffic.tx_packets.to_string(),
            bytes(one.traffic.tx_bytes),
        ]);
    }
    let painted: Vec<_> = BindingState::NAMES.iter().skip(1).map(|state| (*state, Paint::Bad)).collect();
    let mut text = table.write(look, &painted, "no VLAN is bound");
    let place = |one: &Binding| match one.vlan {
        0 => format!("{} untagged, {}", one.port, or_dash(one.switch.as_ref())),
        vlan => format!("{} VLAN {vlan}, {}", one.port, or_dash(one.switch.as_ref())),
    };
    reasons(&mut text, all.iter().filter_map(|one| Some((place(one), one.reason.clone()?))), look);
    text
}

/// Renders `show macs`.
pub fn macs(all: &[Mac], look: Look) -> String {
    let with_ip = all.iter().any(|one| one.ip.is_some());
    let mut columns =
        vec![("VNI", Number), ("SWITCH", Name), ("MAC", Word), ("BEHIND", Word), ("VLAN", Number), ("AGE", Number)];
    columns.extend(with_ip.then_some(("IP", Word)));
    let mut table = Table::new(&columns);
    for one in all {
        let (behind, vlan) = match &one.place {
            Place::Port { port, vlan: on } => (port.clone(), vlan(*on)),
            Place::Tunnel { remote, .. } => (or_dash(*remote), "-".to_owned()),
        };
        let age = one.age_seconds.map_or("static".to_owned(), |age| format!("{age} s"));
        let row = [one.vni.to_string(), or_dash(one.switch.as_ref()), one.mac.to_string(), behind, vlan, age];
        table.row(row.into_iter().chain(with_ip.then(|| or_dash(one.ip))));
    }
    table.write(look, &[], "no MACs")
}

/// Renders `show tunnels`.
pub fn tunnels(all: &[Tunnel], look: Look) -> String {
    let first = all.first().map(|one| one.local);
    let several = all.iter().any(|one| Some(one.local) != first);
    let mut columns = if several { vec![("LOCAL", Word)] } else { Vec::new() };
    columns.extend([
        ("REMOTE", Word),
        ("UPLINK", Word),
        ("NEXT HOP", Word),
        ("FRAME", Number),
        ("VNIS", Name),
        ("RX PKTS", Number),
        ("TX PKTS", Number),
    ]);
    let mut table = Table::new(&columns);
    for one in all {
        let (uplink, hop, frame) = match &one.path {
            Path::Resolved { uplink, uplink_vlan, next_hop_mac, max_frame_bytes } => {
                let tag = if *uplink_vlan == 0 { String::new() } else { format!(".{uplink_vlan}") };
                (format!("{uplink}{tag}"), next_hop_mac.to_string(), max_frame_bytes.to_string())
            }
            Path::Unresolved { .. } => ("-".to_owned(), "unresolved".to_owned(), "-".to_owned()),
        };
        let row = [
            one.remote.to_string(),
            uplink,
            hop,
            frame,
            few(&one.vnis),
            one.traffic.rx_packets.to_string(),
            one.traffic.tx_packets.to_string(),
        ];
        table.row(several.then(|| one.local.to_string()).into_iter().chain(row));
    }
    let mut text = table.write(look, &[("unresolved", Paint::Bad)], "no tunnel");
    let why = |one: &Tunnel| Some((one.remote.to_string(), one.why_not()?.to_string()));
    let narrow = |one: &Tunnel| {
        let (mtu, left) = (one.path_mtu_bytes?, one.path_mtu_seconds_left.unwrap_or_default());
        let text = format!("a router on the path lets {mtu} bytes through (to be forgotten in {left} s)");
        Some((one.remote.to_string(), text))
    };
    reasons(&mut text, all.iter().filter_map(why).chain(all.iter().filter_map(narrow)), look);
    text
}

/// Renders `show neighbours`.
pub fn neighbours(all: &[Neighbour], look: Look) -> String {
    let mut table =
        Table::new(&[("NEXT HOP", Word), ("INTERFACE", Word), ("MAC", Word), ("STATE", Word), ("FOR REMOTES", Name)]);
    for one in all {
        let state = match one.state {
            NeighbourState::Resolved => "resolved",
            NeighbourState::Pending => "pending",
            NeighbourState::Failed => "failed",
        };
        let remotes = if one.remotes == [one.address] { "itself".to_owned() } else { few(&one.remotes) };
        table.row([one.address.to_string(), one.interface.clone(), or_dash(one.mac), state.to_owned(), remotes]);
    }
    table.write(look, &[("failed", Paint::Bad), ("pending", Paint::Poor)], "no next hop")
}

/// Renders `show vrrp`.
pub fn vrrp(all: &[Router], look: Look) -> String {
    if all.is_empty() {
        return "no virtual router: the tunnel addresses stay on this machine\n".to_owned();
    }
    all.iter().map(|one| router(one, look)).collect::<Vec<_>>().join("\n")
}

fn router(one: &Router, look: Look) -> String {
    let paint = match one.role {
        Role::Active => Paint::Good,
        Role::Backup => Paint::Bold,
        Role::Starting | Role::Claiming => Paint::Poor,
        Role::Fault => Paint::Bad,
    };
    let mut text = format!(
        "{}  {} for {}\n",
        look.paint(Paint::Bold, &format!("{} (VRID {})", clean(&one.name), one.vrid)),
        look.paint(paint, one.role.name()),
        span(one.seconds_in_role)
    );
    let mut line = |label: &str, what: &str| {
        text.push_str(&wrap(what, look.columns(), &format!("  {label:<14}"), &" ".repeat(16)));
    };
    let there = if one.addresses_there { "on the interface" } else { "not on the interface" };
    line("addresses", &format!("{} ({there})", list(&one.addresses)));
    let source = one.source.map_or("no address to advertise from".to_owned(), |source| format!("from {source}"));
    line("advertises", &format!("VRRPv{} on {}, {source}, every {} s", one.version, one.interface, one.interval));
    let configured = match one.priority == one.configured_priority {
        true => String::new(),
        false => format!(" (configured: {})", one.configured_priority),
    };
    line("priority", &format!("{}{configured}", one.priority));
    line(
        "lease",
        &one.lease_left_ms.map_or("none: forwards nothing".to_owned(), |left| format!("{} left", lease(left))),
    );
    if let Some(active) = one.active_node {
        line("active node", &active.to_string());
    }
    for other in &one.other_routers {
        let left = if other.priority == 0 { ", is leaving" } else { "" };
        line(
            "other router",
            &format!(
                "{}, priority {}{left}, VRRPv{}, heard {} ago",
                other.address,
                other.priority,
                other.version,
                span(other.heard_seconds_ago)
            ),
        );
    }
    let counted: Vec<String> = one
        .counters
        .all()
        .iter()
        .filter(|(_, count, _)| *count > 0)
        .map(|(name, count, _)| format!("{name} {count}"))
        .collect();
    if !counted.is_empty() {
        line("counters", &counted.join(", "));
    }
    for problem in &one.problems {
        line("problem", problem);
    }
    text
}

/// Renders `show counters`: the nonzero ones, or `all`, with their rates where known.
pub fn counters(counted: &[Counter], all: bool, rates: &Rates, look: Look) -> String {
    let shown: Vec<&Counter> = counted.iter().filter(|one| all || one.count > 0).collect();
    let with_rates = shown.iter().any(|one| rates.of(&one.name).is_some());
    let mut columns = vec![("COUNTER", Word), ("COUNT", Number)];
    columns.extend(with_rates.then_some(("PER S", Number)));
    columns.push(("WHAT", Text));
    let mut table = Table::new(&columns);
    for one in shown {
        let rate = with_rates.then(|| rate(rates, one));
        let row = [one.name.clone().into_owned(), one.count.to_string()];
        table.row(row.into_iter().chain(rate).chain([one.help.clone().into_owned()]));
    }
    table.write(look, &[], "nothing was counted yet")
}

fn rate(rates: &Rates, one: &Counter) -> String {
    rates.of(&one.name).map_or("-".to_owned(), |rate| format!("{rate:.0}"))
}

/// Renders `show drops`: the reasons that occurred, each with its remedy, or `all`.
pub fn drops(counted: &[Counter], all: bool, rates: &Rates, look: Look) -> String {
    let mut text = String::new();
    for one in counted.iter().filter(|one| all || one.count > 0) {
        let rate = rates.of(&one.name).map(|rate| format!("  {rate:.0} a second")).unwrap_or_default();
        let name = look.paint(if one.count > 0 { Paint::Bad } else { Paint::Bold }, &format!("{:<17}", one.name));
        text.push_str(&format!("{name} {:>12}{rate}\n", one.count));
        text.push_str(&wrap(&one.help, look.columns(), "    ", "    "));
        if let (true, Some(remedy)) = (one.count > 0, view::remedy(&one.name)) {
            text.push_str(&wrap(&format!("Remedy: {remedy}"), look.columns(), "    ", "    "));
        }
    }
    if text.is_empty() { "nothing was dropped yet\n".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use gateway_common::counters::Drops;

    use super::*;
    use crate::view::samples;

    fn assert_fits(text: &str, words: &[&str]) {
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        words.iter().for_each(|word| assert!(text.contains(word), "{word}:\n{text}"));
    }

    #[test]
    fn every_noun_fits_80_columns_and_shows_what_it_is_asked_for() {
        let look = Look::PLAIN;
        assert_fits(&switches(&[samples::switch()], look), &["db-net", "5001", "8192"]);
        assert_fits(&bindings(&[samples::binding()], look), &["eth1", "100", "60 B"]);
        assert_fits(&macs(&[samples::mac()], look), &["02:00:5e:00:00:01", "eth1", "4 s", "172.31.0.99"]);
        assert_fits(&tunnels(&[samples::tunnel()], look), &["172.31.0.11", "eth0", "1564", "5001"]);
        assert_fits(&neighbours(&[samples::neighbour()], look), &["172.31.0.11", "resolved", "itself"]);
        assert_fits(&vrrp(&[samples::router()], look), &["VRID 51", "active", "172.31.0.21", "2.9 s"]);
    }

    #[test]
    fn the_reason_of_an_unresolved_tunnel_is_below_the_table() {
        let path = Path::Unresolved { why: "no route to it: add one that leaves by an uplink".into() };
        let text = tunnels(&[samples::tunnel(), Tunnel { path, ..samples::tunnel() }], Look::PLAIN);
        assert_fits(&text, &["unresolved", "172.31.0.11: no route to it"]);
    }

    #[test]
    fn a_narrow_path_is_reported_below_the_table() {
        let text = tunnels(&[samples::tunnel()], Look::PLAIN);
        assert_fits(&text, &["172.31.0.11: a router on the path lets 1400 bytes through"]);
    }

    #[test]
    fn drops_come_with_their_remedy_and_zeroes_only_when_asked_for() {
        let counted = Counter::drops(&Drops { too_big: 3, ..Drops::default() });
        let text = drops(&counted, false, &Rates::default(), Look::PLAIN);
        assert_fits(&text, &["too_big", "Remedy: "]);
        assert!(!text.contains("bad_source"), "{text}");
        assert_fits(&drops(&counted, true, &Rates::default(), Look::PLAIN), &["bad_source"]);
        assert_eq!(
            drops(&Counter::drops(&Drops::default()), false, &Rates::default(), Look::PLAIN),
            "nothing was dropped yet\n"
        );
    }
}
