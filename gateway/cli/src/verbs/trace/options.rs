//! Arguments of `trace`.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use gateway_common::net::{MacAddr, VlanId, Vni};

use crate::{
    options::AgentOption,
    verbs::values::{ethertype, vlan, vni},
};

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

/// Expected end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Expected {
    /// It goes on, to one place or to everyone in the logical switch.
    Forwarded,
    /// It goes nowhere.
    Dropped,
    /// It goes up the stack.
    Passed,
}
