//! Network set-ups of a server: what owns the tunnel address, and what the VLANs arrive at.

use std::fmt::{self, Display, Formatter, Write};

use crate::crossing::{GW, Underlay, VLAN};

/// VLAN of the underlay, where it is tagged.
pub const UNDERLAY_VLAN: u16 = 50;

/// Mode of a bond of two NICs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bond {
    /// One carries, the other stands by.
    ActiveBackup,
    /// A hash of the addresses decides.
    BalanceXor,
    /// The same, agreed on with the switch by LACP.
    Lacp,
}

/// Interface that owns the tunnel address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uplink {
    /// A NIC.
    Nic,
    /// A VLAN subinterface of a NIC. The uplink of the configuration is the NIC.
    VlanBelow,
    /// The same. The uplink of the configuration is the subinterface.
    Vlan,
    /// A bond of both NICs.
    Bond(Bond),
    /// A Linux bridge with a NIC as its port.
    Bridge,
    /// A bridge of Open vSwitch's kernel datapath with a NIC as its port.
    OpenVswitch,
}

/// Interface at which the VLANs arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A NIC, with tagged frames.
    Nic,
    /// A VLAN subinterface of a NIC, with the frames of its VLAN.
    Vlan,
    /// A bond of both NICs, with tagged frames.
    Bond(Bond),
}

impl Bond {
    const fn mode(self) -> &'static str {
        match self {
            Self::ActiveBackup => "active-backup",
            Self::BalanceXor => "balance-xor",
            Self::Lacp => "802.3ad",
        }
    }

    /// Returns the options of `ip link add ... type bond`.
    const fn options(self) -> &'static str {
        match self {
            Self::ActiveBackup => "mode active-backup miimon 100",
            Self::BalanceXor => "mode balance-xor miimon 100 xmit_hash_policy layer2+3",
            Self::Lacp => "mode 802.3ad miimon 100 xmit_hash_policy layer2+3 lacp_rate fast",
        }
    }
}

impl Uplink {
    /// Returns the uplink of the gateway's configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nic | Self::VlanBelow => "nic0",
            Self::Vlan => "nic0.50",
            Self::Bond(_) => "bond-u",
            Self::Bridge | Self::OpenVswitch => "br-ex",
        }
    }

    /// Returns the bond's mode, if it is one.
    pub const fn bond(self) -> Option<Bond> {
        if let Self::Bond(bond) = self { Some(bond) } else { None }
    }

    /// Returns true if the tunnel address is in a VLAN.
    pub const fn is_tagged(self) -> bool {
        matches!(self, Self::Vlan | Self::VlanBelow)
    }
}

impl Access {
    /// Returns the access port of the gateway's configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nic => "nic2",
            Self::Vlan => "nic2.100",
            Self::Bond(_) => "bond-a",
        }
    }

    /// Returns the bond's mode, if it is one.
    pub const fn bond(self) -> Option<Bond> {
        if let Self::Bond(bond) = self { Some(bond) } else { None }
    }

    /// Returns the VLAN of its binding, 0 for untagged.
    pub const fn vlan(self) -> u16 {
        match self {
            Self::Vlan => 0,
            _ => VLAN,
        }
    }
}

/// Returns the script that waits until both members of a bond carry what LACP has agreed on.
pub(super) fn wait_aggregated(bond: &str) -> String {
    format!(
        "for try in $(seq 100); do\n\
         [ \"$(cat /sys/class/net/{bond}/bonding/ad_num_ports)\" = 2 ] && exit 0\n\
         sleep 0.2\n\
         done\n\
         cat /proc/net/bonding/{bond}\n\
         exit 1"
    )
}

/// Waits for the NICs, and removes what an earlier set-up has made.
const RESET: &str = "#!/bin/sh
for nic in nic0 nic1 nic2 nic3; do
    until [ -e /sys/class/net/$nic ]; do sleep 0.1; done
done
{
    if [ -e /run/openvswitch/db.sock ]; then
        ovs-vsctl --timeout=10 --if-exists del-br br-ex
        systemctl stop openvswitch-switch ovs-vswitchd ovsdb-server
    fi
    for link in bond-u bond-a br-ex nic0.50 nic2.100; do
        if [ -e /sys/class/net/$link ]; then ip link del $link; fi
    done
    for nic in nic0 nic1 nic2 nic3; do
        ip link set $nic nomaster down
        ip address flush dev $nic
        if [ -e /run/lab-tx-off ]; then ethtool -K $nic tx on; fi
    done
    rm -f /run/lab-tx-off
    ip neigh flush all
} 2>/dev/null
set -e
";

