//! What a NIC should be set to, and what follows from how it is set.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the gateway uses an interface for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Towards the underlay.
    Uplink,
    /// Towards the VLANs.
    Access,
}

/// A setting of an interface that matters to the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// The NIC takes 802.1Q tags out of frames, where XDP can't see them.
    RxVlanOffload,
    /// The NIC takes 802.1ad tags out of frames.
    RxVlanStagOffload,
    /// The NIC drops frames of VLANs that have no subinterface here.
    RxVlanFilter,
    /// The NIC merges received packets into ones that can't be told apart again.
    Lro,
    /// The NIC merges received packets; some drivers refuse XDP meanwhile.
    RxGroHw,
    /// The kernel merges UDP packets that it is to forward. A train of tunnel packets can't be taken out of its tunnel.
    RxUdpGroForwarding,
    /// The kernel chains packets of a connection that it is to forward.
    RxGroList,
    /// The interface takes in frames for any MAC.
    Promiscuous,
}

impl Setting {
    /// The kernel's name for it among the device features (net/ethtool/common.c); `None` where it isn't one.
    pub(super) const fn feature(self) -> Option<&'static str> {
        match self {
            Self::RxVlanOffload => Some("rx-vlan-hw-parse"),
            Self::RxVlanStagOffload => Some("rx-vlan-stag-hw-parse"),
            Self::RxVlanFilter => Some("rx-vlan-filter"),
            Self::Lro => Some("rx-lro"),
            Self::RxGroHw => Some("rx-gro-hw"),
            Self::RxUdpGroForwarding => Some("rx-udp-gro-forwarding"),
            Self::RxGroList => Some("rx-gro-list"),
            Self::Promiscuous => None,
        }
    }
}

impl fmt::Display for Setting {
    /// The name an operator types after `ethtool -K DEV`, or `promiscuous`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RxVlanOffload => "rx-vlan-offload",
            Self::RxVlanStagOffload => "rx-vlan-stag-hw-parse",
            Self::RxVlanFilter => "rx-vlan-filter",
            Self::Lro => "large-receive-offload",
            Self::RxGroHw => "rx-gro-hw",
            Self::RxUdpGroForwarding => "rx-udp-gro-forwarding",
            Self::RxGroList => "rx-gro-list",
            Self::Promiscuous => "promiscuous",
        })
    }
}

/// What an interface in this role has to be set to.
pub(super) fn needs(role: Role) -> &'static [(Setting, bool)] {
    use Setting::{Lro, Promiscuous, RxGroList, RxUdpGroForwarding, RxVlanFilter, RxVlanOffload, RxVlanStagOffload};
    match role {
        Role::Uplink => &[
            (RxVlanOffload, false),
            (RxVlanStagOffload, false),
            (Lro, false),
            (RxUdpGroForwarding, false),
            (RxGroList, false),
        ],
        // The hosts behind the tunnels have MACs, and the bindings VLANs, that the NIC knows nothing of.
        Role::Access => &[
            (RxVlanOffload, false),
            (RxVlanStagOffload, false),
            (RxVlanFilter, false),
            (Lro, false),
            (RxUdpGroForwarding, false),
            (RxGroList, false),
            (Promiscuous, true),
        ],
    }
}

/// True if it does no harm that a setting can't be changed in this role: promiscuous mode, which is told of by itself,
/// makes a NIC take in frames of all VLANs.
pub fn is_covered(role: Role, setting: Setting) -> bool {
    setting == Setting::RxVlanFilter && needs(role).contains(&(Setting::Promiscuous, true))
}

/// What has to be off for drivers that refuse XDP while the NIC merges packets.
pub(super) const BLOCKS_XDP: &[(Setting, bool)] = &[(Setting::Lro, false), (Setting::RxGroHw, false)];

/// How a setting is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// What was last asked for.
    pub(super) wanted: bool,
    /// What is in force.
    pub(super) active: bool,
    /// The driver lets it be changed.
    pub(super) changeable: bool,
}

/// What to do about a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing, it is right.
    Nothing,
    /// It is wrong, and the driver won't have it changed.
    Fixed,
    /// Change it.
    Change,
}

/// Decides what to do for a setting to become `value`.
pub(super) fn step(state: State, value: bool) -> Step {
    match state {
        State { active, changeable: false, .. } if active == value => Step::Nothing,
        State { changeable: false, .. } => Step::Fixed,
        State { wanted, active, .. } if wanted == value && active == value => Step::Nothing,
        _ => Step::Change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn state(wanted: bool, active: bool, changeable: bool) -> State {
        State { wanted, active, changeable }
    }

    #[test]
    fn right_setting_is_left_alone() {
        assert_eq!(step(state(false, false, true), false), Step::Nothing);
        assert_eq!(step(state(false, false, false), false), Step::Nothing);
    }

    #[test]
    fn fixed_setting_that_is_wrong_is_told() {
        assert_eq!(step(state(false, true, false), false), Step::Fixed);
    }

    #[test]
    fn wish_that_may_come_true_later_is_taken_back_too() {
        assert_eq!(step(state(true, false, true), false), Step::Change);
    }

    #[test]
    fn a_filter_of_vlans_that_stays_is_covered_by_promiscuous_mode() {
        assert!(is_covered(Role::Access, Setting::RxVlanFilter));
        assert!(!is_covered(Role::Access, Setting::RxVlanOffload));
        assert!(!is_covered(Role::Uplink, Setting::RxVlanFilter));
    }

    #[test]
    fn only_access_ports_are_promiscuous() {
        assert!(needs(Role::Access).contains(&(Setting::Promiscuous, true)));
        assert!(!needs(Role::Uplink).iter().any(|(setting, _)| *setting == Setting::Promiscuous));
    }
}
