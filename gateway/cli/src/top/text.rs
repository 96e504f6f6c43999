//! Rates as text for people.

use std::fmt::Write as _;

use gateway_api::{
    screen::{clean, span},
    view::Database,
};

use super::{Rate, Rates};

/// Formats a number from [`short`] with its unit: `488 kbit/s`. The width is the same for each number.
pub(crate) fn with_unit(short: &str, unit: &str) -> String {
    let digits = short.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let prefix = &short[digits.len()..];
    format!("{digits:>4} {:<width$}", format!("{prefix}{unit}"), width = unit.len() + 1)
}

/// Formats a number in at most five characters: `0`, `7.3`, `999`, `1.23k`, `45.6M`.
pub fn short(number: f64) -> String {
    const UNITS: [&str; 6] = ["", "k", "M", "G", "T", "P"];
    let mut scaled = number.max(0.0);
    let mut unit = 0;
    // A value that would be written with four digits uses the next unit.
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    let digits = match scaled {
        _ if scaled < 0.05 => 0,
        _ if unit == 0 && (scaled >= 9.95 || scaled.fract() == 0.0) => 0,
        _ if unit == 0 => 1,
        _ if scaled < 9.995 => 2,
        _ if scaled < 99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.digits$}{}", UNITS[unit])
}

