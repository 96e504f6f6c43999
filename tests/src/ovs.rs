//! The outside as it is in a data centre: a VLAN switch, here Open vSwitch in userspace, with hosts on access ports and
//! a trunk to the gateway.

use std::{fs, path::PathBuf, process::Output};

use anyhow::{Context, Result};

use crate::{
    Host, Lab,
    cable::{End, connect, connect_gateway, finish_frames},
    process::Process,
    wait::{SOON, wait_for},
};

const BRIDGE: &str = "sw0";

/// Open vSwitch with its own database, in a namespace of its own.
#[derive(Debug)]
pub struct Ovs {
    host: Host,
    directory: PathBuf,
    // Dropped in this order: the switch, then its database.
    switch: Process,
    database: Process,
}

impl Ovs {
    /// Starts a switch called `name` without ports.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(lab: &Lab, name: &str) -> Result<Self> {
        let host = lab.host(name)?;
        let directory = lab.directory().join(name);
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        let dir = directory.display();
        let environment = environment(&directory);

        host.run(&format!("ovsdb-tool create {dir}/conf.db /usr/share/openvswitch/vswitch.ovsschema"))?;
        let database = host.start(&format!(
            "{environment} ovsdb-server {dir}/conf.db --remote=punix:{dir}/db.sock --unixctl={dir}/db.ctl -vconsole:warn"
        ))?;
        wait_for("the socket of ovsdb-server", SOON, || directory.join("db.sock").exists())?;
        host.run(&format!("{environment} ovs-vsctl --no-wait init"))?;
        let switch = host.start(&format!(
            "{environment} ovs-vswitchd unix:{dir}/db.sock --unixctl={dir}/switch.ctl -vconsole:err"
        ))?;
        let ovs = Self { host, directory, switch, database };
        ovs.vsctl(&format!(
            "add-br {BRIDGE} -- set Bridge {BRIDGE} datapath_type=netdev fail_mode=standalone \
             other_config:mac-aging-time=300"
        ))?;
        Ok(ovs)
    }

    /// The machine it runs on; the port towards host `x` is called `x`.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Runs `ovs-vsctl`.
    ///
    /// # Errors
    /// What it says.
    pub fn vsctl(&self, arguments: &str) -> Result<Output> {
        self.host.run(&format!("{} ovs-vsctl --timeout=20 {arguments}", environment(&self.directory)))
    }

    /// Adds a host on an access port of `vlan`; its NIC is `eth0`.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn access(&self, name: &str, vlan: u16, mac: &str, addresses: &[&str]) -> Result<Host> {
        let host = self.host.lab().host(name)?;
        if addresses.iter().any(|address| address.contains(':')) {
            host.speak_ipv6()?;
        }
        connect(End::new(&host, "eth0").mac(mac), End::new(&self.host, name))?;
        finish_frames(&host, "eth0")?;
        self.vsctl(&format!("add-port {BRIDGE} {name} tag={vlan}"))?;
        for address in addresses {
            host.address("eth0", address)?;
        }
        Ok(host)
    }

    /// Connects `port` of a gateway; `settings` of the port on the switch's side, like `trunks=100,200` or
    /// `vlan_mode=native-untagged tag=30 trunks=30,100`.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn trunk(&self, gateway: &Host, port: &str, settings: &str) -> Result<()> {
        let name = format!("t-{}-{port}", gateway.name());
        connect_gateway(End::new(gateway, port), End::new(&self.host, &name))?;
        self.vsctl(&format!("add-port {BRIDGE} {name} {settings}")).map(drop)
    }

    /// Leaves the switch running when this handle is dropped.
    pub fn leave(&mut self) {
        self.switch.leave();
        self.database.leave();
    }
}

fn environment(directory: &std::path::Path) -> String {
    let dir = directory.display();
    format!("env OVS_RUNDIR={dir} OVS_DBDIR={dir} OVS_LOGDIR={dir}")
}
