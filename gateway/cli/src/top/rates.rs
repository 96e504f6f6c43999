//! Computes rates from two samples of counters and the time between them.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use gateway_api::{
    events::Timestamp,
    view::{self, Counter, Database, Everything, Path, Problem, Router, Traffic},
};
use serde::{Deserialize, Serialize};

/// State of the gateway at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Wall-clock time.
    pub time: Timestamp,
    /// Monotonic time.
    pub at: Duration,
    /// State, as the agent reported it.
    pub everything: Everything,
}

/// Traffic per second. As everywhere, received means from the VLAN or the tunnel to the gateway, and sent means from
/// the gateway. Bits are those of inner Ethernet frames, without VLAN tag and frame check sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Frames received per second.
    pub rx_packets_per_second: f64,
    /// Bits received per second.
    pub rx_bits_per_second: f64,
    /// Frames sent per second.
    pub tx_packets_per_second: f64,
    /// Bits sent per second.
    pub(crate) tx_bits_per_second: f64,
}

/// Rate of a binding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BindingRate {
    /// The access port.
    pub port: String,
    /// The VLAN, 0 for untagged.
    pub vlan: u16,
    /// VNI of the logical switch.
    pub vni: u32,
    /// Its name, if known.
    pub switch: Option<String>,
    /// Its rate.
    #[serde(flatten)]
    pub rate: Rate,
}

/// Rate of a tunnel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TunnelRate {
    /// Address of this gateway.
    pub local: IpAddr,
    /// Address of the remote VTEP.
    pub remote: IpAddr,
    /// True if its next hop is resolved.
    pub resolved: bool,
    /// Its rate.
    #[serde(flatten)]
    pub rate: Rate,
}

/// Rate of drops for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DropRate {
    /// Name of the reason.
    pub name: String,
    /// Packets per second.
    pub(crate) packets_per_second: f64,
    /// Packets since the maps were created.
    pub count: u64,
    /// Meaning of the reason.
    pub help: String,
}

/// Fill level of the forwarding database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Static MACs.
    #[serde(rename = "given")]
    pub static_macs: u64,
    /// MACs learned.
    pub learned: u64,
    /// Capacity for MACs.
    pub size: u64,
}

/// Rates between two samples, with the state of the gateway: the output of `vtep-gateway top --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Version of this document.
    #[serde(default)]
    pub schema: u32,
    /// Time of the later sample.
    pub time: Timestamp,
    /// Time between the samples.
    pub interval_seconds: f64,
    /// Time since the agent's start.
    pub uptime_seconds: u64,
    /// True if there is no fault.
    pub healthy: bool,
    /// Problems, faults first.
    pub problems: Vec<Problem>,
    /// The tunnel addresses of this gateway.
    pub vteps: Vec<IpAddr>,
    /// The virtual routers, as `show vrrp` has them.
    pub vrrp: Vec<Router>,
    /// The database, as `status` has it.
    pub database: Database,
    /// Fill level of the forwarding database.
    pub fdb: Fill,
    /// Rate of all bindings together.
    pub total_bindings: Rate,
    /// Rate of all tunnels together.
    pub total_tunnels: Rate,
    /// Rates of the bindings, by port and VLAN.
    pub bindings: Vec<BindingRate>,
    /// Rates of the tunnels, by their ends.
    pub tunnels: Vec<TunnelRate>,
    /// Packets dropped per second, for all reasons.
    pub dropped_packets_per_second: f64,
    /// Rates of drops by reason.
    pub drops: Vec<DropRate>,
}

/// Returns the growth of a counter. If it is smaller than before, there are two cases, which differ by the distance: it
/// was reset with its map or its entry, and its value is the growth since then; or it has wrapped at 64 bits.
const fn growth(before: u64, after: u64) -> u64 {
    let distance = after.wrapping_sub(before);
    if distance <= u64::MAX / 2 { distance } else { after }
}

