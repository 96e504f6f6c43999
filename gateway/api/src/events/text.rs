//! Events as text for people: one line each.

use std::fmt;

use gateway_base::Cleared;
use gateway_common::net::MacAddr;

use super::{Event, Record, Source, Why};
use crate::view::Place;

/// Columns that the name of a kind takes; no name is longer.
const KIND: usize = 17;

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:KIND$} {}", self.time, self.event.kind(), self.event)
    }
}

/// A logical switch by name and VNI.
struct Switch<'a>(&'a Option<String>, u32);

impl fmt::Display for Switch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(name), vni) => write!(f, "{} (VNI {vni})", Clean(name)),
            Self(None, vni) => write!(f, "VNI {vni}"),
        }
    }
}

/// Text from elsewhere, such as a database, without characters that control a terminal.
struct Clean<'a>(&'a str);

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            c if c.is_control() => write!(f, "{}", c.escape_default()),
            c => write!(f, "{c}"),
        })
    }
}

struct Vlan(u16);

impl fmt::Display for Vlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("untagged"),
            vlan => write!(f, "VLAN {vlan}"),
        }
    }
}

/// Location of a station.
struct At<'a>(&'a Place);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Place::Port { port, vlan } => write!(f, "{} {}", Clean(port), Vlan(*vlan)),
            Place::Tunnel { remote: Some(remote), .. } => write!(f, "tunnel to {remote}"),
            Place::Tunnel { remote: None, .. } => f.write_str("a tunnel that is gone"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forwarding => "forwarding",
            Self::Database => "database",
            Self::Vrrp => "vrrp",
            Self::Nodes => "nodes",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { version, pid, adopted, switches, bindings, tunnels } => {
                let how = if *adopted { "took over a running data plane" } else { "made a new data plane" };
                write!(
                    f,
                    "version {version}, pid {pid}: {how}; switches {switches}, bindings {bindings}, tunnels {tunnels}"
                )
            }
            Self::Reloaded { file } => write!(f, "{}", Clean(file)),
            Self::ReloadRefused { reason } => write!(f, "{}", Clean(reason)),
            Self::Learned { vni, switch, mac, at } => write!(f, "{mac} in {} at {}", Switch(switch, *vni), At(at)),
            Self::Moved { vni, switch, mac, from, at } => {
                write!(f, "{mac} in {} ", Switch(switch, *vni))?;
                if let Some(from) = from {
                    write!(f, "from {} ", At(from))?;
                }
                write!(f, "to {}", At(at))
            }
            Self::Announced { vni, switch, mac, ip, at } => {
                write!(f, "{mac} in {} at {} is {ip}", Switch(switch, *vni), At(at))
            }
            Self::Aged { vni, switch, mac, at } => left(f, *vni, switch, *mac, at.as_ref()),
            Self::Forgotten { vni, switch, mac, at, why } => {
                left(f, *vni, switch, *mac, at.as_ref())?;
                f.write_str(match why {
                    Why::Gone => ": its place is gone",
                    Why::Static => ": its place is now static",
                })
            }
            Self::SwitchAdded { vni, switch } | Self::SwitchRemoved { vni, switch } => {
                write!(f, "{}", Switch(switch, *vni))
            }
            Self::BindingAdded { port, vlan, vni, switch } => {
                write!(f, "{} {} to {}", Clean(port), Vlan(*vlan), Switch(switch, *vni))
            }
            Self::BindingRemoved { port, vlan, vni, switch } => {
                write!(f, "{} {} from {}", Clean(port), Vlan(*vlan), Switch(switch, *vni))
            }
            Self::NextHopResolved { remote, uplink, uplink_vlan, next_hop_mac } => {
                write!(f, "{remote} by {} {} at {next_hop_mac}", Clean(uplink), Vlan(*uplink_vlan))
            }
            Self::NextHopLost { remote, reason } => write!(f, "{remote}: {}", Clean(reason)),
            Self::RoleChanged { router, vrid, from, to, active_node, priority } => {
                write!(f, "{} (VRID {vrid}): ", Clean(router))?;
                if *from == Some(*to) {
                    write!(f, "still {}, another node is active", to.name())?;
                } else {
                    from.map_or(Ok(()), |from| write!(f, "{} -> ", from.name()))?;
                    write!(f, "{}", to.name())?;
                }
                write!(f, ", priority {priority}")?;
                active_node.map_or(Ok(()), |node| write!(f, ", active is {node}"))
            }
            Self::LeaseLost { router, vrid } => {
                write!(f, "{} (VRID {vrid}): the lease ran out while this node was active", Clean(router))
            }
            Self::Database { router, from, to, remote } => {
                if let Some(router) = router {
                    write!(f, "{}: ", Clean(router))?;
                }
                if let Some(from) = from.filter(|from| from != to) {
                    write!(f, "{} -> ", from.name())?;
                }
                match remote {
                    Some(remote) => write!(f, "{}, connected to {}", to.name(), Clean(remote)),
                    None => write!(f, "{}, not connected", to.name()),
                }
            }
            Self::Problem { source, problem } => write!(f, "{source}: {}", Clean(problem)),
            Self::ProblemGone { source, problem } => write!(f, "{source}: {}", Cleared(Clean(problem))),
            Self::Fault { fault } => write!(f, "{fault}"),
            Self::FaultGone { fault } => Cleared(fault).fmt(f),
            Self::LeftOut { counts } => {
                let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
                write!(f, "too many events to keep them all; not kept: {}", counts.join(", "))
            }
            Self::Missed { count } => write!(f, "{count} events have gone before they were read"),
        }
    }
}

fn left(
    f: &mut fmt::Formatter<'_>,
    vni: u32,
    switch: &Option<String>,
    mac: MacAddr,
    at: Option<&Place>,
) -> fmt::Result {
    write!(f, "{mac} in {}", Switch(switch, vni))?;
    at.map_or(Ok(()), |at| write!(f, " was at {}", At(at)))
}
