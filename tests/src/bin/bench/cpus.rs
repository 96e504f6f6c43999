//! Gain from a second CPU: two sources at once, each on a CPU of its own, through one gateway.

use std::{sync::Barrier, thread};

use anyhow::{Result, anyhow, ensure};
use lab::Lab;
use serde::Serialize;

use crate::{
    cpu::{self, Pinned},
    ends::{BATCH, Ends, Way},
    gateway::{Gateway, Hook, Scale},
    progress::step,
    report::ratio,
    rig::Rig,
    rounds::{Effort, Ns},
    subjects,
    traffic::{Direction, Expect, Traffic},
};

/// Frames that each CPU gets, for each one of a round elsewhere: enough that the two are at work at the same time.
const LONGER: u32 = 8;

/// Number of frames that two CPUs carry, divided by that of one, source and sink included.
#[derive(Debug, Serialize)]
pub(crate) struct Cpus {
    pub(crate) decap_ratio: f64,
    pub(crate) encap_ratio: f64,
    /// The same without a gateway between source and sink: the limit of the machine.
    pub(crate) direct_ratio: f64,
}

/// Measures the gain, if there are two CPUs.
///
/// # Errors
/// If frames are lost or corrupted.
pub(crate) fn measure(lab: &Lab, ends: &mut Ends, effort: Effort) -> Result<Option<Cpus>> {
    let [first, second, ..] = cpu::available()?[..] else {
        step("there is only one CPU: no measuring of two");
        return Ok(None);
    };
    step("two CPUs");
    let direct = subjects::direct(lab, ends, "direct")?;
    let gateway = Gateway::new(ends, Rig::new(lab, "xdp")?, Hook::Xdp, Scale::default())?;
    let through = |direction| (&gateway.rig, Way::through(direction, Expect::Converted), direction);
    let cases = [
        through(Direction::Decap),
        through(Direction::Encap),
        (&direct, Way::direct(Direction::Decap, Expect::AsSent), Direction::Decap),
    ];
    let frames = effort.frames.saturating_mul(LONGER);
    let mut single = vec![vec![]; cases.len()];
    let mut double = vec![vec![]; cases.len()];
    for _ in 0..effort.rounds {
        for (at, (rig, way, direction)) in cases.iter().enumerate() {
            ends.prepare(rig, way, &Traffic::known(*direction))?;
            single[at].push(sent_by(ends, &[first], *direction, frames)?);
            double[at].push(sent_by(ends, &[first, second], *direction, frames)?);
        }
    }
    let ratios = single.into_iter().zip(double);
    let ratios: Vec<f64> =
        ratios.map(|(single, double)| ratio(Ns::of(single).typical / Ns::of(double).typical)).collect();
    let [decap_ratio, encap_ratio, direct_ratio] = ratios[..] else { return Ok(None) };
    Ok(Some(Cpus { decap_ratio, encap_ratio, direct_ratio }))
}

/// Returns the nanoseconds from frame to frame, of all `cpus` together.
fn sent_by(ends: &Ends, cpus: &[usize], direction: Direction, frames: u32) -> Result<f64> {
    let before = ends.seen()?;
    let ready = Barrier::new(cpus.len());
    let traffic = Traffic::known(direction);
    let took: Vec<u64> = thread::scope(|scope| {
        let sources: Vec<_> = cpus
            .iter()
            .map(|cpu| {
                scope.spawn(|| {
                    let _pinned = Pinned::to(*cpu)?;
                    ready.wait();
                    ends.run(&traffic, frames, BATCH)
                })
            })
            .collect();
        let ended = sources.into_iter().map(|source| source.join().map_err(|_| anyhow!("a source panicked"))?);
        ended.collect::<Result<_>>()
    })?;
    let sent = u64::from(frames) * cpus.len() as u64;
    let seen = ends.settled(before, sent)?;
    ensure!(
        seen.good == sent,
        "{} CPUs, {}: of {sent} frames {} arrived as they should, {} otherwise",
        cpus.len(),
        direction.name(),
        seen.good,
        seen.bad
    );
    Ok(1.0 / took.iter().map(|ns| 1.0 / *ns as f64).sum::<f64>())
}
