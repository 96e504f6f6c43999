//! Tests of the mirror and of the state derived from it, with their rows.

pub(crate) mod engine;
pub(crate) mod hold;
pub(crate) mod incremental;
pub(crate) mod mapping;
pub(crate) mod publish;
pub(crate) mod register;
pub(crate) mod status;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use gateway_common::net::{MacAddr, VlanId, Vni};
use gateway_config::rows::{Location, Remote};
use gateway_ovsdb::{Change, Uuid};

use super::{
    Identity, Mapping, Mirror, Touched,
    rows::{
        Global, Group, Locator, LocatorSet, LogicalSwitch, Mcast, PhysicalPort, PhysicalSwitch, Replication, Row,
        TunnelKey, Ucast,
    },
    tables,
};

/// This gateway's address.
const OWN: &str = "172.31.0.21";
const HV1: &str = "172.31.0.11";
const HV2: &str = "172.31.0.12";

/// The row of this gateway, and that of its port `eth1`.
const GATEWAY: Uuid = uuid(1, 1);
const ETH1: Uuid = uuid(2, 1);
/// Two logical switches.
const RED: Uuid = uuid(3, 1);
const BLUE: Uuid = uuid(3, 2);
/// Locators.
const AT_HV1: Uuid = uuid(4, 11);
const AT_HV2: Uuid = uuid(4, 12);
const AT_OWN: Uuid = uuid(4, 21);

const fn uuid(kind: u8, number: u8) -> Uuid {
    let mut bytes = [0; 16];
    (bytes[0], bytes[15]) = (kind, number);
    Uuid::from_bytes(bytes)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn mac(number: u8) -> MacAddr {
    MacAddr([2, 0xaa, 0, 0, 0, number])
}

fn vni(number: u32) -> Vni {
    Vni::new(number).unwrap()
}

fn vlan(number: u16) -> VlanId {
    VlanId::new(number).unwrap()
}

fn remote(address: &str) -> Remote {
    Remote { address: ip(address), vni: None }
}

fn at(address: &str) -> Location {
    Location::Remote(remote(address))
}

fn identity() -> Identity {
    Identity {
        instance: 0,
        name: "gw1".to_owned(),
        tunnel_ips: [ip(OWN)].into(),
        ports: ["eth1".to_owned(), "eth2".to_owned()].into(),
        ..Identity::default()
    }
}

fn change(table: &str, uuid: Uuid, row: Row) -> Change<Row> {
    Change { table: table.into(), uuid, row: Some(row) }
}

fn gone(table: &str, uuid: Uuid) -> Change<Row> {
    Change { table: table.into(), uuid, row: None }
}

fn global() -> Change<Row> {
    change(tables::GLOBAL, uuid(0, 1), Row::Global(Arc::new(Global { switches: [GATEWAY].into() })))
}

/// The row of this gateway, as it registers itself.
fn gateway(ports: &[Uuid]) -> Change<Row> {
    let row = PhysicalSwitch {
        name: "gw1".to_owned(),
        tunnel_ips: [OWN.to_owned()].into(),
        ports: ports.iter().copied().collect(),
        ..PhysicalSwitch::default()
    };
    change(tables::PHYSICAL_SWITCH, GATEWAY, Row::PhysicalSwitch(Arc::new(row)))
}

fn port<const N: usize>(uuid: Uuid, name: &str, bindings: [(u16, Uuid); N]) -> Change<Row> {
    let row = PhysicalPort { name: name.to_owned(), bindings: bindings.into(), ..PhysicalPort::default() };
    change(tables::PHYSICAL_PORT, uuid, Row::PhysicalPort(Arc::new(row)))
}

fn switch(uuid: Uuid, name: &str, key: TunnelKey) -> Change<Row> {
    replicated(uuid, name, key, Replication::SourceNode)
}

fn replicated(uuid: Uuid, name: &str, key: TunnelKey, replication: Replication) -> Change<Row> {
    let row = LogicalSwitch { name: name.to_owned(), key, replication };
    change(tables::LOGICAL_SWITCH, uuid, Row::LogicalSwitch(Arc::new(row)))
}

fn keyed(number: u32) -> TunnelKey {
    TunnelKey::Vni(vni(number))
}

fn locator(uuid: Uuid, address: &str) -> Change<Row> {
    change(
        tables::PHYSICAL_LOCATOR,
        uuid,
        Row::PhysicalLocator(Locator { address: ip(address), vni: None, vxlan: true }),
    )
}

fn set<const N: usize>(uuid: Uuid, locators: [Uuid; N]) -> Change<Row> {
    let row = LocatorSet { locators: locators.into() };
    change(tables::PHYSICAL_LOCATOR_SET, uuid, Row::PhysicalLocatorSet(row))
}

fn flood(table: &str, number: u8, switch: Uuid, locators: Uuid) -> Change<Row> {
    let row = Mcast { group: Group::UnknownDst, switch, locators };
    let row = if table == tables::MCAST_MACS_LOCAL { Row::McastMacsLocal(row) } else { Row::McastMacsRemote(row) };
    change(table, uuid(6, number), row)
}

fn station(number: u8, mac: MacAddr, switch: Uuid, locator: Uuid) -> Change<Row> {
    let row = Row::UcastMacsRemote(Ucast { mac, switch, locator, ip: None });
    change(tables::UCAST_MACS_REMOTE, uuid(7, number), row)
}

fn local(number: u8, mac: MacAddr, switch: Uuid, locator: Uuid, ip: Option<IpAddr>) -> Change<Row> {
    change(tables::UCAST_MACS_LOCAL, uuid(8, number), Row::UcastMacsLocal(Ucast { mac, switch, locator, ip }))
}

/// Database and its mapping.
struct World {
    mirror: Mirror,
    mapping: Mapping,
}

impl World {
    /// Returns an empty database.
    fn empty() -> Self {
        Self { mirror: Mirror::default(), mapping: Mapping::new(identity(), 8192) }
    }

    /// Returns a database as OVN fills it: two hypervisors, VLAN 100 of eth1 bound to the switch "red" with VNI 5, a
    /// station behind each hypervisor, and both of them in the flood set.
    fn filled() -> Self {
        let mut world = Self::empty();
        world.change(vec![
            global(),
            gateway(&[ETH1]),
            port(ETH1, "eth1", [(100, RED)]),
            switch(RED, "red", keyed(5)),
            locator(AT_HV1, HV1),
            locator(AT_HV2, HV2),
            set(uuid(5, 1), [AT_HV1, AT_HV2]),
            flood(tables::MCAST_MACS_REMOTE, 1, RED, uuid(5, 1)),
            station(1, mac(1), RED, AT_HV1),
            station(2, mac(2), RED, AT_HV2),
        ]);
        world
    }

    fn change(&mut self, changes: Vec<Change<Row>>) -> Touched {
        let touched = self.mirror.apply(changes);
        self.mapping.update(&self.mirror, &touched);
        touched
    }

    fn switches(&self) -> &BTreeMap<String, Arc<gateway_config::rows::LogicalSwitch>> {
        &self.mapping.rows().switches
    }

    fn red(&self) -> &gateway_config::rows::LogicalSwitch {
        &self.switches()["red"]
    }

    fn problems(&self) -> Vec<String> {
        self.mapping.problems().map(ToString::to_string).collect()
    }
}
