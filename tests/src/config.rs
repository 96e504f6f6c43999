//! The gateway's configuration file, written from values.

use std::{
    fmt::{self, Display, Formatter},
    net::IpAddr,
    path::PathBuf,
};

use crate::Host;

mod database;
mod nic;
mod switch;
pub mod vrrp;

pub use database::Database;
pub use nic::{Mode, Nic};
pub use switch::{Place, Switch};
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

fn texts(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    format!("[{}]", texts.join(", "))
}
