//! Input of `trace`: the interface, and the packets that enter there.

use std::net::IpAddr;

use gateway_base::suggest;
use gateway_common::{
    headers::{ETH_P_ARP, ETH_P_IP, ETH_P_IPV6},
    net::{MacAddr, VlanId},
};
use gateway_datapath::{
    attach::{Attacher, Device},
    packet::build::{FrameSpec, TunnelSpec},
    trace::{
        pcap::{self, FileError},
        walk::Entrance,
    },
};
use gateway_netdev::{
    Link,
    nic::{self, NicError, Role},
};
use nix::net::if_::if_nametoindex;

use super::options::TraceOptions;
use crate::verbs::target::Gateway;

/// Reasons for which there is no packet to trace.
#[derive(Debug, thiserror::Error)]
pub(super) enum TraceInputError {
    #[error("--in {name}: that is neither an uplink ({uplinks}) nor an access port ({ports}) of {source_of}{meant}")]
    NoPort { name: String, uplinks: String, ports: String, source_of: String, meant: String },
    #[error("--in {0}: there is no such interface here now")]
    NoInterface(String),
    #[error("--in {0}: no programs are attached to it, so its packets pass by the gateway; see `status`")]
    NotAttached(String),
    #[error(transparent)]
    Pcap(#[from] FileError),
    #[error("--src and --dst are needed, or --pcap")]
    NoStations,
    #[error("--src-ip and --dst-ip have to be of one family, the one of --ethertype")]
    IpFamilies,
    #[error("--from, --to and --vni are for uplinks, and {0} is an access port")]
    OuterAtPort(String),
    #[error("{0} is an uplink: --from and --vni are needed")]
    NoOuter(String),
    #[error("this gateway has no tunnel address of the family of {0}: --to is needed")]
    NoVtep(IpAddr),
    #[error("--from and --to have to be of one family")]
    VtepFamilies,
    #[error(transparent)]
    Address(#[from] NicError),
}

/// Returns the interface at which the packet enters.
pub(super) fn entrance(options: &TraceOptions, gateway: &Gateway) -> Result<Entrance, TraceInputError> {
    let name = &options.port;
    let role = match (gateway.uplinks.contains(name), gateway.ports.contains(name)) {
        (true, _) => Role::Uplink,
        (_, true) => Role::Access,
        _ => {
            return Err(TraceInputError::NoPort {
                name: name.clone(),
                uplinks: gateway.uplinks.join(", "),
                ports: gateway.ports.join(", "),
                source_of: gateway.source.clone(),
                meant: suggest::question(name, gateway.uplinks.iter().chain(&gateway.ports).map(String::as_str)),
            });
        }
    };
    let ifindex = if_nametoindex(name.as_str()).map_err(|_| TraceInputError::NoInterface(name.clone()))?;
    let bond = Link::named(name).ok().flatten().is_some_and(|link| link.bond);
    let (device, attacher) = (Device { name: name.clone(), ifindex, role, bond }, Attacher::new(gateway.pins.clone()));
    let (xdp, tc) = (attacher.has_xdp(&device), attacher.has_tc(&device));
    if gateway.pins.maps().exists() && !xdp && !tc {
        return Err(TraceInputError::NotAttached(name.clone()));
    }
    Ok(Entrance { name: name.clone(), ifindex, role, xdp, bond })
}

/// Returns the packets that enter there.
pub(super) fn packets(
    options: &TraceOptions,
    gateway: &Gateway,
    entrance: &Entrance,
) -> Result<Vec<Vec<u8>>, TraceInputError> {
    if let Some(path) = &options.pcap {
        return Ok(pcap::packets(path, options.count as usize)?);
    }
    let (Some(src), Some(dst)) = (options.src, options.dst) else {
        return Err(TraceInputError::NoStations);
    };
    let ethertype = options.ethertype.unwrap_or(match options.src_ip.or(options.dst_ip) {
        Some(IpAddr::V6(_)) => ETH_P_IPV6,
        _ => ETH_P_IP,
    });
    let families = [options.src_ip, options.dst_ip].into_iter().flatten().map(|ip| ip.is_ipv4());
    let family = match ethertype {
        ETH_P_ARP | ETH_P_IP => Some(true),
        ETH_P_IPV6 => Some(false),
        _ => None,
    };
    for is_v4 in families {
        if family != Some(is_v4) {
            return Err(TraceInputError::IpFamilies);
        }
    }
    let frame = FrameSpec {
        src,
        dst,
        vlan: options.vlan,
        ethertype,
        src_ip: options.src_ip,
        dst_ip: options.dst_ip,
        length: options.length.into(),
    };
    if entrance.role == Role::Access {
        if options.from.is_some() || options.to.is_some() || options.vni.is_some() {
            return Err(TraceInputError::OuterAtPort(entrance.name.clone()));
        }
        return Ok(vec![frame.bytes()]);
    }
    let (Some(from), Some(vni)) = (options.from, options.vni) else {
        return Err(TraceInputError::NoOuter(entrance.name.clone()));
    };
    let own = gateway.vteps.iter().copied().find(|vtep| vtep.is_ipv4() == from.is_ipv4());
    let Some(to) = options.to.or(own) else {
        return Err(TraceInputError::NoVtep(from));
    };
    let tunnel = TunnelSpec { from, to, vni, vlan: options.vlan, port: gateway.udp_port };
    let inner = FrameSpec { vlan: VlanId::UNTAGGED, ..frame }.bytes();
    let own = nic::address(&entrance.name)?;
    let router = MacAddr([2, 0, 0, 0, 0, 1]);
    let packet = tunnel.around(&inner, router, own).ok_or(TraceInputError::VtepFamilies)?;
    Ok(vec![packet])
}
