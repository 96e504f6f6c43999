//! What outdates the decisions that the programs remember by flow.

use bytemuck::{Pod, Zeroable};

/// The one value of map `generation`. Both sides only count up, each its own, and neither with an update of the map, which
/// would write over what the other counts meanwhile.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Generation {
    /// Counted by the agent, after it has changed other maps.
    pub agent: u32,
    /// Counted by the kernel, after a MAC has moved.
    pub kernel: u32,
}

crate::map_types!(Generation);
