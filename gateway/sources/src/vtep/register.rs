//! Registers this gateway: `Physical_Switch`, and `Physical_Port` for each access port.

use std::collections::BTreeSet;

use gateway_ovsdb::{Atom, Condition, Datum, Mutation, Operation, Row, Uuid};

use super::{Identity, Mirror, rows::PhysicalSwitch, tables};

const NEW_SWITCH: &str = "gateway";
const NEW_GLOBAL: &str = "global";

/// Part of this gateway's own rows that can differ from the wanted contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Own {
    /// The row in `Physical_Switch` does not exist.
    Row,
    /// A row in `Physical_Port` does not exist.
    Ports,
    /// A column of the row in `Physical_Switch` holds another value.
    Column(&'static str),
}

/// Differences of this gateway's own rows, with the operations that repair them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registration {
    /// Operations to send.
    pub operations: Vec<Operation>,
    /// Parts that the operations repair.
    pub done: Vec<Own>,
    /// Parts that differ, and are left so.
    pub left: Vec<Own>,
}

/// Returns the operations that register this gateway with `identity`; none if the rows are correct. Ports that are not
/// in `identity`, bindings and all other contents stay unchanged, and so do the parts that are `lost` to another
/// writer.
pub fn register(identity: &Identity, mirror: &Mirror, lost: impl Fn(Own) -> bool) -> Registration {
    let mut registration = Registration::default();
    let found = mirror.physical_switch(&identity.name);
    let differing = match found {
        Some((_, row)) => differing(identity, mirror, row),
        None => vec![Own::Row],
    };
    (registration.left, registration.done) = differing.into_iter().partition(|own| lost(*own));
    if registration.done.is_empty() {
        return registration;
    }
    registration.operations = match found {
        Some((uuid, row)) => complete(identity, mirror, (uuid, row), &registration.done),
        None => insert(identity, mirror),
    };
    registration
}

/// Returns the parts of the row `own` that differ.
fn differing(identity: &Identity, mirror: &Mirror, own: &PhysicalSwitch) -> Vec<Own> {
    let ports = Some(Own::Ports).filter(|_| !missing_ports(identity, mirror, own).is_empty());
    ports.into_iter().chain(columns(identity, own).into_iter().map(|(column, _)| Own::Column(column))).collect()
}

/// Returns the ports that have no row.
fn missing_ports<'i>(identity: &'i Identity, mirror: &Mirror, own: &PhysicalSwitch) -> Vec<&'i String> {
    let known: BTreeSet<&str> = mirror.ports_of(own).into_iter().map(|(_, port)| port.name.as_str()).collect();
    // The name of a port whose row cannot be read is unknown; the port would be inserted a second time.
    let readable = own.ports.iter().all(|port| mirror.ports.contains_key(port));
    identity.ports.iter().filter(|port| readable && !known.contains(port.as_str())).collect()
}

fn insert(identity: &Identity, mirror: &Mirror) -> Vec<Operation> {
    // Guard: two gateways of one name, or one and `vtep-ctl add-ps`, may do this at the same time.
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
        // The database was never used. Of two clients that insert the row, the schema accepts one.
        None => Operation::Insert {
            table: tables::GLOBAL,
            row: vec![("switches", switch)],
            uuid_name: Some(NEW_GLOBAL.to_owned()),
        },
    });
    operations.push(Operation::Comment(format!("vtep-gateway: registering {}", identity.name)));
    operations
}

fn complete(
    identity: &Identity,
    mirror: &Mirror,
    (uuid, own): (Uuid, &PhysicalSwitch),
    wanted: &[Own],
) -> Vec<Operation> {
    let mut operations = Vec::new();
    if wanted.contains(&Own::Ports) {
        let missing = missing_ports(identity, mirror, own);
        // Guard: another client may add the same port in the meantime.
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
    let mut row = columns(identity, own);
    row.retain(|(column, _)| wanted.contains(&Own::Column(column)));
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

/// Returns the columns of this gateway's row that differ, with the wanted values.
fn columns(identity: &Identity, own: &PhysicalSwitch) -> Row {
    let written = |ips: &BTreeSet<std::net::IpAddr>| ips.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let mut row = Row::new();
    if written(&identity.tunnel_ips) != own.tunnel_ips {
        row.push(("tunnel_ips", ips(&identity.tunnel_ips)));
    }
    // Columns that are not configured belong to the operator.
    if !identity.management_ips.is_empty() && written(&identity.management_ips) != own.management_ips {
        row.push(("management_ips", ips(&identity.management_ips)));
    }
    if !identity.description.is_empty() && identity.description != own.description {
        row.push(("description", identity.description.as_str().into()));
    }
    row
}

/// Returns the inserts of ports, and the set of them.
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
