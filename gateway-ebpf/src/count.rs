//! Counters: per CPU, so without atomic operations.

use gateway_common::{
    binding::Traffic,
    counters::{DropReason, PathCounter},
};

use crate::maps::{BINDING_STATS, DROPS, PATHS, TUNNEL_STATS};

/// Counts a dropped packet.
#[inline(always)]
pub(crate) fn dropped(reason: DropReason) {
    if let Some(drops) = DROPS.get_ptr_mut(0) {
        // SAFETY: `reason` is below the number of u64 fields of the value, which is this CPU's own.
        unsafe { *drops.cast::<u64>().add(reason as usize) += 1 };
    }
}

/// Counts a happening.
#[inline(always)]
pub(crate) fn path(which: PathCounter) {
    if let Some(paths) = PATHS.get_ptr_mut(0) {
        // SAFETY: `which` is below the number of u64 fields of the value, which is this CPU's own.
        unsafe { *paths.cast::<u64>().add(which as usize) += 1 };
    }
}

#[inline(always)]
fn received(traffic: Option<*mut Traffic>, bytes: u32) {
    if let Some(traffic) = traffic {
        // SAFETY: a live map value of this CPU.
        let traffic = unsafe { &mut *traffic };
        traffic.rx_packets += 1;
        traffic.rx_bytes += u64::from(bytes);
    }
}

#[inline(always)]
fn sent(traffic: Option<*mut Traffic>, bytes: u32) {
    if let Some(traffic) = traffic {
        // SAFETY: a live map value of this CPU.
        let traffic = unsafe { &mut *traffic };
        traffic.tx_packets += 1;
        traffic.tx_bytes += u64::from(bytes);
    }
}

/// A frame of `bytes` came from binding number `id`.
#[inline(always)]
pub(crate) fn from_binding(id: u32, bytes: u32) {
    received(BINDING_STATS.get_ptr_mut(id), bytes);
}

/// A frame of `bytes` goes out to binding number `id`.
#[inline(always)]
pub(crate) fn to_binding(id: u32, bytes: u32) {
    sent(BINDING_STATS.get_ptr_mut(id), bytes);
}

/// A frame of `bytes` came out of tunnel number `id`.
#[inline(always)]
pub(crate) fn from_tunnel(id: u32, bytes: u32) {
    received(TUNNEL_STATS.get_ptr_mut(id), bytes);
}

/// A frame of `bytes` goes into tunnel number `id`.
#[inline(always)]
pub(crate) fn to_tunnel(id: u32, bytes: u32) {
    sent(TUNNEL_STATS.get_ptr_mut(id), bytes);
}
