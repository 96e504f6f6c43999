//! A VM behind Linux, a host in a VLAN, and a database between them that is filled by hand.

use std::net::Ipv4Addr;

use anyhow::Result;
use lab::{
    config::Config,
    crossing::{Site, VLAN, VM, VNI},
    ovn::Vtep,
};

/// The logical switch.
pub(crate) const NET: &str = "net1";
/// The physical switch.
pub(crate) const SWITCH: &str = "gw1";
/// Its port.
pub(crate) const PORT: &str = "a0";
/// The database.
pub(crate) const SCHEMA: &str = "hardware_vtep";

pub(crate) struct Operated {
    pub(crate) vtep: Vtep,
    pub(crate) site: Site,
}

impl Operated {
    /// Adds the database, filled; `options` are more of `ovsdb-server`'s.
    pub(crate) fn on(site: Site, options: &str) -> Result<Self> {
        let vtep = Vtep::start_with(&site.gw, Ipv4Addr::LOCALHOST, SWITCH, options)?;
        fill(&site, |arguments| vtep.ctl(arguments).map(drop))?;
        Ok(Self { vtep, site })
    }

    /// The gateway's configuration.
    pub(crate) fn config(&self) -> Config {
        config(&self.site, &self.vtep.remote())
    }
}

/// The gateway's configuration with this database.
pub(crate) fn config(site: &Site, remote: &str) -> Config {
    let mut config = site.config().database(remote, SWITCH);
    config.switches.clear();
    config
}

/// Has `vtep_ctl` write that the VM is behind Linux, and that its network is the VLAN.
pub(crate) fn fill(site: &Site, vtep_ctl: impl Fn(&str) -> Result<()>) -> Result<()> {
    let (own, hv, vm) = (site.config().vtep[0], site.hv.vtep(), VM.mac());
    vtep_ctl(&format!(
        "add-ps {SWITCH} -- set Physical_Switch {SWITCH} tunnel_ips={own} -- add-port {SWITCH} {PORT} \
         -- add-ls {NET} -- set Logical_Switch {NET} tunnel_key={VNI}"
    ))?;
    vtep_ctl(&format!("bind-ls {SWITCH} {PORT} {VLAN} {NET}"))?;
    vtep_ctl(&format!("add-ucast-remote {NET} {vm} {hv} -- add-mcast-remote {NET} unknown-dst {hv}"))
}
