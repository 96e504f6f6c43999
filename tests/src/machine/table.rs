//! Table of all scenarios. A new driver, kernel or network set-up is one row.

use super::{
    hardware::Model,
    network::{Access, Bond, Uplink},
    scenario::{
        Event::{self, MemberFails, MemberLeaves, Reboot, Restart, Upgrade},
        LINUX_6_1, LINUX_6_12, Mtu, Path, Scenario,
    },
};
use crate::config::Mode;

/// virtio-net with a queue for each CPU and one more for XDP on each.
const VIRTIO: Model = Model::Virtio(4);

/// A plain server of the newer kernel, from which rows differ.
const PLAIN: Scenario = Scenario {
    name: "",
    kernel: LINUX_6_12,
    uplink_nic: VIRTIO,
    access_nic: VIRTIO,
    mtu: Mtu::Standard,
    uplink: Uplink::Nic,
    access: Access::Nic,
    modes: (Mode::Auto, Mode::Auto),
    carried: (Path::Xdp, Path::Xdp),
    events: &[],
    gate: false,
    limit: "",
};

/// The same where TC carries.
const TC: Scenario = Scenario { carried: (Path::Tc, Path::Tc), ..PLAIN };

/// NICs of a model on both sides.
const fn nics(name: &'static str, model: Model, scenario: Scenario) -> Scenario {
    Scenario { name, uplink_nic: model, access_nic: model, ..scenario }
}

/// The same on the older kernel.
const fn old(name: &'static str, scenario: Scenario) -> Scenario {
    Scenario { name, kernel: LINUX_6_1, ..scenario }
}

/// Bonds on both sides.
const fn bonds(name: &'static str, uplink: Bond, access: Bond, events: &'static [Event]) -> Scenario {
    Scenario { name, uplink: Uplink::Bond(uplink), access: Access::Bond(access), events, ..PLAIN }
}

/// All scenarios. Rows that share a boot follow each other.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "virtio", gate: true, events: &[Restart, Upgrade], ..PLAIN },
    Scenario { gate: true, ..bonds("bond-lacp", Bond::ActiveBackup, Bond::Lacp, &[MemberFails]) },
    Scenario { name: "virtio-tc", modes: (Mode::Tc, Mode::Tc), events: &[Restart, Upgrade], ..TC },
    // virtio-net takes redirected frames only where it runs XDP itself.
    Scenario { name: "virtio-xdp-tc", modes: (Mode::Xdp, Mode::Tc), ..TC },
    Scenario { name: "virtio-tc-xdp", modes: (Mode::Tc, Mode::Xdp), ..TC },
    Scenario { name: "virtio-jumbo", mtu: Mtu::Jumbo, ..PLAIN },
    Scenario { name: "vlan-below", uplink: Uplink::VlanBelow, ..PLAIN },
    Scenario { name: "vlan-uplink", uplink: Uplink::Vlan, ..TC },
    Scenario { name: "vlan-access", access: Access::Vlan, ..TC },
    Scenario { name: "bridge", uplink: Uplink::Bridge, ..TC },
    Scenario { name: "openvswitch", uplink: Uplink::OpenVswitch, ..TC },
    bonds("bond-backup", Bond::ActiveBackup, Bond::ActiveBackup, &[MemberFails, MemberLeaves]),
    bonds("bond-xor", Bond::BalanceXor, Bond::BalanceXor, &[MemberFails, MemberLeaves]),
    bonds("bond-lacp-uplink", Bond::Lacp, Bond::Lacp, &[MemberLeaves]),
    Scenario { name: "reboot", events: &[Reboot], ..PLAIN },
    nics("virtio-1", Model::Virtio(1), PLAIN),
    nics("virtio-2", Model::Virtio(2), PLAIN),
    nics("vmxnet3", Model::Vmxnet3, PLAIN),
    nics("e1000e", Model::E1000e, TC),
    nics("e1000", Model::E1000, TC),
    nics("rtl8139", Model::Rtl8139, TC),
    Scenario { name: "virtio-e1000e", access_nic: Model::E1000e, carried: (Path::Tc, Path::Tc), ..PLAIN },
    Scenario { gate: true, events: &[Restart], ..old("6.1-e1000e", nics("", Model::E1000e, TC)) },
    old("6.1-virtio", PLAIN),
    old("6.1-virtio-tc", Scenario { modes: (Mode::Tc, Mode::Tc), events: &[Restart, Upgrade], ..TC }),
    old("6.1-virtio-jumbo", Scenario { mtu: Mtu::Jumbo, ..TC }),
    old("6.1-bond-backup", bonds("", Bond::ActiveBackup, Bond::ActiveBackup, &[MemberFails, MemberLeaves])),
    old("6.1-bond-lacp", bonds("", Bond::ActiveBackup, Bond::Lacp, &[MemberFails])),
    old("6.1-openvswitch", Scenario { uplink: Uplink::OpenVswitch, ..TC }),
    old("6.1-reboot", Scenario { modes: (Mode::Tc, Mode::Tc), events: &[Reboot], ..TC }),
    old("6.1-vmxnet3", nics("", Model::Vmxnet3, TC)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_rows_of_a_boot_are_together() {
        for (index, scenario) in SCENARIOS.iter().enumerate() {
            assert!(SCENARIOS[index + 1..].iter().all(|other| other.name != scenario.name), "{}", scenario.name);
        }
        for (index, pair) in SCENARIOS.windows(2).enumerate() {
            if !pair[0].shares_boot(&pair[1]) {
                let again = SCENARIOS[index + 1..].iter().find(|later| later.shares_boot(&pair[0]));
                assert!(again.is_none(), "{} and {}", pair[0].name, again.map_or("", |again| again.name));
            }
        }
    }
}
