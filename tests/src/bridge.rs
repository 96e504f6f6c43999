//! A switch without VLANs: the underlay of a lab, or an untagged network.

use anyhow::Result;

use crate::{
    Host, Lab,
    cable::{End, connect, connect_gateway, finish_frames},
};

const DEV: &str = "br0";

/// A Linux bridge in a namespace of its own.
#[derive(Clone, Debug)]
pub struct Bridge {
    host: Host,
    mtu: u32,
}

impl Bridge {
    /// Makes a bridge called `name` whose ports carry packets up to `mtu` bytes.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn new(lab: &Lab, name: &str, mtu: u32) -> Result<Self> {
        let host = lab.host(name)?;
        add(&host, DEV)?;
        Ok(Self { host, mtu })
    }

    /// Returns the machine it runs on; the port towards host `x` is called `x`.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Connects `dev` of a host.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn plug(&self, host: &Host, dev: &str) -> Result<()> {
        connect(End::new(host, dev).mtu(self.mtu), End::new(&self.host, host.name()).mtu(self.mtu))?;
        finish_frames(host, dev)?;
        self.enslave(host)
    }

    /// Connects `dev` of a gateway.
    ///
    /// # Errors
    /// If the names are taken.
    pub fn plug_gateway(&self, host: &Host, dev: &str) -> Result<()> {
        connect_gateway(End::new(host, dev).mtu(self.mtu), End::new(&self.host, host.name()).mtu(self.mtu))?;
        self.enslave(host)
    }

    fn enslave(&self, host: &Host) -> Result<()> {
        self.host.ip(&format!("link set {} master {DEV}", host.name())).map(drop)
    }
}

/// Adds a bridge `dev` to a host; it forwards at once, and multicast to all.
pub(crate) fn add(host: &Host, dev: &str) -> Result<()> {
    host.ip(&format!("link add {dev} type bridge forward_delay 0 mcast_snooping 0"))?;
    host.ip(&format!("link set {dev} up")).map(drop)
}
