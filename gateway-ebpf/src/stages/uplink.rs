//! Uplink stage: packets from the underlay, decapsulated and sent to an access port.

use gateway_common::{
    counters::{DropReason, PathCounter},
    fdb::{self, FdbEntry, FdbKey, Target},
    headers::{ETH_LEN, TAG_LEN, is_control_protocol, is_link_local},
    logical_switch,
    net::MacAddr,
    step::{self, Step},
};

use crate::stages::{
    count,
    flow_cache::PendingEntry,
    forward,
    frame::{Ether, Frame},
    learn, lease,
    maps::{FDB, REMOTE_VTEPS, SWITCHES, TUNNELS},
    observer::Observer,
    outer::{Inner, Outer},
    path_mtu, suppress_arp_nd,
    verdict::{Decision, Flood, Verdict},
};

/// Decides about a packet from an uplink. A known unicast decision is stored in the flow cache if there is a `pending`
/// entry.
#[inline(always)]
pub(crate) fn decide<F: Frame>(frame: &mut F, pending: Option<&PendingEntry>) -> Decision {
    let Some(outer) = Outer::parse(frame) else {
        F::Observer::step(Step::NotTunnelled, [0; 4]);
        path_mtu::learn(frame);
        return if suppress_arp_nd::applies(frame) { Err(DropReason::StandbyArp) } else { Ok(Verdict::Pass) };
    };
    let ([a, b], [c, d]) = (step::address(outer.ends.remote.bytes), step::address(outer.ends.local.bytes));
    F::Observer::step(Step::Outer, [a, b, c, d]);
    // SAFETY: a live map value, copied at once.
    let Some(tunnel) = (unsafe { REMOTE_VTEPS.get(outer.ends) }).copied() else {
        F::Observer::step(Step::NoTunnel, [0; 4]);
        return if outer.is_for_us() { Err(DropReason::UnknownVtep) } else { Ok(Verdict::Pass) };
    };
    F::Observer::step(Step::FromTunnel, [tunnel.into(), 0, 0, 0]);
    let now = lease::now();
    let Some(lease) = TUNNELS.get(tunnel).map(|tunnel| tunnel.lease) else { return Err(DropReason::LeaseExpired) };
    if !lease::check::<F::Observer>(lease, now) {
        // A packet that a switch floods to all ports is not a stray.
        if outer.is_addressed_here() {
            count::stray(lease);
        }
        return Err(DropReason::LeaseExpired);
    }
    let inner = match outer.inner(frame) {
        Ok(inner) => inner,
        // The headers are in two buffers: TC has them in one.
        Err(DropReason::OuterMalformed) if frame.needs_pull(outer.to_inner()) => return Ok(Verdict::ToTc),
        Err(reason) => return Err(reason),
    };
    if frame.needs_pull(inner.start + ETH_LEN + TAG_LEN) {
        return Ok(Verdict::ToTc);
    }
    F::Observer::step(Step::Inner, [inner.vni.into(), (inner.end - inner.start) as u64, 0, 0]);
    let ether = Ether::parse(frame, inner.start, false).ok_or(DropReason::FrameMalformed)?;
    ether.report::<F::Observer>();
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
    // Bytes after the packet (padding, or a trailer added by a switch) are not part of the inner frame.
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
        let [place, rest] = step::place(&to);
        F::Observer::step(Step::Known, [place, rest, entry.origin.into(), 0]);
        if to.kind == fdb::LOCAL && fdb::lease_of(entry.flags) != lease {
            return Err(DropReason::OtherInstance);
        }
        let decision = known(frame, entry, &from, &inner, ether, len, now)?;
        if let (Some(pending), Verdict::Redirect) = (pending, &decision) {
            pending.commit(now, lease, &to, tunnel);
        }
        return Ok(decision);
    }
    unknown(frame, &from, &inner, ether, len, lease, now)
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
        learn::source::<F::Observer>(inner.vni, ether.src, from, 0, now)?;
    } else if entry.flags & fdb::STRICT_SENDER != 0 {
        learn::check_remote_source::<F::Observer>(inner.vni, ether.src, from, true)?;
    }
    let decision = forward::to_port(frame, &to, inner.start, &ether, len)?;
    if let Verdict::Redirect = decision {
        count::from_tunnel(from.out, len);
        count::path(if F::XDP { PathCounter::XdpDecap } else { PathCounter::TcDecap });
    }
    Ok(decision)
}

#[inline(always)]
fn unknown<F: Frame>(
    frame: &F,
    from: &Target,
    inner: &Inner,
    ether: Ether,
    len: u32,
    lease: u32,
    now: u64,
) -> Decision {
    // SAFETY: a live map value, used at once.
    let Some(switch) = (unsafe { SWITCHES.get(inner.vni) }) else {
        F::Observer::step(Step::NoSwitch, [inner.vni.into(), 0, 0, 0]);
        return Err(DropReason::UnknownVni);
    };
    if switch.lease != lease {
        return Err(DropReason::OtherInstance);
    }
    if switch.flags & logical_switch::CONTROL_PROTOCOLS == 0 && is_control_protocol(ether.dst) {
        return Err(DropReason::ControlProtocol);
    }
    if switch.flags & logical_switch::LEARN_REMOTE != 0 {
        learn::source::<F::Observer>(inner.vni, ether.src, from, 0, now)?;
    } else {
        let strict = switch.flags & logical_switch::STRICT_SOURCES != 0;
        learn::check_remote_source::<F::Observer>(inner.vni, ether.src, from, strict)?;
    }
    ether.report_flood::<F::Observer>();
    Ok(frame.replicate(&Flood { vni: inner.vni, from: *from, strip: inner.start, ether, len }))
}
