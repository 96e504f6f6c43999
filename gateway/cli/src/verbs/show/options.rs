//! Arguments of `show`.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use gateway_api::view::MacFilter;
use gateway_common::net::MacAddr;

use crate::options::AgentOption;

const EXAMPLES: &str = "\
Examples:
  vtep-gateway show tunnels                 next hops, and why some are missing
  vtep-gateway show bindings --vni 5001     traffic of each VLAN
  vtep-gateway show macs --port eth1        the stations behind a port
  vtep-gateway show drops --watch           current drops, and remedies
  vtep-gateway show macs --json | jq -r '.[] | select(.kind==\"learned\").mac'

The fields of --json are described in docs/JSON.md; they keep their names and meanings.

Exit codes: 0 shown, even if there was nothing to show; 1 failed; 2 wrong arguments, or names that are not there; 3 no agent \
is running.";

/// `show`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = EXAMPLES)]
pub struct ShowOptions {
    /// The noun.
    #[command(subcommand)]
    pub noun: Noun,
}

/// Noun: the part of the state to show.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Noun {
    /// Logical switches: VNI, and numbers of bindings, static and learned MACs.
    Switches(SwitchesOptions),
    /// VLANs of access ports, with logical switch and traffic.
    Bindings(BindingsOptions),
    /// The forwarding database: the place of each station.
    #[command(visible_alias = "fdb")]
    Macs(MacsOptions),
    /// Tunnels to remote VTEPs: next hop, or the reason why there is none, and traffic.
    Tunnels(TunnelsOptions),
    /// Next hops of the tunnels, and whether they answer.
    #[command(visible_alias = "neighbors")]
    Neighbours(NeighboursOptions),
    /// Virtual routers: role, lease, addresses, VRRP peers, counters.
    Vrrp(VrrpOptions),
    /// Packets by path, and learning. Counters start when the data plane is loaded.
    Counters(CountersOptions),
    /// Drops by reason, with remedies. Counters start when the data plane is loaded.
    Drops(CountersOptions),
}

impl Noun {
    /// Returns the output options, with the agent.
    pub fn output(&self) -> &OutputOptions {
        match self {
            Self::Switches(SwitchesOptions { output, .. })
            | Self::Bindings(BindingsOptions { output, .. })
            | Self::Macs(MacsOptions { output, .. })
            | Self::Tunnels(TunnelsOptions { output, .. })
            | Self::Neighbours(NeighboursOptions { output, .. })
            | Self::Vrrp(VrrpOptions { output, .. })
            | Self::Counters(CountersOptions { output, .. })
            | Self::Drops(CountersOptions { output, .. }) => output,
        }
    }
}

/// Output options, with the agent.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct OutputOptions {
    /// As a JSON array, an object a line.
    #[arg(long)]
    pub json: bool,
    /// Of which agent.
    #[command(flatten)]
    pub agent: AgentOption,
}

/// `show switches`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct SwitchesOptions {
    /// The one of this name only.
    #[arg(long, value_name = "NAME")]
    pub switch: Option<String>,
    /// The one with this VNI only.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..1 << 24))]
    pub vni: Option<u32>,
    /// Output options.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `show bindings`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct BindingsOptions {
    /// Those of the logical switch of this name only.
    #[arg(long, value_name = "NAME")]
    pub switch: Option<String>,
    /// Those of the logical switch with this VNI only.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..1 << 24))]
    pub vni: Option<u32>,
    /// Those of this access port only.
    #[arg(long, value_name = "INTERFACE")]
    pub port: Option<String>,
    /// Output options.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `show macs`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct MacsOptions {
    /// Those in the logical switch of this name only.
    #[arg(long, value_name = "NAME")]
    pub switch: Option<String>,
    /// Those in the logical switch with this VNI only.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..1 << 24))]
    pub vni: Option<u32>,
    /// Those behind this access port only.
    #[arg(long, value_name = "INTERFACE", conflicts_with = "remote")]
    pub port: Option<String>,
    /// This one only, in all logical switches.
    #[arg(long)]
    pub mac: Option<MacAddr>,
    /// Those behind this remote VTEP only.
    #[arg(long, value_name = "IP")]
    pub remote: Option<IpAddr>,
    /// Output options.
    #[command(flatten)]
    pub output: OutputOptions,
}

impl MacsOptions {
    /// Returns the filter for MACs.
    pub(crate) fn filter(&self) -> MacFilter {
        let Self { switch, vni, port, mac, remote, output: _ } = self.clone();
        MacFilter { switch, vni, port, mac, remote }
    }
}

/// `show tunnels`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct TunnelsOptions {
    /// The one to this remote VTEP only.
    #[arg(long, value_name = "IP")]
    pub remote: Option<IpAddr>,
    /// Those that packets are sent to with this VNI only.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..1 << 24))]
    pub vni: Option<u32>,
    /// Output options.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `show neighbours`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct NeighboursOptions {
    /// The one that this remote VTEP is reached through only.
    #[arg(long, value_name = "IP")]
    pub remote: Option<IpAddr>,
    /// Output options.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `show vrrp`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct VrrpOptions {
    /// Name or VRID of one virtual router; all of them if none is named.
    #[arg(value_name = "NAME|VRID")]
    pub router: Option<String>,
    /// Output options.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `show counters` and `show drops`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct CountersOptions {
    /// Those that are zero, too. (JSON always has all of them.)
    #[arg(long)]
    pub all: bool,
    /// Repeat every so many seconds, with the increase in each; Ctrl-C ends it.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "2",
        conflicts_with = "json",
        value_parser = clap::value_parser!(u16).range(1..=3600)
    )]
    pub watch: Option<u16>,
    /// Output options.
    #[command(flatten)]
    pub output: OutputOptions,
}
