//! Reports traffic counters and faults in the columns of the database.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::net::VlanId;
use gateway_ovsdb::{Atom, Condition, Datum, Mutation, Operation, Row, Uuid};

use super::{
    Fault, Faults, Identity, Mirror,
    rows::{Counters, PhysicalPort},
    tables,
};

/// Counters of each binding, by name of the access port and VLAN.
pub type TrafficByBinding = BTreeMap<(String, VlanId), Counters>;

/// Returns the operations that write these counters for each VLAN that is bound, at most `limit` rows; none if the
/// database has them.
pub fn report_traffic(
    identity: &Identity,
    mirror: &Mirror,
    traffic: &TrafficByBinding,
    limit: usize,
) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (uuid, port) in own_ports(identity, mirror) {
        report_port(mirror, uuid, port, traffic, limit, &mut operations);
    }
    operations
}

fn report_port(
    mirror: &Mirror,
    uuid: Uuid,
    port: &PhysicalPort,
    traffic: &TrafficByBinding,
    limit: usize,
    operations: &mut Vec<Operation>,
) {
    let condition = || vec![Condition::row(uuid)];
    let mut added = Vec::new();
    for vlan in port.bindings.keys() {
        if operations.len() + 2 > limit {
            break;
        }
        let Some(counters) = VlanId::new(*vlan).and_then(|vlan| traffic.get(&(port.name.clone(), vlan))) else {
            continue;
        };
        let table = tables::LOGICAL_BINDING_STATS;
        match port.stats.get(vlan).map(|stats| (*stats, mirror.stats.get(stats))) {
            Some((_, Some(known))) if known == counters => {}
            Some((stats, _)) => {
                operations.push(Operation::Update {
                    table,
                    condition: vec![Condition::row(stats)],
                    row: row(counters),
                });
            }
            None => {
                let name = format!("stats{}", operations.len());
                added.push((Atom::from(i64::from(*vlan)), Atom::named(name.as_str())));
                operations.push(Operation::Insert { table, row: row(counters), uuid_name: Some(name) });
            }
        }
    }
    let gone = port.stats.keys().filter(|vlan| !port.bindings.contains_key(vlan)).map(|vlan| i64::from(*vlan));
    let gone: Vec<i64> = gone.collect();
    let mut mutations = Vec::new();
    if !gone.is_empty() {
        mutations.push(Mutation::delete("vlan_stats", Datum::set(gone)));
    }
    if !added.is_empty() {
        mutations.push(Mutation::insert("vlan_stats", Datum::map(added)));
    }
    if !mutations.is_empty() {
        operations.push(Operation::Mutate { table: tables::PHYSICAL_PORT, condition: condition(), mutations });
    }
}

fn row(counters: &Counters) -> Row {
    // The columns are signed. A counter reaches the limit in some hundred years.
    let count = |count: u64| Datum::from(i64::try_from(count).unwrap_or(i64::MAX));
    vec![
        ("packets_from_local", count(counters.packets_from_local)),
        ("bytes_from_local", count(counters.bytes_from_local)),
        ("packets_to_local", count(counters.packets_to_local)),
        ("bytes_to_local", count(counters.bytes_to_local)),
    ]
}

/// Returns the operations that write these faults, and no others, for this gateway and its access ports.
pub fn report_faults(identity: &Identity, mirror: &Mirror, faults: &Faults) -> Vec<Operation> {
    let mut operations = Vec::new();
    let mut report = |table, column, uuid, wanted: Option<&BTreeSet<Fault>>, known: &BTreeSet<String>| {
        let wanted: BTreeSet<&str> = wanted.into_iter().flatten().map(|fault| fault.as_str()).collect();
        if !wanted.iter().eq(known) {
            let row = vec![(column, Datum::set(wanted))];
            operations.push(Operation::Update { table, condition: vec![Condition::row(uuid)], row });
        }
    };
    if let Some((uuid, own)) = mirror.physical_switch(&identity.name) {
        report(tables::PHYSICAL_SWITCH, "switch_fault_status", uuid, Some(&faults.switch), &own.faults);
    }
    for (uuid, port) in own_ports(identity, mirror) {
        report(tables::PHYSICAL_PORT, "port_fault_status", uuid, faults.ports.get(&port.name), &port.faults);
    }
    operations
}

/// Returns the rows of this gateway's access ports. Other ports may be those of a twin that shares the row.
fn own_ports<'m>(identity: &Identity, mirror: &'m Mirror) -> Vec<(Uuid, &'m PhysicalPort)> {
    let Some((_, own)) = mirror.physical_switch(&identity.name) else { return Vec::new() };
    let mut ports = mirror.ports_of(own);
    ports.retain(|(_, port)| identity.ports.contains(&port.name));
    ports
}
