//! Cost of a change of some rows among a hundred thousand, from the database to the maps. It is counted, not timed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use gateway_common::net::{MacAddr, Vni};
use gateway_config::{Config, rows::Rows};
use gateway_ovsdb::{Change, Uuid};
use gateway_sources::vtep::{
    Identity, Mapping, Mirror,
    rows::{Locator, LogicalSwitch, Replication, Row, TunnelKey, Ucast},
};

use crate::{
    Desired, Programmed,
    diff::{diff, diff_ceilings, diff_macs},
    op::Op,
    plan::{mac_changes, plan, tests::world},
};

const MANY: u32 = 100_000;
const SWITCHES: u32 = 4;
/// Both of the remotes that the underlay of these tests reaches.
const REMOTES: [&str; 2] = ["172.31.0.11", "2001:db8::11"];

fn uuid(kind: u8, number: u32) -> Uuid {
    let mut bytes = [kind; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Uuid::from_bytes(bytes)
}

fn change(table: &str, uuid: Uuid, row: Option<Row>) -> Change<Row> {
    Change { table: table.into(), uuid, row }
}

fn mac(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr([2, 0xcc, a, b, c, d])
}

/// Station `number` behind one of the remotes.
fn station(number: u32, remote: u32) -> Change<Row> {
    let row = Ucast { mac: mac(number), switch: uuid(1, number % SWITCHES), locator: uuid(2, remote), ip: None };
    change("Ucast_Macs_Remote", uuid(3, number), Some(Row::UcastMacsRemote(row)))
}

/// A gateway with all stations programmed.
struct Gateway {
    config: Config,
    mirror: Mirror,
    mapping: Mapping,
    rows: Arc<Rows>,
    desired: Desired,
    programmed: Programmed,
}

impl Gateway {
    fn with_many() -> Self {
        let (config, underlay) = world();
        let config = Config {
            gateway: gateway_config::GatewayConfig { fdb_size: 2 * MANY, ..config.gateway.clone() },
            ..config
        };
        let switches = (0..SWITCHES).map(|number| {
            let key = TunnelKey::Vni(Vni::new(5001 + number).unwrap());
            let row = LogicalSwitch { name: format!("net{number}"), key, replication: Replication::SourceNode };
            change("Logical_Switch", uuid(1, number), Some(Row::LogicalSwitch(row.into())))
        });
        let locators = REMOTES.iter().enumerate().map(|(number, remote)| {
            let row = Locator { address: remote.parse::<IpAddr>().unwrap(), vni: None, vxlan: true };
            change("Physical_Locator", uuid(2, number as u32), Some(Row::PhysicalLocator(row)))
        });
        let stations = (0..MANY).map(|number| station(number, 0));
        let (mut mirror, mut mapping) = (Mirror::default(), Mapping::new(Identity::default(), 8192));
        // The second remote has a station of its own, or there would be no tunnel to it.
        let all = switches.chain(locators).chain(stations).chain([station(MANY, 1)]);
        let touched = mirror.apply(all.collect());
        mapping.update(&mirror, &touched);
        let rows = Arc::clone(mapping.rows());
        let desired = plan(&config, &rows, &underlay, BTreeSet::new()).desired;
        let mut programmed = Programmed::default();
        let ops = diff(&desired, &programmed, &BTreeMap::new()).ops;
        assert_eq!(ops.iter().filter(|op| matches!(op, Op::PutMac(..))).count(), MANY as usize + 1);
        ops.iter().for_each(|op| programmed.note(op));
        Self { config, mirror, mapping, rows, desired, programmed }
    }

    /// Applies a change of the database, and returns the map operations that it took.
    fn change(&mut self, changes: Vec<Change<Row>>) -> Vec<Op> {
        let count = changes.len();
        let touched = self.mirror.apply(changes);
        assert!(touched.remote.len() <= count);
        self.mapping.update(&self.mirror, &touched);
        let before = std::mem::replace(&mut self.rows, Arc::clone(self.mapping.rows()));
        let macs = mac_changes(&self.config, &before, &self.rows, &self.desired).expect("only MACs differ");
        assert!(macs.len() <= count);
        let ops = diff_macs(&macs, &self.programmed).expect("all tunnels are there");
        ops.iter().for_each(|op| self.programmed.note(op));
        ops
    }
}

#[test]
fn a_change_of_k_rows_among_100_000_is_k_operations() {
    let mut gateway = Gateway::with_many();
    assert_eq!(gateway.change(vec![station(77, 1)]).len(), 1, "one that moves");
    assert_eq!(gateway.change(vec![station(MANY + 1, 0)]).len(), 1, "one more");
    assert_eq!(gateway.change(vec![change("Ucast_Macs_Remote", uuid(3, 5), None)]).len(), 1, "one less");
    assert_eq!(gateway.change(vec![station(77, 1)]).len(), 0, "the same again");
    for count in [10, 1000] {
        // Every 97th, so that they are spread.
        let moved: Vec<u32> = (0..count).map(|number| 1000 + number * 97).collect();
        for remote in [1, 0] {
            let ops = gateway.change(moved.iter().map(|number| station(*number, remote)).collect());
            assert_eq!(ops.len(), count as usize);
            assert!(ops.iter().all(|op| matches!(op, Op::PutMac(..))));
        }
    }
}

#[test]
fn time_alone_costs_no_operation() {
    let gateway = Gateway::with_many();
    let ceilings: BTreeMap<u32, u64> =
        gateway.programmed.switches.iter().map(|(vni, switch)| (*vni, switch.learn_ceiling)).collect();
    assert_eq!(diff_ceilings(&gateway.desired, &gateway.programmed, &ceilings), []);
    let mut risen = ceilings.clone();
    *risen.get_mut(&5002).unwrap() += 1;
    let ops = diff_ceilings(&gateway.desired, &gateway.programmed, &risen);
    assert!(matches!(ops[..], [Op::PutSwitch(5002, switch)] if switch.learn_ceiling == risen[&5002]), "{ops:?}");
    assert_eq!(ops, diff(&gateway.desired, &gateway.programmed, &risen).ops, "as a whole look would find");
}
