//! What outdates decisions that the programs keep by flow.

/// Index in map `generation`, whose values are `u32`: counted up by the agent after it has changed other maps.
pub const GENERATION_AGENT: u32 = 0;
/// Index in map `generation`: counted up by the kernel after a MAC has moved.
pub const GENERATION_KERNEL: u32 = 1;
/// Elements of map `generation`.
pub const GENERATIONS: u32 = 2;
