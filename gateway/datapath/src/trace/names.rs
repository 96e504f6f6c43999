//! Names for the numbers in maps.

use std::{collections::BTreeMap, net::IpAddr};

use gateway_api::view::Binding;
use gateway_common::{
    fdb::{self, Target},
    tunnel::RemoteVtepKey,
};
use nix::net::if_::if_nameindex;
use serde_json::{Value, json};

/// Names of interfaces and ends of tunnels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    interfaces: BTreeMap<u32, String>,
    /// Remote VTEPs by the number of the tunnel.
    tunnels: BTreeMap<u32, IpAddr>,
    /// Names of logical switches by VNI.
    switches: BTreeMap<u32, String>,
    /// The bindings of the database; `None` if the agent, which knows it, could not be asked.
    bindings: Option<Vec<Binding>>,
}

impl Names {
    /// Collects the names of the existing interfaces, and of these tunnels.
    ///
    /// # Errors
    /// The kernel does not report the interfaces.
    pub fn of(tunnels: impl IntoIterator<Item = (RemoteVtepKey, u32)>) -> nix::Result<Self> {
        let interfaces = if_nameindex()?;
        let interfaces =
            interfaces.iter().map(|interface| (interface.index(), interface.name().to_string_lossy().into_owned()));
        let tunnels = tunnels.into_iter().map(|(ends, tunnel)| (tunnel, ends.remote.into()));
        Ok(Self { interfaces: interfaces.collect(), tunnels: tunnels.collect(), ..Self::default() })
    }

    /// Adds the agent's view of the database.
    pub fn with_bindings(
        mut self,
        bindings: Option<Vec<Binding>>,
        switches: impl IntoIterator<Item = (u32, String)>,
    ) -> Self {
        self.switches = switches.into_iter().collect();
        self.bindings = bindings;
        self
    }

    /// Returns the name of the logical switch with this VNI.
    pub fn switch(&self, vni: u32) -> Option<&str> {
        self.switches.get(&vni).map(String::as_str)
    }

    /// Explains that nothing is programmed for a VLAN of a port.
    pub(crate) fn no_binding(&self, port: &str, on: u16) -> String {
        let Some(bindings) = &self.bindings else {
            return format!(
                "No logical switch is programmed for this port, {}; the agent could not be asked whether the database binds one.",
                vlan(on)
            );
        };
        match bindings.iter().find(|one| one.port == port && one.vlan == on && one.reason.is_some()) {
            Some(Binding { switch, reason, .. }) => format!(
                "{} is bound to logical switch {}, and the binding does not forward: {}.",
                capital(&vlan(on)),
                switch.as_deref().unwrap_or("-"),
                reason.as_deref().unwrap_or_default()
            ),
            None => format!("No logical switch is bound to this port, {}.", vlan(on)),
        }
    }

    /// Returns the name of an interface; its number if it is gone.
    pub fn interface(&self, ifindex: u32) -> String {
        self.interfaces.get(&ifindex).cloned().unwrap_or_else(|| format!("interface {ifindex}"))
    }

    /// Returns the remote VTEP of a tunnel; its number if it is gone.
    pub fn tunnel(&self, tunnel: u32) -> String {
        self.tunnels.get(&tunnel).map_or_else(|| format!("tunnel {tunnel}"), ToString::to_string)
    }

    /// Describes a place, for people.
    pub fn place(&self, to: &Target) -> String {
        match to.kind {
            fdb::LOCAL => format!("behind {}, {}", self.interface(to.out), vlan(to.vlan)),
            fdb::REMOTE => format!("behind {} (VNI {})", self.tunnel(to.out), to.vni),
            _ => "nowhere".to_owned(),
        }
    }

    /// Describes a place, for programs.
    pub(crate) fn place_value(&self, to: &Target) -> Value {
        match to.kind {
            fdb::LOCAL => json!({ "port": self.interface(to.out), "vlan": to.vlan }),
            fdb::REMOTE => json!({ "vtep": self.tunnel(to.out), "vni": to.vni }),
            _ => Value::Null,
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Formats a VLAN, for people.
pub fn vlan(vlan: u16) -> String {
    if vlan == 0 { "untagged".to_owned() } else { format!("VLAN {vlan}") }
}
