//! Sections of logical switches.

use std::{
    fmt::{self, Display, Formatter},
    net::IpAddr,
};

use gateway_common::net::MacAddr;

use super::texts;

/// One logical switch.
#[derive(Clone, Debug, Default)]
pub struct Switch {
    /// Its VNI, which also makes its name.
    pub vni: u32,
    /// Name of the virtual router that it forwards with; the only one if `None`.
    pub instance: Option<String>,
    /// Learn MACs behind tunnels.
    pub learn_remote: bool,
    /// Limit of learned MACs; the gateway's default if `None`.
    pub learn_limit: Option<u32>,
    /// Forward control protocols of switches from tunnels.
    pub control_protocols: bool,
    /// VTEPs that receive flooded frames.
    pub flood: Vec<IpAddr>,
    /// Port and VLAN, 0 for untagged.
    pub bindings: Vec<(String, u16)>,
    /// Static MACs.
    pub macs: Vec<(MacAddr, Place)>,
}

/// Place of a station.
#[derive(Clone, Debug)]
pub enum Place {
    /// Behind a remote VTEP.
    Vtep(IpAddr),
    /// Behind an access port, in a VLAN.
    Port(String, u16),
}

impl Switch {
    /// Makes a logical switch that floods to `flood`.
    pub fn new(vni: u32, flood: &[IpAddr]) -> Self {
        Self { vni, flood: flood.to_vec(), ..Self::default() }
    }

    /// Adds a binding to a VLAN of a port.
    pub fn bound(mut self, port: &str, vlan: u16) -> Self {
        self.bindings.push((port.into(), vlan));
        self
    }

    /// Adds a station behind a remote VTEP.
    pub fn remote(mut self, mac: MacAddr, vtep: IpAddr) -> Self {
        self.macs.push((mac, Place::Vtep(vtep)));
        self
    }

    /// Makes it forward with the virtual router of this name.
    pub fn of(self, instance: &str) -> Self {
        Self { instance: Some(instance.into()), ..self }
    }

    /// Makes it learn from tunnels.
    pub fn learning(self) -> Self {
        Self { learn_remote: true, ..self }
    }
}

impl Display for Switch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[switch]]\nname = \"net-{0}\"\nvni = {0}", self.vni)?;
        if let Some(instance) = &self.instance {
            writeln!(f, "instance = {instance:?}")?;
        }
        writeln!(f, "learn_remote = {}", self.learn_remote)?;
        if let Some(limit) = self.learn_limit {
            writeln!(f, "learn_limit = {limit}")?;
        }
        if self.control_protocols {
            writeln!(f, "control_protocols = true")?;
        }
        writeln!(f, "flood = {}", texts(&self.flood))?;
        writeln!(f, "bindings = [")?;
        for (port, vlan) in &self.bindings {
            writeln!(f, "    {{ port = {port:?}, vlan = {vlan} }},")?;
        }
        writeln!(f, "]\nmacs = [")?;
        for (mac, place) in &self.macs {
            match place {
                Place::Vtep(vtep) => writeln!(f, "    {{ mac = \"{mac}\", vtep = \"{vtep}\" }},")?,
                Place::Port(port, vlan) => writeln!(f, "    {{ mac = \"{mac}\", port = {port:?}, vlan = {vlan} }},")?,
            }
        }
        writeln!(f, "]")
    }
}
