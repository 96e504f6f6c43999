//! The source and the sink: loaded once. Sinks are at the outer ends of all rigs; the source runs on request.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use aya::{
    Ebpf,
    maps::{Array, DevMap, MapData, PerCpuArray, PerCpuValues},
    programs::{SchedClassifier, TcAttachType, TestRun, TestRunAttrs, TestRunOptions, Xdp, XdpMode},
    util::nr_cpus,
};
use lab::wait::wait_for;

use crate::{
    abi::{BEYOND, BUCKETS, FIRST, Headers, LEAST, Seen, Settings},
    rig::{Rig, Wire},
    traffic::{Direction, Expect, Traffic},
};

/// Frames that the kernel sends in one go: as many as one poll of a receiving interface takes.
pub(crate) const BATCH: u32 = 64;
/// Time for which frames may still be under way after the last one was sent.
const STRAGGLERS: Duration = Duration::from_secs(1);

// SAFETY: `repr(C)`, made of integers, without padding.
unsafe impl aya::Pod for Settings {}
// SAFETY: as above.
unsafe impl aya::Pod for Headers {}
// SAFETY: as above.
unsafe impl aya::Pod for Seen {}

impl Seen {
    /// Returns the frames that have arrived since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { good: self.good - before.good, bad: self.bad - before.bad, bytes: self.bytes - before.bytes }
    }
}

/// Result of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    /// Frames sent.
    pub(crate) sent: u64,
    /// Frames that arrived as they should be.
    pub(crate) good: u64,
    /// Frames that arrived in another form.
    pub(crate) bad: u64,
    /// Time for each frame, in nanoseconds.
    pub(crate) ns: u64,
}

/// Source and sink.
pub(crate) struct Ends {
    ebpf: Ebpf,
    settings: Array<MapData, Settings>,
    headers: Array<MapData, Headers>,
    out: DevMap<MapData>,
    turn: PerCpuArray<MapData, [u32; 2]>,
    seen: PerCpuArray<MapData, Seen>,
    latency: PerCpuArray<MapData, [u32; BUCKETS]>,
    /// Frames sent so far.
    sent: u64,
}

impl Ends {
    /// Loads the programs from the object at `path`.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let object = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let mut ebpf = Ebpf::load(&object).context("loading the benchmark's programs")?;
        for name in [
            "source_short",
            "source_long",
            "sink_xdp",
            "limit_xdp",
            "least_decap",
            "least_encap",
            "cold_decap",
            "cold_encap",
            "pass",
        ] {
            xdp(&mut ebpf, name)?.load()?;
        }
        for name in ["sink_tc", "limit_tc", "pass_tc"] {
            classifier(&mut ebpf, name)?.load()?;
        }
        macro_rules! take {
            ($name:literal) => {
                ebpf.take_map($name).ok_or_else(|| anyhow!("no map {}", $name))?.try_into()?
            };
        }
        Ok(Self {
            settings: take!("settings"),
            headers: take!("headers"),
            out: take!("out"),
            turn: take!("turn"),
            seen: take!("seen"),
            latency: take!("latency"),
            sent: 0,
            ebpf,
        })
    }

    /// Attaches sinks for frames to the outer ends of `rig`.
    pub(crate) fn sink_frames(&mut self, rig: &Rig) -> Result<()> {
        Wire::ALL.iter().try_for_each(|wire| self.attach_xdp(rig, "sink_xdp", wire.outer()))
    }

    /// Attaches sinks for packets, which come out of a stack, to the outer ends of `rig`.
    pub(crate) fn sink_packets(&mut self, rig: &Rig) -> Result<()> {
        rig.enter()?;
        for wire in Wire::ALL {
            classifier(&mut self.ebpf, "sink_tc")?.attach(wire.outer(), TcAttachType::Ingress)?;
        }
        Ok(())
    }

    /// Attaches the XDP program `name` to `dev`.
    pub(crate) fn attach_xdp(&mut self, rig: &Rig, name: &str, dev: &str) -> Result<()> {
        rig.enter()?;
        xdp(&mut self.ebpf, name)?
            .attach(dev, XdpMode::Driver)
            .with_context(|| format!("attaching {name} to {dev}"))?;
        Ok(())
    }

    /// Lets frames that arrive at `dev` go up the stack, one by one.
    pub(crate) fn pass(&mut self, rig: &Rig, dev: &str) -> Result<()> {
        self.attach_xdp(rig, "pass", dev)?;
        rig.host.run(&format!("ethtool -K {dev} gro off")).map(drop)
    }

    /// Attaches the TC program `name` to `dev`.
    pub(crate) fn attach_tc(&mut self, rig: &Rig, name: &str, dev: &str) -> Result<()> {
        rig.enter()?;
        classifier(&mut self.ebpf, name)?.attach(dev, TcAttachType::Ingress)?;
        Ok(())
    }

    /// Sends `frames` of `traffic`, `batch` at a time, from `rig` on their `way`, and waits for the result: `copies` of
    /// each.
    pub(crate) fn send(
        &mut self,
        rig: &Rig,
        way: &Way,
        traffic: &Traffic,
        frames: u32,
        batch: u32,
        copies: u32,
    ) -> Result<Run> {
        self.prepare(rig, way, traffic)?;
        let before = self.seen()?;
        let ns = self.run(traffic, frames, batch)?;
        self.sent += u64::from(frames);
        let seen = self.settled(before, u64::from(frames) * u64::from(copies))?;
        Ok(Run { sent: frames.into(), good: seen.good, bad: seen.bad, ns })
    }

    /// Returns the frames at the sinks since `before`, once as many as `expected` have arrived, or no more will.
    pub(crate) fn settled(&self, before: Seen, expected: u64) -> Result<Seen> {
        let arrived = || Ok::<_, anyhow::Error>(self.seen()?.since(before));
        // The kernel may leave frames to a thread of its own; those arrive a little later, lost ones do not.
        let _ =
            wait_for("the last frames", STRAGGLERS, || arrived().is_ok_and(|seen| seen.good + seen.bad >= expected));
        arrived()
    }

    /// Prepares everything for [`Self::run`].
    pub(crate) fn prepare(&mut self, rig: &Rig, way: &Way, traffic: &Traffic) -> Result<()> {
        rig.enter()?;
        let beyond = rig.index(way.beyond)?;
        self.settings.set(0, Settings { beyond, ..traffic.settings(way.expect) }, 0)?;
        // Each run continues with the flow after the last one of the previous run, so that each of many flows has its
        // turn. All begin with the first size.
        let flow = u32::try_from(self.sent % u64::from(traffic.flows.max(1)))?;
        let turns = vec![[flow, 0]; nr_cpus().map_err(|(_, trouble)| trouble).context("counting CPUs")?];
        self.turn.set(0, PerCpuValues::try_from(turns)?, 0)?;
        for (at, headers) in (0..).zip(traffic.headers()) {
            self.headers.set(at, headers, 0)?;
        }
        // `least_encap` adds the headers that the source of the other direction makes.
        if traffic.direction == Direction::Encap {
            let [headers] = Traffic::known(Direction::Decap).headers()[..] else { bail!("no headers") };
            self.headers.set(LEAST, headers, 0)?;
        }
        self.out.set(FIRST, rig.index(way.through)?, None, 0)?;
        self.out.set(BEYOND, beyond, None, 0)?;
        Ok(())
    }

    /// Sends `frames` on this CPU, `batch` at a time. Returns the time for each, in nanoseconds.
    pub(crate) fn run(&self, traffic: &Traffic, frames: u32, batch: u32) -> Result<u64> {
        let name = if traffic.direction == Direction::Decap { "source_long" } else { "source_short" };
        let program: &Xdp = self.ebpf.program(name).ok_or_else(|| anyhow!("no program {name}"))?.try_into()?;
        let template = traffic.template();
        let options = TestRunOptions {
            data_in: Some(&template),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(batch.min(frames)),
            ..TestRunOptions::new()
        };
        // Uses the kernel's own time: it excludes what follows the last frame (the kernel waits for the end of an RCU
        // grace period).
        let result = program.test_run(options).context("sending live frames")?;
        Ok(result.duration.as_nanos() as u64)
    }

    /// Returns the frames at the sinks so far, summed over all CPUs.
    pub(crate) fn seen(&self) -> Result<Seen> {
        let cpus: PerCpuValues<Seen> = self.seen.get(&0, 0)?;
        Ok(cpus.iter().fold(Seen::default(), |sum, cpu| Seen {
            good: sum.good + cpu.good,
            bad: sum.bad + cpu.bad,
            bytes: sum.bytes + cpu.bytes,
        }))
    }
}

