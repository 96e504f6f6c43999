//! What can happen to a pair. Nodes are 0 and 1.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::{Pair, World};
use crate::{
    Host,
    bpf::{self, VrrpCut},
    wait::pause,
};

/// While it lives, the two nodes do not hear each other's advertisements; all else passes.
#[derive(Debug)]
pub struct Split {
    _cuts: Vec<VrrpCut>,
}

impl Pair {
    /// An operator ends the agent with SIGTERM.
    ///
    /// # Errors
    /// If it does not end.
    pub fn stop(&mut self, node: usize) -> Result<()> {
        self.members[node].gateway()?.stop()
    }

    /// The agent is ended with SIGKILL.
    ///
    /// # Errors
    /// If it is not running.
    pub fn kill(&mut self, node: usize) -> Result<()> {
        self.members[node].gateway()?.kill()
    }

    /// The agent hangs: SIGSTOP.
    ///
    /// # Errors
    /// If it is not running.
    pub fn hang(&mut self, node: usize) -> Result<()> {
        self.members[node].gateway()?.signal(Signal::SIGSTOP)
    }

    /// The agent hangs no more: SIGCONT.
    ///
    /// # Errors
    /// If it is not running.
    pub fn wake(&mut self, node: usize) -> Result<()> {
        self.members[node].gateway()?.signal(Signal::SIGCONT)
    }

    /// An operator has the agent give its role away.
    ///
    /// # Errors
    /// If it refuses.
    pub fn hand_over(&mut self, node: usize) -> Result<()> {
        self.members[node].gateway()?.ask("handover").map(drop)
    }

    /// The agent is ended and started again as an upgrade does it.
    ///
    /// # Errors
    /// If it does not end or start.
    pub fn upgrade(&mut self, node: usize) -> Result<()> {
        let gateway = self.members[node].gateway()?;
        gateway.exit("--keep-role")?;
        gateway.resume()
    }

    /// The link of an access port goes down, or comes up.
    ///
    /// # Errors
    /// If there is no such link.
    pub fn access_link(&self, node: usize, up: bool) -> Result<()> {
        set(&self.outside, &format!("t-{}-a0", self.members[node].host.name()), up)
    }

    /// The link of an uplink goes down, or comes up.
    ///
    /// # Errors
    /// If there is no such link.
    pub fn underlay_link(&self, node: usize, up: bool) -> Result<()> {
        set(&self.und, self.members[node].host.name(), up)
    }

    /// All links of a node go down, as if it had lost power, or come up.
    ///
    /// # Errors
    /// If there is no such link.
    pub fn all_links(&self, node: usize, up: bool) -> Result<()> {
        self.underlay_link(node, up)?;
        self.access_link(node, up)?;
        match &self.world {
            World::Linux { .. } => Ok(()),
            World::Ovn { cloud, .. } => set(cloud.mgmt.host(), self.members[node].host.name(), up),
        }
    }

    /// The link of an access port goes down and comes up again, and again.
    ///
    /// # Errors
    /// If there is no such link.
    pub fn flap(&self, node: usize, times: u32, time: Duration) -> Result<()> {
        for _ in 0..times {
            self.access_link(node, false)?;
            pause(time);
            self.access_link(node, true)?;
            pause(time);
        }
        Ok(())
    }

    /// The nodes stop hearing each other, until what this gives is dropped.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn split(&self) -> Result<Split> {
        // It heals in this order: that the second node stops may be heard of when it has heard the first.
        let cuts = self.members.iter().rev().map(|member| bpf::cut_vrrp(&self.und, member.host.name()));
        Ok(Split { _cuts: cuts.collect::<Result<_>>()? })
    }

    /// The machine with the member that leads the shared database fails together with it, if it is this node: its server
    /// is killed, and all links go down. Gives whether it was the leader.
    ///
    /// # Errors
    /// If there is no shared database.
    pub fn node_gone_with_database(&mut self, node: usize) -> Result<bool> {
        let World::Ovn { cloud, .. } = &mut self.world else { bail!("there is no database") };
        let led = cloud.kill_database(node).context("killing the node's database server")?;
        self.all_links(node, false)?;
        Ok(led)
    }
}

fn set(switch: &Host, port: &str, up: bool) -> Result<()> {
    switch.ip(&format!("link set {port} {}", if up { "up" } else { "down" })).map(drop)
}