impl Rate {
    /// Returns the rate between two readings, `seconds` apart. Without a first reading there is no rate yet.
    fn between(before: Option<&Traffic>, after: &Traffic, seconds: f64) -> Self {
        let Some(before) = before else { return Self::default() };
        let per_second = |before, after| growth(before, after) as f64 / seconds;
        Self {
            rx_packets_per_second: per_second(before.rx_packets, after.rx_packets),
            rx_bits_per_second: 8.0 * per_second(before.rx_bytes, after.rx_bytes),
            tx_packets_per_second: per_second(before.tx_packets, after.tx_packets),
            tx_bits_per_second: 8.0 * per_second(before.tx_bytes, after.tx_bytes),
        }
    }

    /// Returns the bits per second, both directions.
    pub fn bits(&self) -> f64 {
        self.rx_bits_per_second + self.tx_bits_per_second
    }

    /// Returns the frames per second, both directions.
    pub fn packets(&self) -> f64 {
        self.rx_packets_per_second + self.tx_packets_per_second
    }
}

impl<'a> std::iter::Sum<&'a Self> for Rate {
    fn sum<I: Iterator<Item = &'a Self>>(rates: I) -> Self {
        rates.fold(Self::default(), |sum, rate| Self {
            rx_packets_per_second: sum.rx_packets_per_second + rate.rx_packets_per_second,
            rx_bits_per_second: sum.rx_bits_per_second + rate.rx_bits_per_second,
            tx_packets_per_second: sum.tx_packets_per_second + rate.tx_packets_per_second,
            tx_bits_per_second: sum.tx_bits_per_second + rate.tx_bits_per_second,
        })
    }
}

