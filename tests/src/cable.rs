//! Cables: pairs of virtual Ethernet interfaces between two hosts.

use anyhow::Result;

use crate::{Host, bpf, process};

/// One end of a cable.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// The machine.
    pub host: &'a Host,
    /// Name of the interface there.
    pub dev: &'a str,
    /// Its address; any if `None`.
    pub mac: Option<&'a str>,
    /// Longest packet without Ethernet header.
    pub mtu: u32,
}

impl<'a> End<'a> {
    /// Makes an end with an MTU of 1500 and any address.
    pub fn new(host: &'a Host, dev: &'a str) -> Self {
        Self { host, dev, mac: None, mtu: 1500 }
    }

    /// Sets the address.
    pub fn mac(self, mac: &'a str) -> Self {
        Self { mac: Some(mac), ..self }
    }

    /// Sets the MTU.
    pub fn mtu(self, mtu: u32) -> Self {
        Self { mtu, ..self }
    }

    fn words(&self) -> String {
        let mac = self.mac.map(|mac| format!("address {mac}")).unwrap_or_default();
        format!("name {} netns {} mtu {} {mac}", self.dev, self.host.namespace(), self.mtu)
    }
}

/// Connects two hosts with a cable; both ends come up with all offloads that veth has.
///
/// # Errors
/// If an interface of that name is there already.
pub fn connect(a: End<'_>, b: End<'_>) -> Result<()> {
    let command = format!("ip link add {} type veth peer {}", a.words(), b.words());
    process::run(&command.split_whitespace().collect::<Vec<_>>())?;
    for end in [a, b] {
        end.host.ip(&format!("link set dev {} up", end.dev))?;
    }
    Ok(())
}

/// Makes `dev` send finished frames, as a wire carries them. A veth otherwise passes frames to its peer without the
/// checksum and with the VLAN tag beside the frame, which no program that reads the frame can know.
///
/// # Errors
/// If there is no such interface.
pub fn finish_frames(host: &Host, dev: &str) -> Result<()> {
    host.run(&format!("ethtool -K {dev} tx off txvlan off tx-vlan-stag-hw-insert off")).map(drop)
}

/// Connects a NIC of a gateway to a peer, such that it behaves like a real one: it receives finished frames, and the
/// peer accepts redirected frames.
///
/// # Errors
/// If an interface of that name is there already.
pub fn connect_gateway(gateway: End<'_>, peer: End<'_>) -> Result<()> {
    connect(gateway, peer)?;
    finish_frames(peer.host, peer.dev)?;
    bpf::pass(peer.host, peer.dev)?;
    // XDP on a veth enables GRO, and Open vSwitch drops the packets that GRO makes longer than the MTU.
    peer.host.run(&format!("ethtool -K {} gro off", peer.dev)).map(drop)
}
