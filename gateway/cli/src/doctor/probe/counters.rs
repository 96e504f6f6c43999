//! Reads the pinned maps: which of them exist, the counters, and the remote VTEPs of the tunnels.

use std::{collections::BTreeSet, fs, io, net::IpAddr};

use aya::maps::{HashMap, Map, MapData, PerCpuArray};
use gateway_common::{
    counters::{Drops, Paths},
    tunnel::RemoteVtepKey,
};
use gateway_config::Config;
use gateway_datapath::{
    load::{Pinned, Settings, pinned},
    pins::PinDir,
};

/// Returns the objects pinned in the configured directory; `None` if this process may not read it.
pub(in super::super) fn pins(config: &Config) -> Option<Pinned> {
    let mut above = config.gateway.pin_dir.ancestors();
    if above.any(|dir| fs::read_dir(dir).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)) {
        return None;
    }
    let (udp_port, fdb_size) = (config.gateway.udp_port, config.gateway.fdb_size);
    Some(pinned(&PinDir::new(&config.gateway.pin_dir), Settings { udp_port, fdb_size, trace: false }))
}

/// Returns the drops since the maps were created; `None` if there are no maps.
pub(in super::super) fn drops(config: &Config) -> Option<Drops> {
    let map: PerCpuArray<MapData, Drops> = open(config, "drops")?.try_into().ok()?;
    let mut sum = Drops::default();
    for one in map.get(&0, 0).ok()?.iter() {
        sum.add(one);
    }
    Some(sum)
}

/// Returns the path counters since the maps were created; `None` if there are no maps.
pub(in super::super) fn paths(config: &Config) -> Option<Paths> {
    let map: PerCpuArray<MapData, Paths> = open(config, "paths")?.try_into().ok()?;
    let mut sum = Paths::default();
    for one in map.get(&0, 0).ok()?.iter() {
        sum.add(one);
    }
    Some(sum)
}

/// Returns the remote VTEPs of the programmed tunnels.
pub(in super::super) fn remotes(config: &Config) -> BTreeSet<IpAddr> {
    let map: Option<HashMap<MapData, RemoteVtepKey, u32>> =
        open(config, "remote_vteps").and_then(|map| map.try_into().ok());
    let keys = map.iter().flat_map(|map| map.keys().filter_map(Result::ok));
    keys.map(|key| IpAddr::from(key.remote)).collect()
}

fn open(config: &Config, name: &str) -> Option<Map> {
    let pin = PinDir::new(&config.gateway.pin_dir).maps().join(name);
    Map::from_map_data(MapData::from_pin(pin).ok()?).ok()
}
