//! The catalogue of maps against the maps of both compiled objects.
#![allow(clippy::unwrap_used, reason = "what a test does not expect fails it")]

use std::collections::BTreeMap;

use aya_obj::{Map, Object, generated::bpf_map_type as types};

use gateway::OBJECTS;
use gateway_datapath::catalogue::*;

/// `BPF_F_NO_PREALLOC` (linux/bpf.h).
const NO_PREALLOC: u32 = 1;

fn number(kind: Kind) -> types {
    match kind {
        Kind::Array => types::BPF_MAP_TYPE_ARRAY,
        Kind::DevMapHash => types::BPF_MAP_TYPE_DEVMAP_HASH,
        Kind::Hash => types::BPF_MAP_TYPE_HASH,
        Kind::LruHash => types::BPF_MAP_TYPE_LRU_HASH,
        Kind::PerCpuArray => types::BPF_MAP_TYPE_PERCPU_ARRAY,
        Kind::PerCpuHash => types::BPF_MAP_TYPE_PERCPU_HASH,
        Kind::ProgramArray => types::BPF_MAP_TYPE_PROG_ARRAY,
        Kind::RingBuf => types::BPF_MAP_TYPE_RINGBUF,
    }
}

/// The maps of compiled programs, without the section of their constants.
fn compiled(object: &[u8]) -> BTreeMap<String, Map> {
    let maps = Object::parse(object).unwrap().maps;
    maps.into_iter().filter(|(name, _)| !name.starts_with('.')).collect()
}

fn hold(entry: &Entry, map: &Map) {
    let found = (map.map_type(), map.key_size() as usize, map.value_size() as usize, map.max_entries());
    let declared = (number(entry.kind) as u32, entry.key.bytes, entry.value.bytes, entry.capacity.declared());
    assert_eq!(declared, found, "{}: type, key, value, capacity", entry.name);
    let on_demand = matches!(entry.capacity, Capacity::OnDemand(_));
    assert_eq!(on_demand, map.map_flags() & NO_PREALLOC != 0, "{}: allocation", entry.name);
}

#[test]
fn the_forwarding_programs_have_these_maps() {
    let mut maps = compiled(OBJECTS.forwarding);
    for entry in &FORWARDING {
        hold(entry, &maps.remove(entry.name).unwrap_or_else(|| panic!("no map {}", entry.name)));
    }
    assert_eq!(maps.into_keys().collect::<Vec<_>>(), Vec::<String>::new(), "not in the catalogue");
}

#[test]
fn the_capture_programs_have_these_maps_and_those_of_forwarding() {
    let mut maps = compiled(OBJECTS.capture);
    for entry in &CAPTURING {
        hold(entry, &maps.remove(entry.name).unwrap_or_else(|| panic!("no map {}", entry.name)));
    }
    for (name, map) in maps {
        let entry = FORWARDING.iter().find(|entry| entry.name == name);
        hold(entry.unwrap_or_else(|| panic!("{name} is not in the catalogue")), &map);
    }
}
