//! Access stage: frames from a VLAN, sent into a tunnel or to another access port.

use gateway_common::{
    binding::{Binding, BindingKey},
    counters::{DropReason, PathCounter},
    fdb::{self, FdbKey, Target},
    headers::is_link_local,
    net::MacAddr,
    step::{self, Step},
};

use crate::stages::{
    count, entropy,
    flow_cache::PendingEntry,
    forward,
    frame::{Buffers, Ether, Frame},
    header::Fill,
    learn, lease,
    maps::{BINDINGS, FDB, SWITCHES},
    observer::Observer,
    snoop,
    verdict::{Decision, Flood, Verdict},
};

/// Decides about a frame from an access port. A known unicast decision is stored in the flow cache if there is a
/// `pending` entry.
#[inline(always)]
pub(crate) fn decide<F: Frame>(frame: &mut F, pending: Option<&PendingEntry>) -> Decision {
    decide_at(frame, pending, |frame| Some(frame.ifindex()))
}

/// Same as [`decide`] for a frame that belongs to the access port `port(frame)`. If it belongs to none, it is passed.
#[inline(always)]
pub(crate) fn decide_at<F: Frame>(
    frame: &mut F,
    pending: Option<&PendingEntry>,
    port: impl FnOnce(&F) -> Option<u32>,
) -> Decision {
    let Some(ether) = Ether::parse(frame, 0, true) else {
        F::Observer::step(Step::TooShort, [0; 4]);
        return Ok(Verdict::Pass);
    };
    ether.report::<F::Observer>();
    let Some(ifindex) = port(frame) else { return Ok(Verdict::Pass) };
    let key = BindingKey { ifindex, vlan: ether.vlan(), reserved: 0 };
    // SAFETY: a live map value, copied at once.
    let Some(binding) = (unsafe { BINDINGS.get(key) }).copied() else {
        F::Observer::step(Step::NoBinding, [key.vlan.into(), 0, 0, 0]);
        return Ok(Verdict::Pass);
    };
    F::Observer::step(Step::Binding, [binding.vni.into(), binding.id.into(), binding.lease.into(), 0]);
    // Spanning tree, LLDP and LACP stay between the host and its link partner.
    if is_link_local(ether.dst) {
        F::Observer::step(Step::LinkLocal, [0; 4]);
        return Ok(Verdict::Pass);
    }
    if !MacAddr(ether.src).is_station() {
        return Err(DropReason::BadSource);
    }
    if ether.tagged_again() {
        return Err(DropReason::InnerTagged);
    }
    let now = lease::now();
    if !lease::check::<F::Observer>(binding.lease, now) {
        return Err(DropReason::LeaseExpired);
    }
    let from = Target::local(key.ifindex, key.vlan, binding.id);
    learn::source::<F::Observer>(binding.vni, ether.src, &from, binding.flags, now)?;
    snoop::address(frame, binding.vni, &ether, &from, now);
    let len = frame.len() - ether.tag_bytes() as u32;
    if !MacAddr(ether.dst).is_group()
        // SAFETY: a live map value, copied at once.
        && let Some(entry) = unsafe { FDB.get(FdbKey::new(binding.vni, ether.dst)) }
    {
        let to = entry.to;
        let [place, rest] = step::place(&to);
        F::Observer::step(Step::Known, [place, rest, entry.origin.into(), 0]);
        let decision = known(frame, to, &from, ether, len, binding.lease, now)?;
        if let (Some(pending), Verdict::Redirect) = (pending, &decision) {
            pending.commit(now, binding.lease, &to, binding.id);
        }
        return Ok(decision);
    }
    unknown(frame, &binding, from, ether, len)
}

#[inline(always)]
fn known<F: Frame>(frame: &mut F, to: Target, from: &Target, ether: Ether, len: u32, held: u32, now: u64) -> Decision {
    let (decision, path) = if to.kind == fdb::REMOTE {
        let fill = Fill { vni: to.vni, len, source_port: entropy::of(frame, &ether) };
        (
            forward::to_tunnel(frame, &to, &ether, fill, held, now, Buffers::Unknown)?,
            if F::XDP { PathCounter::XdpEncap } else { PathCounter::TcEncap },
        )
    } else if to.same_place(from) {
        return Err(DropReason::SamePort);
    } else {
        (
            forward::to_port(frame, &to, 0, &ether, len)?,
            if F::XDP { PathCounter::XdpLocal } else { PathCounter::TcLocal },
        )
    };
    if let Verdict::Redirect = decision {
        count::from_binding(from.binding, len);
        count::path(path);
    }
    Ok(decision)
}

#[inline(always)]
fn unknown<F: Frame>(frame: &F, binding: &Binding, from: Target, ether: Ether, len: u32) -> Decision {
    ether.report_flood::<F::Observer>();
    if SWITCHES.get_ptr(binding.vni).is_none() {
        F::Observer::step(Step::NoSwitch, [binding.vni.into(), 0, 0, 0]);
        return Err(DropReason::UnknownVni);
    }
    Ok(frame.replicate(&Flood { vni: binding.vni, from, strip: 0, ether, len }))
}
