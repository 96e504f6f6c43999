//! State of a replication in progress. It is kept in a per-CPU map: the stack of 512 bytes has no room for it.

use aya_ebpf::{btf_maps::PerCpuArray, macros::btf_map, programs::TcContext};

use crate::stages::{entropy, frame::Frame as _, tc, verdict::Flood};

/// The state of the replication that this CPU is working on. Not part of the ABI.
#[btf_map(name = "scratch")]
pub(crate) static SCRATCH: PerCpuArray<State, 1> = PerCpuArray::new();

/// Members that a round sends copies to.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Round {
    Ports,
    TunnelsV4,
    TunnelsV6,
}

/// Headroom for outer headers in front of the frame.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Room {
    None,
    V4,
    V6,
}

/// State shared by all rounds.
pub(crate) struct State {
    pub(crate) round: Round,
    pub(crate) room: Room,
    pub(crate) flood: Flood,
    pub(crate) source_port: u16,
    /// Length on the wire of the inner frame, or of each of its GSO segments.
    pub(crate) segment_len: u32,
    /// Not 0 if the frame is several tunnel packets merged by GRO, see [`tc::is_one_packet`].
    pub(crate) merged: u32,
    pub(crate) now: u64,
    pub(crate) copies: u32,
    /// Not 0 if a rewrite failed, so nothing more can be sent. (Not a bool: the verifier does not know that a bool read
    /// from a map is 0 or 1.)
    pub(crate) broken: u32,
}

/// Stores the input of [`crate::stages::flood::run`] in the map.
#[inline(always)]
pub(crate) fn store(ctx: &TcContext, flood: &Flood) {
    if let Some(state) = SCRATCH.get_ptr_mut(0) {
        let source_port = entropy::of(ctx, &flood.ether);
        let merged = u32::from(!tc::is_one_packet(ctx, &flood.ether));
        let segment_len = ctx.segment_len(&flood.ether, flood.len);
        // SAFETY: this CPU's own map value; both are plain data.
        unsafe {
            (&raw mut (*state).source_port).write(source_port);
            (&raw mut (*state).segment_len).write(segment_len);
            (&raw mut (*state).merged).write(merged);
            (&raw mut (*state).flood).write(*flood);
        }
    }
}