impl Ends {
    /// Resets the histogram of latencies.
    pub(crate) fn forget_latency(&mut self) -> Result<()> {
        let cpus = nr_cpus().map_err(|(_, trouble)| trouble).context("counting CPUs")?;
        Ok(self.latency.set(0, PerCpuValues::try_from(vec![[0; BUCKETS]; cpus])?, 0)?)
    }

    /// Returns the histogram of latencies, in steps of [`BUCKET_NS`](crate::abi::BUCKET_NS), summed over all CPUs.
    pub(crate) fn latency(&self) -> Result<Vec<u64>> {
        let cpus: PerCpuValues<[u32; BUCKETS]> = self.latency.get(&0, 0)?;
        let mut sum = vec![0; BUCKETS];
        for cpu in cpus.iter() {
            sum.iter_mut().zip(cpu).for_each(|(sum, count)| *sum += u64::from(*count));
        }
        Ok(sum)
    }

    /// Returns the programs.
    pub(crate) fn programs(&self) -> &Ebpf {
        &self.ebpf
    }
}

/// Path of frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// The egress interface of the source.
    pub(crate) through: &'static str,
    /// The interface to which a limit forwards.
    pub(crate) beyond: &'static str,
    /// The form in which they arrive.
    pub(crate) expect: Expect,
}

impl Way {
    /// A path to the sink only, by the wire that `direction` begins with: the cost of source and sink.
    pub(crate) fn direct(direction: Direction, expect: Expect) -> Self {
        let (from, _) = wires(direction);
        Self { through: from.inner(), beyond: from.inner(), expect }
    }

    /// A path through a subject.
    pub(crate) fn through(direction: Direction, expect: Expect) -> Self {
        let (from, to) = wires(direction);
        Self { through: from.outer(), beyond: to.inner(), expect }
    }
}

/// Returns the wires at which frames enter and leave.
const fn wires(direction: Direction) -> (Wire, Wire) {
    match direction {
        Direction::Decap => (Wire::Underlay, Wire::Access),
        Direction::Encap => (Wire::Access, Wire::Underlay),
        Direction::Local => (Wire::Access, Wire::Other),
    }
}

fn xdp<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    Ok(ebpf.program_mut(name).ok_or_else(|| anyhow!("no program {name}"))?.try_into()?)
}

fn classifier<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier> {
    Ok(ebpf.program_mut(name).ok_or_else(|| anyhow!("no program {name}"))?.try_into()?)
}
