//! Resolves the facts: determines the next hop of frames for a remote.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use gateway_common::net::MacAddr;

use super::facts::Facts;
use crate::netlink::{Answer, Forbidden, Link, NeighbourKey, NeighbourState, Route};

/// Result for a remote VTEP: the next hop, or the reason why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Frames can be sent.
    Resolved(Hop),
    /// Frames can't be sent, for this reason, which names the remedy.
    Unresolved(Why),
}

/// Next hop: all values that encapsulation and transmission need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Index of the outgoing uplink NIC.
    pub ifindex: u32,
    /// 802.1Q tag on that NIC, 0 for none.
    pub vlan: u16,
    /// Ethernet source: that of the interface.
    pub src_mac: MacAddr,
    /// Neighbour that receives the frames: the remote itself, or the router.
    pub via: IpAddr,
    /// Ethernet destination: that of the neighbour.
    pub dst_mac: MacAddr,
    /// Largest IP packet that passes, in bytes: the least of the links' and the route's MTU.
    pub mtu: u32,
    /// The source address that the kernel would choose.
    pub source: Option<IpAddr>,
}

/// Reason why a remote can't be reached. Its text names the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The route was not requested yet.
    NotAsked,
    /// No route matches. The most likely causes are the uplinks that are down or missing.
    NoRoute {
        /// Their names.
        down: Vec<String>,
    },
    /// A route refuses.
    Forbidden(Forbidden),
    /// The remote is an address of this host.
    OwnAddress,
    /// The remote is not a unicast address.
    NotUnicast,
    /// The lookup failed with this error number.
    Lookup(i32),
    /// The route's interface was removed. The route will follow.
    LinkGone {
        /// Its index.
        ifindex: u32,
    },
    /// The route's interface is not one of the configured uplinks.
    NotUplink {
        /// Its name.
        link: String,
    },
    /// The operator has set the interface down.
    LinkDown {
        /// Its name.
        link: String,
    },
    /// The interface is up, but has no carrier or nothing below it.
    NoCarrier {
        /// Its name.
        link: String,
    },
    /// The interface is not an Ethernet interface.
    NotEthernet {
        /// Its name.
        link: String,
    },
    /// The neighbour is being resolved.
    NeighbourPending {
        /// The remote itself, or the router.
        address: IpAddr,
        /// The interface on which it is resolved.
        link: String,
    },
    /// The neighbour doesn't answer.
    NeighbourFailed {
        /// The remote itself, or the router.
        address: IpAddr,
        /// The interface on which it is resolved.
        link: String,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("its route is not known yet; it is being looked up"),
            Self::NoRoute { down } if down.is_empty() => {
                f.write_str("no route to it: add one that leaves by an uplink")
            }
            Self::NoRoute { down } => write!(
                f,
                "no route to it, and {} {} down or missing: bring it up, or add a route that leaves by an uplink",
                down.join(", "),
                if down.len() == 1 { "is" } else { "are" },
            ),
            Self::Forbidden(kind) => {
                let kind = match kind {
                    Forbidden::Blackhole => "blackhole",
                    Forbidden::Unreachable => "unreachable",
                    Forbidden::Prohibit => "prohibit",
                };
                write!(f, "a route of type `{kind}` covers it: remove that route, or add a more specific one")
            }
            Self::OwnAddress => f.write_str(
                "it is an address of this host, not of a remote VTEP: take it out of the flood lists and MACs",
            ),
            Self::NotUnicast => f.write_str("it is a multicast or broadcast address: name the VTEPs one by one"),
            Self::Lookup(errno) => write!(
                f,
                "the kernel could not look up its route ({}): see what `ip route get` says",
                std::io::Error::from_raw_os_error(*errno)
            ),
            Self::LinkGone { ifindex } => {
                write!(f, "its route leaves by interface number {ifindex}, which is gone: create it, or move the route")
            }
            Self::NotUplink { link } => write!(
                f,
                "its route leaves by `{link}`, which is not an uplink: configure it as one, or move the route"
            ),
            Self::LinkDown { link } => write!(f, "`{link}` is down: `ip link set {link} up`"),
            Self::NoCarrier { link } => write!(f, "`{link}` is up but carries nothing: check cable and switch port"),
            Self::NotEthernet { link } => {
                write!(f, "`{link}` is not an Ethernet interface: route it through one that is")
            }
            Self::NeighbourPending { address, link } => {
                write!(f, "{address} on `{link}` has not answered yet; it is being asked")
            }
            Self::NeighbourFailed { address, link } => write!(
                f,
                "{address} on `{link}` does not answer ARP or neighbour discovery: check that it is up and on the \
                 same segment; it is asked again and again"
            ),
        }
    }
}

