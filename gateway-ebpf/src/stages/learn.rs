//! MAC learning from source addresses.

use aya_ebpf::{
    bindings::{BPF_EXIST, BPF_NOEXIST},
    helpers::generated::{bpf_ringbuf_reserve, bpf_ringbuf_submit},
};
use gateway_common::{
    budget::{self, Spent},
    counters::{DropReason, PathCounter},
    event::{self, LearnEvent},
    fdb::{self, FdbEntry, FdbKey, Target},
    limits::REFRESH_NS,
    logical_switch::SwitchEntry,
    step::{self, Step},
    tunnel::Addr,
};

use crate::stages::{
    count, flow_cache,
    maps::{BUDGETS, EVENTS, FDB, LEARNED, SWITCHES},
    observer::Observer,
    unaligned::hidden,
};

const E2BIG: i32 = -7;

/// Learns or refreshes that `mac` of logical switch `vni` sends from `here`. `flags` go into a new entry.
///
/// A static entry is never changed: a frame from a MAC that is static elsewhere is refused.
#[inline(always)]
pub(crate) fn source<O: Observer>(
    vni: u32,
    mac: [u8; 6],
    here: &Target,
    flags: u32,
    now: u64,
) -> Result<(), DropReason> {
    let key = FdbKey::new(vni, mac);
    let Some(entry) = FDB.get_ptr_mut(key) else {
        first_seen::<O>(&key, here, flags, now);
        return Ok(());
    };
    // SAFETY: a live map value, used at once. Another CPU may write the time; nothing else is written in place.
    let known = unsafe { &*entry };
    let same = known.to.same_place(here);
    if known.origin == fdb::STATIC {
        let [place, rest] = step::place(&known.to);
        O::step(if same { Step::SourceIsStatic } else { Step::SourceElsewhere }, [place, rest, 0, 0]);
        return if same { Ok(()) } else { Err(DropReason::SourceElsewhere) };
    }
    if !same {
        let [place, rest] = step::place(&known.to);
        O::step(Step::SourceMoves, [place, rest, 0, 0]);
        moved::<O>(&key, here, flags, now);
    } else if refresh::<O>(known, now) {
        // SAFETY: as above; a u64 is written whole. If the entry is replaced right now, only this time is lost.
        unsafe { (&raw mut (*entry).seen).write_volatile(now) };
    }
    Ok(())
}

/// Checks a source behind a tunnel without learning it: refuses a MAC that is static behind an access port. If `strict`,
/// refuses any MAC that is known anywhere else than behind the tunnel `from`.
#[inline(always)]
pub(crate) fn check_remote_source<O: Observer>(
    vni: u32,
    mac: [u8; 6],
    from: &Target,
    strict: bool,
) -> Result<(), DropReason> {
    // SAFETY: a live map value, used at once.
    match unsafe { FDB.get(FdbKey::new(vni, mac)) } {
        Some(known)
            if strict && !known.to.same_place(from) || known.origin == fdb::STATIC && known.to.kind == fdb::LOCAL =>
        {
            let [place, rest] = step::place(&known.to);
            O::step(Step::SourceElsewhere, [place, rest, 0, 0]);
            Err(DropReason::SourceElsewhere)
        }
        _ => Ok(()),
    }
}

/// True if the last-seen time of the station has to be written.
#[inline(always)]
fn refresh<O: Observer>(known: &FdbEntry, now: u64) -> bool {
    O::step(Step::SourceKnown, [now.saturating_sub(known.seen), 0, 0, 0]);
    !O::DRY_RUN && now.wrapping_sub(known.seen) > REFRESH_NS
}

const fn learned(here: &Target, flags: u32, now: u64) -> FdbEntry {
    FdbEntry { to: *here, seen: now, origin: fdb::LEARNED, flags }
}

