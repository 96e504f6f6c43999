//! Steps of a packet through the stages (`vtep-gateway trace`). One definition gives the number that the programs
//! record, the arguments, and the name and text for readers.

use bytemuck::{Pod, Zeroable};

use crate::fdb::Target;

/// Kind of a step's argument, which decides how it is formatted. [`Kind::words`] is its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number,
    /// An Ethernet address, see [`mac`].
    Mac,
    /// A VLAN, 0 for none.
    Vlan,
    /// An EtherType.
    EtherType,
    /// Index of an interface.
    Interface,
    /// Number of a tunnel.
    Tunnel,
    /// Remaining nanoseconds of a lease; 0: expired, `u64::MAX`: for ever.
    Left,
    /// Nanoseconds since something was seen.
    Ago,
    /// A number of [`crate::fdb::FdbEntry::origin`].
    Origin,
    /// A number of [`crate::counters::DropReason`].
    Reason,
    /// A [`Target`], see [`place`].
    Place,
    /// A [`crate::tunnel::Addr`], see [`address`].
    Address,
}

impl Kind {
    /// Number of words of an argument of this kind.
    pub const fn words(self) -> usize {
        if matches!(self, Self::Place | Self::Address) { 2 } else { 1 }
    }
}

/// Number of words of all arguments of a step.
pub const WORDS: usize = 4;

/// Encodes an Ethernet address.
#[inline(always)]
pub const fn mac([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// Encodes a place.
#[inline(always)]
pub const fn place(to: &Target) -> [u64; 2] {
    [(to.kind as u64) << 48 | (to.vlan as u64) << 32 | to.out as u64, (to.vni as u64) << 32 | to.binding as u64]
}

/// Decodes a place, see [`place`].
pub const fn place_of([first, second]: [u64; 2]) -> Target {
    Target {
        kind: (first >> 48) as u16,
        vlan: (first >> 32) as u16,
        out: first as u32,
        binding: second as u32,
        vni: (second >> 32) as u32,
    }
}

/// Encodes an IP address.
#[inline(always)]
pub const fn address(bytes: [u8; 16]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p])]
}

macro_rules! steps {
    ( $( $variant:ident $name:ident ($($arg:ident: $kind:ident),*) $text:literal; )+ ) => {
        /// A step of a packet through the stages.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Step {
            $(#[doc = $text] $variant,)+
        }

        impl Step {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Name, for programs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($name),)+ }
            }

            /// Text, one sentence, with the names of arguments in braces.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Names and kinds of the arguments, in order.
            pub const fn args(self) -> &'static [(&'static str, Kind)] {
                match self { $(Self::$variant => &[$((stringify!($arg), Kind::$kind),)*],)+ }
            }
        }
    };
}

steps! {
    TooShort too_short () "It is too short to be Ethernet.";
    NotTunnelled not_tunnelled () "It is no packet to the UDP port of VXLAN.";
    Outer outer (remote: Address, local: Address) "A VXLAN packet from {remote} to {local}.";
    NoTunnel no_tunnel () "No tunnel is known between these two addresses.";
    FromTunnel from_tunnel (tunnel: Tunnel) "It comes out of {tunnel}.";
    Lease lease (lease: Number, left: Left) "Lease {lease} {left}.";
    Inner inner (vni: Number, bytes: Number) "Inside is a frame of {bytes} bytes for VNI {vni}.";
    Frame frame (src: Mac, dst: Mac, vlan: Vlan, ethertype: EtherType) "From {src} to {dst}, {vlan}, EtherType {ethertype}.";
    Binding binding (vni: Number, binding: Number, lease: Number) "Port and VLAN belong to the logical switch of VNI {vni}.";
    InactiveMember inactive_member () "It came in by a member of a bond that is not active: left to the bond.";
    NoBinding no_binding (vlan: Vlan) "No logical switch is bound to this port, {vlan}.";
    LinkLocal link_local () "It is to a link-local group, for the host and its neighbour.";
    SourceIsStatic source_given () "The sender is given as being here.";
    SourceElsewhere source_elsewhere (place: Place) "The sender is given as being {place}.";
    SourceKnown source_known (seen: Ago) "The sender was learned here and seen {seen} ago.";
    SourceMoves source_moves (place: Place) "The sender was learned {place}, and moves here.";
    SourceLearned source_learned () "The sender is not known, and is learned.";
    SourceLimit source_limit (learned: Number) "The sender is not known and not learned: the logical switch has as many learned MACs as it may.";
    Announces announces (address: Address) "It tells the sender's IP address, {address}.";
    Group group () "It is to a group: to everyone in the logical switch.";
    Unknown unknown () "The destination is not known: to everyone in the logical switch.";
    Known known (place: Place, origin: Origin) "The destination is {place}, {origin}.";
    NoSwitch no_switch (vni: Number) "No logical switch has VNI {vni}.";
    NextHop next_hop (tunnel: Tunnel, interface: Interface, longest: Number) "By {tunnel}, through {interface}; frames of up to {longest} bytes fit.";
    Unresolved unresolved (tunnel: Tunnel) "The next hop of {tunnel} is not known.";
    Out out (interface: Interface) "It is to leave through {interface}.";
    OutByTc out_by_tc (interface: Interface) "XDP can't send through {interface}.";
    Flood flood (vni: Number, slots: Number) "Replicated to the flood list of VNI {vni}:";
    NotBack not_back (place: Place) "None {place}: it came from there.";
    NotAcross not_across (place: Place) "None {place}: what came from a tunnel goes into no other.";
    NoCopy no_copy (place: Place, reason: Reason) "None {place}: {reason}.";
    Copy copy (place: Place, interface: Interface, bytes: Number) "A copy {place}, through {interface}.";
    Tag tag (vlan: Vlan) "It leaves with a tag, {vlan}.";
    Passed passed () "Passed up the stack: not the gateway's.";
    LeftToTc left_to_tc () "Left to TC.";
    Redirected redirected () "Sent.";
    Flooded flooded (copies: Number) "That is all of the list.";
    Dropped dropped (reason: Reason) "Dropped: {reason}.";
}

impl Step {
    /// The step with this number.
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

/// Record of a step. A [`Step::Copy`] is followed by the first bytes of the copy.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct StepRecord {
    /// Number of the step.
    pub step: u32,
    /// VLAN tag in the metadata of a copy, tag control information; [`NO_TAG`]: none.
    pub tag: u32,
    /// Arguments, one after the other.
    pub args: [u64; WORDS],
}

/// [`StepRecord::tag`] without a tag.
pub const NO_TAG: u32 = u32::MAX;

/// Maximum number of bytes recorded of a copy: outer headers, inner headers and some payload.
pub const COPY_BYTES: usize = 256;

crate::map_types!(StepRecord);

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn what_comes_with_a_step_fits_its_record_and_is_named_in_its_text() {
        for step in Step::ALL {
            assert!(step.args().iter().map(|(_, kind)| kind.words()).sum::<usize>() <= WORDS, "{step:?}");
            let named = step.text().matches('{').count();
            for (name, _) in step.args() {
                let is_named = step.text().contains(&format!("{{{name}}}"));
                // Some are for programs alone.
                assert!(is_named || named < step.args().len(), "{step:?} does not name {name}");
            }
            assert_eq!(Step::of(*step as u32), Some(*step));
        }
    }

    #[test]
    fn a_place_survives_its_record() {
        for to in [Target::local(7, 4094, 3), Target::remote(8191, 0xff_ffff)] {
            assert_eq!(place_of(place(&to)), to);
        }
    }
}