/// Exit from the host: link, NIC and tag.
struct Exit<'a> {
    /// The interface of the route. Its neighbours and its source MAC are used.
    link: &'a Link,
    /// The NIC that sends the frame: the same, or the parent of a VLAN subinterface.
    nic: &'a Link,
    vlan: u16,
}

impl Facts {
    /// Determines the next hop of frames for `remote`.
    pub(crate) fn resolve(&self, remote: IpAddr, uplinks: &BTreeSet<String>) -> Resolution {
        match self.hop(remote, uplinks) {
            Ok(hop) => Resolution::Resolved(hop),
            Err(why) => Resolution::Unresolved(why),
        }
    }

    /// Returns the neighbour that receives frames for `remote`, if there is a usable exit. This neighbour has to be
    /// kept resolved.
    pub(super) fn next_hop(&self, remote: IpAddr, uplinks: &BTreeSet<String>) -> Option<NeighbourKey> {
        let route = self.route(remote, uplinks).ok()?;
        self.exit(route, uplinks).ok()?;
        Some((route.oif, route.gateway.unwrap_or(remote)))
    }

    fn hop(&self, remote: IpAddr, uplinks: &BTreeSet<String>) -> Result<Hop, Why> {
        let route = self.route(remote, uplinks)?;
        let exit = self.exit(route, uplinks)?;
        let address = route.gateway.unwrap_or(remote);
        let name = || exit.link.name.clone();
        let src_mac = exit.link.mac.ok_or_else(|| Why::NotEthernet { link: name() })?;
        let dst_mac = match self.neighbour(&(route.oif, address)) {
            Some(neighbour) if neighbour.state == NeighbourState::Failed => {
                return Err(Why::NeighbourFailed { address, link: name() });
            }
            Some(neighbour) if neighbour.state != NeighbourState::Pending => neighbour.mac,
            _ => None,
        }
        .ok_or_else(|| Why::NeighbourPending { address, link: name() })?;
        let mtu = exit.link.mtu.min(exit.nic.mtu).min(route.mtu.unwrap_or(u32::MAX));
        let (ifindex, vlan) = (exit.nic.ifindex, exit.vlan);
        Ok(Hop { ifindex, vlan, src_mac, via: address, dst_mac, mtu, source: route.source })
    }

    fn route(&self, remote: IpAddr, uplinks: &BTreeSet<String>) -> Result<&Route, Why> {
        match self.answer_of(&remote).ok_or(Why::NotAsked)? {
            Answer::Via(route) => Ok(route),
            Answer::Local => Err(Why::OwnAddress),
            Answer::NotUnicast => Err(Why::NotUnicast),
            Answer::NoRoute => Err(Why::NoRoute { down: self.down(uplinks) }),
            Answer::Forbidden(kind) => Err(Why::Forbidden(*kind)),
            Answer::Failed(errno) => Err(Why::Lookup(*errno)),
        }
    }

    fn exit<'a>(&'a self, route: &Route, uplinks: &BTreeSet<String>) -> Result<Exit<'a>, Why> {
        let link = self.link(route.oif).ok_or(Why::LinkGone { ifindex: route.oif })?;
        let parent = link.vlan.and_then(|vlan| Some((self.link(vlan.parent)?, vlan.id.get())));
        let (nic, vlan) = match parent {
            _ if uplinks.contains(&link.name) => (link, 0),
            Some((nic, id)) if uplinks.contains(&nic.name) => (nic, id),
            _ => return Err(Why::NotUplink { link: link.name.clone() }),
        };
        // The NIC is checked first, because a VLAN subinterface without a carrier is a consequence of it.
        for link in [nic, link] {
            if !link.admin_up {
                return Err(Why::LinkDown { link: link.name.clone() });
            }
            if !link.running {
                return Err(Why::NoCarrier { link: link.name.clone() });
            }
        }
        Ok(Exit { link, nic, vlan })
    }

    fn down(&self, uplinks: &BTreeSet<String>) -> Vec<String> {
        let up = |name: &&String| self.links().any(|link| link.name == **name && link.admin_up && link.running);
        uplinks.iter().filter(|name| !up(name)).cloned().collect()
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
