//! Run time of the programs themselves, each on one packet at a time and on its own: `BPF_PROG_TEST_RUN`, less the time
//! of a program that does nothing. There is no driver and no redirect, and the caches are as warm as possible.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, ensure};
use aya::{
    Ebpf,
    programs::{SchedClassifier, TestRun, TestRunOptions, TestRunResult, Xdp},
};
use lab::Lab;

use crate::{
    cpu::{self, Pinned},
    ends::Ends,
    gateway::{Gateway, Hook, Scale},
    progress::step,
    report::ns,
    rig::{Rig, Wire},
    rounds::{Effort, Ns},
    traffic::{Direction, Traffic},
};

/// Calls of each program in a round.
const CALLS: u32 = 500;
/// Result of XDP programs that redirect their packet.
const XDP_REDIRECT: u32 = 4;
const TC_ACT_REDIRECT: u32 = 7;

/// A program, and its input.
struct Call<'a> {
    name: String,
    program: Program<'a>,
    packet: Vec<u8>,
    /// Context: the ingress interface of the packet, in the layout of the hook.
    context: Vec<u32>,
    result: Option<u32>,
}

enum Program<'a> {
    Xdp(&'a Xdp),
    Tc(&'a SchedClassifier),
}

/// Measures all paths of known unicast; nanoseconds by `<hook>_<direction>_ns`.
///
/// # Errors
/// If a program does not redirect its packet.
pub(crate) fn measure(lab: &Lab, ends: &mut Ends, effort: Effort) -> Result<BTreeMap<String, f64>> {
    step("single calls of the programs");
    let gateway = Gateway::new(ends, Rig::new(lab, "xdp")?, Hook::Xdp, Scale::default())?;
    gateway.rig.enter()?;
    let calls = calls(&gateway, ends)?;
    let _pinned = Pinned::to(cpu::available()?.first().copied().unwrap_or(0))?;
    let mut samples = vec![vec![]; calls.len()];
    for _ in 0..effort.rounds {
        for (call, samples) in calls.iter().zip(&mut samples) {
            for _ in 0..CALLS {
                samples.push(call.run()?);
            }
        }
    }
    let times: BTreeMap<_, _> =
        calls.iter().zip(samples).map(|(call, samples)| (call.name.as_str(), Ns::of(samples).typical)).collect();
    let nothing = |hook| times.get(format!("{hook}_nothing").as_str()).copied().unwrap_or_default();
    let named = times.iter().filter(|(name, _)| !name.ends_with("_nothing")).map(|(name, time)| {
        let hook = name.split('_').next().unwrap_or_default();
        (format!("{name}_ns"), ns(time - nothing(hook)))
    });
    Ok(named.collect())
}

fn calls<'a>(gateway: &'a Gateway, ends: &'a Ends) -> Result<Vec<Call<'a>>> {
    let (ours, theirs) = (ends.programs(), &gateway.ebpf);
    let mut calls = vec![
        Call::new(gateway, "xdp_nothing", xdp(ours, "pass")?, Direction::Local, None)?,
        Call::new(gateway, "tc_nothing", tc(ours, "pass_tc")?, Direction::Local, None)?,
    ];
    for direction in Direction::ALL {
        let stage = if direction == Direction::Decap { "uplink" } else { "access" };
        let name = |hook| format!("{hook}_{}", direction.name());
        let xdp = xdp(theirs, &format!("xdp_{stage}"))?;
        let tc = tc(theirs, &format!("tc_{stage}"))?;
        calls.push(Call::new(gateway, &name("xdp"), xdp, direction, Some(XDP_REDIRECT))?);
        calls.push(Call::new(gateway, &name("tc"), tc, direction, Some(TC_ACT_REDIRECT))?);
    }
    Ok(calls)
}

fn xdp<'a>(ebpf: &'a Ebpf, name: &str) -> Result<Program<'a>> {
    Ok(Program::Xdp(program(ebpf, name)?.try_into()?))
}

fn tc<'a>(ebpf: &'a Ebpf, name: &str) -> Result<Program<'a>> {
    Ok(Program::Tc(program(ebpf, name)?.try_into()?))
}

fn program<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a aya::programs::Program> {
    ebpf.program(name).ok_or_else(|| anyhow!("no program {name}"))
}

impl<'a> Call<'a> {
    fn new(
        gateway: &Gateway,
        name: &str,
        program: Program<'a>,
        direction: Direction,
        result: Option<u32>,
    ) -> Result<Self> {
        let wire = if direction == Direction::Decap { Wire::Underlay } else { Wire::Access };
        let ifindex = gateway.rig.index(wire.inner())?;
        let packet = Traffic::known(direction).template();
        let context = match program {
            // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
            Program::Xdp(_) => vec![0, u32::try_from(packet.len())?, 0, ifindex, 0, 0],
            // struct __sk_buff as far as ifindex, the eleventh word; the kernel takes the rest as zero.
            Program::Tc(_) => vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ifindex],
        };
        Ok(Self { name: name.into(), program, packet, context, result })
    }
}

impl Call<'_> {
    fn run(&self) -> Result<f64> {
        let options = TestRunOptions {
            data_in: Some(&self.packet),
            ctx_in: Some(bytemuck::cast_slice(&self.context)),
            ..TestRunOptions::new()
        };
        let TestRunResult { return_value, duration, .. } = match self.program {
            Program::Xdp(program) => program.test_run(options),
            Program::Tc(program) => program.test_run(options),
        }
        .with_context(|| format!("calling {}", self.name))?;
        let as_it_should = self.result.is_none_or(|result| result == return_value);
        ensure!(as_it_should, "{} returned {return_value}, and did not redirect", self.name);
        Ok(duration.as_nanos() as f64)
    }
}
