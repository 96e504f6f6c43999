//! Members of bonds. The kernel runs the XDP program of a bond on its members, each with a driver and settings of its own.
//!
//! A member may forward in XDP if its settings are right and the bond receives by it. Map `members` has such members.
//! Frames that come in by any other member take the way of the kernel: the bond drops them, or passes them to TC.

use std::collections::BTreeMap;

use aya::Ebpf;
use gateway_config::Mode;
use gateway_datapath::{attach::Device, sys::Hook};
use gateway_netdev::{
    nic::{Role, Setting},
    underlay::{BondMember, Snapshot},
};

use super::{
    Devices, InUse,
    modes::{Transmit, hidden_tags, transmit},
    report_changes,
};

/// A member whose settings were made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    name: String,
    /// The setting that hides VLAN tags from XDP and can't be turned off.
    hidden: Option<Setting>,
}

/// Members of a bond, by index. Empty for any other interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Members(BTreeMap<u32, Member>);

impl Members {
    /// Returns true if there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|member| member.name.as_str())
    }

    /// Returns the setting that hides VLAN tags from XDP on one of them.
    pub(super) fn hidden_tags(&self) -> Option<Setting> {
        self.0.values().find_map(|member| member.hidden)
    }

    /// Returns true if these are the members `others`.
    fn are(&self, others: &BTreeMap<u32, BondMember>) -> bool {
        self.0.keys().eq(others.keys())
    }

    /// Returns the indices of those by which frames may be forwarded in XDP.
    fn forwarding<'a>(&'a self, others: &'a BTreeMap<u32, BondMember>) -> impl Iterator<Item = u32> + 'a {
        let ready = |ifindex: &u32| self.0.get(ifindex).is_some_and(|member| member.hidden.is_none());
        others.iter().filter(move |(ifindex, member)| member.active && ready(ifindex)).map(|(ifindex, _)| *ifindex)
    }
}

/// Returns the present members of `device`, if it is a bond.
pub(super) fn members_of(underlay: &Snapshot, device: &Device) -> BTreeMap<u32, BondMember> {
    let link = underlay.links.get(&device.name).filter(|link| link.ifindex == device.ifindex);
    link.and_then(|link| link.bond.clone()).unwrap_or_default()
}

impl Devices {
    /// Returns the bond of each member by which frames may be forwarded in XDP. Indices of interfaces.
    pub(crate) fn members(&self, underlay: &Snapshot) -> BTreeMap<u32, u32> {
        let bonds = self.in_use.values().filter(|used| used.device.bond && used.xdp);
        let of_bond = |used: &InUse| {
            let present = members_of(underlay, &used.device);
            used.members.forwarding(&present).map(|member| (member, used.device.ifindex)).collect::<Vec<_>>()
        };
        bonds.flat_map(of_bond).collect()
    }

    /// Returns the members of a bond in use: name, whether it is active, and whether XDP forwards what comes in by it.
    /// Returns `None` for any other interface.
    pub(crate) fn members_by_name(&self, name: &str, underlay: &Snapshot) -> Option<Vec<(String, bool, bool)>> {
        let used = self.in_use.get(name).filter(|used| used.device.bond)?;
        let present = members_of(underlay, &used.device);
        let forwarding: Vec<u32> = used.members.forwarding(&present).collect();
        let one = |(ifindex, member): (u32, BondMember)| {
            (member.name, member.active, used.xdp && forwarding.contains(&ifindex))
        };
        Some(present.clone().into_iter().map(one).collect())
    }

    /// Follows changes of the members of bonds in use: makes the settings of new ones, and restores those of members that
    /// have left. A bond that TC carries gets another attempt at XDP.
    pub(crate) fn follow_members(&mut self, ebpf: &mut Ebpf, underlay: &Snapshot) {
        for mut used in std::mem::take(&mut self.in_use).into_values() {
            let present = members_of(underlay, &used.device);
            if used.device.bond && !used.members.are(&present) {
                self.members_changed(ebpf, &mut used, present);
            }
            self.in_use.insert(used.device.name.clone(), used);
        }
    }

