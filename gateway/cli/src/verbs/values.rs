//! Parsers of option values.

use std::time::Duration;

use gateway_common::{
    counters::DropReason,
    headers::{ETH_P_ARP, ETH_P_IP, ETH_P_IPV6},
    net::{VlanId, Vni},
};

/// Reasons for which the value of an option is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("expected a VLAN, 1 to {}, or 0 for untagged", VlanId::MAX)]
    Vlan,
    #[error("expected a VNI, 1 to {}", Vni::MAX)]
    Vni,
    #[error("expected arp, ipv4, ipv6 or an EtherType, 0x600 to 0xffff")]
    EtherType,
    #[error("{0} is no reason; there are {all}", all = reason_names().join(", "))]
    DropReason(String),
    #[error("expected seconds, 0.1 to 3600")]
    Interval,
    #[error(
        "expected a number of an event, a time such as 2026-01-31T12:00:00Z, or a time span before now: 90s, 10m, 2h, 1d"
    )]
    Since,
}

fn reason_names() -> Vec<&'static str> {
    DropReason::ALL.iter().map(|reason| reason.name()).collect()
}

/// Parses a VLAN; 0 is untagged.
pub(super) fn vlan(text: &str) -> Result<VlanId, ValueError> {
    text.parse().ok().and_then(VlanId::new).ok_or(ValueError::Vlan)
}

/// Parses a VNI.
pub(super) fn vni(text: &str) -> Result<Vni, ValueError> {
    text.parse().ok().and_then(Vni::new).ok_or(ValueError::Vni)
}

/// Parses an EtherType, by name or number.
pub(super) fn ethertype(text: &str) -> Result<u16, ValueError> {
    let number = || match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    match text {
        "arp" => Ok(ETH_P_ARP),
        "ipv4" => Ok(ETH_P_IP),
        "ipv6" => Ok(ETH_P_IPV6),
        _ => number().filter(|number| *number >= 0x600).ok_or(ValueError::EtherType),
    }
}

/// Parses drop reasons with commas between; returns a mask with a bit for each.
pub(super) fn reasons(text: &str) -> Result<u32, ValueError> {
    text.split(',').try_fold(0, |mask, name| {
        let reason = DropReason::ALL.iter().find(|reason| reason.name() == name.trim());
        let reason = reason.ok_or_else(|| ValueError::DropReason(name.to_owned()))?;
        Ok(mask | 1 << *reason as u32)
    })
}

/// Parses the interval between two samples.
pub(super) fn interval(text: &str) -> Result<Duration, ValueError> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or(ValueError::Interval)
}
