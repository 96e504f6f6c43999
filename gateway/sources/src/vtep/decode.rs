//! Decodes columns into typed rows. An error contains the expected and the actual contents of the column.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    net::IpAddr,
    sync::Arc,
};

use gateway_common::net::{MacAddr, Vni};
use gateway_config::values;
use gateway_ovsdb::{Columns, Datum, Decoder, RowError, Uuid};

use super::{
    rows::{
        Counters, Global, Group, Locator, LocatorSet, LogicalSwitch, Mcast, PhysicalPort, PhysicalSwitch, Replication,
        Row, TunnelKey, Ucast,
    },
    tables,
};

/// Limit in characters of a text that an error shows.
const MAX_SHOWN: usize = 100;

/// Decoder of the rows of `hardware_vtep`. A column that the database's version of the schema does not have counts as
/// empty.
#[derive(Debug, Default)]
pub struct VtepDecoder;

impl Decoder for VtepDecoder {
    type Row = Row;

    /// Decodes a row. A row that does not hold what it should is still a row, because its deletion has to be noticed.
    fn decode(&mut self, table: &str, _: Uuid, columns: &Columns) -> Result<Row, RowError> {
        Ok(read(table, columns).unwrap_or_else(|error| Row::Unreadable(Arc::new(error))))
    }
}

fn read(table: &str, columns: &Columns) -> Result<Row, RowError> {
    let row = Reader(columns);
    Ok(match table {
        tables::GLOBAL => Row::Global(Arc::new(Global { switches: row.uuids("switches") })),
        tables::PHYSICAL_SWITCH => Row::PhysicalSwitch(Arc::new(row.physical_switch()?)),
        tables::PHYSICAL_PORT => Row::PhysicalPort(Arc::new(row.physical_port()?)),
        tables::LOGICAL_BINDING_STATS => Row::LogicalBindingStats(row.counters()?),
        tables::LOGICAL_SWITCH => Row::LogicalSwitch(Arc::new(row.logical_switch()?)),
        tables::UCAST_MACS_LOCAL => Row::UcastMacsLocal(row.ucast()?),
        tables::UCAST_MACS_REMOTE => Row::UcastMacsRemote(row.ucast()?),
        tables::MCAST_MACS_LOCAL => Row::McastMacsLocal(row.mcast()?),
        tables::MCAST_MACS_REMOTE => Row::McastMacsRemote(row.mcast()?),
        tables::PHYSICAL_LOCATOR => Row::PhysicalLocator(row.locator()?),
        tables::PHYSICAL_LOCATOR_SET => {
            let locators = row.uuids("locators").into_iter().collect();
            Row::PhysicalLocatorSet(LocatorSet { locators })
        }
        other => return Err(error("", "a table that is followed", other)),
    })
}

fn error(column: &str, expected: impl Display, found: impl Display) -> RowError {
    let mut found = found.to_string();
    if let Some((cut, _)) = found.char_indices().nth(MAX_SHOWN) {
        found.truncate(cut);
        found.push('…');
    }
    RowError { column: column.to_owned(), expected: expected.to_string(), found }
}

/// Reader of single columns.
struct Reader<'c>(&'c Columns);

