//! Maps of the benchmark.

use aya_ebpf::{
    btf_maps::{Array, DevMap, PerCpuArray},
    macros::btf_map,
};

use crate::abi::{BUCKETS, Headers, LINES, SIZES, Seen, Settings};

/// Settings of the run.
#[btf_map(name = "settings")]
pub(crate) static SETTINGS: Array<Settings, 1> = Array::new();

/// Frames to send, and the outer headers that `least_encap` adds.
#[btf_map(name = "headers")]
pub(crate) static HEADERS: Array<Headers, { SIZES + 1 }> = Array::new();

/// Outgoing interfaces.
#[btf_map(name = "out")]
pub(crate) static OUT: DevMap<2> = DevMap::new();

/// Number of the next flow and of the next size.
#[btf_map(name = "turn")]
pub(crate) static TURN: PerCpuArray<[u32; 2], 1> = PerCpuArray::new();

/// Counters of the sink.
#[btf_map(name = "seen")]
pub(crate) static SEEN: PerCpuArray<Seen, 1> = PerCpuArray::new();

/// Latency histogram.
#[btf_map(name = "latency")]
pub(crate) static LATENCY: PerCpuArray<[u32; BUCKETS], 1> = PerCpuArray::new();

/// One cache line for each station; all zero.
#[btf_map(name = "cold")]
pub(crate) static COLD: Array<[u64; 8], { LINES as usize }> = Array::new();
