//! Drop reasons and path counters: one definition gives the index the kernel counts under, the struct whose field names
//! `bpftool map dump` prints, and the names and texts for metrics and documentation.

use bytemuck::{Pod, Zeroable};

macro_rules! counters {
    (
        $(#[$enum_doc:meta])* $enum:ident,
        $(#[$struct_doc:meta])* $struct:ident,
        $( $variant:ident $field:ident $text:literal, )+
    ) => {
        $(#[$enum_doc])*
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $enum {
            $(#[doc = $text] $variant,)+
        }

        impl $enum {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Name in maps, metrics and documentation.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)+ }
            }

            /// One sentence for people.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        $(#[$struct_doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
        pub struct $struct {
            $(#[doc = $text] pub $field: u64,)+
        }

        impl $struct {
            /// Returns the counter `which`.
            pub const fn get(&self, which: $enum) -> u64 {
                match which { $($enum::$variant => self.$field,)+ }
            }

            /// Adds another CPU's counts.
            pub const fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.wrapping_add(other.$field);)+
            }
        }

        crate::map_types!($struct);
    };
}

counters! {
    /// Drop reasons. Traffic that is not for the gateway is never dropped, it goes up the stack.
    DropReason,
    /// The one value of per-CPU map `drops`.
    Drops,
    OuterMalformed outer_malformed "A VXLAN packet for this gateway whose lengths do not add up or that lacks the I flag.",
    OuterFragment outer_fragment "A fragmented VXLAN packet for this gateway: fragments are not decapsulated.",
    OuterOptions outer_options "A VXLAN packet for this gateway with IPv4 options: not decapsulated.",
    UnknownVtep unknown_vtep "A VXLAN packet from an address that is not a known VTEP.",
    UnknownVni unknown_vni "A VXLAN packet for a VNI that no logical switch has.",
    LeaseExpired lease_expired "This node does not hold the lease of the tunnel address now.",
    FrameMalformed frame_malformed "A frame too short to be Ethernet, or shorter than its headers claim.",
    BadSource bad_source "A frame whose source address is a group address or zero.",
    SourceElsewhere source_elsewhere "A frame from a MAC that was given as being elsewhere: a loop, or a forged source.",
    InnerTagged inner_tagged "A frame with a VLAN tag inside the tunnel or behind the binding's own tag.",
    LinkLocal link_local "A frame from a tunnel to a link-local group (01:80:c2:00:00:0x): such frames never cross a bridge.",
    SplitHorizon split_horizon "A frame from a tunnel whose destination is behind a tunnel.",
    SamePort same_port "A frame whose destination is where it came from.",
    NoReceiver no_receiver "A frame to all, or to an unknown MAC, in a logical switch with nobody else to send it to.",
    TunnelUnresolved tunnel_unresolved "The tunnel's next hop has no link-layer address yet, or no route.",
    TooBig too_big "A frame that would not fit the MTU of the underlay once encapsulated.",
    RewriteFailed rewrite_failed "The kernel could not make or take away room for headers.",
    FloodFailed flood_failed "The kernel could not send a copy of a frame.",
    StandbyArp standby_arp "ARP or a neighbour solicitation for a tunnel address whose lease this node does not hold now.",
    OuterMisaddressed outer_misaddressed "A VXLAN packet for this gateway in a VLAN, or to a MAC address, that packets for it do not have.",
    OuterExtended outer_extended "A VXLAN packet for this gateway in another format: VXLAN-GPE or with a group policy.",
    OtherInstance other_instance "A VXLAN packet to the tunnel address of one instance for a logical switch of another.",
    ControlProtocol control_protocol "A frame from a tunnel by which switches talk among themselves: CDP, VTP, UDLD, PVST+, MVRP and the like.",
    PortDown port_down "A frame for an access port that is down or has no carrier.",
}

counters! {
    /// Counters of events, by path.
    PathCounter,
    /// The one value of per-CPU map `paths`.
    Paths,
    XdpDecap xdp_decap "Known unicast from a tunnel, redirected to an access port by XDP.",
    XdpEncap xdp_encap "Known unicast to a tunnel, redirected to the uplink by XDP.",
    XdpLocal xdp_local "Known unicast from one access port to another, redirected by XDP.",
    XdpToTc xdp_to_tc "Packets of ours that XDP left to TC: to be flooded, or out of a port without XDP.",
    TcDecap tc_decap "Known unicast from a tunnel, redirected to an access port by TC.",
    TcEncap tc_encap "Known unicast to a tunnel, redirected to the uplink by TC.",
    TcLocal tc_local "Known unicast from one access port to another, redirected by TC.",
    TcFlood tc_flood "Frames replicated by TC: broadcast, unknown unicast, multicast.",
    FloodCopies flood_copies "Copies made of them.",
    Learned learned "MACs learned.",
    Moved moved "Learned MACs seen at another place.",
    LearnLimit learn_limit "Frames whose source was not learned because its logical switch has as many MACs as it may; one that is flooded counts at XDP and at TC.",
    FdbFull fdb_full "Frames whose source was not learned because the forwarding database is full; one that is flooded counts at XDP and at TC.",
    EventsLost events_lost "Learning events that found the ring buffer full; the agent then looks through the database.",
    LearnBudget learn_budget "Frames whose source was not learned because its VLAN or tunnel had used up its budget; one that is flooded counts at XDP and at TC.",
    MoveBudget move_budget "Frames whose source was not moved here because its VLAN or tunnel had used up its budget; one that is flooded counts at XDP and at TC.",
    SnoopBudget snoop_budget "IP addresses that were not reported to the agent because their VLAN had used up its budget, or the ring buffer was half full.",
    RedirectRefused redirect_refused "Frames that XDP redirected and that the kernel, or the driver they were to leave by, refused: they are lost.",
    RedirectFull redirect_full "Frames that XDP redirected and that found the queue of the interface they were to leave by full: they are lost.",
    PathMtu path_mtu "Messages of a router that packets of ours are too big for the path to a remote VTEP.",
}

#[cfg(test)]
mod tests {
    use std::{format, string::String, vec::Vec};

    use super::*;

    const REFERENCE: &str = include_str!("../../docs/DROPS.md");

    /// Entries of the reference in its section `heading`: headings and the words below each.
    fn described(heading: &str) -> Vec<(&'static str, String)> {
        let (_, rest) = REFERENCE.split_once(&format!("\n## {heading}\n")).expect(heading);
        let part = rest.split("\n## ").next().unwrap_or(rest);
        let sections = part.split("\n### ").skip(1).map(|section| section.split_once('\n').unwrap_or((section, "")));
        sections.map(|(name, body)| (name, body.split_whitespace().collect::<Vec<_>>().join(" "))).collect()
    }

    fn assert_described(heading: &str, counters: impl Iterator<Item = (&'static str, &'static str)>) {
        let described = described(heading);
        let names: Vec<String> = described.iter().map(|(name, _)| (*name).into()).collect();
        let counters: Vec<_> = counters.collect();
        let wanted: Vec<String> =
            counters.iter().enumerate().map(|(number, (name, _))| format!("`{name}` ({number})")).collect();
        assert_eq!(names, wanted);
        for ((name, text), (_, body)) in counters.iter().zip(&described) {
            assert!(body.starts_with(text), "{name} is described as {body:?}, and its text is {text:?}");
        }
    }

    #[test]
    fn the_reference_describes_every_drop_reason_by_its_number_and_text() {
        assert_described("Drops", DropReason::ALL.iter().map(|reason| (reason.name(), reason.text())));
    }

    #[test]
    fn the_reference_describes_every_path_counter_by_its_number_and_text() {
        assert_described("Paths", PathCounter::ALL.iter().map(|which| (which.name(), which.text())));
    }

    #[test]
    fn the_struct_has_a_field_for_each_reason_at_its_number() {
        assert_eq!(size_of::<Drops>(), DropReason::ALL.len() * 8);
        let mut words = [0u64; DropReason::ALL.len()];
        words[DropReason::TooBig as usize] = 7;
        let drops: Drops = bytemuck::cast(words);
        assert_eq!(drops.get(DropReason::TooBig), 7);
        assert_eq!(drops.too_big, 7);
    }

    #[test]
    fn counts_of_cpus_add_up() {
        let mut sum = Paths { learned: 2, ..Default::default() };
        sum.add(&Paths { learned: 3, moved: 1, ..Default::default() });
        assert_eq!((sum.learned, sum.moved), (5, 1));
    }
}
