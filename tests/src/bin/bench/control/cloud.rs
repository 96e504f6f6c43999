//! A database with a few logical switches and a given number of stations behind remote VTEPs.

use std::{fmt::Write, net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, ensure};
use gateway_common::{fdb::FdbKey, net::MacAddr};
use lab::{
    config::Config,
    crossing::{Plan, Site},
    frame::Frame,
    ovn::Vtep,
    wait::{Stopwatch, pause},
};
use serde_json::{Value, json};

/// The physical switch.
const SWITCH: &str = "gw1";
/// Its port.
const PORT: &str = "a0";
/// Logical switches.
const SWITCHES: u32 = 8;
/// Remote VTEPs.
const LOCATORS: u32 = 64;
/// VNI of the first logical switch, and the number of its VLAN.
const FIRST: u32 = 100;
/// Time limit for publishing: the gateway sends at most five thousand MACs a second.
const PUBLISHED: Duration = Duration::from_secs(300);
/// Interval of polling the published MACs, because the server has to answer each poll.
const LOOK: Duration = Duration::from_secs(1);
/// Number of the first remote VTEP on the underlay.
const FIRST_VTEP: u32 = 100;

/// The lab.
pub(crate) struct Cloud {
    vtep: Vtep,
    /// Rows of `Logical_Switch`.
    switches: Vec<String>,
    /// Rows of `Physical_Locator`.
    locators: Vec<String>,
    pub(crate) site: Site,
}

/// Returns the MAC of station `number`.
fn mac(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr([0x02, 0xcc, a, b, c, d])
}

/// Returns the key of station `number` in the map `fdb`.
pub(crate) fn key(number: u32) -> FdbKey {
    FdbKey::new(FIRST + number % SWITCHES, mac(number).0)
}

/// Returns the key of host `number` behind the access port.
pub(crate) fn local_key(number: u32) -> FdbKey {
    let [a, b, c, d] = number.to_be_bytes();
    FdbKey::new(FIRST + number % SWITCHES, [0x02, 0xee, a, b, c, d])
}

/// Returns a frame of host `number` behind the access port: to a known station in the cloud, so that nothing is
/// flooded.
pub(crate) fn frame(number: u32) -> Result<Frame> {
    let key = local_key(number);
    Ok(Frame::text(MacAddr(key.mac), mac(number % SWITCHES), "learn me").tagged(u16::try_from(key.vni)?))
}

impl Cloud {
    /// Builds the lab, with switches that are bound to VLANs and no station. The host outside sends frames as they are.
    pub(crate) fn build() -> Result<Self> {
        let site = Site::build(Plan { vlan: 0, ..Plan::default() })?;
        let vtep = Vtep::start(&site.gw, Ipv4Addr::LOCALHOST, SWITCH)?;
        vtep.register(site.config().vtep[0], PORT)?;
        for number in 0..SWITCHES {
            let vni = FIRST + number;
            vtep.ctl(&format!("add-ls ls{number} -- set Logical_Switch ls{number} tunnel_key={vni}"))?;
            vtep.bind(PORT, u16::try_from(vni)?, &format!("ls{number}"))?;
        }
        for number in 0..LOCATORS {
            let address = Ipv4Addr::from_octets([172, 31, 0, u8::try_from(FIRST_VTEP + number)?]);
            // No host answers ARP for it, and repeated requests are unwanted.
            site.gw.ip(&format!("neigh replace {address} lladdr 02:ff:00:00:00:01 dev u0 nud permanent"))?;
            // A locator that nothing refers to would be removed.
            vtep.ctl(&format!("add-mcast-remote ls{} unknown-dst {address}", number % SWITCHES))?;
        }
        let list = |what: &str| -> Result<Vec<String>> {
            let text = vtep.ctl(&format!("--bare --columns=_uuid {what}"))?;
            Ok(text.split_whitespace().map(str::to_owned).collect())
        };
        let mut switches = Vec::new();
        for number in 0..SWITCHES {
            let uuid = list(&format!("find Logical_Switch name=ls{number}"))?;
            switches.extend(uuid);
        }
        let locators = list("list Physical_Locator")?;
        Ok(Self { vtep, switches, locators, site })
    }

    /// Returns the gateway's configuration.
    pub(crate) fn config(&self) -> Config {
        let mut config = self.site.config().database(&self.vtep.remote(), SWITCH);
        config.switches.clear();
        config
    }

    /// Returns a configuration with room for `macs` learned MACs.
    pub(crate) fn config_to_learn(&self, macs: u32) -> Config {
        let mut config = self.config();
        let each = macs.div_ceil(SWITCHES) + 1;
        config.database.iter_mut().for_each(|database| database.learn_limit = Some(each));
        config
    }

    /// Waits until the database has `count` stations behind the gateway.
    pub(crate) fn wait_published(&self, count: usize) -> Result<()> {
        let published = || {
            let list = self.vtep.ctl("--bare --columns=_uuid list Ucast_Macs_Local");
            list.is_ok_and(|list| list.split_whitespace().count() >= count)
        };
        let watch = Stopwatch::start();
        while !published() {
            ensure!(watch.elapsed() < PUBLISHED, "the database did not get {count} local MACs");
            pause(LOOK);
        }
        Ok(())
    }

    /// Returns the server's socket.
    pub(crate) fn socket(&self) -> String {
        self.vtep.local_remote().trim_start_matches("unix:").to_owned()
    }

    /// Kills the server and starts it again, so that it remembers no earlier request.
    pub(crate) fn restart_server(&mut self) -> Result<()> {
        self.vtep.database().kill()?;
        self.vtep.database().resume()
    }

    /// Adds stations `from..to`.
    pub(crate) fn add(&mut self, from: u32, to: u32) -> Result<()> {
        let rows = (from..to).map(|number| self.insert(number)).collect::<Result<Vec<_>>>()?;
        self.vtep.database().transact(gateway_sources::vtep::DATABASE, &rows)
    }

    /// Returns the operations that add stations `from..to`, as JSON and without the brackets around them.
    pub(crate) fn transaction(&self, from: u32, to: u32) -> Result<String> {
        let mut text = json!(gateway_sources::vtep::DATABASE).to_string();
        for number in from..to {
            write!(text, ",{}", self.insert(number)?)?;
        }
        Ok(text)
    }

    fn insert(&self, number: u32) -> Result<Value> {
        let pick = |all: &[String]| all.get(number as usize % all.len().max(1)).cloned().context("an empty database");
        let [_, b, c, d] = number.to_be_bytes();
        Ok(json!({ "op": "insert", "table": "Ucast_Macs_Remote", "row": {
            "MAC": mac(number).to_string(),
            "logical_switch": ["uuid", pick(&self.switches)?],
            "locator": ["uuid", pick(&self.locators)?],
            "ipaddr": Ipv4Addr::new(10, b, c, d).to_string(),
        } }))
    }
}
