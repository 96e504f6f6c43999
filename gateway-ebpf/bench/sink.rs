//! Sink: counts every frame and checks the fields that differ from flow to flow; checks one frame in sixteen
//! completely.

use aya_ebpf::{bindings::__sk_buff, helpers::generated::bpf_ktime_get_ns, programs::TcContext};

use crate::{
    abi::{BUCKET_NS, BUCKETS, Expect, NOTHING, PLAIN, Seen, TAGGED},
    maps::{LATENCY, SEEN, SETTINGS},
    unaligned,
};

const ETH_P_IP: u16 = 0x0800;
const ETH_P_8021Q: u16 = 0x8100;
/// Bytes of a tag.
const TAG: u32 = 4;
/// IPv4 without options, from the first byte of its header.
const IPV4: u8 = 0x45;
const UDP: u8 = 17;
const VXLAN_PORT: u16 = 4789;
/// The I flag (RFC 7348 section 5), and nothing else.
const FLAGS: u32 = 0x0800_0000;

/// Counts a frame.
#[inline(always)]
pub(crate) fn take(start: usize, end: usize) {
    count(start, end, None);
}

/// Counts a frame whose tag, if any, the stack has moved to the metadata.
#[inline(always)]
pub(crate) fn take_from_stack(ctx: &TcContext) {
    let skb: *const __sk_buff = ctx.skb.skb;
    // SAFETY: the context is the one the kernel called with.
    let tag = unsafe { if (*skb).vlan_present != 0 { Some((*skb).vlan_tci & 0xfff) } else { None } };
    count(ctx.data(), ctx.data_end(), tag);
}

#[inline(always)]
fn count(start: usize, end: usize, tag: Option<u32>) {
    let (Some(settings), Some(seen)) = (SETTINGS.get(0), SEEN.get_ptr_mut(0)) else { return };
    // SAFETY: this CPU's own value.
    let seen: &mut Seen = unsafe { &mut *seen };
    seen.bytes += unaligned::distance(start, end) as u64;
    match is_as_expected(&settings.expect, start, end, tag, seen.good.is_multiple_of(16)) {
        Some(true) => seen.good += 1,
        _ => seen.bad += 1,
    }
    if settings.expect.stamp_at != 0 {
        // The offset is smaller where the stack has removed the tag.
        let nearer = if tag.is_some() { TAG } else { 0 };
        time(start, end, settings.expect.stamp_at - nearer);
    }
}

#[inline(always)]
fn is_as_expected(expect: &Expect, start: usize, end: usize, tag: Option<u32>, thorough: bool) -> Option<bool> {
    if expect.form == NOTHING {
        return Some(true);
    }
    if expect.form == PLAIN {
        return Some(tag.is_none() && inner(expect, start, end, 0)?.1 == ETH_P_IP);
    }
    if expect.form == TAGGED {
        let (station, ethertype) = inner(expect, start, end, 0)?;
        let vlan = match tag {
            Some(vlan) => vlan,
            None if ethertype == ETH_P_8021Q => u32::from(be16(start, end, 14)? & 0xfff),
            None => return Some(false),
        };
        return Some(vlan == expect.net + (station & expect.net_mask));
    }
    if start + 64 > end {
        return Some(false);
    }
    let net = be32(start, end, 46)? >> 8;
    let (station, ethertype) = inner(expect, start, end, 50)?;
    let fine = ethertype == ETH_P_IP
        && be32(start, end, 42)? == FLAGS
        && be16(start, end, 36)? == VXLAN_PORT
        && net == expect.net + (station & expect.net_mask);
    Some(fine && tag.is_none() && (!thorough || outer_is_sound(start, end)?))
}

/// Returns the number of the destination and the EtherType of the frame at `offset`.
#[inline(always)]
fn inner(expect: &Expect, start: usize, end: usize, offset: usize) -> Option<(u32, u16)> {
    let high = be32(start, end, offset)? >> 8;
    let station = be32(start, end, offset + 2)? & 0xff_ffff;
    if high != expect.prefix {
        return None;
    }
    Some((station, be16(start, end, offset + 12)?))
}

/// Checks version, protocol, lengths and checksum of the outer headers.
#[inline(always)]
fn outer_is_sound(start: usize, end: usize) -> Option<bool> {
    let total = be16(start, end, 16)?;
    let mut sum = 0u32;
    for word in 0..10 {
        sum += u32::from(be16(start, end, 14 + 2 * word)?);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    let frame = unaligned::distance(start, end) as u64;
    Some(
        (be16(start, end, 14)? >> 8) as u8 == IPV4
            && (be16(start, end, 22)? & 0xff) as u8 == UDP
            && sum == 0xffff
            && u64::from(total) + 14 == frame
            && u64::from(be16(start, end, 38)?) + 34 == frame,
    )
}

#[inline(always)]
fn time(start: usize, end: usize, offset: u32) {
    let at = start + (offset & 0x7f) as usize;
    if at + 4 > end {
        return;
    }
    // SAFETY: the bound was just checked; the helper takes nothing.
    let way = unsafe { (bpf_ktime_get_ns() as u32).wrapping_sub((at as *const u32).read_unaligned()) };
    let bucket = (u64::from(way) / BUCKET_NS).min(BUCKETS as u64 - 1) as usize;
    if let Some(buckets) = LATENCY.get_ptr_mut(0) {
        // SAFETY: this CPU's own value, and `bucket` is below BUCKETS.
        unsafe { *buckets.cast::<u32>().add(bucket % BUCKETS) += 1 };
    }
}

#[inline(always)]
fn be16(start: usize, end: usize, offset: usize) -> Option<u16> {
    let at = start + offset;
    // SAFETY: the bound is checked first.
    (at + 2 <= end).then(|| u16::from_be(unsafe { (at as *const u16).read_unaligned() }))
}

#[inline(always)]
fn be32(start: usize, end: usize, offset: usize) -> Option<u32> {
    let at = start + offset;
    // SAFETY: the bound is checked first.
    (at + 4 <= end).then(|| u32::from_be(unsafe { (at as *const u32).read_unaligned() }))
}
