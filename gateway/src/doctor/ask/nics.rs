//! The interfaces: the kernel's list, the drivers, and whose programs are on them.

use std::thread;

use aya::programs::{
    SchedClassifier, TcAttachType,
    links::{FdLink, PinnedLink},
    loaded_programs,
};
use nix::net::if_::if_indextoname;

use crate::{
    config::{self, Config},
    datapath::{
        attach::{Attacher, Device},
        pins::PinDir,
    },
    doctor::nics::{Around, Facts},
    nic::{self, Role},
};

/// Asks for all interfaces of the configuration.
pub(in super::super) fn ask(config: &Config) -> Vec<Facts> {
    let attacher = Attacher::new(PinDir::new(&config.gateway.pin_dir));
    let uplinks = config.uplinks.iter().map(|interface| (interface, Role::Uplink));
    let ports = config.ports.iter().map(|interface| (interface, Role::Access));
    uplinks.chain(ports).map(|(interface, role)| one(&attacher, interface, role)).collect()
}

/// What holds for all of them.
pub(in super::super) fn around(config: &Config, tcx: bool, agent: bool) -> Around {
    let maps = PinDir::new(&config.gateway.pin_dir).maps();
    let cpus = thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX));
    Around { cpus, attached: agent || maps.exists(), tcx }
}

fn one(attacher: &Attacher, configured: &config::Interface, role: Role) -> Facts {
    let name = &configured.name;
    let interface = nic::interface(name).ok().flatten();
    let ifindex = interface.as_ref().map_or(0, |interface| interface.ifindex);
    let device = Device { name: name.clone(), ifindex, role };
    let master = interface.as_ref().and_then(|interface| if_indextoname(interface.master?).ok());
    let xdp = interface.as_ref().and_then(|interface| interface.xdp);
    let tc = behind(attacher, &device, "tc");
    Facts {
        name: name.clone(),
        role,
        mode: configured.mode,
        master: master.map(|name| name.to_string_lossy().into_owned()),
        driver: nic::driver(name).ok(),
        xdp: nic::xdp_features(ifindex).ok().flatten(),
        wrong: nic::wrong_settings(name, role).unwrap_or_default(),
        queues: nic::receive_queues(name).ok(),
        ring: nic::receive_ring(name).ok(),
        own_xdp: behind(attacher, &device, "xdp"),
        own_tc: tc.is_some_and(|id| is_on(name, id)),
        xdp_name: xdp.and_then(program_name),
        interface,
    }
}

/// Id of the program behind the gateway's pinned link.
fn behind(attacher: &Attacher, device: &Device, hook: &str) -> Option<u32> {
    let link: FdLink = PinnedLink::from_pin(attacher.pin(device, hook)).ok()?.into();
    Some(link.info().ok()?.program_id())
}

/// Whether a TC program is on the interface; a link whose interface went leads nowhere.
fn is_on(interface: &str, id: u32) -> bool {
    let programs = SchedClassifier::query_tcx(interface, TcAttachType::Ingress);
    programs.is_ok_and(|(_, programs)| programs.iter().any(|program| program.id() == id))
}

fn program_name(id: u32) -> Option<String> {
    let program = loaded_programs().filter_map(Result::ok).find(|program| program.id() == id)?;
    program.name_as_str().map(str::to_owned)
}
