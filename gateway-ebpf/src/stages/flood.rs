//! Head-end replication in TC: a copy of a BUM frame for every member of its logical switch.
//!
//! The frame is first reduced to the plain inner frame: no tag, no outer headers. Copies to access ports come first; a
//! tag is pushed for each port that needs one and popped again. Then, unless the frame came from a tunnel, headroom for
//! outer headers is made once, and the headers of each remote VTEP are written into it in turn: first those over IPv4,
//! then, with 20 more bytes of headroom, those over IPv6.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::__sk_buff,
    helpers::generated::{bpf_clone_redirect, bpf_loop, bpf_skb_change_head},
    programs::TcContext,
};
use gateway_common::{
    counters::{DropReason, PathCounter},
    fdb::{self, Target},
    headers::{V4_LEN, V6_LEN},
    limits::MAX_FLOOD_SLOTS,
    logical_switch::FloodKey,
    step::{self, Step},
};

use crate::stages::{
    count,
    flood_state::{Room, Round, SCRATCH, State},
    forward,
    frame::RewriteError,
    header::Fill,
    lease,
    maps::{FLOOD, SWITCHES},
    observer::{NoopObserver, Observer},
    tc::{self, Shape},
};

/// Argument of [`visit`], passed by the kernel for each slot. The state is too big for the stack of 512 bytes, and a
/// map must not hold the context.
struct Visit {
    skb: *mut __sk_buff,
    state: *mut State,
}

/// Replicates the frame and consumes it.
#[inline(always)]
pub(crate) fn run<O: Observer>(ctx: &TcContext) -> Result<(), DropReason> {
    // A CPU floods one frame at a time: this hook runs with softirqs off, and copies are queued, not received.
    let Some(state) = SCRATCH.get_ptr_mut(0) else { return Err(DropReason::RewriteFailed) };
    // SAFETY: this CPU's own map value, filled in by `flood_state::store` just before.
    let state = unsafe { &mut *state };
    // SAFETY: a live map value, used at once.
    let Some(switch) = (unsafe { SWITCHES.get(state.flood.vni) }) else { return Err(DropReason::UnknownVni) };
    let slots = switch.flood_slots.min(MAX_FLOOD_SLOTS);
    O::step(Step::Flood, [state.flood.vni.into(), slots.into(), 0, 0]);
    if state.flood.strip == 0 {
        tc::untag(ctx, &state.flood.ether)?;
    } else if state.merged != 0 {
        return Err(DropReason::RewriteFailed);
    } else {
        tc::decapsulate(ctx, state.flood.strip, &state.flood.ether)?;
    }
    state.round = Round::Ports;
    state.room = Room::None;
    state.now = lease::now();
    state.copies = 0;
    state.broken = 0;
    visit_all::<O>(ctx, slots, state);
    if state.flood.from.kind == fdb::LOCAL {
        count::from_binding(state.flood.from.binding, state.flood.len);
        state.round = Round::TunnelsV4;
        visit_all::<O>(ctx, slots, state);
        state.round = Round::TunnelsV6;
        visit_all::<O>(ctx, slots, state);
    } else {
        count::from_tunnel(state.flood.from.out, state.flood.len);
    }
    count::path(PathCounter::TcFlood);
    if state.broken != 0 {
        return Err(DropReason::RewriteFailed);
    }
    if state.copies == 0 { Err(DropReason::NoReceiver) } else { Ok(()) }
}

#[inline(always)]
fn visit_all<O: Observer>(ctx: &TcContext, slots: u32, state: &mut State) {
    let mut visiting = Visit { skb: ctx.skb.skb, state };
    // SAFETY: `visit` has the signature the helper calls, and `visiting` outlives the call.
    unsafe { bpf_loop(slots, visit::<O> as *mut c_void, (&raw mut visiting).cast(), 0) };
}

/// Callback for one slot of the flood list; returns 1 to end the round.
extern "C" fn visit<O: Observer>(slot: u32, visiting: *mut Visit) -> i64 {
    // SAFETY: `visit_all` passes a live Visit, and the kernel makes one call at a time.
    let (skb, state) = unsafe { ((*visiting).skb, &mut *(*visiting).state) };
    // SAFETY: a live map value, copied at once.
    let Some(member) = (unsafe { FLOOD.get(FloodKey { vni: state.flood.vni, slot }) }).copied() else { return 0 };
    let ctx = TcContext::new(skb);
    if member.kind == fdb::REMOTE && state.flood.from.kind == fdb::REMOTE {
        let [place, rest] = step::place(&member);
        O::step(Step::NotAcross, [place, rest, 0, 0]);
    }
    let copied = match (member.kind, state.round) {
        (fdb::LOCAL, Round::Ports) => to_port::<O>(&ctx, state, &member),
        (fdb::REMOTE, Round::TunnelsV4 | Round::TunnelsV6) => to_tunnel::<O>(&ctx, state, &member),
        _ => Ok(false),
    };
    match copied {
        Ok(true) => {
            state.copies += 1;
            count::path(PathCounter::FloodCopies);
        }
        Ok(false) => {}
        Err(reason) => {
            // The drop is counted here. A frame whose copies all failed is not also counted as one without receivers.
            O::no_copy(&ctx, &member, reason);
            state.copies += 1;
            count::dropped(reason);
        }
    }
    if state.broken == 0 { 0 } else { 1 }
}

