//! Table of all scenarios. A new driver, kernel or network set-up is one row.

use super::{
    hardware::Model,
    network::{Access, Bond, Uplink},
    scenario::{
        Event::{MemberFails, MemberLeaves, Reboot, Restart, Upgrade},
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
};

/// The same in TC.
const TC: Scenario = Scenario { modes: (Mode::Tc, Mode::Tc), carried: (Path::Tc, Path::Tc), ..PLAIN };

/// The same on the older kernel.
const OLD: Scenario = Scenario { kernel: LINUX_6_1, ..PLAIN };

/// NICs of a model on both sides, which have no XDP.
const fn without_xdp(name: &'static str, model: Model) -> Scenario {
    Scenario { name, uplink_nic: model, access_nic: model, carried: (Path::Tc, Path::Tc), ..PLAIN }
}

/// All scenarios. Rows that share a boot follow each other.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "virtio", gate: true, events: &[Restart, Upgrade], ..PLAIN },
    Scenario { name: "virtio-tc", events: &[Restart, Upgrade], ..TC },
    Scenario { name: "virtio-jumbo", mtu: Mtu::Jumbo, ..PLAIN },
    Scenario {
        name: "bonds",
        uplink: Uplink::Bond(Bond::ActiveBackup),
        access: Access::Bond(Bond::ActiveBackup),
        carried: (Path::Xdp, Path::Tc),
        gate: true,
        ..PLAIN
    },
    Scenario { name: "vlan-below", uplink: Uplink::VlanBelow, ..PLAIN },
    Scenario { name: "reboot", events: &[Reboot], ..PLAIN },
    without_xdp("e1000e", Model::E1000e),
    Scenario { name: "6.1-virtio-tc", gate: true, events: &[Restart, Upgrade], kernel: LINUX_6_1, ..TC },
    Scenario { name: "6.1-virtio", ..OLD },
    Scenario {
        name: "6.1-member",
        access: Access::Bond(Bond::ActiveBackup),
        carried: (Path::Xdp, Path::Tc),
        events: &[MemberFails, MemberLeaves],
        ..OLD
    },
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
