//! Probes the interfaces: the kernel's list, the drivers, and the owners of attached programs.

use std::thread;

use aya::programs::loaded_programs;
use gateway_config as config;
use gateway_config::Config;
use gateway_datapath::{
    attach::{Attacher, Device},
    pins::PinDir,
    sys,
};
use gateway_netdev::{
    Link,
    nic::{self, Master, Role},
};
use nix::net::if_::if_indextoname;

use crate::doctor::nics::{Around, Facts};

/// Collects the facts about all interfaces of the configuration.
pub(in super::super) fn probe(config: &Config) -> Vec<Facts> {
    let attacher = Attacher::new(PinDir::new(&config.gateway.pin_dir));
    let uplinks = config.uplinks.iter().map(|interface| (interface, Role::Uplink));
    let ports = config.ports.iter().map(|interface| (interface, Role::Access));
    uplinks.chain(ports).map(|(interface, role)| one(&attacher, interface, role)).collect()
}

/// Collects the facts about all interfaces together.
pub(in super::super) fn around(config: &Config, agent: bool) -> Around {
    let maps = PinDir::new(&config.gateway.pin_dir).maps();
    let cpus = thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX));
    Around { cpus, attached: agent || maps.exists() }
}

fn one(attacher: &Attacher, configured: &config::Interface, role: Role) -> Facts {
    let name = &configured.name;
    let interface = Link::named(name).ok().flatten();
    let ifindex = interface.as_ref().map_or(0, |interface| interface.ifindex);
    let bond = interface.as_ref().is_some_and(|interface| interface.bond);
    let device = Device { name: name.clone(), ifindex, role, bond };
    let xdp = interface.as_ref().and_then(|interface| interface.xdp);
    Facts {
        name: name.clone(),
        role,
        mode: configured.mode,
        master: interface.as_ref().and_then(master),
        driver: nic::driver(name).ok(),
        xdp: nic::xdp_features(ifindex).ok().flatten(),
        wrong: nic::wrong_settings(name, role).unwrap_or_default(),
        queues: nic::receive_queues(name).ok(),
        ring: nic::receive_ring(name).ok(),
        own_xdp: attacher.xdp_on(&device),
        own_tc: attacher.tc_on(&device).is_some_and(|id| is_on(ifindex, id) || attacher.filter_on(&device) == Some(id)),
        xdp_name: xdp.and_then(program_name),
        interface,
    }
}

/// Returns the bond or bridge that an interface is a member of.
fn master(interface: &Link) -> Option<Master> {
    let (index, kind) = interface.master?;
    let name = if_indextoname(index).ok()?.to_string_lossy().into_owned();
    Some(Master { name, kind })
}

/// Returns true if a TC program is attached to the interface; the link of a removed interface is attached to nothing.
fn is_on(ifindex: u32, id: u32) -> bool {
    sys::tcx_programs(ifindex).is_ok_and(|programs| programs.contains(&id))
}

fn program_name(id: u32) -> Option<String> {
    let program = loaded_programs().filter_map(Result::ok).find(|program| program.id() == id)?;
    program.name_as_str().map(str::to_owned)
}