/// Learns a new MAC within the limit of its switch and the budget of its place. Not inlined, as [`admit`].
#[inline(never)]
fn first_seen<O: Observer>(key: &FdbKey, here: &Target, flags: u32, now: u64) {
    // SAFETY: live map values, used at once.
    let Some(switch) = (unsafe { SWITCHES.get(key.vni) }) else { return };
    let switch: &SwitchEntry = switch;
    let Some(count) = LEARNED.get_ptr_mut(key.vni) else { return };
    // SAFETY: a live map value of eight bytes, aligned.
    let learned_so_far = unsafe { count.read_volatile() };
    if learned_so_far >= switch.learn_ceiling {
        O::step(Step::SourceLimit, [learned_so_far, 0, 0, 0]);
        count::path(PathCounter::LearnLimit);
        return;
    }
    O::step(Step::SourceLearned, [0; 4]);
    if O::DRY_RUN {
        return;
    }
    if !admit(budget::place(here), Spent::Learn, now) {
        count::path(PathCounter::LearnBudget);
        return;
    }
    // NOEXIST: a static entry written in the meantime must stay.
    match FDB.insert(key, learned(here, flags, now), u64::from(BPF_NOEXIST)) {
        Ok(()) => {
            // Not atomic: two CPUs may count two MACs as one. The agent scans the FDB and sets the ceiling from what is
            // there, so the limit is exceeded by a few MACs and for a short time only.
            // SAFETY: a live map value of eight bytes, aligned.
            unsafe { count.write_volatile(count.read_volatile() + 1) };
            count::path(PathCounter::Learned);
            notify_agent(event::LEARNED, key, here);
        }
        Err(E2BIG) => count::path(PathCounter::FdbFull),
        // Another CPU learned it first.
        Err(_) => {}
    }
}

/// Moves a learned MAC within the budget of its new place. Not inlined, as [`admit`].
#[inline(never)]
fn moved<O: Observer>(key: &FdbKey, here: &Target, flags: u32, now: u64) {
    if O::DRY_RUN {
        return;
    }
    if !admit(budget::place(here), Spent::Move, now) {
        count::path(PathCounter::MoveBudget);
        return;
    }
    // The entry is replaced as a whole, so that no CPU sees half of it. If the agent gave this MAC a place since the
    // look-up, the event makes the agent look and repair it.
    if FDB.insert(key, learned(here, flags, now), u64::from(BPF_EXIST)).is_ok() {
        flow_cache::invalidate();
        count::path(PathCounter::Moved);
        notify_agent(event::MOVED, key, here);
    }
}

/// Takes a token from the bucket of `place` for `what`; false if the bucket is empty. CPUs that ask at the same time
/// may take the same token.
///
/// Not inlined: its variables must not be on the stack of the packet path.
#[inline(never)]
pub(crate) fn admit(place: u32, what: Spent, now: u64) -> bool {
    let Some(budget) = BUDGETS.get_ptr_mut(place) else { return false };
    let which = hidden(what as u64) as usize;
    if which >= Spent::ALL.len() {
        return false;
    }
    // SAFETY: a live map value; numbers of 64 bits are read and written whole.
    unsafe {
        let used = (&raw mut (*budget).used).cast::<u64>().add(which);
        match budget::spend(used.read_volatile(), now, what.rate()) {
            Some(until) => {
                used.write_volatile(until);
                true
            }
            None => {
                let refused = (&raw mut (*budget).refused).cast::<u64>().add(which);
                refused.write_volatile(refused.read_volatile() + 1);
                false
            }
        }
    }
}

#[inline(always)]
fn notify_agent(kind: u32, key: &FdbKey, here: &Target) {
    send_event(|| LearnEvent { kind, vni: key.vni, mac: key.mac, reserved: 0, to: *here, ip: Addr::NONE });
}

/// Writes an event to the ring buffer. The event is built there and takes no room on the stack.
#[inline(always)]
pub(crate) fn send_event(event: impl FnOnce() -> LearnEvent) {
    let ring = (&raw const EVENTS).cast_mut().cast();
    // SAFETY: the helper returns room for an event, which is written whole before it is submitted, or null.
    unsafe {
        let room = bpf_ringbuf_reserve(ring, size_of::<LearnEvent>() as u64, 0).cast::<LearnEvent>();
        if room.is_null() {
            count::path(PathCounter::EventsLost);
        } else {
            room.write(event());
            bpf_ringbuf_submit(room.cast(), 0);
        }
    }
}
