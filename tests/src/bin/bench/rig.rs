//! A rig: a namespace with three wires. The subject is at the inner ends, the source and the sink are at the outer
//! ones.
//!
//! ```text
//! underlay  u_out --- u_gw   subject   a_gw --- a_out  VLANs
//!                                      b_gw --- b_out
//! ```

use std::fs::File;

use anyhow::{Context, Result};
use lab::{Host, Lab, cable, netns};
use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, setns},
};

/// A wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// To the underlay.
    Underlay,
    /// To the VLANs.
    Access,
    /// To the VLANs, by another port.
    Other,
}

impl Wire {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Underlay, Self::Access, Self::Other];

    /// Returns the subject's interface.
    pub(crate) const fn inner(self) -> &'static str {
        match self {
            Self::Underlay => "u_gw",
            Self::Access => "a_gw",
            Self::Other => "b_gw",
        }
    }

    /// Returns the interface of source and sink.
    pub(crate) const fn outer(self) -> &'static str {
        match self {
            Self::Underlay => "u_out",
            Self::Access => "a_out",
            Self::Other => "b_out",
        }
    }

    /// Returns the MTU: the largest that fits a frame into one page, with room for the outer headers on the underlay.
    const fn mtu(self) -> u32 {
        match self {
            Self::Underlay => 3400,
            Self::Access | Self::Other => 3300,
        }
    }
}

/// Place of a subject.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) host: Host,
    namespace: File,
}

impl Rig {
    /// Makes a rig called `name`, with empty inner ends.
    pub(crate) fn new(lab: &Lab, name: &str) -> Result<Self> {
        let host = lab.host(name)?;
        let path = netns::path(host.namespace());
        let namespace = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        let cpus = std::thread::available_parallelism()?;
        for wire in Wire::ALL {
            // A queue for each CPU: a frame then stays on the CPU that sends it.
            let queues = format!("numrxqueues {cpus} numtxqueues {cpus}");
            let (inner, outer, mtu) = (wire.inner(), wire.outer(), wire.mtu());
            host.ip(&format!("link add {inner} mtu {mtu} {queues} type veth peer {outer} mtu {mtu} {queues}"))?;
            for dev in [inner, outer] {
                host.ip(&format!("link set {dev} up"))?;
                cable::finish_frames(&host, dev)?;
            }
        }
        Ok(Self { host, namespace })
    }

    /// Returns true if both are the same rig.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.host.namespace() == other.host.namespace()
    }

    /// Moves the calling thread there: programs are attached, and device maps filled, in its namespace.
    pub(crate) fn enter(&self) -> Result<()> {
        setns(&self.namespace, CloneFlags::CLONE_NEWNET)
            .with_context(|| format!("entering the namespace {}", self.host.namespace()))
    }

    /// Returns the index of an interface, for a thread that is in the rig.
    pub(crate) fn index(&self, dev: &str) -> Result<u32> {
        if_nametoindex(dev).with_context(|| format!("{dev} in the namespace {}", self.host.namespace()))
    }
}
