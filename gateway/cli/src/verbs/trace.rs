//! `trace`: shows the path of a packet through the gateway.

use gateway_datapath::load::Objects;
use std::{
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use gateway_api::view::Switch;
use gateway_base::suggest as nearest;
use gateway_common::{
    headers::{ETH_P_ARP, ETH_P_IP, ETH_P_IPV6},
    net::{MacAddr, VlanId, Vni},
};
use gateway_datapath::{
    attach::{Attacher, Device},
    capture_programs::CaptureProgramsError,
    packet::build::{FrameSpec, TunnelSpec},
    trace::{
        names::Names,
        pcap,
        plane::{Plane, PlaneError},
        text,
        walk::{Entrance, Verdict, Way},
    },
};
use gateway_netdev::nic::Role;
use serde_json::json;

use super::{
    agent::Agent,
    output::{BAD_INPUT, fail},
    target::{Gateway, Target},
};
use crate::options::AgentOption;

/// Exit code if there is no data plane.
const NO_DATA_PLANE: u8 = 3;

/// `trace`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = "\
Examples:
  vtep-gateway trace --in eth1 --vlan 100 --src MAC --dst MAC
  vtep-gateway trace --in eth0 --from VTEP --vni 5001 --src MAC --dst MAC
  vtep-gateway trace --in eth1 --pcap FILE --expect forwarded

Exit codes: 0 told, and with --expect each packet ends so; 1 failed, or one ends otherwise; 2 wrong arguments; 3 nothing is \
attached.")]
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
    /// EtherType of the frame: arp, ipv4, ipv6 or a number such as 0x88b5.
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
    /// Fail, with exit code 1, unless each packet ends so. One that is flooded is forwarded.
    #[arg(long, value_name = "END")]
    pub expect: Option<Expected>,
    /// As a JSON object.
    #[arg(long)]
    pub json: bool,
    /// Of which gateway.
    #[command(flatten)]
    pub agent: AgentOption,
}

/// How a packet is expected to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Expected {
    /// It goes on, to one place or to everyone in the logical switch.
    Forwarded,
    /// It goes nowhere.
    Dropped,
    /// It goes up the stack.
    Passed,
}

impl Expected {
    fn is_met(self, way: &Way) -> bool {
        way.complete
            && match self {
                Self::Forwarded => matches!(way.verdict, Verdict::Forwarded | Verdict::Flooded),
                Self::Dropped => way.verdict == Verdict::Dropped,
                Self::Passed => way.verdict == Verdict::Passed,
            }
    }
}

/// Version of the JSON document.
const SCHEMA: u32 = 1;

fn vlan(text: &str) -> Result<VlanId, String> {
    let vlan = text.parse().ok().and_then(VlanId::new);
    vlan.ok_or_else(|| format!("expected a VLAN, 1 to {}, or 0 for untagged", VlanId::MAX))
}

pub(crate) fn vni(text: &str) -> Result<Vni, String> {
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

/// Executes the verb.
pub(crate) fn carry_out(options: &TraceOptions, target: &Target, objects: Objects) -> ExitCode {
    let gateway = match Gateway::find(target) {
        Ok(gateway) => gateway,
        Err(error) => return fail(BAD_INPUT, &error),
    };
    let (entrance, packets) = match entrance(options, &gateway)
        .and_then(|entrance| packets(options, &gateway, &entrance).map(|packets| (entrance, packets)))
    {
        Ok(both) => both,
        Err(error) => return fail(BAD_INPUT, &io::Error::other(error)),
    };
    let ways = Plane::open(&gateway.pins, gateway.settings, objects, entrance.role).and_then(|mut plane| {
        let names = known(Names::of(plane.tunnels()?).unwrap_or_default(), &target.socket);
        let ways = packets.iter().map(|packet| Way::of(&mut plane, &entrance, packet, &names, gateway.udp_port));
        ways.collect::<Result<Vec<_>, _>>()
    });
    let ways = match ways {
        Ok(ways) => ways,
        Err(error @ PlaneError::Watch(CaptureProgramsError::NothingPinned(_))) => return fail(NO_DATA_PLANE, &error),
        Err(error) => return fail(1, &error),
    };
    let told = if options.json {
        format!("{:#}\n", json!({ "schema": SCHEMA, "packets": ways }))
    } else {
        ways.iter().enumerate().map(|(index, way)| text::text(index + 1, way)).collect::<Vec<_>>().join("\n")
    };
    match io::stdout().write_all(told.as_bytes()) {
        // The reader may stop reading.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return fail(1, &error),
        _ => {}
    }
    let Some(expected) = options.expect else { return ExitCode::SUCCESS };
    match ways.iter().position(|way| !expected.is_met(way)) {
        Some(at) => {
            let words = format!("packet {} does not end as expected: {}", at + 1, text::verdict(&ways[at]));
            fail(1, &io::Error::other(words))
        }
        None => ExitCode::SUCCESS,
    }
}

/// Returns the names, with those that the agent knows from the database; the trace works without these.
fn known(names: Names, socket: &Path) -> Names {
    let agent = Agent::new(socket);
    let switches: Vec<Switch> = agent.ask("show/switches", &[]).unwrap_or_default();
    let switches = switches.into_iter().filter(|one| one.programmed).filter_map(|one| Some((one.vni?, one.name?)));
    names.with_bindings(agent.ask("show/bindings", &[]).ok(), switches)
}

/// Returns the interface at which the packet enters.
fn entrance(options: &TraceOptions, gateway: &Gateway) -> Result<Entrance, String> {
    let name = &options.port;
    let role = match (gateway.uplinks.contains(name), gateway.ports.contains(name)) {
        (true, _) => Role::Uplink,
        (_, true) => Role::Access,
        _ => {
            return Err(format!(
                "--in {name}: that is neither an uplink ({}) nor an access port ({}) of {}{}",
                gateway.uplinks.join(", "),
                gateway.ports.join(", "),
                gateway.source,
                nearest::question(name, gateway.uplinks.iter().chain(&gateway.ports).map(String::as_str))
            ));
        }
    };
    let ifindex = nix::net::if_::if_nametoindex(name.as_str())
        .map_err(|_| format!("--in {name}: there is no such interface here now"))?;
    let (device, attacher) = (Device { name: name.clone(), ifindex, role }, Attacher::new(gateway.pins.clone()));
    let (xdp, tc) = (attacher.has_xdp(&device), attacher.has_tc(&device));
    if gateway.pins.maps().exists() && !xdp && !tc {
        return Err(format!(
            "--in {name}: no programs are attached to it, so its packets pass by the gateway; see `status`"
        ));
    }
    Ok(Entrance { name: name.clone(), ifindex, role, xdp })
}

/// Returns the packets that enter there.
fn packets(options: &TraceOptions, gateway: &Gateway, entrance: &Entrance) -> Result<Vec<Vec<u8>>, String> {
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
    let own = gateway.vteps.iter().copied().find(|vtep| vtep.is_ipv4() == from.is_ipv4());
    let Some(to) = options.to.or(own) else {
        return Err(format!("this gateway has no tunnel address of the family of {from}: --to is needed"));
    };
    let tunnel = TunnelSpec { from, to, vni, vlan: options.vlan, port: gateway.udp_port };
    let inner = FrameSpec { vlan: VlanId::UNTAGGED, ..frame }.bytes();
    let own = gateway_netdev::nic::address(&entrance.name).map_err(|error| error.to_string())?;
    let router = MacAddr([2, 0, 0, 0, 0, 1]);
    let packet = tunnel.around(&inner, router, own).ok_or("--from and --to have to be of one family")?;
    Ok(vec![packet])
}
