//! `trace`: what would happen to a packet.

use std::{
    fs,
    io::{self, Write},
    net::IpAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use gateway_common::{
    headers::{ETH_P_ARP, ETH_P_IP, ETH_P_IPV6},
    net::{MacAddr, VlanId, Vni},
};
use serde_json::json;

use super::{BAD_INPUT, fail};
use crate::{
    cli::ConfigOption,
    config::{Config, Interface},
    datapath::{
        attach::{Attacher, Device},
        load::Settings,
        pins::PinDir,
        watch::WatchError,
    },
    nic::Role,
    packet::build::{FrameSpec, TunnelSpec},
    trace::{
        names::Names,
        pcap,
        plane::{Plane, PlaneError},
        text,
        walk::{Entrance, Way},
    },
};

/// There is no data plane to be asked.
const NO_DATA_PLANE: u8 = 3;

/// `trace`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct TraceOptions {
    /// The uplink or access port that the packet comes in by.
    #[arg(long = "in", value_name = "PORT")]
    pub port: String,
    /// Its VLAN there, 0 or left out for untagged.
    #[arg(long, value_name = "VLAN", value_parser = vlan, default_value = "0", conflicts_with = "pcap")]
    pub vlan: VlanId,
    /// MAC address of the station that sends it.
    #[arg(long, value_name = "MAC", required_unless_present = "pcap", conflicts_with = "pcap")]
    pub src: Option<MacAddr>,
    /// MAC address of the station it is for.
    #[arg(long, value_name = "MAC", required_unless_present = "pcap", conflicts_with = "pcap")]
    pub dst: Option<MacAddr>,
    /// By an uplink: the VTEP that it comes from.
    #[arg(long, value_name = "VTEP", conflicts_with = "pcap")]
    pub from: Option<IpAddr>,
    /// By an uplink: the VTEP that it is for; left out, this gateway's of the same family.
    #[arg(long, value_name = "VTEP", conflicts_with = "pcap")]
    pub to: Option<IpAddr>,
    /// By an uplink: its VNI.
    #[arg(long, value_name = "VNI", value_parser = vni, conflicts_with = "pcap")]
    pub vni: Option<Vni>,
    /// What the frame carries: arp, ipv4, ipv6 or a number such as 0x88b5.
    #[arg(long, value_name = "TYPE", value_parser = ethertype, conflicts_with = "pcap")]
    pub ethertype: Option<u16>,
    /// IP address of the sender.
    #[arg(long, value_name = "IP", conflicts_with = "pcap")]
    pub src_ip: Option<IpAddr>,
    /// IP address of the destination.
    #[arg(long, value_name = "IP", conflicts_with = "pcap")]
    pub dst_ip: Option<IpAddr>,
    /// Length of the frame in bytes, without tag, outer headers and frame check sequence.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(14..=9600), default_value = "60",
        conflicts_with = "pcap")]
    pub length: u16,
    /// The packets of a pcap or pcapng file, one after the other, in place of one that is made up.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Packets of the file at most.
    #[arg(long, value_name = "NUMBER", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    /// As a JSON object.
    #[arg(long)]
    pub json: bool,
    /// Of which gateway.
    #[command(flatten)]
    pub config: ConfigOption,
}

fn vlan(text: &str) -> Result<VlanId, String> {
    let vlan = text.parse().ok().and_then(VlanId::new);
    vlan.ok_or_else(|| format!("expected a VLAN, 1 to {}, or 0 for untagged", VlanId::MAX))
}

pub(super) fn vni(text: &str) -> Result<Vni, String> {
    text.parse().ok().and_then(Vni::new).ok_or_else(|| format!("expected a VNI, 1 to {}", Vni::MAX))
}

fn ethertype(text: &str) -> Result<u16, String> {
    let number = || match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    match text {
        "arp" => Ok(ETH_P_ARP),
        "ipv4" => Ok(ETH_P_IP),
        "ipv6" => Ok(ETH_P_IPV6),
        _ => number()
            .filter(|number| *number >= 0x600)
            .ok_or_else(|| "expected arp, ipv4, ipv6 or an EtherType, 0x600 to 0xffff".to_owned()),
    }
}

