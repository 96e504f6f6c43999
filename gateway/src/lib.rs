//! The BPF programs of vtep-gateway, as the build script has compiled them.

use gateway_datapath::load::Objects;

/// The programs, embedded.
pub const OBJECTS: Objects = Objects { forwarding: FORWARDING, capture: CAPTURE };

static FORWARDING: &[u8] = aya::include_bytes_aligned!(env!("VTEP_GATEWAY_BPF"));
static CAPTURE: &[u8] = aya::include_bytes_aligned!(env!("VTEP_GATEWAY_CAPTURE_BPF"));
