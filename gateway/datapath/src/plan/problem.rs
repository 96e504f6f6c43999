//! Problems that limit a plan, and their remedies for the operator.

use std::{fmt, net::IpAddr};

use gateway_common::net::{VlanId, Vni};
use gateway_netdev::{
    nic::{Master, Role},
    underlay::Why,
};

use super::BoundVlan;

/// Problem that keeps part of the configuration from forwarding, or from forwarding everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// An access port or uplink does not exist.
    NoInterface(String),
    /// An access port or uplink is down.
    Down(String),
    /// An access port or uplink belongs to a bond or bridge, which carries its traffic.
    Member {
        /// Its name.
        interface: String,
        /// The direction it faces.
        role: Role,
        /// Its master.
        master: Master,
    },
    /// The underlay is too narrow for an access port.
    Mtu {
        /// The uplink.
        uplink: String,
        /// Its MTU.
        mtu: u32,
        /// The access port.
        port: String,
        /// Its MTU.
        port_mtu: u32,
        /// The MTU that the uplink would need.
        needed: u32,
        /// The MTU that fits as it is.
        fits: u32,
    },
    /// Two logical switches have one VNI.
    SameVni {
        /// The VNI.
        vni: Vni,
        /// The switch that forwards.
        first: String,
        /// The switch that is left out.
        second: String,
    },
    /// This gateway has no address for a tunnel to a remote VTEP.
    NoVtep(IpAddr),
    /// A remote VTEP has this gateway's own address.
    OwnAddress(IpAddr),
    /// A remote VTEP can't be reached.
    Unresolved(IpAddr, Why),
    /// The path to a remote VTEP is narrower than the underlay here.
    PathMtu {
        /// The remote.
        remote: IpAddr,
        /// The longest IP packet that gets through.
        mtu: u32,
        /// The longest inner frame that still fits.
        max_frame: u32,
        /// The largest MTU of the hosts that fits.
        fits: u32,
    },
    /// A binding or MAC refers to an interface that is no access port.
    NotAPort(String),
    /// Two logical switches have one binding.
    BoundTwice {
        /// The access port.
        port: String,
        /// The VLAN on it.
        vlan: VlanId,
        /// The switch that has it.
        first: String,
        /// The switch that does not get it.
        second: String,
    },
    /// MACs are at a binding that their logical switch does not have.
    NotBound {
        /// The switch.
        switch: String,
        /// The access port.
        port: String,
        /// The VLAN on it.
        vlan: VlanId,
    },
    /// Bindings of the database that do not forward.
    NotForwarding {
        /// The first of them.
        first: Box<BoundVlan>,
        /// Their number.
        count: usize,
        /// The number of bindings in the database.
        bound: usize,
    },
}

impl Problem {
    /// Returns true for a problem with which the gateway is still healthy: it forwards as much as others allow.
    pub const fn is_warning(&self) -> bool {
        match self {
            Self::Mtu { .. } | Self::Unresolved(..) | Self::PathMtu { .. } => true,
            Self::NoInterface(_)
            | Self::Down(_)
            | Self::Member { .. }
            | Self::SameVni { .. }
            | Self::NoVtep(_)
            | Self::OwnAddress(_)
            | Self::NotAPort(_)
            | Self::BoundTwice { .. }
            | Self::NotBound { .. }
            | Self::NotForwarding { .. } => false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInterface(name) => {
                write!(f, "interface {name} is not there: nothing is forwarded over it until it appears")
            }
            Self::Down(name) => write!(f, "interface {name} is down (ip link set {name} up; is the cable in?)"),
            Self::Member { interface, role, master } => {
                write!(f, "interface {interface}: {}; {}", master.trouble(*role), master.remedy(*role))
            }
            Self::Mtu { uplink, mtu, port, port_mtu, needed, fits } => write!(
                f,
                "MTU {mtu} of uplink {uplink} is too small for MTU {port_mtu} of port {port}: packets over {fits} bytes \
                 will be dropped; set MTU {needed} on {uplink} and on the whole underlay, or {fits} on the hosts"
            ),
            Self::SameVni { vni, first, second } => write!(
                f,
                "logical switches {first} and {second} have one VNI, {vni}: only {first} is forwarded; give {second} a \
                 VNI of its own"
            ),
            Self::OwnAddress(remote) => {
                write!(f, "{remote} is this gateway's own tunnel address: what is placed behind it is left out")
            }
            Self::NoVtep(remote) => {
                let family = if remote.is_ipv4() { "IPv4" } else { "IPv6" };
                write!(
                    f,
                    "no tunnel to {remote}: this gateway has no {family} address; add one to gateway.vtep, or take the \
                     remote out of the flood lists and MACs"
                )
            }
            Self::Unresolved(remote, why) => write!(f, "tunnel to {remote} can't send: {why}"),
            Self::PathMtu { remote, mtu, max_frame, fits } => write!(
                f,
                "a router says that the path to {remote} carries packets of {mtu} bytes at most: frames of more than \
                 {max_frame} bytes to it are dropped (too_big); widen the narrow link, or set MTU {fits} on the hosts"
            ),
            Self::NotAPort(name) => write!(
                f,
                "{name} is not an access port of this gateway: what is bound to it is left out; add it as a [[port]], \
                 or bind to another"
            ),
            Self::BoundTwice { port, vlan, first, second } => write!(
                f,
                "VLAN {vlan} of port {port} is bound to logical switches {first} and {second}: only {first} has it; take \
                 it out of one of them"
            ),
            Self::NotBound { switch, port, vlan } => write!(
                f,
                "MACs of logical switch {switch} are placed at VLAN {vlan} of port {port}, which is not bound to it: they \
                 are left out; bind it, or place them elsewhere"
            ),
            Self::NotForwarding { first, count, bound } => {
                let verb = if *count == 1 { "does" } else { "do" };
                let BoundVlan { port, vlan, switch, state, .. } = &**first;
                write!(
                    f,
                    "{count} of {bound} bindings {verb} not forward: VLAN {vlan} of port {port}, logical switch {switch}: {state}"
                )?;
                if *count > 1 {
                    f.write_str("; `vtep-gateway show bindings` has all of them")?;
                }
                Ok(())
            }
        }
    }
}
