//! Content of the maps of a gateway, read by their pins.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use aya::{
    Pod,
    maps::{HashMap, Map, MapData, PerCpuArray},
};
use gateway_common::{
    binding::{Binding, BindingKey, Traffic},
    counters::{Drops, Paths},
    fdb::{FdbEntry, FdbKey, REMOTE, STATIC},
    net::MacAddr,
    tunnel::RemoteVtepKey,
};

/// The maps of one gateway.
#[derive(Clone, Debug)]
pub struct Readings {
    maps: PathBuf,
}

impl Readings {
    /// Opens the maps pinned under `pin_dir`.
    pub fn new(pin_dir: &Path) -> Self {
        Self { maps: pin_dir.join("maps") }
    }

    /// Returns the dropped packets, by reason.
    ///
    /// # Errors
    /// If the map is not there.
    pub fn drops(&self) -> Result<Drops> {
        self.per_cpu("drops", 0, |sum: &mut Drops, value| sum.add(value))
    }

    /// Returns the packets by path.
    ///
    /// # Errors
    /// If the map is not there.
    pub fn paths(&self) -> Result<Paths> {
        self.per_cpu("paths", 0, |sum: &mut Paths, value| sum.add(value))
    }

    /// Returns the traffic of a binding.
    ///
    /// # Errors
    /// If there is no such binding.
    pub fn binding(&self, ifindex: u32, vlan: u16) -> Result<Traffic> {
        let bindings: HashMap<_, BindingKey, Binding> = HashMap::try_from(self.open("bindings")?)?;
        let binding = bindings
            .get(&BindingKey { ifindex, vlan, reserved: 0 }, 0)
            .with_context(|| format!("looking for the binding of interface {ifindex} and VLAN {vlan}"))?;
        self.per_cpu("binding_stats", binding.id, add_traffic)
    }

    /// Returns the traffic of the tunnel between two addresses.
    ///
    /// # Errors
    /// If there is no such tunnel.
    pub fn tunnel(&self, local: IpAddr, remote: IpAddr) -> Result<Traffic> {
        let peers: HashMap<_, RemoteVtepKey, u32> = HashMap::try_from(self.open("remote_vteps")?)?;
        let tunnel = peers
            .get(&RemoteVtepKey { local: local.into(), remote: remote.into() }, 0)
            .with_context(|| format!("looking for the tunnel from {local} to {remote}"))?;
        self.per_cpu("tunnel_stats", tunnel, add_traffic)
    }

    /// Returns the tunnel packets that arrived while lease number `lease` did not run.
    ///
    /// # Errors
    /// If the map is not there.
    pub fn strays(&self, lease: u32) -> Result<u64> {
        self.per_cpu("strays", lease, |sum: &mut u64, value| *sum += value)
    }

    /// Returns the forwarding database.
    ///
    /// # Errors
    /// If the map is not there.
    pub fn fdb(&self) -> Result<BTreeMap<(u32, MacAddr), FdbEntry>> {
        let fdb: HashMap<_, FdbKey, FdbEntry> = HashMap::try_from(self.open("fdb")?)?;
        // An entry that is removed during the walk is no error.
        Ok(fdb.iter().flatten().map(|(key, entry)| ((key.vni, MacAddr(key.mac)), entry)).collect())
    }

    /// Returns the place of a station, if that is known.
    ///
    /// # Errors
    /// If the map is not there.
    pub fn station(&self, vni: u32, mac: MacAddr) -> Result<Option<FdbEntry>> {
        let fdb: HashMap<_, FdbKey, FdbEntry> = HashMap::try_from(self.open("fdb")?)?;
        Ok(fdb.get(&FdbKey::new(vni, mac.0), 0).ok())
    }

    /// Returns the VTEP of a static MAC, which was not learned.
    ///
    /// # Errors
    /// If a map is not there.
    pub fn static_vtep(&self, vni: u32, mac: MacAddr) -> Result<Option<IpAddr>> {
        let Some(entry) = self.station(vni, mac)?.filter(|entry| entry.origin == STATIC && entry.to.kind == REMOTE)
        else {
            return Ok(None);
        };
        let peers: HashMap<_, RemoteVtepKey, u32> = HashMap::try_from(self.open("remote_vteps")?)?;
        let peer = peers.iter().flatten().find(|(_, tunnel)| *tunnel == entry.to.out);
        Ok(peer.map(|(key, _)| key.remote.into()))
    }

    fn open(&self, name: &str) -> Result<Map> {
        let path = self.maps.join(name);
        let data = MapData::from_pin(&path).with_context(|| format!("opening the map {}", path.display()))?;
        Ok(Map::from_map_data(data)?)
    }

    fn per_cpu<T: Pod + Default>(&self, name: &str, index: u32, add: impl Fn(&mut T, &T)) -> Result<T> {
        let map: PerCpuArray<_, T> = PerCpuArray::try_from(self.open(name)?)?;
        let values = map.get(&index, 0).with_context(|| format!("reading {name}[{index}]"))?;
        let mut sum = T::default();
        values.iter().for_each(|value| add(&mut sum, value));
        Ok(sum)
    }
}

fn add_traffic(sum: &mut Traffic, value: &Traffic) {
    sum.rx_packets += value.rx_packets;
    sum.rx_bytes += value.rx_bytes;
    sum.tx_packets += value.tx_packets;
    sum.tx_bytes += value.tx_bytes;
}