/// Does it.
pub(super) fn carry_out(options: &TraceOptions, config: &Config) -> ExitCode {
    let pins = PinDir::new(&config.gateway.pin_dir);
    let (entrance, packets) = match entrance(options, config, &pins)
        .and_then(|entrance| packets(options, config, &entrance).map(|packets| (entrance, packets)))
    {
        Ok(both) => both,
        Err(error) => return fail(BAD_INPUT, &io::Error::other(error)),
    };
    let settings = Settings { udp_port: config.gateway.udp_port, fdb_size: config.gateway.fdb_size, trace: false };
    let ways = Plane::open(&pins, settings, entrance.role).and_then(|mut plane| {
        let names = Names::of(plane.tunnels()?).unwrap_or_default();
        let ways = packets.iter().map(|packet| Way::of(&mut plane, &entrance, packet, &names, settings.udp_port));
        ways.collect::<Result<Vec<_>, _>>()
    });
    let ways = match ways {
        Ok(ways) => ways,
        Err(error @ PlaneError::Watch(WatchError::NothingPinned(_))) => return fail(NO_DATA_PLANE, &error),
        Err(error) => return fail(1, &error),
    };
    let told = if options.json {
        format!("{:#}\n", json!({ "packets": ways }))
    } else {
        ways.iter().enumerate().map(|(index, way)| text::text(index + 1, way)).collect::<Vec<_>>().join("\n")
    };
    match io::stdout().write_all(told.as_bytes()) {
        // Whoever reads may have seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(1, &error),
        _ => ExitCode::SUCCESS,
    }
}

/// Where the packet comes in.
fn entrance(options: &TraceOptions, config: &Config, pins: &PinDir) -> Result<Entrance, String> {
    let name = &options.port;
    let is_it = |interface: &&Interface| interface.name == *name;
    let role = match (config.uplinks.iter().find(is_it), config.ports.iter().find(is_it)) {
        (Some(_), _) => Role::Uplink,
        (_, Some(_)) => Role::Access,
        _ => {
            let names = |all: &[Interface]| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>().join(", ");
            return Err(format!(
                "--in {name}: that is neither an uplink ({}) nor an access port ({}) of {}",
                names(&config.uplinks),
                names(&config.ports),
                options.config.config.display()
            ));
        }
    };
    let ifindex = nix::net::if_::if_nametoindex(name.as_str())
        .map_err(|_| format!("--in {name}: there is no such interface here now"))?;
    let (device, attacher) = (Device { name: name.clone(), ifindex, role }, Attacher::new(pins.clone()));
    let (xdp, tc) = (attacher.has_xdp(&device), attacher.has_tc(&device));
    if pins.maps().exists() && !xdp && !tc {
        return Err(format!(
            "--in {name}: no programs are attached to it, so its packets pass by the gateway; see `status`"
        ));
    }
    Ok(Entrance { name: name.clone(), ifindex, role, xdp })
}

/// What comes in there.
fn packets(options: &TraceOptions, config: &Config, entrance: &Entrance) -> Result<Vec<Vec<u8>>, String> {
    if let Some(path) = &options.pcap {
        return pcap::packets(path, options.count as usize).map_err(|error| error.to_string());
    }
    let (Some(src), Some(dst)) = (options.src, options.dst) else {
        return Err("--src and --dst are needed, or --pcap".to_owned());
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
            return Err("--src-ip and --dst-ip have to be of one family, the one of --ethertype".to_owned());
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
            return Err(format!("--from, --to and --vni are for uplinks, and {} is an access port", entrance.name));
        }
        return Ok(vec![frame.bytes()]);
    }
    let (Some(from), Some(vni)) = (options.from, options.vni) else {
        return Err(format!("{} is an uplink: --from and --vni are needed", entrance.name));
    };
    let own = config.vteps().find(|vtep| vtep.is_ipv4() == from.is_ipv4());
    let Some(to) = options.to.or(own) else {
        return Err(format!("this gateway has no tunnel address of the family of {from}: --to is needed"));
    };
    let tunnel = TunnelSpec { from, to, vni, vlan: options.vlan, port: config.gateway.udp_port };
    let inner = FrameSpec { vlan: VlanId::UNTAGGED, ..frame }.bytes();
    // Nothing looks at the outer addresses but the NIC, which takes in what is for it.
    let own = fs::read_to_string(format!("/sys/class/net/{}/address", entrance.name)).unwrap_or_default();
    let own = own.trim().parse().unwrap_or(MacAddr::BROADCAST);
    let router = MacAddr([2, 0, 0, 0, 0, 1]);
    let packet = tunnel.around(&inner, router, own).ok_or("--from and --to have to be of one family")?;
    Ok(vec![packet])
}
