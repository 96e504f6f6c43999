//! Cost of broadcasts: each frame leaves once for every remote VTEP, which TC does.

use anyhow::Result;
use lab::Lab;
use serde::Serialize;

use crate::{
    ends::{BATCH, Ends},
    gateway::{Gateway, Hook, Scale},
    own::own_costs,
    progress::step,
    report::ns,
    rig::Rig,
    rounds::{Case, Effort},
    subjects,
    traffic::{Direction, Traffic},
};

/// Remote VTEPs.
const REMOTES: [u32; 3] = [1, 16, 128];
/// Limit of the copies under way: a receiving interface without XDP queues up to 1000, and the kernel takes up to 300
/// from there before it does other work.
const UNDER_WAY: u32 = 256;

/// Cost of a broadcast.
#[derive(Debug, Serialize)]
pub(crate) struct Flooded {
    /// Remote VTEPs.
    pub(crate) remotes: u32,
    pub(crate) frame_ns: f64,
    pub(crate) copy_ns: f64,
}

/// Measures the cost.
///
/// # Errors
/// If copies are lost, or have another form than expected.
pub(crate) fn measure(lab: &Lab, ends: &mut Ends, effort: Effort) -> Result<Vec<Flooded>> {
    step("broadcasts");
    let direct = subjects::direct(lab, ends, "direct")?;
    let scale = |remotes| Scale {
        vteps: remotes,
        flooded: remotes,
        vms: remotes.max(Scale::default().vms),
        ..Scale::default()
    };
    let gateways = REMOTES
        .iter()
        .map(|remotes| {
            let rig = Rig::new(lab, &format!("flood{remotes}"))?;
            // XDP is in front of it, as in production. Copies leave as packets, so the sinks are for packets.
            Gateway::new(ends, rig, Hook::XdpToTc, scale(*remotes))
        })
        .collect::<Result<Vec<_>>>()?;
    let cases = gateways.iter().zip(REMOTES).map(|(gateway, remotes)| {
        let traffic = Traffic { broadcast: true, ..Traffic::known(Direction::Encap) };
        let batch = (UNDER_WAY / remotes).clamp(1, BATCH);
        let name = format!("gateway, broadcast to {remotes}");
        Case { batch, copies: remotes, ..Case::gateway(name, gateway, traffic) }
    });
    // A frame costs as much as its copies do.
    let effort = Effort { frames: (effort.frames / 16).max(1), ..effort };
    let costs = own_costs(ends, effort, &direct, cases.collect())?;
    let flooded = costs.iter().zip(REMOTES).map(|(cost, remotes)| Flooded {
        remotes,
        frame_ns: ns(cost.own.typical),
        copy_ns: ns(cost.own.typical / f64::from(remotes)),
    });
    Ok(flooded.collect())
}
