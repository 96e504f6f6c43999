//! One of the two gateways.

use anyhow::{Context, Result};
use gateway_common::{
    counters::Drops,
    fdb::{FdbEntry, LOCAL},
    net::MacAddr,
};
use serde_json::Value;

use super::plan::{PORT, Plan, VIRTUAL};
use crate::{
    Host,
    config::{Config, Track},
    gateway::Gateway,
    readings::Readings,
    wait::{SOON, wait_for},
};

const UPLINK: &str = "u0";
/// One of the two gateways.
#[derive(Debug)]
pub struct Member {
    /// Its machine.
    pub host: Host,
    /// Its configuration.
    pub config: Config,
    gateway: Option<Gateway>,
}

impl Member {
    /// Makes the member number `index` of a pair; `finish` completes its configuration.
    pub(super) fn new(host: Host, index: usize, plan: &Plan, finish: impl FnOnce(Config) -> Config) -> Self {
        let config = Config::new(&host, &[plan.underlay.ip(VIRTUAL)]).uplink(UPLINK, plan.mode).port(PORT, plan.mode);
        let mut config = finish(config);
        if let Some(vrrp) = &plan.vrrp {
            // Without a link on either side no node is active.
            for nic in config.uplinks.iter_mut().chain(&mut config.ports) {
                nic.track = Some(Track::Fault);
            }
            config.vrrp.push(vrrp.clone().priority(plan.priorities[index]));
        }
        Self { host, config, gateway: None }
    }

    /// Starts the agent, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn start(&mut self) -> Result<()> {
        match &mut self.gateway {
            Some(gateway) => gateway.resume(),
            None => {
                self.gateway = Some(Gateway::start(&self.host, &self.config)?);
                Ok(())
            }
        }
    }

    /// Returns its gateway.
    ///
    /// # Errors
    /// If it has not been started.
    pub fn gateway(&mut self) -> Result<&mut Gateway> {
        self.gateway.as_mut().with_context(|| format!("{} has no gateway yet", self.host.name()))
    }

    /// Returns the state of its virtual router, or of the first of them, as `vtep-gateway status --json` reports it.
    ///
    /// # Errors
    /// If the agent does not answer.
    pub fn router(&self) -> Result<Value> {
        Ok(self.started()?.status()?["vrrp"][0].clone())
    }

    /// Returns its role in virtual router `vrid`; `None` while it does not report one.
    pub fn role(&self, vrid: u8) -> Option<String> {
        let status = self.started().ok()?.status().ok()?;
        let router = status["vrrp"].as_array()?.iter().find(|router| router["vrid"] == vrid)?.clone();
        router["role"].as_str().map(str::to_owned)
    }

    /// Waits until it reports this role in virtual router `vrid`.
    ///
    /// # Errors
    /// If it never does.
    pub fn wait_role(&self, vrid: u8, role: &str) -> Result<()> {
        let what = format!("{} is {role} in virtual router {vrid}", self.host.name());
        wait_for(&what, SOON, || self.role(vrid).as_deref() == Some(role))
    }

    /// Returns the content of its maps.
    ///
    /// # Errors
    /// If it was not started yet.
    pub fn read(&self) -> Result<Readings> {
        Ok(self.started()?.read())
    }

    /// Returns the place of a station behind an access port: name of the port, and VLAN. `None` if there is none.
    ///
    /// # Errors
    /// If the maps are not there.
    pub fn station_here(&self, vni: u32, mac: MacAddr) -> Result<Option<(String, u16)>> {
        let entry = self.read()?.station(vni, mac)?.filter(|entry| entry.to.kind == LOCAL);
        let name = |entry: FdbEntry| Ok((self.name_of(entry.to.out)?, entry.to.vlan));
        entry.map(name).transpose()
    }

    fn name_of(&self, ifindex: u32) -> Result<String> {
        let links = self.host.ip_json("link show")?;
        let link = links.as_array().into_iter().flatten().find(|link| link["ifindex"] == ifindex);
        let name = link.and_then(|link| link["ifname"].as_str());
        Ok(name.with_context(|| format!("{} has no interface {ifindex}", self.host.name()))?.to_owned())
    }

    /// Returns the packets that its programs have dropped, by reason.
    ///
    /// # Errors
    /// If it was not started yet.
    pub fn drops(&self) -> Result<Drops> {
        self.started()?.read().drops()
    }

    /// Returns its gateway, read-only.
    ///
    /// # Errors
    /// If it has not been started.
    pub fn started(&self) -> Result<&Gateway> {
        self.gateway.as_ref().with_context(|| format!("{} has no gateway yet", self.host.name()))
    }

    /// Returns the log of its agent.
    ///
    /// # Errors
    /// If it is not running.
    pub fn log(&self) -> Result<String> {
        self.started()?.log()
    }

    /// Returns the known unicast packets that its programs have ever forwarded.
    ///
    /// # Errors
    /// If it was not started yet.
    pub fn forwarded(&self) -> Result<u64> {
        let paths = self.started()?.read().paths()?;
        Ok(paths.xdp_encap + paths.xdp_decap + paths.tc_encap + paths.tc_decap)
    }
}
