//! Probes the paths to remote VTEPs: routes and neighbours, then echo requests.

use std::{collections::BTreeSet, net::IpAddr};

use gateway_config::{Config, Interface};
use gateway_datapath::plan;
use gateway_netdev::underlay::{self, Snapshot, Wanted};
use nix::{ifaddrs::getifaddrs, sys::socket::SockaddrStorage};

use super::echo;
use crate::doctor::{
    probe_error::ProbeError,
    tunnels::{Echo, Facts, Remote},
};

/// Most remote VTEPs that echo requests are sent to; of more, the first ones.
const ASKED: usize = 256;

/// Collects the facts about all `remotes`, and sends echo requests if `probe` is set.
pub(in super::super) fn probe(config: &Config, remotes: BTreeSet<IpAddr>, probe: bool) -> Facts {
    let names = |interfaces: &[Interface]| interfaces.iter().map(|one| one.name.clone()).collect();
    let wanted = Wanted {
        remotes: remotes.into_iter().filter(|remote| !config.is_own(*remote)).collect(),
        uplinks: names(&config.uplinks),
        ports: names(&config.ports),
        vteps: config.vteps().collect(),
    };
    let first = match look(&wanted) {
        Ok(snapshot) => snapshot,
        Err(reason) => return Facts { failed: Some(reason), ..facts(config, &Snapshot::default(), Vec::new()) },
    };
    let targets: Vec<echo::Target> = wanted
        .remotes
        .iter()
        .take(ASKED)
        .map(|address| echo::Target { address: *address, longest: longest(config, &first, *address) })
        .collect();
    let own: Vec<IpAddr> = wanted.vteps.iter().copied().filter(|vtep| interface_of(*vtep).is_some()).collect();
    let mut echoes = if probe {
        echo::probe(&targets, &own)
    } else {
        vec![Echo::NotSent("--no-probe was given".to_owned()); targets.len()]
    };
    echoes.resize(wanted.remotes.len(), Echo::NotSent(format!("there are more than {ASKED}")));
    // The echo requests have caused the kernel to resolve the neighbours, where possible.
    let snapshot = if probe { look(&wanted).unwrap_or(first) } else { first };
    let remotes = wanted.remotes.iter().zip(echoes).filter_map(|(address, echo)| {
        Some(Remote {
            address: *address,
            resolution: snapshot.hops.get(address)?.clone(),
            longest: longest(config, &snapshot, *address),
            overhead: plan::overhead(*address),
            echo,
        })
    });
    facts(config, &snapshot, remotes.collect())
}

fn facts(config: &Config, snapshot: &Snapshot, remotes: Vec<Remote>) -> Facts {
    let mtu = |interface: &Interface| Some((interface.name.clone(), snapshot.links.get(&interface.name)?.mtu));
    Facts {
        widest: config.ports.iter().filter_map(mtu).max_by_key(|(_, mtu)| *mtu),
        uplinks: config.uplinks.iter().filter_map(mtu).collect(),
        overhead: remotes.iter().map(|remote| remote.overhead).max(),
        remotes,
        failed: None,
    }
}

/// Returns the longest packet that should reach `remote`: that of the widest port, unless no uplink can send it. The
/// kernel's cached path MTU is not used, since it may be the problem.
fn longest(config: &Config, snapshot: &Snapshot, remote: IpAddr) -> u32 {
    let mtus = |interfaces: &[Interface]| -> Vec<u32> {
        interfaces.iter().filter_map(|one| Some(snapshot.links.get(&one.name)?.mtu)).collect()
    };
    let needed = mtus(&config.ports).into_iter().max().unwrap_or(1500) + plan::overhead(remote);
    needed.min(mtus(&config.uplinks).into_iter().min().unwrap_or(needed))
}

fn look(wanted: &Wanted) -> Result<Snapshot, ProbeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProbeError::new)?;
    runtime.block_on(underlay::look(wanted)).map_err(|error| ProbeError::of(&error))
}

/// Returns the interface that has the address now.
pub(in super::super) fn interface_of(address: IpAddr) -> Option<String> {
    // (An attempt to bind would succeed for any address where net.ipv4.ip_nonlocal_bind is set.)
    let mut all = getifaddrs().ok()?;
    all.find(|one| one.address.as_ref().and_then(ip) == Some(address)).map(|one| one.interface_name)
}

/// Returns the IP address, if it is one.
pub(in super::super) fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}
