//! The outside of a data centre: a VLAN switch, here Open vSwitch in userspace, with hosts on access ports and a trunk
//! to the gateway.

use std::process::Output;

use anyhow::Result;

use crate::{
    Host, Lab,
    cable::{End, connect, connect_gateway, finish_frames},
    node::Node,
    ovsdb::{Database, OVS_SCHEMAS},
    process::Process,
};

/// Open vSwitch with its own database.
#[derive(Debug)]
pub struct Ovs {
    node: Node,
    bridge: String,
    // Dropped in this order: the switch, then its database.
    switch: Process,
    database: Database,
}

impl Ovs {
    /// Starts a switch without ports, in a namespace of its own called `name`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(lab: &Lab, name: &str) -> Result<Self> {
        Self::on(&lab.host(name)?, "sw0")
    }

    /// Starts a switch on a host; `bridge`, which learns like any switch, is its first one.
    ///
    /// # Errors
    /// If it does not start.
    pub fn on(host: &Host, bridge: &str) -> Result<Self> {
        let node = Node::new(host)?;
        let database = Database::create(&node, "conf", &format!("{OVS_SCHEMAS}/vswitch.ovsschema"), "")?;
        node.run(&format!("ovs-vsctl --db={} --no-wait init", database.remote()))?;
        let switch = node.start(
            "ovs-vswitchd",
            &format!(
                "ovs-vswitchd {} --unixctl={} -vconsole:err",
                database.remote(),
                node.file("switch.ctl").display()
            ),
        )?;
        let ovs = Self { node, bridge: bridge.into(), switch, database };
        ovs.vsctl(&format!(
            "add-br {bridge} -- set Bridge {bridge} datapath_type=netdev fail_mode=standalone \
             other_config:mac-aging-time=300"
        ))?;
        Ok(ovs)
    }

    /// Makes it learn nearly as soon as a hardware switch, which learns from each frame. Open vSwitch learns from
    /// frames of a cached flow only when it revalidates the flow: otherwise each half second, also for a flow that was
    /// idle for up to ten seconds.
    ///
    /// # Errors
    /// The error output of `ovs-vsctl`.
    pub fn learn_soon(&self) -> Result<()> {
        self.vsctl("set Open_vSwitch . other_config:max-revalidator=100 other_config:max-idle=1000").map(drop)
    }

    /// Returns the machine it runs on; the port towards host `x` is called `x`.
    pub fn host(&self) -> &Host {
        self.node.host()
    }

    /// Returns the same machine with its daemons.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Returns its database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Runs `ovs-vsctl`.
    ///
    /// # Errors
    /// The error output of the command.
    pub fn vsctl(&self, arguments: &str) -> Result<Output> {
        self.node.run(&format!("ovs-vsctl --db={} --timeout=20 {arguments}", self.database.remote()))
    }

    /// Adds a host on an access port of `vlan`; its NIC is `eth0`.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn access(&self, name: &str, vlan: u16, mac: &str, addresses: &[&str]) -> Result<Host> {
        let host = self.host().lab().host(name)?;
        if addresses.iter().any(|address| address.contains(':')) {
            host.speak_ipv6()?;
        }
        connect(End::new(&host, "eth0").mac(mac), End::new(self.host(), name))?;
        finish_frames(&host, "eth0")?;
        self.vsctl(&format!("add-port {} {name} tag={vlan}", self.bridge))?;
        for address in addresses {
            host.address("eth0", address)?;
        }
        Ok(host)
    }

    /// Connects `port` of a gateway. `settings` are those of the port on the switch's side, like `trunks=100,200` or
    /// `vlan_mode=native-untagged tag=30 trunks=30,100`.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn trunk(&self, gateway: &Host, port: &str, settings: &str) -> Result<()> {
        let name = format!("t-{}-{port}", gateway.name());
        connect_gateway(End::new(gateway, port), End::new(self.host(), &name))?;
        self.vsctl(&format!("add-port {} {name} {settings}", self.bridge)).map(drop)
    }

    /// Leaves the switch running when this handle is dropped.
    pub fn leave(&mut self) {
        self.switch.leave();
        self.database.leave();
    }
}
