//! Counters. Each CPU has its own, so no atomic operation is needed.

use gateway_common::{
    binding::Traffic,
    counters::{DropReason, PathCounter},
};

use crate::stages::{
    maps::{BINDING_STATS, DROPS, PATHS, STRAYS, TUNNEL_STATS},
    unaligned::hidden,
};

/// Counts a dropped packet.
#[inline(always)]
pub(crate) fn dropped(reason: DropReason) {
    if let Some(drops) = DROPS.get_ptr_mut(0) {
        // SAFETY: the value, which is this CPU's own, has so many fields of 64 bits.
        unsafe { add_one::<{ DropReason::ALL.len() }>(drops.cast(), reason as u32) };
    }
}

/// Increments field `number` of the `N` at `fields`.
///
/// The compiler knows that an enum value is below `N`, the verifier does not. The comparison is kept for the verifier,
/// so the programs load whatever the compiler optimises.
///
/// # Safety
///
/// `N` fields of 64 bits must be there.
#[inline(always)]
unsafe fn add_one<const N: usize>(fields: *mut u64, number: u32) {
    let number = hidden(number.into());
    if number < N as u64 {
        // SAFETY: below N, and the caller vouches for those.
        unsafe { *fields.add(number as usize) += 1 };
    }
}

/// Counts an event of a path.
#[inline(always)]
pub(crate) fn path(which: PathCounter) {
    if let Some(paths) = PATHS.get_ptr_mut(0) {
        // SAFETY: the value, which is this CPU's own, has so many fields of 64 bits.
        unsafe { add_one::<{ PathCounter::ALL.len() }>(paths.cast(), which as u32) };
    }
}

/// Same as [`path`] for a counter known at compile time: no comparison is left.
#[inline(always)]
pub(crate) fn this_path<const WHICH: usize>() {
    this_path_by::<WHICH>(1);
}

/// Same as [`this_path`], adding `many`.
#[inline(always)]
pub(crate) fn this_path_by<const WHICH: usize>(many: u64) {
    const { assert!(WHICH < PathCounter::ALL.len()) };
    if let Some(paths) = PATHS.get_ptr_mut(0) {
        // SAFETY: the value, which is this CPU's own, has that field.
        unsafe { *paths.cast::<u64>().add(WHICH) += many };
    }
}

/// Counts a tunnel packet that belongs to the node that holds lease `lease`.
#[inline(always)]
pub(crate) fn stray(lease: u32) {
    if let Some(strays) = STRAYS.get_ptr_mut(lease) {
        // SAFETY: a live map value of this CPU.
        unsafe { *strays += 1 };
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

/// Counts a frame of `bytes` received from binding `id`.
#[inline(always)]
pub(crate) fn from_binding(id: u32, bytes: u32) {
    received(BINDING_STATS.get_ptr_mut(id), bytes);
}

/// Counts a frame of `bytes` sent to binding `id`.
#[inline(always)]
pub(crate) fn to_binding(id: u32, bytes: u32) {
    sent(BINDING_STATS.get_ptr_mut(id), bytes);
}

/// Counts a frame of `bytes` received from tunnel `id`.
#[inline(always)]
pub(crate) fn from_tunnel(id: u32, bytes: u32) {
    received(TUNNEL_STATS.get_ptr_mut(id), bytes);
}

/// Counts a frame of `bytes` sent into tunnel `id`.
#[inline(always)]
pub(crate) fn to_tunnel(id: u32, bytes: u32) {
    sent(TUNNEL_STATS.get_ptr_mut(id), bytes);
}