/// Returns the script that sets the network up, whatever it was before. `uplink_mtu` and `access_mtu` are those of the
/// NICs.
pub fn script(uplink: Uplink, access: Access, uplink_mtu: u32, access_mtu: u32) -> String {
    let mut script = RESET.to_owned();
    let mut line = |text: String| {
        let _ = writeln!(script, "{text}");
    };
    let name = uplink.name();
    match uplink {
        Uplink::Nic => line(format!("ip link set nic0 mtu {uplink_mtu} up")),
        Uplink::Vlan | Uplink::VlanBelow => {
            line(format!("ip link set nic0 mtu {uplink_mtu} up"));
            line(format!("ip link add link nic0 name nic0.50 type vlan id {UNDERLAY_VLAN}"));
            line("ip link set nic0.50 up".into());
        }
        Uplink::Bond(bond) => bonded(&mut line, name, ["nic0", "nic1"], bond, uplink_mtu),
        Uplink::Bridge => {
            line("ip link add br-ex type bridge forward_delay 0".into());
            line(format!("ip link set nic0 mtu {uplink_mtu} master br-ex up"));
            line(format!("ip link set br-ex mtu {uplink_mtu} up"));
        }
        Uplink::OpenVswitch => {
            line("systemctl start openvswitch-switch".into());
            line(format!("ip link set nic0 mtu {uplink_mtu} up"));
            line("ovs-vsctl --timeout=20 add-br br-ex -- add-port br-ex nic0".into());
            line(format!("ip link set br-ex mtu {uplink_mtu} up"));
        }
    }
    let owner = if uplink == Uplink::VlanBelow { "nic0.50" } else { name };
    line(format!("ip address add {} dev {owner}", Underlay::V4.address(GW)));

    let name = access.name();
    match access {
        Access::Nic => line(format!("ip link set nic2 mtu {access_mtu} up")),
        Access::Vlan => {
            line(format!("ip link set nic2 mtu {access_mtu} up"));
            line(format!("ip link add link nic2 name {name} type vlan id {VLAN}"));
            line(format!("ip link set {name} up"));
        }
        Access::Bond(bond) => bonded(&mut line, name, ["nic2", "nic3"], bond, access_mtu),
    }
    script
}

fn bonded(line: &mut impl FnMut(String), name: &str, members: [&str; 2], bond: Bond, mtu: u32) {
    line(format!("ip link add {name} type bond {}", bond.options()));
    for member in members {
        if bond == Bond::Lacp {
            // The partner that speaks LACP reads frames as they are, and completes no checksums.
            line(format!("touch /run/lab-tx-off; ethtool -K {member} tx off"));
        }
        line(format!("ip link set {member} master {name}"));
    }
    line(format!("ip link set {name} mtu {mtu} up"));
}

impl Display for Bond {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.mode())
    }
}

impl Display for Uplink {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nic => f.write_str("NIC"),
            Self::VlanBelow => f.write_str("NIC below a VLAN subinterface"),
            Self::Vlan => f.write_str("VLAN subinterface"),
            Self::Bond(bond) => write!(f, "bond, {bond}"),
            Self::Bridge => f.write_str("Linux bridge"),
            Self::OpenVswitch => f.write_str("Open vSwitch bridge"),
        }
    }
}

impl Display for Access {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nic => f.write_str("NIC"),
            Self::Vlan => f.write_str("VLAN subinterface"),
            Self::Bond(bond) => write!(f, "bond, {bond}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tunnel_address_is_on_the_interface_that_owns_it() {
        for (uplink, owner) in [
            (Uplink::Nic, "nic0"),
            (Uplink::VlanBelow, "nic0.50"),
            (Uplink::Vlan, "nic0.50"),
            (Uplink::Bond(Bond::Lacp), "bond-u"),
            (Uplink::Bridge, "br-ex"),
        ] {
            let script = script(uplink, Access::Nic, 1600, 1500);
            assert!(script.contains(&format!("ip address add 172.31.0.21/24 dev {owner}\n")), "{script}");
        }
    }

    #[test]
    fn interfaces_of_an_earlier_set_up_are_removed() {
        let made = [Uplink::Vlan.name(), Uplink::Bond(Bond::Lacp).name(), Uplink::Bridge.name()];
        let made = made.into_iter().chain([Access::Vlan.name(), Access::Bond(Bond::Lacp).name()]);
        let removed = RESET.lines().find(|line| line.contains("for link in")).unwrap();
        for name in made {
            assert!(removed.contains(&format!("{name} ")) || removed.contains(&format!("{name};")), "{name}");
        }
    }
}