    fn members_changed(&mut self, ebpf: &mut Ebpf, used: &mut InUse, present: BTreeMap<u32, BondMember>) {
        let gone = used.members.0.iter().filter(|(ifindex, _)| !present.contains_key(ifindex));
        let gone: Vec<String> = gone.map(|(_, member)| member.name.clone()).collect();
        for name in gone {
            self.put_back(&name);
        }
        let new = present.into_iter().map(|(ifindex, member)| match used.members.0.remove(&ifindex) {
            Some(known) => (ifindex, known),
            None => (ifindex, self.prepare_member(used.device.role, member)),
        });
        used.members = Members(new.collect());
        if used.possible == Mode::Auto && !used.xdp && !used.members.is_empty() && used.members.hidden_tags().is_none()
        {
            match self.attach_xdp(ebpf, &used.device, &used.members) {
                Ok(()) => {
                    used.xdp = true;
                    used.trouble.remove(&Hook::Xdp);
                }
                Err(error) => tracing::info!(interface = used.device.name, "no XDP, TC carries its traffic: {error}"),
            }
        }
        used.transmit = if used.xdp && !used.refuses { transmit(&used.device) } else { Transmit::default() };
        tracing::info!(
            interface = used.device.name,
            members = used.members.names().collect::<Vec<_>>().join(","),
            mode = if used.xdp { "xdp" } else { "tc" },
            xdp_transmit = used.transmit.frames,
            "members of the bond changed"
        );
    }

    /// Makes the settings of the members of a bond.
    pub(super) fn prepare_members(&mut self, device: &Device, members: BTreeMap<u32, BondMember>) -> Members {
        let one = |(ifindex, member)| (ifindex, self.prepare_member(device.role, member));
        Members(members.into_iter().map(one).collect())
    }

    fn prepare_member(&mut self, role: Role, BondMember { name, .. }: BondMember) -> Member {
        let changes = report_changes(&name, role, self.nic.prepare_member(&name, role));
        let hidden = hidden_tags(&changes);
        if let Some(setting) = hidden {
            tracing::warn!(
                "{name}: the NIC takes VLAN tags off before XDP sees a frame, and its driver does not let {setting} be turned \
                 off: TC carries what the bond receives by it"
            );
        }
        Member { name, hidden }
    }

    /// Restores the settings of the members of a bond that is no longer used.
    pub(super) fn release_members(&mut self, name: &str) {
        let names = self.in_use.get(name).map(|used| used.members.names().map(str::to_owned).collect::<Vec<_>>());
        for member in names.unwrap_or_default() {
            self.put_back(&member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(members: &[(u32, bool)]) -> BTreeMap<u32, BondMember> {
        let one =
            |(ifindex, active): &(u32, bool)| (*ifindex, BondMember { name: format!("eth{ifindex}"), active: *active });
        members.iter().map(one).collect()
    }

    fn prepared(members: &[(u32, Option<Setting>)]) -> Members {
        let one = |(ifindex, hidden): &(u32, Option<Setting>)| {
            (*ifindex, Member { name: format!("eth{ifindex}"), hidden: *hidden })
        };
        Members(members.iter().map(one).collect())
    }

    fn forwarding(members: &Members, now: &[(u32, bool)]) -> Vec<u32> {
        members.forwarding(&present(now)).collect()
    }

    #[test]
    fn only_active_members_with_right_settings_forward_in_xdp() {
        let members = prepared(&[(3, None), (4, None), (5, Some(Setting::RxVlanOffload))]);
        assert_eq!(forwarding(&members, &[(3, true), (4, false), (5, true)]), [3]);
        // Failover.
        assert_eq!(forwarding(&members, &[(3, false), (4, true), (5, true)]), [4]);
        // One that has just joined has no settings yet, and one that has left is none.
        assert_eq!(forwarding(&members, &[(4, true), (6, true)]), [4]);
    }

    #[test]
    fn another_state_of_a_member_is_no_change_of_the_members() {
        let members = prepared(&[(3, None), (4, None)]);
        assert!(members.are(&present(&[(3, false), (4, true)])));
        assert!(!members.are(&present(&[(3, true)])));
        assert!(!members.are(&present(&[(3, true), (4, true), (5, false)])));
    }
}
