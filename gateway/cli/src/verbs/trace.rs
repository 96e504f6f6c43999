//! `trace`: shows the path of a packet through the gateway.

use std::{
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use gateway_api::view::Switch;
use gateway_common::net::{MacAddr, VlanId, Vni};
use gateway_datapath::{
    capture_programs::CaptureProgramsError,
    load::Objects,
    trace::{
        names::Names,
        plane::{Plane, PlaneError},
        text,
        walk::{Verdict, Way},
    },
};
use serde_json::json;

use super::{
    agent::Agent,
    output::{BAD_INPUT, fail},
    target::{Gateway, Target},
    trace_input::{entrance, packets},
    values::{ethertype, vlan, vni},
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

Exit codes: 0 shown, and with --expect each packet ends so; 1 failed, or one ends otherwise; 2 wrong arguments; 3 nothing is \
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

/// Error: a packet does not end as `--expect` has it.
#[derive(Debug, thiserror::Error)]
#[error("packet {number} does not end as expected: {verdict}")]
struct Unexpected {
    number: usize,
    verdict: String,
}

/// Version of the JSON document.
const SCHEMA: u32 = 1;

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
        Err(error) => return fail(BAD_INPUT, &error),
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
    let text = if options.json {
        format!("{:#}\n", json!({ "schema": SCHEMA, "packets": ways }))
    } else {
        ways.iter().enumerate().map(|(index, way)| text::text(index + 1, way)).collect::<Vec<_>>().join("\n")
    };
    match io::stdout().write_all(text.as_bytes()) {
        // The reader may stop reading.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return fail(1, &error),
        _ => {}
    }
    let Some(expected) = options.expect else { return ExitCode::SUCCESS };
    match ways.iter().position(|way| !expected.is_met(way)) {
        Some(at) => {
            let error = Unexpected { number: at + 1, verdict: text::verdict(&ways[at]) };
            fail(1, &error)
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