/// Sends a copy to an access port; `false` if this member gets none.
#[inline(always)]
fn to_port<O: Observer>(ctx: &TcContext, state: &mut State, member: &Target) -> Result<bool, DropReason> {
    let inner_vlan = if state.flood.strip == 0 { 0 } else { state.flood.ether.vlan() };
    if member.same_place(&state.flood.from) {
        let [place, rest] = step::place(member);
        O::step(Step::NotBack, [place, rest, 0, 0]);
        return Ok(false);
    }
    if inner_vlan != 0 && inner_vlan != member.vlan {
        return Err(DropReason::InnerTagged);
    }
    forward::port_takes(ctx, member.out, state.segment_len)?;
    if member.vlan != 0 && tc::tag(ctx, member.vlan).is_err() {
        state.broken = 1;
        return Ok(false);
    }
    let sent = clone::<O>(ctx, member, member.out);
    if member.vlan != 0 && tc::pop(ctx).is_err() {
        state.broken = 1;
    }
    sent?;
    count::to_binding(member.binding, state.flood.len);
    Ok(true)
}

/// Sends a copy to a remote VTEP; `false` if this member belongs to another round.
#[inline(always)]
fn to_tunnel<O: Observer>(ctx: &TcContext, state: &mut State, member: &Target) -> Result<bool, DropReason> {
    let hop = match forward::next_hop::<NoopObserver>(member.out, lease::NONE, state.now) {
        Ok(hop) => hop,
        // The family of an unresolved next hop is not known: it is counted in the first of the two rounds only.
        Err(reason) => return if state.round == Round::TunnelsV4 { Err(reason) } else { Ok(false) },
    };
    let shape = Shape::of(hop)?;
    if shape.v6() != (state.round == Round::TunnelsV6) {
        return Ok(false);
    }
    if state.segment_len > hop.max_frame {
        return Err(DropReason::TooBig);
    }
    let fill = Fill { vni: member.vni, len: state.flood.len, source_port: state.source_port };
    if make_room(ctx, state, shape).is_err() || tc::overwrite(ctx, hop, shape, fill).is_err() {
        state.broken = 1;
        return Ok(false);
    }
    let sent = clone::<O>(ctx, member, hop.ifindex);
    if shape.tagged() && tc::pop(ctx).is_err() {
        state.broken = 1;
    }
    sent?;
    count::to_tunnel(member.out, state.flood.len);
    Ok(true)
}

#[inline(always)]
fn make_room(ctx: &TcContext, state: &mut State, shape: Shape) -> Result<(), RewriteError> {
    match (state.room, shape.v6()) {
        (Room::V4, false) | (Room::V6, true) => return Ok(()),
        (Room::None, _) => tc::grow(ctx, &state.flood.ether, shape)?,
        (Room::V4, true) => {
            // The kernel would split a GSO frame by the old offset of the IPv4 header.
            // SAFETY: the context is the one the kernel called with.
            let failed = unsafe {
                (*ctx.skb.skb).gso_size != 0 || bpf_skb_change_head(ctx.skb.skb, (V6_LEN - V4_LEN) as u32, 0) != 0
            };
            if failed {
                return Err(RewriteError);
            }
        }
        (Room::V6, false) => return Err(RewriteError),
    }
    state.room = if shape.v6() { Room::V6 } else { Room::V4 };
    Ok(())
}

#[inline(always)]
fn clone<O: Observer>(ctx: &TcContext, member: &Target, ifindex: u32) -> Result<(), DropReason> {
    O::copy(ctx, member, ifindex);
    if O::DRY_RUN {
        return Ok(());
    }
    // SAFETY: the context is the one the kernel called with.
    if unsafe { bpf_clone_redirect(ctx.skb.skb, ifindex, 0) } == 0 { Ok(()) } else { Err(DropReason::FloodFailed) }
}
