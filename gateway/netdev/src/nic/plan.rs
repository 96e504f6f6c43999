//! Required NIC settings, and the steps that follow from the current ones.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Use of an interface by the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Interface of the underlay.
    Uplink,
    /// Interface of the VLANs.
    Access,
}

/// A setting of an interface that matters to the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// The NIC removes 802.1Q tags from frames, so that XDP can't see them.
    RxVlanOffload,
    /// The NIC removes 802.1ad tags from frames.
    RxVlanStagOffload,
    /// The NIC drops frames of VLANs that have no subinterface here.
    RxVlanFilter,
    /// The NIC merges received packets into ones that can't be separated again.
    Lro,
    /// The NIC merges received packets. Some drivers refuse XDP meanwhile.
    RxGroHw,
    /// The kernel merges UDP packets that it forwards. Merged tunnel packets can't be decapsulated.
    RxUdpGroForwarding,
    /// The kernel chains packets of a connection that it forwards.
    RxGroList,
    /// The interface receives frames for any MAC.
    Promiscuous,
}

impl Setting {
    /// Returns the kernel's name of the device feature (net/ethtool/common.c), or `None` if it is none.
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
    /// Writes the name for `ethtool -K DEV`, or `promiscuous`.
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

/// Returns the required settings of an interface in this role.
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
        // The MACs of the hosts behind the tunnels, and the VLANs of the bindings, are unknown to the NIC.
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

/// Returns the required settings of a member of a bond in this role. The kernel runs XDP and merges packets on the member.
/// A bond has its members in promiscuous mode as it needs them.
pub(super) fn needs_of_member(role: Role) -> impl Iterator<Item = (Setting, bool)> {
    needs(role).iter().copied().filter(|(setting, _)| *setting != Setting::Promiscuous)
}

/// Returns true if it is harmless that a setting can't be changed in this role: promiscuous mode, which is reported
/// separately, makes a NIC receive frames of all VLANs.
pub fn is_covered(role: Role, setting: Setting) -> bool {
    setting == Setting::RxVlanFilter && needs(role).contains(&(Setting::Promiscuous, true))
}

/// Settings that must be off for drivers that refuse XDP while the NIC merges packets.
pub(super) const BLOCKS_XDP: &[(Setting, bool)] = &[(Setting::Lro, false), (Setting::RxGroHw, false)];

/// State of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// The value that was last requested.
    pub(super) wanted: bool,
    /// The value in force.
    pub(super) active: bool,
    /// True if the driver permits a change.
    pub(super) changeable: bool,
}

/// Step for a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing to do, because it is right.
    Nothing,
    /// It is wrong, and the driver permits no change.
    Fixed,
    /// Change it.
    Change,
}

/// Returns the step by which a setting becomes `value`.
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
    fn fixed_setting_that_is_wrong_is_reported() {
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
    fn a_member_shows_its_tags_and_its_bond_is_promiscuous() {
        for role in [Role::Uplink, Role::Access] {
            let needs: Vec<_> = needs_of_member(role).collect();
            assert!(needs.contains(&(Setting::RxVlanOffload, false)));
            assert!(!needs.iter().any(|(setting, _)| *setting == Setting::Promiscuous));
        }
    }

    #[test]
    fn only_access_ports_are_promiscuous() {
        assert!(needs(Role::Access).contains(&(Setting::Promiscuous, true)));
        assert!(!needs(Role::Uplink).iter().any(|(setting, _)| *setting == Setting::Promiscuous));
    }
}
