//! The state of a flood in progress. It lies in a per-CPU map: the 512 bytes of stack have no room for it.

use aya_ebpf::{btf_maps::PerCpuArray, macros::btf_map, programs::TcContext};

use crate::{entropy, frame::Frame as _, tc, verdict::Flood};

/// Room for one state; not part of the ABI.
#[btf_map(name = "scratch")]
pub(crate) static SCRATCH: PerCpuArray<State, 1> = PerCpuArray::new();

/// Which members a round is for.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Round {
    Ports,
    TunnelsV4,
    TunnelsV6,
}

/// How much room for outer headers the frame has in front.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Room {
    None,
    V4,
    V6,
}

/// What the rounds share.
pub(crate) struct State {
    pub(crate) round: Round,
    pub(crate) room: Room,
    pub(crate) flood: Flood,
    pub(crate) source_port: u16,
    /// Length on the wire of the inner frame, or of each of its segments.
    pub(crate) segment_len: u32,
    /// Of several tunnel packets in one, see [`tc::is_one_packet`].
    pub(crate) merged: u32,
    pub(crate) now: u64,
    pub(crate) copies: u32,
    /// The frame could not be made what it should be: nothing more can be sent. (Not a bool: the verifier
    /// does not know that one read from a map is 0 or 1.)
    pub(crate) broken: u32,
}

/// Notes what [`crate::flood::run`] is to do. It lies in a map from here on: the stack has no room for it.
#[inline(always)]
pub(crate) fn note(ctx: &TcContext, flood: &Flood) {
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
