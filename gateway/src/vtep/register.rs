//! The rows that present this gateway: `Physical_Switch`, and `Physical_Port` for each access port.

use std::collections::BTreeSet;

use super::{Identity, Mirror, rows::PhysicalSwitch, tables};
use crate::ovsdb::{Atom, Condition, Datum, Mutation, Operation, Row, Uuid};

const NEW_SWITCH: &str = "gateway";
const NEW_GLOBAL: &str = "global";

/// What is missing for this gateway to be in the database as `identity` says; nothing if it is. Ports that are not in
/// `identity`, bindings, and whatever else there is, are left alone.
pub fn register(identity: &Identity, mirror: &Mirror) -> Vec<Operation> {
    match mirror.physical_switch(&identity.name) {
        Some((uuid, row)) => complete(identity, mirror, uuid, row),
        None => insert(identity, mirror),
    }
}

fn insert(identity: &Identity, mirror: &Mirror) -> Vec<Operation> {
    // Two gateways of one name, or one and `vtep-ctl add-ps`, may do this at once.
    let none = Operation::Wait {
        table: tables::PHYSICAL_SWITCH,
        condition: vec![Condition::eq("name", identity.name.as_str())],
        columns: vec!["name"],
        rows: Vec::new(),
        until_equal: true,
        timeout_ms: 0,
    };
    let (mut operations, ports) = new_ports(identity.ports.iter());
    operations.insert(0, none);
    let row = vec![
        ("name", identity.name.as_str().into()),
        ("description", identity.description.as_str().into()),
        ("management_ips", ips(&identity.management_ips)),
        ("tunnel_ips", ips(&identity.tunnel_ips)),
        ("ports", ports),
    ];
    let uuid_name = Some(NEW_SWITCH.to_owned());
    operations.push(Operation::Insert { table: tables::PHYSICAL_SWITCH, row, uuid_name });
    let switch = Datum::set([Atom::named(NEW_SWITCH)]);
    operations.push(match mirror.global.keys().next() {
        Some(global) => Operation::Mutate {
            table: tables::GLOBAL,
            condition: vec![Condition::row(*global)],
            mutations: vec![Mutation::insert("switches", switch)],
        },
        // A database that nobody has used yet. Of two who do this, the schema lets one.
        None => Operation::Insert {
            table: tables::GLOBAL,
            row: vec![("switches", switch)],
            uuid_name: Some(NEW_GLOBAL.to_owned()),
        },
    });
    operations.push(Operation::Comment(format!("vtep-gateway: registering {}", identity.name)));
    operations
}

fn complete(identity: &Identity, mirror: &Mirror, uuid: Uuid, own: &PhysicalSwitch) -> Vec<Operation> {
    let mut operations = Vec::new();
    let known: BTreeSet<&str> = mirror.ports_of(own).into_iter().map(|(_, port)| port.name.as_str()).collect();
    // A port whose row cannot be read has no name here; it would be made a second time.
    let readable = own.ports.iter().all(|port| mirror.ports.contains_key(port));
    let missing: Vec<_> = identity.ports.iter().filter(|port| readable && !known.contains(port.as_str())).collect();
    if !missing.is_empty() {
        // Whoever adds a port meanwhile may add the same one.
        operations.push(Operation::Wait {
            table: tables::PHYSICAL_SWITCH,
            condition: vec![Condition::row(uuid)],
            columns: vec!["ports"],
            rows: vec![vec![("ports", Datum::set(own.ports.iter().copied()))]],
            until_equal: true,
            timeout_ms: 0,
        });
        let (inserts, ports) = new_ports(missing.into_iter());
        operations.extend(inserts);
        operations.push(Operation::Mutate {
            table: tables::PHYSICAL_SWITCH,
            condition: vec![Condition::row(uuid)],
            mutations: vec![Mutation::insert("ports", ports)],
        });
    }
    let row = differing(identity, own);
    if !row.is_empty() {
        operations.push(Operation::Update {
            table: tables::PHYSICAL_SWITCH,
            condition: vec![Condition::row(uuid)],
            row,
        });
    }
    if !operations.is_empty() {
        operations.push(Operation::Comment(format!("vtep-gateway: registering {}", identity.name)));
    }
    operations
}

/// The columns of this gateway's row that should hold something else.
fn differing(identity: &Identity, own: &PhysicalSwitch) -> Row {
    let written = |ips: &BTreeSet<std::net::IpAddr>| ips.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let mut row = Row::new();
    if written(&identity.tunnel_ips) != own.tunnel_ips {
        row.push(("tunnel_ips", ips(&identity.tunnel_ips)));
    }
    // What the configuration does not say is the operator's.
    if !identity.management_ips.is_empty() && written(&identity.management_ips) != own.management_ips {
        row.push(("management_ips", ips(&identity.management_ips)));
    }
    if !identity.description.is_empty() && identity.description != own.description {
        row.push(("description", identity.description.as_str().into()));
    }
    row
}

/// Inserts of ports, and the set of them.
fn new_ports<'p>(names: impl Iterator<Item = &'p String>) -> (Vec<Operation>, Datum) {
    let mut operations = Vec::new();
    let mut set = Vec::new();
    for (i, name) in names.enumerate() {
        let uuid_name = format!("port{i}");
        set.push(Atom::named(uuid_name.as_str()));
        let row = vec![("name", name.as_str().into())];
        operations.push(Operation::Insert { table: tables::PHYSICAL_PORT, row, uuid_name: Some(uuid_name) });
    }
    (operations, Datum::set(set))
}

fn ips(ips: &BTreeSet<std::net::IpAddr>) -> Datum {
    Datum::set(ips.iter().map(ToString::to_string))
}