impl Rates {
    /// Returns the rates between two samples; None if no time has passed between them.
    pub fn between(before: &Sample, after: &Sample) -> Option<Self> {
        let seconds = after.at.checked_sub(before.at)?.as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        let (old, new) = (&before.everything, &after.everything);
        let known: HashMap<_, _> =
            old.bindings.iter().map(|one| ((&one.port, one.vlan, one.vni), &one.traffic)).collect();
        let bindings = new.bindings.iter().filter_map(|one| {
            Some(BindingRate {
                port: one.port.clone(),
                vlan: one.vlan,
                // Without a VNI it carries nothing.
                vni: one.vni?,
                switch: one.switch.clone(),
                rate: Rate::between(known.get(&(&one.port, one.vlan, one.vni)).copied(), &one.traffic, seconds),
            })
        });
        let bindings: Vec<BindingRate> = bindings.collect();
        let known: HashMap<_, _> = old.tunnels.iter().map(|one| ((one.local, one.remote), &one.traffic)).collect();
        let tunnels: Vec<TunnelRate> = new
            .tunnels
            .iter()
            .map(|one| TunnelRate {
                local: one.local,
                remote: one.remote,
                resolved: matches!(one.path, Path::Resolved { .. }),
                rate: Rate::between(known.get(&(one.local, one.remote)).copied(), &one.traffic, seconds),
            })
            .collect();
        let known: HashMap<_, _> = old.drops.iter().map(|one| (&*one.name, one.count)).collect();
        let drop = |one: &Counter| DropRate {
            name: one.name.to_string(),
            packets_per_second: growth(known.get(&*one.name).copied().unwrap_or(one.count), one.count) as f64 / seconds,
            count: one.count,
            help: one.help.to_string(),
        };
        let drops: Vec<DropRate> = new.drops.iter().map(drop).collect();
        let forwarding = &new.status.forwarding;
        Some(Self {
            schema: view::SCHEMA,
            time: after.time,
            interval_seconds: seconds,
            uptime_seconds: new.status.uptime_seconds,
            healthy: new.status.healthy,
            problems: new.status.problems.clone(),
            vteps: new.status.vteps.clone(),
            vrrp: new.status.vrrp.clone(),
            database: new.status.database.clone(),
            fdb: Fill {
                static_macs: forwarding.macs,
                learned: new.switches.iter().map(|switch| switch.macs_learned).sum(),
                size: forwarding.fdb_size,
            },
            total_bindings: bindings.iter().map(|one| &one.rate).sum(),
            total_tunnels: tunnels.iter().map(|one| &one.rate).sum(),
            bindings,
            tunnels,
            dropped_packets_per_second: drops.iter().map(|one| one.packets_per_second).sum(),
            drops,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::fixtures::{binding_carries, sample, tunnel_carries};

    fn rates(before: &Sample, after: &Sample) -> Rates {
        Rates::between(before, after).unwrap()
    }

    #[test]
    fn rates_are_what_was_counted_by_the_time_it_took() {
        let mut after = sample(12);
        binding_carries(&mut after, 20, 2000, 10, 500);
        tunnel_carries(&mut after, 2, 250, 4, 125);
        let rates = rates(&sample(10), &after);
        assert_eq!(rates.interval_seconds, 2.0);
        let expected = Rate {
            rx_packets_per_second: 10.0,
            rx_bits_per_second: 8000.0,
            tx_packets_per_second: 5.0,
            tx_bits_per_second: 2000.0,
        };
        assert_eq!((rates.bindings[0].rate, rates.total_bindings), (expected, expected));
        assert_eq!((rates.tunnels[0].rate.rx_packets_per_second, rates.total_tunnels.tx_bits_per_second), (1.0, 500.0));
    }

    #[test]
    fn a_counter_that_restarts_has_counted_from_zero() {
        assert_eq!(growth(1000, 7), 7);
        let mut before = sample(10);
        binding_carries(&mut before, 1_000_000, 0, 0, 0);
        let mut after = sample(11);
        after.everything.bindings[0].traffic.rx_packets = 30;
        assert_eq!(rates(&before, &after).bindings[0].rate.rx_packets_per_second, 30.0);
    }

    #[test]
    fn a_counter_that_passes_its_end_goes_on() {
        assert_eq!(growth(u64::MAX - 4, 5), 10);
        assert_eq!(growth(u64::MAX, u64::MAX), 0);
    }

    #[test]
    fn a_new_row_has_no_rate_yet() {
        let mut before = sample(10);
        before.everything.bindings.clear();
        before.everything.drops.clear();
        let mut after = sample(11);
        binding_carries(&mut after, 1_000_000, 1, 1, 1);
        after.everything.drops[0].count = 5;
        let rates = rates(&before, &after);
        assert_eq!(rates.bindings[0].rate, Rate::default());
        assert_eq!(rates.dropped_packets_per_second, 0.0);
        // The same VLAN of another switch is another binding, with its own counters.
        let mut before = sample(10);
        before.everything.bindings[0].vni = Some(1);
        assert_eq!(Rates::between(&before, &after).unwrap().bindings[0].rate, Rate::default());
    }

    #[test]
    fn drops_add_up() {
        let mut after = sample(12);
        after.everything.drops[0].count += 6;
        after.everything.drops[3].count += 4;
        let rates = rates(&sample(10), &after);
        assert_eq!((rates.drops[0].packets_per_second, rates.dropped_packets_per_second), (3.0, 5.0));
    }

    #[test]
    fn without_time_between_there_is_no_rate() {
        assert!(Rates::between(&sample(10), &sample(10)).is_none());
        assert!(Rates::between(&sample(10), &sample(9)).is_none());
    }

    #[test]
    fn the_reference_names_every_field() {
        fn fields(value: &serde_json::Value, of_rates: &[&str], names: &mut Vec<String>) {
            match value {
                serde_json::Value::Object(map) => map.iter().for_each(|(name, value)| {
                    names.push(name.clone());
                    // What other verbs have too is described there.
                    if !of_rates.contains(&name.as_str()) {
                        fields(value, of_rates, names);
                    }
                }),
                serde_json::Value::Array(list) => list.iter().for_each(|value| fields(value, of_rates, names)),
                _ => {}
            }
        }
        let reference = include_str!("../../../../docs/MONITOR.md");
        let (_, part) = reference.split_once("## Rates").unwrap();
        let part = part.split("\n## ").next().unwrap();
        let mut names = Vec::new();
        let rates = serde_json::to_value(rates(&sample(10), &sample(11))).unwrap();
        fields(&rates, &["problems", "vrrp", "database"], &mut names);
        assert!(names.len() > 30);
        for name in names {
            assert!(part.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn printed_rates_are_read_back() {
        let rates = rates(&sample(10), &sample(11));
        let text = serde_json::to_string(&rates).unwrap();
        assert_eq!(serde_json::from_str::<Rates>(&text).unwrap(), rates);
    }
}