/// Formats the state of the database in a few words.
pub fn database(database: &Database) -> String {
    let followed = database.followed();
    if followed.is_empty() {
        return "static (configuration file)".to_owned();
    }
    let parts = followed.iter().map(|(instance, is)| {
        let name = instance.map(|name| format!("{name}: ")).unwrap_or_default();
        let left = is.hold_seconds_left.map(|left| format!(", {left} s left")).unwrap_or_default();
        let remote = is.remote.as_deref().map_or_else(|| ", not connected".to_owned(), |remote| format!(" {remote}"));
        clean(&format!("{name}{}{remote}{left}", is.state.name()))
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// Formats the role of this node, or that it is standalone.
pub fn role(rates: &Rates) -> String {
    let list =
        |addresses: &[std::net::IpAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if rates.vrrp.is_empty() {
        return format!("standalone (no VRRP), VTEP {}", list(&rates.vteps));
    }
    let routers = rates.vrrp.iter().map(|router| {
        let lease = match router.lease_left_ms {
            Some(left) => format!("lease {:.1} s", left as f64 / 1000.0),
            None => "no lease".to_owned(),
        };
        let active = router.active_node.map(|node| format!(" of {node}")).unwrap_or_default();
        let (name, role, addresses) = (clean(&router.name), router.role.name(), list(&router.addresses));
        format!("{name} {role}{active}, prio {}, {lease}, VIP {addresses}", router.priority)
    });
    routers.collect::<Vec<_>>().join("; ")
}

/// Characters of a sparkline, and their replacement for terminals without them.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const PLAIN: [char; 8] = ['.', '.', ':', ':', '+', '+', '#', '#'];

/// Draws a sparkline of `width` characters, the newest rate on the right, each relative to the largest.
pub(crate) fn sparkline(rates: impl Iterator<Item = f64>, width: usize, unicode: bool) -> String {
    let rates: Vec<f64> = rates.collect();
    let rates = &rates[rates.len().saturating_sub(width)..];
    let most = rates.iter().copied().fold(0.0, f64::max);
    let blocks = if unicode { BLOCKS } else { PLAIN };
    let line: String = rates
        .iter()
        .map(|rate| match (rate / most * 8.0).ceil() {
            _ if *rate <= 0.0 => ' ',
            step => blocks[(step as usize).clamp(1, 8) - 1],
        })
        .collect();
    format!("{line:>width$}")
}

/// Formats one sample of rates as tables, for `top --once`.
pub fn tables(rates: &Rates) -> String {
    let mut text = String::new();
    let state = if rates.healthy { "healthy" } else { "NOT HEALTHY" };
    let used = rates.fdb.static_macs + rates.fdb.learned;
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}  up {}  {state}", rates.time, span(rates.uptime_seconds));
    let _ = writeln!(text, "role      {}", role(rates));
    let _ = writeln!(text, "database  {}", database(&rates.database));
    let _ = writeln!(text, "fdb       {used} of {} MACs", rates.fdb.size);
    for problem in &rates.problems {
        let _ = writeln!(text, "problem   {}", clean(&problem.text));
    }
    let _ = writeln!(text, "\nrates over {:.1} s\n", rates.interval_seconds);
    let head =
        |name: &str| format!("{name:<38} {:>9} {:>9} {:>9} {:>9}\n", "RX pkt/s", "RX bit/s", "TX pkt/s", "TX bit/s");
    let line = |name: &str, rate: &Rate| {
        let [rxp, rxb, txp, txb] = columns(rate);
        format!("{name:<38} {rxp:>9} {rxb:>9} {txp:>9} {txb:>9}\n")
    };
    text.push_str(&head("BINDING"));
    for one in &rates.bindings {
        let switch = one.switch.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        text.push_str(&line(&clean(&format!("{} {} VNI {}{switch}", one.port, vlan(one.vlan), one.vni)), &one.rate));
    }
    text.push_str(&line("all bindings", &rates.total_bindings));
    text.push('\n');
    text.push_str(&head("TUNNEL"));
    for one in &rates.tunnels {
        let state = if one.resolved { "" } else { " UNRESOLVED" };
        text.push_str(&line(&format!("{} > {}{state}", one.local, one.remote), &one.rate));
    }
    text.push_str(&line("all tunnels", &rates.total_tunnels));
    let _ = writeln!(text, "\n{:<38} {:>9} {:>19}", "DROP", "pkt/s", "packets");
    for one in rates.drops.iter().filter(|one| one.count > 0) {
        let _ = writeln!(text, "{:<38} {:>9} {:>19}", one.name, short(one.packets_per_second), one.count);
    }
    let _ = writeln!(text, "{:<38} {:>9}", "all drops", short(rates.dropped_packets_per_second));
    text
}

/// Formats the four numbers of a rate.
pub fn columns(rate: &Rate) -> [String; 4] {
    [rate.rx_packets_per_second, rate.rx_bits_per_second, rate.tx_packets_per_second, rate.tx_bits_per_second]
        .map(short)
}

/// Formats a VLAN in few words.
pub fn vlan(vlan: u16) -> String {
    if vlan == 0 { "untagged".to_owned() } else { format!("VLAN {vlan}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::fixtures::{binding_carries, sample};

    #[test]
    fn numbers_are_short_and_keep_three_digits() {
        for (number, text) in [
            (0.0, "0"),
            (0.04, "0"),
            (0.2, "0.2"),
            (7.25, "7.2"),
            (7.0, "7"),
            (42.4, "42"),
            (999.0, "999"),
            (999.6, "1.00k"),
            (1234.0, "1.23k"),
            (12_345.0, "12.3k"),
            (123_456.0, "123k"),
            (999_600.0, "1.00M"),
            (9_876_543_210.0, "9.88G"),
            (1e18, "1000P"),
        ] {
            assert_eq!(short(number), text, "{number}");
        }
    }

    #[test]
    fn a_sparkline_has_its_width_and_its_largest_rate_is_full() {
        let rates = [0.0, 1.0, 4.0, 8.0];
        assert_eq!(sparkline(rates.into_iter(), 6, true), "   ▁▄█");
        assert_eq!(sparkline(rates.into_iter(), 2, true), "▄█");
        assert_eq!(sparkline(rates.into_iter(), 4, false), " .:#");
        assert_eq!(sparkline([0.0, 0.0].into_iter(), 4, true), "    ");
        assert_eq!(sparkline(std::iter::empty(), 3, true), "   ");
    }

    #[test]
    fn tables_fit_eighty_columns_and_name_what_carries() {
        let mut after = sample(11);
        binding_carries(&mut after, 1500, 150_000, 0, 0);
        let text = tables(&Rates::between(&sample(10), &after).unwrap());
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let line = text.lines().find(|line| line.starts_with("eth1 VLAN 100 VNI 5001 db-net")).unwrap();
        assert_eq!(line.split_whitespace().rev().take(4).collect::<Vec<_>>(), ["0", "0", "1.20M", "1.50k"]);
    }
}
