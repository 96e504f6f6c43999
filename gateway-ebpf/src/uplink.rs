//! Frames from the underlay: out of the tunnel, onto a VLAN.

use gateway_common::{
    counters::{DropReason, PathCounter},
    fdb::{self, FdbEntry, FdbKey, Target},
    headers::is_link_local,
    net::MacAddr,
    segment,
};

use crate::{
    count,
    flows::Ticket,
    forward,
    frame::{Ether, Frame},
    learn, lease,
    maps::{FDB, PEERS, SEGMENTS, TUNNELS},
    outer::{Inner, Outer},
    standby,
    verdict::{Decision, Flood, Verdict},
};

/// Decides about a frame that came in through an uplink, and notes it if there is a `ticket`.
#[inline(always)]
pub(crate) fn decide<F: Frame>(frame: &mut F, ticket: Option<&Ticket>) -> Decision {
    let Some(outer) = Outer::parse(frame) else {
        return if standby::keeps_silent(frame) { Err(DropReason::StandbyArp) } else { Ok(Verdict::Pass) };
    };
    // SAFETY: a live map value, copied at once.
    let Some(tunnel) = (unsafe { PEERS.get(outer.ends) }).copied() else {
        return if outer.is_for_us() { Err(DropReason::UnknownVtep) } else { Ok(Verdict::Pass) };
    };
    let now = lease::now();
    let Some(lease) = TUNNELS.get(tunnel).map(|tunnel| tunnel.lease) else { return Err(DropReason::LeaseExpired) };
    if !lease::holds(lease, now) {
        return Err(DropReason::LeaseExpired);
    }
    let inner = outer.inner(frame)?;
    let ether = Ether::parse(frame, inner.start, false).ok_or(DropReason::FrameMalformed)?;
    if ether.payload > inner.end {
        return Err(DropReason::FrameMalformed);
    }
    if !MacAddr(ether.src).is_station() {
        return Err(DropReason::BadSource);
    }
    if is_link_local(ether.dst) {
        return Err(DropReason::LinkLocal);
    }
    if ether.tagged_again() {
        return Err(DropReason::InnerTagged);
    }
    // Bytes behind the packet, from a switch or from Ethernet's padding, are no part of the inner frame.
    if frame.len() as usize > inner.end {
        frame.trim(inner.end as u32)?;
    }
    let from = Target::remote(tunnel, inner.vni);
    let len = (inner.end - inner.start - ether.tag_bytes()) as u32;
    if !MacAddr(ether.dst).is_group()
        // SAFETY: a live map value, used at once.
        && let Some(entry) = unsafe { FDB.get(FdbKey::new(inner.vni, ether.dst)) }
    {
        let to = entry.to;
        let decision = known(frame, entry, &from, &inner, ether, len, now)?;
        if let (Some(ticket), Verdict::Redirect) = (ticket, &decision) {
            ticket.note(now, lease, &to, tunnel);
        }
        return Ok(decision);
    }
    unknown(frame, &from, &inner, ether, len, now)
}

#[inline(always)]
fn known<F: Frame>(
    frame: &mut F,
    entry: &FdbEntry,
    from: &Target,
    inner: &Inner,
    ether: Ether,
    len: u32,
    now: u64,
) -> Decision {
    if entry.to.kind != fdb::LOCAL {
        return Err(DropReason::SplitHorizon);
    }
    let to = entry.to;
    if ether.vlan() != 0 && ether.vlan() != to.vlan {
        return Err(DropReason::InnerTagged);
    }
    if entry.flags & fdb::CHECK_SENDER != 0 {
        learn::source(inner.vni, ether.src, from, 0, now)?;
    }
    let decision = forward::to_port(frame, &to, inner.start, ether, len)?;
    if let Verdict::Redirect = decision {
        count::from_tunnel(from.out, len);
        count::path(if F::XDP { PathCounter::XdpDecap } else { PathCounter::TcDecap });
    }
    Ok(decision)
}

#[inline(always)]
fn unknown<F: Frame>(frame: &F, from: &Target, inner: &Inner, ether: Ether, len: u32, now: u64) -> Decision {
    // SAFETY: a live map value, used at once.
    let Some(segment) = (unsafe { SEGMENTS.get(inner.vni) }) else { return Err(DropReason::UnknownVni) };
    if segment.flags & segment::LEARN_REMOTE != 0 {
        learn::source(inner.vni, ether.src, from, 0, now)?;
    } else {
        learn::check_remote_source(inner.vni, ether.src)?;
    }
    Ok(frame.replicate(&Flood { vni: inner.vni, from: *from, strip: inner.start, ether, len }))
}
