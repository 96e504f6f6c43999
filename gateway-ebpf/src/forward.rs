//! Sending a known unicast frame to where its station is.

use gateway_common::{counters::DropReason, fdb::Target, step::Step, tunnel::NextHop};

use crate::{
    count,
    frame::{Buffers, Ether, Frame, Reframe},
    header::Fill,
    lease,
    maps::{DOWN, SETTINGS, TUNNELS},
    observer::Observer,
    verdict::{Decision, Verdict},
};

/// Whether the access port `ifindex` takes an inner frame of `len` bytes. The kernel allows a tag on top of the MTU, so the
/// untagged length counts.
#[inline(always)]
pub(crate) fn port_takes<F: Frame>(frame: &F, ifindex: u32, len: u32) -> Result<(), DropReason> {
    let Some(settings) = SETTINGS.get(0) else { return Err(DropReason::TooBig) };
    if settings.ports_down != 0 && DOWN.get_ptr(ifindex).is_some() {
        return Err(DropReason::PortDown);
    }
    // Nearly every frame fits every port, and is spared the look at the device.
    if len > settings.fits_every_port && frame.exceeds_mtu(ifindex, len) { Err(DropReason::TooBig) } else { Ok(()) }
}

/// An inner frame of this length, without tag, fits every access port.
#[inline(always)]
pub(crate) fn fits_every_port() -> u32 {
    SETTINGS.get(0).map_or(0, |settings| settings.fits_every_port)
}

/// The next hop of tunnel number `id`, if it may be used now. Lease number `held` is known to run.
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

/// As [`Frame::reserve`], told to who looks on.
#[inline(always)]
fn reserve<F: Frame>(frame: &F, ifindex: u32, buffers: Buffers) -> bool {
    let can = frame.reserve(ifindex, buffers);
    F::Observer::step(if can { Step::Out } else { Step::OutByTc }, [ifindex.into(), 0, 0, 0]);
    can
}

/// A frame for an access port: `strip` bytes of outer headers go, `len` bytes of inner frame stay.
#[inline(always)]
pub(crate) fn to_port<F: Frame>(frame: &mut F, to: &Target, strip: usize, ether: &Ether, len: u32) -> Decision {
    port_takes(frame, to.out, frame.segment_len(ether, len))?;
    deliver(frame, to, strip, ether, len, Buffers::Unknown)
}

/// As [`to_port`], of a frame that is known to fit.
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

/// A frame for a tunnel. Lease number `held` is known to run.
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
