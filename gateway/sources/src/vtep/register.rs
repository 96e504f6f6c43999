//! The rows that present this gateway: `Physical_Switch`, and `Physical_Port` for each access port.

use std::collections::BTreeSet;

use gateway_ovsdb::{Atom, Condition, Datum, Mutation, Operation, Row, Uuid};

use super::{Identity, Mirror, rows::PhysicalSwitch, tables};

const NEW_SWITCH: &str = "gateway";
const NEW_GLOBAL: &str = "global";

/// What of this gateway's own rows can be otherwise than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Own {
    /// The row in `Physical_Switch` is not there.
    Row,
    /// A row in `Physical_Port` is not there.
    Ports,
    /// A column of the row in `Physical_Switch` holds something else.
    Column(&'static str),
}

/// What this gateway is in the database, and what is to be done about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registration {
    /// What is to be written.
    pub operations: Vec<Operation>,
    /// What that puts right.
    pub done: Vec<Own>,
    /// What is not as it should be, and is left so.
    pub left: Vec<Own>,
}

/// What is missing for this gateway to be in the database as `identity` says; nothing if it is. Ports that are not in
/// `identity`, bindings, and whatever else there is, are left alone, and so is what is `lost` to another writer.
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

/// What of the row `own` is not as it should be.
fn differing(identity: &Identity, mirror: &Mirror, own: &PhysicalSwitch) -> Vec<Own> {
    let ports = Some(Own::Ports).filter(|_| !missing_ports(identity, mirror, own).is_empty());
    ports.into_iter().chain(columns(identity, own).into_iter().map(|(column, _)| Own::Column(column))).collect()
}

/// Ports that have no row.
fn missing_ports<'i>(identity: &'i Identity, mirror: &Mirror, own: &PhysicalSwitch) -> Vec<&'i String> {
    let known: BTreeSet<&str> = mirror.ports_of(own).into_iter().map(|(_, port)| port.name.as_str()).collect();
    // A port whose row cannot be read has no name here; it would be made a second time.
    let readable = own.ports.iter().all(|port| mirror.ports.contains_key(port));
    identity.ports.iter().filter(|port| readable && !known.contains(port.as_str())).collect()
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

fn complete(
    identity: &Identity,
    mirror: &Mirror,
    (uuid, own): (Uuid, &PhysicalSwitch),
    wanted: &[Own],
) -> Vec<Operation> {
    let mut operations = Vec::new();
    if wanted.contains(&Own::Ports) {
        let missing = missing_ports(identity, mirror, own);
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

/// The columns of this gateway's row that should hold something else.
fn columns(identity: &Identity, own: &PhysicalSwitch) -> Row {
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
