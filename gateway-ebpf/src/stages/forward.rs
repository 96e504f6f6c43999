//! Forwards known unicast frames to an access port or into a tunnel.

use gateway_common::{counters::DropReason, fdb::Target, step::Step, tunnel::NextHop};

use crate::stages::{
    count,
    frame::{Buffers, Ether, Frame, Reframe},
    header::Fill,
    lease,
    maps::{DOWN, SETTINGS, TUNNELS},
    observer::Observer,
    verdict::{Decision, Verdict},
};

/// Checks that the access port `ifindex` is up and that an inner frame of `len` bytes fits it. The kernel allows a tag
/// on top of the MTU, so `len` is the untagged length.
#[inline(always)]
pub(crate) fn port_takes<F: Frame>(frame: &F, ifindex: u32, len: u32) -> Result<(), DropReason> {
    let Some(settings) = SETTINGS.get(0) else { return Err(DropReason::TooBig) };
    if settings.ports_down != 0 && DOWN.get_ptr(ifindex).is_some() {
        return Err(DropReason::PortDown);
    }
    // Nearly every frame fits every port, which saves the look at the device.
    if len > settings.fits_every_port && frame.exceeds_mtu(ifindex, len) { Err(DropReason::TooBig) } else { Ok(()) }
}

/// Length of an inner frame, without tag, that fits every access port.
#[inline(always)]
pub(crate) fn fits_every_port() -> u32 {
    SETTINGS.get(0).map_or(0, |settings| settings.fits_every_port)
}

/// Returns the next hop of tunnel `id` if it may be used now. The caller has checked lease `held`.
#[inline(always)]
pub(crate) fn next_hop<O: Observer>(id: u32, held: u32, now: u64) -> Result<&'static NextHop, DropReason> {
    let Some(tunnel) = TUNNELS.get(id) else { return Err(DropReason::TunnelUnresolved) };
    if tunnel.lease != held && !lease::check::<O>(tunnel.lease, now) {
        return Err(DropReason::LeaseExpired);
    }
    let hop = if tunnel.bank & 1 == 0 { &tunnel.next_hop[0] } else { &tunnel.next_hop[1] };
    if hop.ifindex == 0 {
        O::step(Step::Unresolved, [id.into(), 0, 0, 0]);
        return Err(DropReason::TunnelUnresolved);
    }
    O::step(Step::NextHop, [id.into(), hop.ifindex.into(), hop.max_frame.into(), 0]);
    Ok(hop)
}

/// Same as [`Frame::reserve`], reported to the observer.
#[inline(always)]
fn reserve<F: Frame>(frame: &F, ifindex: u32, buffers: Buffers) -> bool {
    let can = frame.reserve(ifindex, buffers);
    F::Observer::step(if can { Step::Out } else { Step::OutByTc }, [ifindex.into(), 0, 0, 0]);
    can
}

/// Sends a frame to an access port: removes `strip` bytes of outer headers, and `len` bytes of inner frame remain.
#[inline(always)]
pub(crate) fn to_port<F: Frame>(frame: &mut F, to: &Target, strip: usize, ether: &Ether, len: u32) -> Decision {
    port_takes(frame, to.out, frame.segment_len(ether, len))?;
    deliver(frame, to, strip, ether, len, Buffers::Unknown)
}

/// Same as [`to_port`] for a frame that is known to fit.
#[inline(always)]
pub(crate) fn deliver<F: Frame>(
    frame: &mut F,
    to: &Target,
    strip: usize,
    ether: &Ether,
    len: u32,
    buffers: Buffers,
) -> Decision {
    if !reserve(frame, to.out, buffers) {
        return Ok(Verdict::ToTc);
    }
    frame.reframe(Reframe { strip, ether: *ether, vlan: to.vlan })?;
    count::to_binding(to.binding, len);
    Ok(Verdict::Redirect)
}

/// Sends a frame into a tunnel. The caller has checked lease `held`.
#[inline(always)]
pub(crate) fn to_tunnel<F: Frame>(
    frame: &mut F,
    to: &Target,
    ether: &Ether,
    fill: Fill,
    held: u32,
    now: u64,
    buffers: Buffers,
) -> Decision {
    let hop = next_hop::<F::Observer>(to.out, held, now)?;
    if frame.segment_len(ether, fill.len) > hop.max_frame {
        return Err(DropReason::TooBig);
    }
    if !reserve(frame, hop.ifindex, buffers) {
        return Ok(Verdict::ToTc);
    }
    frame.encapsulate(*ether, hop, fill)?;
    count::to_tunnel(to.out, fill.len);
    Ok(Verdict::Redirect)
}
