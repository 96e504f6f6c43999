//! The maps of the benchmark's programs.

use aya_ebpf::{
    btf_maps::{Array, DevMap, PerCpuArray},
    macros::btf_map,
};

use crate::abi::{BUCKETS, Headers, LINES, SIZES, Seen, Settings};

/// What the benchmark asks for.
#[btf_map(name = "settings")]
pub(crate) static SETTINGS: Array<Settings, 1> = Array::new();

/// The frames to send, and what `least_encap` puts on.
#[btf_map(name = "headers")]
pub(crate) static HEADERS: Array<Headers, { SIZES + 1 }> = Array::new();

/// Where frames go.
#[btf_map(name = "out")]
pub(crate) static OUT: DevMap<2> = DevMap::new();

/// Number of the next flow, and of the next size.
#[btf_map(name = "turn")]
pub(crate) static TURN: PerCpuArray<[u32; 2], 1> = PerCpuArray::new();

/// What arrived.
#[btf_map(name = "seen")]
pub(crate) static SEEN: PerCpuArray<Seen, 1> = PerCpuArray::new();

/// How many frames took how long.
#[btf_map(name = "latency")]
pub(crate) static LATENCY: PerCpuArray<[u32; BUCKETS], 1> = PerCpuArray::new();

/// 64 bytes for each station, the line of a cache; all zero.
#[btf_map(name = "cold")]
pub(crate) static COLD: Array<[u64; 8], { LINES as usize }> = Array::new();
