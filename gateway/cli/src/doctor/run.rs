//! Runs all probes, in parallel where they take long, and evaluates the facts.

use std::{collections::BTreeSet, net::IpAddr, path::Path, thread};

use gateway_api::view::Status;
use gateway_common::net::MacAddr;
use gateway_config::{Config, ConfigError, InstanceConfig};
use gateway_datapath::{load::Objects, plan};
use gateway_ovsdb::Remotes;

use super::{
    agent, database, finding::Finding, host, kernel, nics, nodes, ovn, probe, probe_error::ProbeError, tunnels,
};

/// Options of the doctor.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// True: send echo requests to remote VTEPs, and probe for other owners of the tunnel addresses.
    pub probe: bool,
    /// OVN's northbound database.
    pub(crate) ovn_nb: Option<&'a Remotes>,
    /// OVN's southbound database.
    pub(crate) ovn_sb: Option<&'a Remotes>,
    /// The compiled BPF programs.
    pub objects: Objects,
    /// Control socket of the agent.
    pub socket: &'a Path,
    /// Errors of the configuration file.
    pub invalid: Option<&'a ConfigError>,
}

/// Probes and evaluates everything that concerns the gateway of `config`, which was read from `file`. Announces each
/// step through `announce`. Takes some 15 seconds at most, and changes nothing.
pub fn examine(config: &Config, file: &Path, options: Options<'_>, announce: &dyn Fn(&str)) -> Vec<Finding> {
    let (drops, paths) = (probe::counters::drops(config), probe::counters::paths(config));
    announce("asking the agent");
    let answer = probe::agent::probe(options.socket);
    let status = answer.status();
    let running = status.is_some();
    announce("looking at the database, the kernel and the interfaces");
    let (database, ovn, kernel, nics, host) = thread::scope(|scope| {
        let database = scope.spawn(|| probe::database::probe(config, running));
        let ovn = scope.spawn(|| probe::database::probe_ovn(config, options.ovn_nb, options.ovn_sb));
        let host = scope.spawn(|| probe::host::probe(config, file));
        let (kernel, nics) = (
            probe::kernel::probe(config, options.objects, status.map(|status| status.pid)),
            probe::nics::probe(config),
        );
        (join(database), join(ovn), kernel, nics, join(host))
    });
    let around = probe::nics::around(config, running);
    announce("listening for other nodes, and trying the tunnels");
    let remotes = remotes(config, database.as_ref());
    let (tunnels, nodes) = thread::scope(|scope| {
        let tunnels = scope.spawn(|| probe::underlay::probe(config, remotes, options.probe));
        let nodes = scope.spawn(|| look_at_nodes(config, status, options.probe));
        (join(tunnels), join(nodes))
    });
    let agent = agent::Facts {
        pinned: probe::counters::pins(config),
        pin_dir: config.gateway.pin_dir.display().to_string(),
        drops: drops.zip(probe::counters::drops(config)),
        paths: paths.zip(probe::counters::paths(config)),
        redundant: config.is_redundant(),
        answer,
    };
    let mut findings = kernel::evaluate(&kernel);
    findings.extend(nics::evaluate(&nics, around));
    findings.extend(tunnels::evaluate(&tunnels));
    findings.extend(nodes::evaluate(&nodes));
    findings.extend(host::evaluate_nodes(&host));
    if let Some(database) = &database {
        findings.extend(database::evaluate(database));
    }
    if database.is_some() || options.ovn_nb.is_some() || options.ovn_sb.is_some() {
        findings.extend(ovn::evaluate(&ovn));
    }
    findings.extend(agent::evaluate(&agent));
    findings.extend(host::evaluate_config(&host));
    findings.extend(options.invalid.map(|error| host::invalid(error, running)));
    findings
}

/// Returns all known remote VTEPs: from the configuration, the database, and the maps.
fn remotes(config: &Config, database: Option<&database::Facts>) -> BTreeSet<IpAddr> {
    let mut remotes = plan::remotes(&config.rows);
    remotes.extend(probe::counters::remotes(config));
    if let Some(Ok(picture)) = database.map(|facts| &facts.picture) {
        remotes.extend(&picture.locators);
    }
    remotes
}

fn look_at_nodes(config: &Config, status: Option<&Status>, probe: bool) -> Vec<nodes::Facts> {
    thread::scope(|scope| {
        let looks =
            config.instances.iter().map(|instance| scope.spawn(move || look_at(config, instance, status, probe)));
        let looks: Vec<_> = looks.collect();
        looks.into_iter().map(join).collect()
    })
}

fn look_at(config: &Config, instance: &InstanceConfig, status: Option<&Status>, probe: bool) -> nodes::Facts {
    let uplink = config.uplinks.first().map(|uplink| uplink.name.clone()).unwrap_or_default();
    let interface = instance.vrrp.as_ref().map_or(uplink, |vrrp| vrrp.interface.clone());
    thread::scope(|scope| {
        let addresses = instance.vteps.iter().map(|ip| {
            let interface = &interface;
            scope.spawn(move || nodes::Address {
                ip,
                here: probe::underlay::interface_of(ip).is_some(),
                claims: if probe { claims(interface, ip) } else { Err(ProbeError::new("--no-probe was given")) },
            })
        });
        let addresses: Vec<_> = addresses.collect();
        let vrrp = instance.vrrp.as_ref().map(|vrrp| {
            let keys = probe::adverts::keys(vrrp);
            let auth = match &keys {
                Ok(keys) => nodes::Auth::of(keys.as_ref().map(|keys| keys.mode)),
                Err(why) => nodes::Auth::Unreadable(why.to_string()),
            };
            let (peers, problems) = probe::adverts::listen(instance, vrrp, keys.ok().flatten());
            let vrid = vrrp.vrid.get();
            let reported = status.and_then(|status| status.vrrp.iter().find(|one| one.vrid == vrid)).cloned();
            nodes::VrrpFacts { vrid, reported, auth, peers, problems }
        });
        let addresses = addresses.into_iter().map(join).collect();
        nodes::Facts {
            name: instance.name.clone(),
            interface: interface.clone(),
            addresses,
            vrrp,
            agent: status.is_some(),
        }
    })
}

/// Returns other hosts that answer for an address; probes on the interface that has it, else on `interface`.
fn claims(interface: &str, ip: IpAddr) -> Result<Vec<MacAddr>, ProbeError> {
    match probe::underlay::interface_of(ip).as_deref() {
        // On a routed underlay it may be on the loopback interface: no neighbour can have it too.
        Some("lo") => Ok(Vec::new()),
        here => probe::claims::probe(here.unwrap_or(interface), ip),
    }
}

/// Returns the result of a thread. A panic there is passed on, since no valid result exists then.
fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
