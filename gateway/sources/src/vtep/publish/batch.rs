//! Builds one transaction that publishes or withdraws rows.

use std::{collections::BTreeSet, net::IpAddr};

use gateway_ovsdb::{Atom, Condition, Datum, Operation, Row, Uuid};

use crate::vtep::{
    Mirror, Station,
    rows::{Locator, TunnelKey},
    tables,
};

/// Name of the new row of `Physical_Locator`, in the transaction that inserts it.
const NEW_LOCATOR: &str = "locator";

/// Operations of one transaction.
pub(super) struct Batch<'m> {
    mirror: &'m Mirror,
    own: IpAddr,
    operations: Vec<Operation>,
    /// This gateway's locator, once one is needed: its row, or `None` if it has to be inserted.
    locator: Option<Option<Uuid>>,
    /// Switches to which stations are added.
    switches: BTreeSet<Uuid>,
}

impl<'m> Batch<'m> {
    /// Creates an empty transaction of the gateway with the tunnel address `own`.
    pub(super) fn new(mirror: &'m Mirror, own: IpAddr) -> Self {
        Self { mirror, own, operations: Vec::new(), locator: None, switches: BTreeSet::new() }
    }

    /// Returns the number of operations, without guards.
    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    /// Deletes a row.
    pub(super) fn delete(&mut self, table: &'static str, row: Uuid) {
        self.operations.push(Operation::Delete { table, condition: vec![Condition::row(row)] });
    }

    /// Writes the address of a station.
    pub(super) fn set_ip(&mut self, row: Uuid, ip: Option<IpAddr>) {
        self.operations.push(Operation::Update {
            table: tables::UCAST_MACS_LOCAL,
            condition: vec![Condition::row(row)],
            row: vec![("ipaddr", text(ip).into())],
        });
    }

    /// Inserts the row of a station.
    pub(super) fn insert_station(&mut self, (switch, mac): Station, ip: Option<IpAddr>) {
        let row = vec![
            ("MAC", mac.to_string().into()),
            ("logical_switch", switch.into()),
            ("locator", self.locator().into()),
            ("ipaddr", text(ip).into()),
        ];
        self.insert(tables::UCAST_MACS_LOCAL, switch, row);
    }

    /// Inserts this gateway into the flood set of a switch.
    pub(super) fn insert_flood_member(&mut self, switch: Uuid) {
        let name = format!("set{}", self.operations.len());
        let locators = Datum::set([self.locator()]);
        self.operations.push(Operation::Insert {
            table: tables::PHYSICAL_LOCATOR_SET,
            row: vec![("locators", locators)],
            uuid_name: Some(name.clone()),
        });
        let row = vec![
            ("MAC", tables::UNKNOWN_DST.into()),
            ("logical_switch", switch.into()),
            ("locator_set", Atom::named(name).into()),
        ];
        self.insert(tables::MCAST_MACS_LOCAL, switch, row);
    }

    fn insert(&mut self, table: &'static str, switch: Uuid, row: Row) {
        self.switches.insert(switch);
        self.operations.push(Operation::Insert { table, row, uuid_name: None });
    }

    /// Returns this gateway's locator. A locator with a tunnel key of its own is not usable: the key of the switch has
    /// to apply.
    fn locator(&mut self) -> Atom {
        let (mirror, own) = (self.mirror, self.own);
        let is_own = |locator: &Locator| locator.vxlan && locator.address == own && locator.vni.is_none();
        let found = *self.locator.get_or_insert_with(|| {
            mirror.locators.iter().filter(|(_, locator)| is_own(locator)).map(|(uuid, _)| *uuid).min()
        });
        found.map_or_else(|| Atom::named(NEW_LOCATOR), Atom::Uuid)
    }

    /// Returns all operations, with guards before them; none if there is nothing to do.
    pub(super) fn finish(self) -> Vec<Operation> {
        if self.operations.is_empty() {
            return Vec::new();
        }
        let mut operations = Vec::with_capacity(self.operations.len() + self.switches.len() + 1);
        // A switch that is unbound in the meantime gets no stations.
        for switch in &self.switches {
            let Some(row) = self.mirror.switches.get(switch) else { continue };
            let key = match row.key {
                TunnelKey::Unset => None,
                TunnelKey::Zero => Some(0),
                TunnelKey::Vni(vni) => Some(i64::from(vni.get())),
            };
            operations.push(Operation::Wait {
                table: tables::LOGICAL_SWITCH,
                condition: vec![Condition::row(*switch)],
                columns: vec!["tunnel_key"],
                rows: vec![vec![("tunnel_key", key.into())]],
                until_equal: true,
                timeout_ms: 0,
            });
        }
        if self.locator == Some(None) {
            // The schema allows one row for each address. Of two gateways that insert the same one, the later is
            // refused, sees the existing row, and uses it.
            operations.push(Operation::Insert {
                table: tables::PHYSICAL_LOCATOR,
                row: vec![("encapsulation_type", tables::VXLAN.into()), ("dst_ip", self.own.to_string().into())],
                uuid_name: Some(NEW_LOCATOR.to_owned()),
            });
        }
        operations.extend(self.operations);
        operations
    }
}

fn text(ip: Option<IpAddr>) -> String {
    ip.map(|ip| ip.to_string()).unwrap_or_default()
}
