//! All subjects of the comparison, each in a rig of its own.

use anyhow::Result;
use lab::Lab;

use crate::{
    ends::{Ends, Way},
    gateway::{Gateway, Hook, Scale},
    linux,
    rig::{Rig, Wire},
    rounds::Case,
    traffic::{Direction, Expect, STATIONS, Traffic},
};

/// A subject's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Forwards frames unchanged, in XDP: the lower bound.
    Limit,
    /// Rewrites headers in XDP, without reading them.
    Least,
    /// The gateway.
    Gateway,
    /// Forwards packets unchanged, in TC.
    LimitTc,
    /// The gateway without XDP.
    GatewayTc,
    /// The kernel's bridge and VXLAN device.
    Linux,
}

impl Kind {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 6] =
        [Self::Limit, Self::Least, Self::Gateway, Self::LimitTc, Self::GatewayTc, Self::Linux];

    /// Returns its name in keys of JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Least => "least",
            Self::Gateway => "gateway",
            Self::LimitTc => "limit_tc",
            Self::GatewayTc => "gateway_tc",
            Self::Linux => "linux",
        }
    }

    /// Returns true if there is anything to compare in a direction.
    const fn does(self, direction: Direction) -> bool {
        !matches!((self, direction), (Self::Least, Direction::Local))
    }
}

/// The subjects.
pub(crate) struct Subjects {
    /// A rig with sinks, and no subject.
    pub(crate) direct: Rig,
    limit: Rig,
    least: Rig,
    limit_tc: Rig,
    linux: Rig,
    gateway: Gateway,
    gateway_tc: Gateway,
}

impl Subjects {
    /// Sets up the subjects.
    pub(crate) fn new(lab: &Lab, ends: &mut Ends) -> Result<Self> {
        let direct = direct(lab, ends, "direct")?;
        let limit = Rig::new(lab, "limit")?;
        for wire in Wire::ALL {
            ends.attach_xdp(&limit, "limit_xdp", wire.inner())?;
        }
        ends.sink_frames(&limit)?;
        let least = Rig::new(lab, "least")?;
        ends.attach_xdp(&least, "least_decap", Wire::Underlay.inner())?;
        ends.attach_xdp(&least, "least_encap", Wire::Access.inner())?;
        // A frame that is redirected to a veth without an XDP program is lost.
        ends.attach_xdp(&least, "limit_xdp", Wire::Other.inner())?;
        ends.sink_frames(&least)?;
        let limit_tc = Rig::new(lab, "limittc")?;
        for wire in Wire::ALL {
            ends.pass(&limit_tc, wire.inner())?;
            ends.attach_tc(&limit_tc, "limit_tc", wire.inner())?;
        }
        ends.sink_packets(&limit_tc)?;
        let linux = linux::set_up(ends, Rig::new(lab, "linux")?, STATIONS)?;
        let gateway = Gateway::new(ends, Rig::new(lab, "xdp")?, Hook::Xdp, Scale::default())?;
        let gateway_tc = Gateway::new(ends, Rig::new(lab, "tc")?, Hook::Tc, Scale::default())?;
        Ok(Self { direct, limit, least, limit_tc, linux, gateway, gateway_tc })
    }

    /// Returns the cases of all subjects of `kinds` that handle `traffic`.
    pub(crate) fn cases(&self, kinds: &[Kind], traffic: &Traffic) -> Vec<(Kind, Case<'_>)> {
        let able = kinds.iter().filter(|kind| kind.does(traffic.direction));
        able.map(|kind| (*kind, self.case(*kind, traffic.clone()))).collect()
    }

    fn case(&self, kind: Kind, traffic: Traffic) -> Case<'_> {
        let (rig, expect) = match kind {
            Kind::Gateway => return Case::gateway(kind.name(), &self.gateway, traffic),
            Kind::GatewayTc => return Case::gateway(kind.name(), &self.gateway_tc, traffic),
            Kind::Limit => (&self.limit, Expect::AsSent),
            Kind::LimitTc => (&self.limit_tc, Expect::AsSent),
            Kind::Least => (&self.least, Expect::Converted),
            Kind::Linux => (&self.linux, Expect::Converted),
        };
        let traffic = if kind == Kind::Linux { traffic.untagged() } else { traffic };
        Case::new(kind.name(), rig, Way::through(traffic.direction, expect), traffic)
    }
}

/// Makes a rig called `name` with sinks, and no subject.
pub(crate) fn direct(lab: &Lab, ends: &mut Ends, name: &str) -> Result<Rig> {
    let rig = Rig::new(lab, name)?;
    ends.sink_frames(&rig)?;
    Ok(rig)
}
