//! The gateway's configuration file, written from values.

use std::{
    fmt::{self, Display, Formatter},
    net::IpAddr,
    path::PathBuf,
};

use gateway_common::net::MacAddr;

use crate::{Host, ovn::tls::Identity};

pub mod vrrp;

pub use vrrp::{Track, Vrrp};

/// Configuration of a gateway in a lab.
#[derive(Clone, Debug)]
pub struct Config {
    /// Tunnel addresses of the gateway.
    pub vtep: Vec<IpAddr>,
    /// Seconds a learned MAC lives without traffic; the gateway's default if `None`.
    pub ageing: Option<u32>,
    /// Limit of MACs in all logical switches; the gateway's default if `None`.
    pub fdb_size: Option<u32>,
    /// Directory of its pins.
    pub pin_dir: PathBuf,
    /// Directory of sockets and locks.
    pub run_dir: PathBuf,
    /// Group whose members may use the control socket.
    pub control_group: Option<String>,
    /// NICs towards the underlay.
    pub uplinks: Vec<Nic>,
    /// NICs towards the VLANs.
    pub ports: Vec<Nic>,
    /// Logical switches.
    pub switches: Vec<Switch>,
    /// The database that drives the gateway in their place.
    pub database: Option<Database>,
    /// Virtual routers.
    pub vrrp: Vec<Vrrp>,
    /// TCP port of state sync between nodes; the gateway's default if `None`.
    pub sync_port: Option<u16>,
    /// Addresses that serve metrics, like `127.0.0.1:9959`; may be empty.
    pub metrics: Vec<String>,
}

/// Connection to the gateway's `hardware_vtep` database.
#[derive(Clone, Debug)]
pub struct Database {
    /// Like `unix:/path` or `tcp:10.0.0.1:6640`; several with commas between.
    pub remote: String,
    /// Name of the physical switch that the gateway is; `None` if each virtual router is one.
    pub switch: Option<String>,
    /// Identity of the gateway and its trusted authority, for `ssl:`.
    pub identity: Option<Identity>,
    /// Seconds for which forwarding goes on without the database; the gateway's default if `None`.
    pub hold_time: Option<u32>,
    /// True if all nodes use this one database; the gateway's default if `None`.
    pub shared: Option<bool>,
    /// Limit of learned MACs of a logical switch; the gateway's default if `None`.
    pub learn_limit: Option<u32>,
}

/// One NIC.
#[derive(Clone, Debug)]
pub struct Nic {
    /// Its name.
    pub name: String,
    /// Its mode.
    pub mode: Mode,
    /// Effect on virtual routers if it is down; the gateway's default if `None`.
    pub track: Option<Track>,
}

/// Mode of a NIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The gateway chooses.
    #[default]
    Auto,
    /// Known unicast in XDP.
    Xdp,
    /// Everything in TC.
    Tc,
}

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
    /// Given stations.
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

impl Config {
    /// Makes the configuration of a gateway on `host` with tunnel addresses and nothing else.
    pub fn new(host: &Host, vtep: &[IpAddr]) -> Self {
        Self {
            vtep: vtep.to_vec(),
            ageing: None,
            fdb_size: None,
            pin_dir: host.lab().pins(host.name()),
            run_dir: host.lab().directory().join(format!("{}-run", host.name())),
            control_group: None,
            uplinks: Vec::new(),
            ports: Vec::new(),
            switches: Vec::new(),
            database: None,
            vrrp: Vec::new(),
            sync_port: None,
            metrics: Vec::new(),
        }
    }

    /// Adds an uplink.
    pub fn uplink(mut self, name: &str, mode: Mode) -> Self {
        self.uplinks.push(Nic { name: name.into(), mode, track: None });
        self
    }

    /// Adds an access port.
    pub fn port(mut self, name: &str, mode: Mode) -> Self {
        self.ports.push(Nic { name: name.into(), mode, track: None });
        self
    }

    /// Adds a logical switch.
    pub fn switch(mut self, switch: Switch) -> Self {
        self.switches.push(switch);
        self
    }

    /// Makes a database drive the gateway.
    pub fn database(self, remote: &str, switch: &str) -> Self {
        let (remote, switch) = (remote.into(), Some(switch.into()));
        let database = Database { remote, switch, identity: None, hold_time: None, shared: None, learn_limit: None };
        Self { database: Some(database), ..self }
    }

    /// Adds a virtual router.
    pub fn vrrp(mut self, vrrp: Vrrp) -> Self {
        self.vrrp.push(vrrp);
        self
    }

    /// Adds an address that serves metrics.
    pub fn metrics(mut self, address: impl Into<String>) -> Self {
        self.metrics.push(address.into());
        self
    }

    /// Returns the logical switch `vni`, to be changed.
    ///
    /// # Panics
    /// If there is none.
    pub fn switch_mut(&mut self, vni: u32) -> &mut Switch {
        self.switches.iter_mut().find(|switch| switch.vni == vni).expect("a logical switch of that VNI")
    }
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

impl Display for Mode {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Xdp => "xdp",
            Self::Tc => "tc",
        })
    }
}

impl Display for Config {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "[gateway]")?;
        if !self.vtep.is_empty() {
            writeln!(f, "vtep = {}", texts(&self.vtep))?;
        }
        if let Some(ageing) = self.ageing {
            writeln!(f, "ageing = {ageing}")?;
        }
        if let Some(size) = self.fdb_size {
            writeln!(f, "fdb_size = {size}")?;
        }
        writeln!(f, "pin_dir = {:?}", self.pin_dir)?;
        writeln!(f, "run_dir = {:?}", self.run_dir)?;
        if let Some(group) = &self.control_group {
            writeln!(f, "control_group = {group:?}")?;
        }
        if let Some(database) = &self.database {
            write!(f, "\n{database}")?;
        }
        for (table, nics) in [("uplink", &self.uplinks), ("port", &self.ports)] {
            for nic in nics {
                writeln!(f, "\n[[{table}]]\nname = {:?}\nmode = \"{}\"", nic.name, nic.mode)?;
                if let Some(track) = nic.track {
                    writeln!(f, "track = {track}")?;
                }
            }
        }
        if let Some(port) = self.sync_port {
            writeln!(f, "\n[sync]\nport = {port}")?;
        }
        if !self.metrics.is_empty() {
            writeln!(f, "\n[metrics]\nlisten = {:?}", self.metrics)?;
        }
        self.vrrp.iter().try_for_each(|vrrp| write!(f, "\n{vrrp}"))?;
        self.switches.iter().try_for_each(|switch| write!(f, "\n{switch}"))
    }
}

impl Display for Database {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "[database]\nremote = {:?}", self.remote)?;
        if let Some(switch) = &self.switch {
            writeln!(f, "switch = {switch:?}")?;
        }
        if let Some(time) = self.hold_time {
            writeln!(f, "hold_time = {time}")?;
        }
        if let Some(shared) = self.shared {
            writeln!(f, "shared = {shared}")?;
        }
        if let Some(limit) = self.learn_limit {
            writeln!(f, "learn_limit = {limit}")?;
        }
        if let Some(identity) = &self.identity {
            writeln!(f, "private_key = {:?}", identity.private_key)?;
            writeln!(f, "certificate = {:?}", identity.certificate)?;
            writeln!(f, "ca_cert = {:?}", identity.ca_cert)?;
        }
        Ok(())
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

fn texts(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    format!("[{}]", texts.join(", "))
}
