//! Hosts behind the access port, each of which the gateway learns and publishes in the database.

use std::{ops::Range, time::Duration};

use anyhow::{Result, ensure};
use lab::{
    gateway::Gateway,
    wait::{Stopwatch, pause},
    wire::Wire,
};

use super::{
    FEW, LATER, Options, QUIET, agent_cpu,
    cloud::{self, Cloud},
    kernel::Kernel,
};

/// Number of frames that are sent at a time.
const BURST: usize = 100;
/// Time between two of them: 5000 frames a second are within the budgets for learning of eight VLANs.
const PACE: Duration = Duration::from_millis(20);
/// Time between hosts that appear one by one: fewer than the gateway may write transactions.
const APART: Duration = Duration::from_millis(250);

/// CPU time of the agent.
pub(crate) struct Learned {
    /// For all hosts: from the first frame until all are in the database.
    pub(crate) all: Duration,
    /// For one more, with all of them there.
    pub(crate) one: Duration,
}

impl Learned {
    /// Measures with a new database and agent.
    pub(crate) fn measure(options: &Options) -> Result<Self> {
        let mut cloud = Cloud::build()?;
        cloud.add(0, FEW)?;
        let gateway = Gateway::start(&cloud.site.gw, &cloud.config_to_learn(options.macs + options.changes))?;
        let kernel = Kernel::open(gateway.pin_dir())?;
        kernel.wait_all(0..FEW, &Stopwatch::start())?;
        let wire = Wire::open(&cloud.site.ext, "eth0")?;
        pause(QUIET);

        let before = agent_cpu(&gateway)?;
        send(&wire, &kernel, 0..options.macs)?;
        cloud.wait_published(options.macs as usize)?;
        pause(QUIET);
        let all = agent_cpu(&gateway)? - before;

        let before = agent_cpu(&gateway)?;
        for number in options.macs..options.macs + options.changes {
            wire.send(&cloud::frame(number)?)?;
            pause(APART);
        }
        cloud.wait_published((options.macs + options.changes) as usize)?;
        let one = (agent_cpu(&gateway)? - before) / options.changes;
        Ok(Self { all, one })
    }
}

/// Lets these hosts send until all are learned: a frame may be lost, or exceed the budget for learning.
fn send(wire: &Wire, kernel: &Kernel, numbers: Range<u32>) -> Result<()> {
    let watch = Stopwatch::start();
    let mut missing: Vec<u32> = numbers.collect();
    while !missing.is_empty() {
        ensure!(watch.elapsed() < LATER, "{} hosts were not learned", missing.len());
        for some in missing.chunks(BURST) {
            for number in some {
                wire.send(&cloud::frame(*number)?)?;
            }
            pause(PACE);
        }
        missing.retain(|number| !kernel.has_learned(*number));
    }
    Ok(())
}
