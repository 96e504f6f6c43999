//! Events of a pair. Nodes are 0 and 1.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::{Pair, World};
use crate::{
    Host,
    bpf::{self, PinnedLink},
    wait::pause,
};

/// Separates the two nodes until it is dropped: they do not receive each other's advertisements; all other traffic
/// passes.
#[derive(Debug)]
pub struct Split {
    _cuts: Vec<PinnedLink>,
}

impl Pair {
    /// Stops the agent with SIGTERM, as an operator does.
    ///
    /// # Errors
    /// If it does not end.
    pub fn stop(&mut self, node: usize) -> Result<()> {
        self.members[node].gateway()?.stop()
    }

    /// Kills the agent with SIGKILL.
    ///
    /// # Errors
    /// If it is not running.
    pub fn kill(&mut self, node: usize) -> Result<()> {
        self.members[node].gateway()?.kill()
    }

    /// Suspends the agent with SIGSTOP.
    ///
    /// # Errors
    /// If it is not running.
    pub fn hang(&mut self, node: usize) -> Result<()> {
        self.members[node].gateway()?.signal(Signal::SIGSTOP)
    }

    /// Resumes the agent with SIGCONT.
    ///
    /// # Errors
    /// If it is not running.
    pub fn wake(&mut self, node: usize) -> Result<()> {
        self.members[node].gateway()?.signal(Signal::SIGCONT)
    }

    /// Makes the agent give its role away, as an operator does.
    ///
    /// # Errors
    /// If it refuses.
    pub fn hand_over(&mut self, node: usize) -> Result<()> {
        self.members[node].gateway()?.ask("handover").map(drop)
    }

    /// Restarts the agent as an upgrade does.
    ///
    /// # Errors
    /// If it does not end or start.
    pub fn upgrade(&mut self, node: usize) -> Result<()> {
        let gateway = self.members[node].gateway()?;
        gateway.exit("--keep-role")?;
        gateway.resume()
    }

    /// Takes the link of an access port down or up.
    ///
    /// # Errors
    /// If there is no such link.
    pub fn access_link(&self, node: usize, up: bool) -> Result<()> {
        set(&self.outside, &format!("t-{}-a0", self.members[node].host.name()), up)
    }

    /// Takes the link of an uplink down or up.
    ///
    /// # Errors
    /// If there is no such link.
    pub fn underlay_link(&self, node: usize, up: bool) -> Result<()> {
        set(&self.und, self.members[node].host.name(), up)
    }

    /// Takes all links of a node down, as if it had lost power, or up.
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

    /// Takes the link of an access port down and up, several times.
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

    /// Separates the nodes until the returned guard is dropped.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn split(&self) -> Result<Split> {
        // Healing in this order lets the first node receive the second node's stop, which follows once the second one
        // hears the first.
        let cuts = self.members.iter().rev().map(|member| bpf::cut_vrrp(&self.und, member.host.name()));
        Ok(Split { _cuts: cuts.collect::<Result<_>>()? })
    }

    /// Fails the node together with the member that leads the shared database, if that is on this node: its server is
    /// killed, and all links go down. Returns true if it was the leader.
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
