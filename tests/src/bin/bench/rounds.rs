//! Measuring in turns: the cases to be compared take turns, round after round, so that other work of the machine
//! affects all of them alike.

use anyhow::{Result, bail};

use crate::{
    cpu::{self, Pinned},
    ends::{BATCH, Ends, Run, Way},
    gateway::Gateway,
    progress::step,
    rig::Rig,
    traffic::{Expect, Traffic},
};

/// Number of flows up to which caches may hold all.
const CACHED: u32 = 1 << 16;

/// Number of attempts to send frames before their loss is reported.
const TRIES: u32 = 3;

/// Amount of measuring.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Effort {
    /// Rounds.
    pub(crate) rounds: u32,
    /// Frames that each subject gets in a round.
    pub(crate) frames: u32,
}

impl Effort {
    /// Halves the rounds, for parts with more than a few numbers.
    pub(crate) fn half(self) -> Self {
        Self { rounds: self.rounds.div_ceil(2), ..self }
    }
}

/// One of the cases that take turns.
pub(crate) struct Case<'a> {
    /// Name for messages.
    pub(crate) name: String,
    pub(crate) rig: &'a Rig,
    pub(crate) way: Way,
    pub(crate) traffic: Traffic,
    /// Frames sent at a time.
    pub(crate) batch: u32,
    /// Frames that arrive for each one sent.
    pub(crate) copies: u32,
    /// The gateway whose counters show lost frames.
    pub(crate) gateway: Option<&'a Gateway>,
}

impl<'a> Case<'a> {
    /// Makes a case in which one frame arrives for each one sent.
    pub(crate) fn new(name: impl Into<String>, rig: &'a Rig, way: Way, traffic: Traffic) -> Self {
        Self { name: name.into(), rig, way, traffic, batch: BATCH, copies: 1, gateway: None }
    }

    /// Makes a case of a gateway, which converts frames as it should.
    pub(crate) fn gateway(name: impl Into<String>, gateway: &'a Gateway, traffic: Traffic) -> Self {
        let way = Way::through(traffic.direction, Expect::Converted);
        Self { gateway: Some(gateway), ..Self::new(name, &gateway.rig, way, traffic) }
    }

    /// Returns the frames to send before the measured ones, to bring each flow's data back into the CPU's caches after
    /// the turns of the other cases. Few flows need none, and very many flows fit in no cache anyway.
    const fn warming(&self, frames: u32) -> u32 {
        let flows = self.traffic.flows;
        if flows > frames / 16 && flows <= CACHED { flows } else { 0 }
    }

    /// Sends `frames`, and repeats that if some are lost: queues overflow if this CPU is busy with other work for long
    /// enough.
    ///
    /// # Errors
    /// If some are lost in each attempt.
    fn send_complete(&self, ends: &mut Ends, frames: u32) -> Result<Run> {
        let mut run = self.send(ends, frames);
        for _ in 1..TRIES {
            let Err(trouble) = &run else { break };
            step(&format!("again, {trouble}"));
            run = self.send(ends, frames);
        }
        run
    }

    /// Sends `frames`.
    ///
    /// # Errors
    /// If one is lost, or arrives in another form than expected: then there is no cost to report.
    pub(crate) fn send(&self, ends: &mut Ends, frames: u32) -> Result<Run> {
        let run = ends.send(self.rig, &self.way, &self.traffic, frames, self.batch, self.copies)?;
        let expected = run.sent * u64::from(self.copies);
        if run.good == expected && run.bad == 0 {
            return Ok(run);
        }
        let Run { sent, good, bad, .. } = run;
        let (name, direction) = (&self.name, self.traffic.direction.name());
        let lost = expected.saturating_sub(good + bad);
        let counted = match self.gateway {
            Some(gateway) => format!("; it has counted so far: {}", gateway.counters()?),
            None => String::new(),
        };
        bail!(
            "{name}, {direction}: {sent} frames were sent and {expected} expected; {good} arrived as they should, {bad} \
             otherwise, {lost} not at all{counted}"
        )
    }
}

/// Nanoseconds for each frame.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ns {
    /// The mean of the quickest quarter of all rounds. Interruptions only ever add time, so the slower rounds reflect
    /// the machine's other work. A mean has fractions, unlike the kernel's whole nanoseconds.
    pub(crate) typical: f64,
    /// The quickest round.
    pub(crate) min: f64,
}

impl Ns {
    pub(crate) fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let quickest = &samples[..samples.len().div_ceil(4)];
        Self {
            typical: quickest.iter().sum::<f64>() / quickest.len().max(1) as f64,
            min: samples.first().copied().unwrap_or(0.0),
        }
    }
}

/// Measures all cases, in turns.
///
/// # Errors
/// If a frame is lost or arrives in another form than expected.
pub(crate) fn measure(ends: &mut Ends, effort: Effort, cases: &[Case<'_>]) -> Result<Vec<Ns>> {
    let _pinned = Pinned::to(cpu::available()?.first().copied().unwrap_or(0))?;
    for case in cases {
        // The first frames fill caches, and the gateway may learn from them.
        case.send_complete(ends, effort.frames)?;
    }
    let mut samples = vec![vec![]; cases.len()];
    for _ in 0..effort.rounds {
        for (case, samples) in cases.iter().zip(&mut samples) {
            let warming = case.warming(effort.frames);
            if warming > 0 {
                case.send_complete(ends, warming)?;
            }
            samples.push(case.send_complete(ends, effort.frames)?.ns as f64);
        }
    }
    Ok(samples.into_iter().map(Ns::of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_rounds_do_not_count() {
        let ns = Ns::of(vec![900.0, 10.0, 11.0, 500.0, 12.0, 700.0, 800.0, 13.0]);
        assert_eq!((ns.typical, ns.min), (10.5, 10.0));
    }
}