impl Reader<'_> {
    fn physical_switch(&self) -> Result<PhysicalSwitch, RowError> {
        Ok(PhysicalSwitch {
            name: self.text("name")?.to_owned(),
            description: self.text("description")?.to_owned(),
            management_ips: self.texts("management_ips"),
            tunnel_ips: self.texts("tunnel_ips"),
            ports: self.uuids("ports"),
            faults: self.texts("switch_fault_status"),
        })
    }

    fn physical_port(&self) -> Result<PhysicalPort, RowError> {
        Ok(PhysicalPort {
            name: self.text("name")?.to_owned(),
            bindings: self.vlans("vlan_bindings")?,
            stats: self.vlans("vlan_stats")?,
            faults: self.texts("port_fault_status"),
        })
    }

    fn counters(&self) -> Result<Counters, RowError> {
        Ok(Counters {
            packets_from_local: self.count("packets_from_local")?,
            bytes_from_local: self.count("bytes_from_local")?,
            packets_to_local: self.count("packets_to_local")?,
            bytes_to_local: self.count("bytes_to_local")?,
        })
    }

    fn logical_switch(&self) -> Result<LogicalSwitch, RowError> {
        let replication = match self.optional_text("replication_mode")? {
            None | Some("service_node") => Replication::ServiceNode,
            Some("source_node") => Replication::SourceNode,
            Some(other) => return Err(error("replication_mode", "service_node or source_node", format!("{other:?}"))),
        };
        Ok(LogicalSwitch { name: self.text("name")?.to_owned(), key: self.tunnel_key()?, replication })
    }

    fn ucast(&self) -> Result<Ucast, RowError> {
        let text = self.text("MAC")?;
        let mac = text.parse().ok().filter(|mac: &MacAddr| mac.is_station());
        Ok(Ucast {
            mac: mac.ok_or_else(|| error("MAC", "the Ethernet address of one station", format!("{text:?}")))?,
            switch: self.uuid("logical_switch")?,
            locator: self.uuid("locator")?,
            ip: self.ipaddr()?,
        })
    }

    fn mcast(&self) -> Result<Mcast, RowError> {
        let group = match self.text("MAC")? {
            tables::UNKNOWN_DST => Group::UnknownDst,
            text => match text.parse::<MacAddr>() {
                Ok(mac) if mac.is_group() => Group::Mac(mac),
                _ => return Err(error("MAC", "unknown-dst or the Ethernet address of a group", format!("{text:?}"))),
            },
        };
        Ok(Mcast { group, switch: self.uuid("logical_switch")?, locators: self.uuid("locator_set")? })
    }

    fn locator(&self) -> Result<Locator, RowError> {
        let text = self.text("dst_ip")?;
        let address = values::tunnel_end(text)
            .map_err(|_| error("dst_ip", "an address that a tunnel can lead to", format!("{text:?}")))?;
        let vxlan = self.text("encapsulation_type")? == tables::VXLAN;
        Ok(Locator { address, vni: self.tunnel_key()?.vni(), vxlan })
    }

    fn tunnel_key(&self) -> Result<TunnelKey, RowError> {
        let Some(key) = self.integer("tunnel_key")? else { return Ok(TunnelKey::Unset) };
        if key == 0 {
            return Ok(TunnelKey::Zero);
        }
        let vni = u32::try_from(key).ok().and_then(Vni::new);
        vni.map(TunnelKey::Vni).ok_or_else(|| error("tunnel_key", format_args!("nothing, or 0 to {}", Vni::MAX), key))
    }

    fn ipaddr(&self) -> Result<Option<IpAddr>, RowError> {
        match self.text("ipaddr")? {
            "" => Ok(None),
            text => match text.parse() {
                Ok(ip) => Ok(Some(ip)),
                Err(_) => Err(error("ipaddr", "nothing, or an IP address", format!("{text:?}"))),
            },
        }
    }

    fn text(&self, column: &str) -> Result<&str, RowError> {
        Ok(self.optional_text(column)?.unwrap_or_default())
    }

    fn optional_text(&self, column: &str) -> Result<Option<&str>, RowError> {
        self.single(column, "a text", Datum::string)
    }

    fn integer(&self, column: &str) -> Result<Option<i64>, RowError> {
        self.single(column, "a whole number", Datum::integer)
    }

    /// Reads a counter. A negative value means that the counter has wrapped.
    fn count(&self, column: &str) -> Result<u64, RowError> {
        Ok(self.integer(column)?.unwrap_or_default().max(0) as u64)
    }

    fn uuid(&self, column: &str) -> Result<Uuid, RowError> {
        let uuid = self.single(column, "a row", Datum::uuid)?;
        uuid.ok_or_else(|| error(column, "a row", "nothing"))
    }

    /// Reads the single value of a column, if it has one.
    fn single<'d, T>(
        &'d self,
        column: &str,
        kind: &str,
        get: impl FnOnce(&'d Datum) -> Option<T>,
    ) -> Result<Option<T>, RowError> {
        let Some(datum) = self.0.get(column).filter(|datum| !datum.is_empty()) else { return Ok(None) };
        get(datum).map(Some).ok_or_else(|| error(column, kind, format_args!("{datum:?}")))
    }

    fn texts(&self, column: &str) -> BTreeSet<String> {
        self.0.get(column).into_iter().flat_map(Datum::strings).map(str::to_owned).collect()
    }

    fn uuids(&self, column: &str) -> BTreeSet<Uuid> {
        self.0.get(column).into_iter().flat_map(Datum::uuids).collect()
    }

    fn vlans(&self, column: &str) -> Result<BTreeMap<u16, Uuid>, RowError> {
        let pairs = self.0.get(column).map(Datum::pairs).unwrap_or_default();
        pairs
            .iter()
            .map(|(vlan, row)| {
                let vlan = vlan.as_integer().and_then(|vlan| u16::try_from(vlan).ok());
                vlan.zip(row.as_uuid())
                    .ok_or_else(|| error(column, "VLANs and rows", format_args!("{:?}", self.0.get(column))))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWITCH: Uuid = Uuid::from_bytes([1; 16]);
    const LOCATOR: Uuid = Uuid::from_bytes([2; 16]);

    fn decode<const N: usize>(table: &str, columns: [(&'static str, Datum); N]) -> Result<Row, RowError> {
        read(table, &columns.into_iter().collect())
    }

    fn ucast(mac: &str, ipaddr: &str) -> Result<Row, RowError> {
        let (switch, locator) = (SWITCH.into(), LOCATOR.into());
        decode(
            tables::UCAST_MACS_REMOTE,
            [("MAC", mac.into()), ("logical_switch", switch), ("locator", locator), ("ipaddr", ipaddr.into())],
        )
    }

    fn key(key: impl Into<Datum>) -> Result<Row, RowError> {
        decode(tables::LOGICAL_SWITCH, [("name", "ls".into()), ("tunnel_key", key.into())])
    }

    fn switch(key: TunnelKey) -> Result<Row, RowError> {
        Ok(Row::LogicalSwitch(Arc::new(LogicalSwitch { name: "ls".to_owned(), key, replication: Default::default() })))
    }

    #[test]
    fn a_station_may_have_an_address() {
        let mac = "02:aa:00:00:00:01".parse().unwrap();
        let row = |ip| Ok(Row::UcastMacsRemote(Ucast { mac, switch: SWITCH, locator: LOCATOR, ip }));
        assert_eq!(ucast("02:aa:00:00:00:01", ""), row(None));
        assert_eq!(ucast("02:aa:00:00:00:01", "10.0.0.1"), row(Some([10, 0, 0, 1].into())));
    }

    #[test]
    fn a_mac_that_does_not_parse_is_shown() {
        for mac in ["02:aa", "ff:ff:ff:ff:ff:ff", "unknown-dst"] {
            let refused = ucast(mac, "").unwrap_err().to_string();
            let text = format!("column MAC should hold the Ethernet address of one station, and holds {mac:?}");
            assert_eq!(refused, text);
        }
    }

    #[test]
    fn an_address_that_does_not_parse_is_shown() {
        let refused = ucast("02:aa:00:00:00:01", "10.0.0.1/24").unwrap_err().to_string();
        assert_eq!(refused, r#"column ipaddr should hold nothing, or an IP address, and holds "10.0.0.1/24""#);
    }

    #[test]
    fn a_station_without_a_locator_is_refused() {
        let row = [("MAC", "02:aa:00:00:00:01".into()), ("logical_switch", SWITCH.into())];
        let refused = decode(tables::UCAST_MACS_LOCAL, row).unwrap_err().to_string();
        assert_eq!(refused, "column locator should hold a row, and holds nothing");
    }

    #[test]
    fn tunnel_keys_that_are_unset_or_zero_are_no_vni() {
        assert_eq!(key(Datum::EMPTY), switch(TunnelKey::Unset));
        assert_eq!(key(0), switch(TunnelKey::Zero));
        assert_eq!(key(5001), switch(TunnelKey::Vni(Vni::new(5001).unwrap())));
    }

    #[test]
    fn tunnel_keys_out_of_range_are_shown() {
        let refused = "column tunnel_key should hold nothing, or 0 to 16777215, and holds";
        assert_eq!(key(1 << 24).unwrap_err().to_string(), format!("{refused} 16777216"));
        assert_eq!(key(-1).unwrap_err().to_string(), format!("{refused} -1"));
    }

    #[test]
    fn a_column_that_the_schema_lacks_is_empty() {
        let row = decode(tables::LOGICAL_SWITCH, [("name", "ls".into()), ("tunnel_key", 0.into())]).unwrap();
        let Row::LogicalSwitch(row) = row else { panic!("{row:?}") };
        assert_eq!(row.replication, Replication::ServiceNode);
    }

    #[test]
    fn a_group_row_is_of_a_group_or_of_all_that_is_unknown() {
        let row = |mac: &str| {
            let columns = [("MAC", mac.into()), ("logical_switch", SWITCH.into()), ("locator_set", LOCATOR.into())];
            decode(tables::MCAST_MACS_REMOTE, columns)
        };
        let of = |group| Ok(Row::McastMacsRemote(Mcast { group, switch: SWITCH, locators: LOCATOR }));
        assert_eq!(row("unknown-dst"), of(Group::UnknownDst));
        assert_eq!(row("01:00:5e:00:00:01"), of(Group::Mac("01:00:5e:00:00:01".parse().unwrap())));
        assert!(
            row("02:aa:00:00:00:01").unwrap_err().expected.contains("unknown-dst or the Ethernet address of a group")
        );
    }

    #[test]
    fn a_locator_leads_to_an_address_of_the_underlay() {
        let row = |encapsulation: &str, address: &str| {
            let columns = [("encapsulation_type", encapsulation.into()), ("dst_ip", address.into())];
            decode(tables::PHYSICAL_LOCATOR, columns)
        };
        let of = |address, vxlan| Ok(Row::PhysicalLocator(Locator { address, vni: None, vxlan }));
        assert_eq!(row("vxlan_over_ipv4", "172.31.0.11"), of([172, 31, 0, 11].into(), true));
        assert_eq!(row("vxlan_over_ipv4", "2001:db8::1"), of("2001:db8::1".parse().unwrap(), true));
        assert_eq!(row("geneve", "172.31.0.11"), of([172, 31, 0, 11].into(), false));
        assert!(row("vxlan_over_ipv4", "127.0.0.1").unwrap_err().column.contains("dst_ip"));
    }

    #[test]
    fn bindings_are_by_vlan() {
        let bindings = Datum::map([(100_i64, SWITCH), (4095, SWITCH)]);
        let row = decode(tables::PHYSICAL_PORT, [("name", "eth1".into()), ("vlan_bindings", bindings)]).unwrap();
        let Row::PhysicalPort(port) = row else { panic!("{row:?}") };
        assert_eq!(port.bindings, [(100, SWITCH), (4095, SWITCH)].into());
    }

    #[test]
    fn long_texts_are_cut_in_errors() {
        let refused = ucast(&"ü".repeat(1000), "").unwrap_err().to_string();
        assert!(refused.chars().count() < 200, "{refused}");
    }

    #[test]
    fn a_row_that_cannot_be_read_is_still_a_row() {
        let columns = [("MAC", Datum::from("x"))].into_iter().collect();
        let row = VtepDecoder.decode(tables::UCAST_MACS_REMOTE, SWITCH, &columns).unwrap();
        assert!(matches!(row, Row::Unreadable(error) if error.column == "MAC"));
    }

    #[test]
    fn rows_are_small() {
        assert!(size_of::<Row>() <= 64, "{}", size_of::<Row>());
    }
}
