//! Runs of programs on single packets (`BPF_PROG_TEST_RUN`).

use std::time::Duration;

use aya::programs::{ProgramError, SchedClassifier, TestRun, TestRunOptions, Xdp};

use super::{outcome::Verdict, port::From};
use crate::plane::Plane;

/// Hook that a packet is run through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Xdp,
    Tc,
}

/// Runs a packet through XDP. Its first buffer ends after `first` bytes.
pub(super) fn xdp(
    plane: &Plane,
    from: From,
    ifindex: u32,
    packet: &[u8],
    first: usize,
) -> Result<(Verdict, Vec<u8>, Duration), ProgramError> {
    run_xdp(plane, if from == From::Uplink { "xdp_uplink" } else { "xdp_access" }, ifindex, packet, first)
}

/// Runs a packet through XDP on a member of a bond.
pub(super) fn xdp_on_bond(plane: &Plane, from: From, member: u32, packet: &[u8]) -> (Verdict, Vec<u8>, Duration) {
    let name = if from == From::Uplink { "xdp_uplink_bond" } else { "xdp_access_bond" };
    run_xdp(plane, name, member, packet, packet.len()).unwrap()
}

fn run_xdp(
    plane: &Plane,
    name: &str,
    ifindex: u32,
    packet: &[u8],
    first: usize,
) -> Result<(Verdict, Vec<u8>, Duration), ProgramError> {
    let program: &Xdp = plane.ebpf.program(name).unwrap().try_into().unwrap();
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    let context = [0, first as u32, 0, ifindex, 0, 0];
    let (result, bytes, took) = try_run(program, packet, bytemuck::bytes_of(&context))?;
    let verdict = match result {
        1 => Verdict::Drop,
        2 => Verdict::Pass,
        4 => Verdict::Redirect,
        other => panic!("XDP verdict {other}"),
    };
    Ok((verdict, bytes, took))
}

/// Runs a packet through TC.
pub(super) fn tc(plane: &Plane, from: From, ifindex: u32, packet: &[u8]) -> (Verdict, Vec<u8>, Duration) {
    let name = if from == From::Uplink { "tc_uplink" } else { "tc_access" };
    let program: &SchedClassifier = plane.ebpf.program(name).unwrap().try_into().unwrap();
    // struct __sk_buff as far as ifindex, the eleventh word.
    let mut context = [0u32; 48];
    context[10] = ifindex;
    let (result, bytes, took) = try_run(program, packet, bytemuck::bytes_of(&context)).expect("BPF_PROG_TEST_RUN");
    let verdict = match result.cast_signed() {
        -1 => Verdict::Pass,
        2 => Verdict::Drop,
        7 => Verdict::Redirect,
        other => panic!("TC verdict {other}"),
    };
    (verdict, bytes, took)
}

fn try_run<P>(program: &P, packet: &[u8], context: &[u8]) -> Result<(u32, Vec<u8>, Duration), ProgramError>
where
    P: for<'a> TestRun<Opts<'a> = TestRunOptions<'a>, Result = aya::programs::TestRunResult>,
{
    let mut out = vec![0; packet.len() + 256];
    let mut options = TestRunOptions::new();
    options.data_in = Some(packet);
    options.data_out = Some(&mut out);
    options.ctx_in = Some(context);
    let result = program.test_run(options)?;
    out.truncate(result.data_size_out as usize);
    Ok((result.return_value, out, result.duration))
}
