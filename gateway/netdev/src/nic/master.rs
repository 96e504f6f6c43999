//! The bond or bridge to which an interface belongs. It carries the interface's traffic, so the configuration has to
//! name it instead.

use std::fmt;

use super::plan::Role;
use crate::netlink::MasterKind;

/// Master of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: MasterKind,
}

impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.kind {
            MasterKind::Bond => write!(f, "bond {name}"),
            MasterKind::Bridge => write!(f, "bridge {name}"),
            MasterKind::OpenVswitch => write!(f, "Open vSwitch ({name})"),
            MasterKind::Other => f.write_str(name),
        }
    }
}

impl Master {
    /// Describes the problem of an interface that belongs to it and is named in the configuration.
    pub fn trouble(&self, role: Role) -> String {
        match (role, self.kind) {
            (_, MasterKind::Bond) => format!("it is a member of {self}, which carries its traffic"),
            (Role::Uplink, _) => {
                format!("it belongs to {self}, which carries its traffic: tunnels can't send by it")
            }
            (Role::Access, _) => {
                format!(
                    "it belongs to {self}, which forwards as well what comes in by it: frames may cross twice, or loop"
                )
            }
        }
    }

    /// Describes the remedy. The host may depend on the bridge, so an interface is never removed from it.
    pub fn remedy(&self, role: Role) -> String {
        let name = &self.name;
        match (role, self.kind) {
            (Role::Uplink, MasterKind::OpenVswitch) => {
                "name the bridge of Open vSwitch that has the tunnel address in [[uplink]] instead (`ip -br address`, \
                 `ovs-vsctl show`): TC carries its traffic"
                    .to_owned()
            }
            (Role::Access, MasterKind::OpenVswitch) => {
                "give the gateway a port of its own, such as a second NIC, or an internal port of the bridge \
                 (`ovs-vsctl show`)"
                    .to_owned()
            }
            (Role::Uplink, MasterKind::Bridge) => {
                format!("name {name} in [[uplink]] instead: it has the traffic and the address; TC carries it")
            }
            (Role::Access, MasterKind::Bridge) => format!(
                "name {name} in [[port]] instead if its VLANs are meant, or give the gateway a NIC that is in no bridge"
            ),
            (Role::Uplink, _) => format!("name {name} in [[uplink]] instead"),
            (Role::Access, _) => format!("name {name} in [[port]] instead"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_remedy_takes_an_interface_out_of_what_a_host_may_live_by() {
        for kind in [MasterKind::Bond, MasterKind::Bridge, MasterKind::OpenVswitch, MasterKind::Other] {
            for role in [Role::Uplink, Role::Access] {
                let master = Master { name: "br-ex".to_owned(), kind };
                let remedy = master.remedy(role);
                assert!(!remedy.contains("nomaster") && !remedy.contains("ip link set"), "{remedy}");
                assert!(master.trouble(role).contains("br-ex"), "{master:?}");
            }
        }
    }

    #[test]
    fn a_vrf_leaves_the_traffic_to_its_members() {
        assert_eq!(MasterKind::named("vrf"), None);
        assert_eq!(MasterKind::named("bridge"), Some(MasterKind::Bridge));
    }
}
