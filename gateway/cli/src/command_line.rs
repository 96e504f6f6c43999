//! Definition of the command line: the verbs, and help that applies to all of them.

use std::path::Path;

use clap::{Parser, Subcommand};
use gateway_base::log::LogOptions;

use crate::{
    options::{AgentOption, ConfigOption},
    verbs::{
        CaptureOptions, CompletionsOptions, DoctorOptions, ExitOptions, HandoverOptions, ManOptions, MonitorOptions,
        ShowOptions, StatusOptions, TopOptions, TraceOptions,
    },
};

const EXAMPLES: &str = "\
Examples:
  vtep-gateway check-config --config FILE   show the errors in a file
  vtep-gateway run --config FILE            forward, in the foreground
  vtep-gateway reload                       make the agent read its file again
  vtep-gateway detach                       stop forwarding, remove everything
  vtep-gateway status                       the agent's state and its problems
  vtep-gateway show bindings                which VLANs are bound and forward
  vtep-gateway show tunnels                 next hops, and why some are missing
  vtep-gateway top                          live rates, full screen
  vtep-gateway monitor                      events, as they happen
  vtep-gateway doctor                       problems around it, and remedies
  vtep-gateway handover                     make another node active
  vtep-gateway trace --in eth1 --vlan 100 --src MAC --dst MAC
                                            the fate of such a frame
  vtep-gateway capture --dropped --write drops.pcapng
                                            dropped packets, for Wireshark
  vtep-gateway exit --keep-role             end the agent for an upgrade

Stopping the agent (SIGTERM, SIGINT) leaves the data plane forwarding; starting it again takes over without a gap. With \
[[vrrp]] in the configuration it hands the role over to another node first, and this one stops forwarding.

Exit codes: 0 success; 1 failed at run time or not healthy; 2 wrong arguments or configuration, nothing is attached then; 3 no \
agent is running.";

/// Joins VXLAN networks of a cloud with VLANs outside it into one layer-2 network.
#[derive(Clone, Debug, Parser)]
#[command(name = "vtep-gateway", version, after_help = EXAMPLES)]
pub struct Cli {
    /// The verb.
    #[command(subcommand)]
    pub command: Command,
    /// Options of the log.
    #[command(flatten)]
    pub log: LogOptions,
}

/// Verb, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Attach and forward, in the foreground, until SIGTERM or SIGINT.
    Run(ConfigOption),
    /// Remove programs and pins, and restore NIC settings.
    Detach(ConfigOption),
    /// Check a configuration file without touching the system.
    CheckConfig(ConfigOption),
    /// Show the state of the running gateway on one screen: role, lease, addresses, database, links, faults.
    Status(StatusOptions),
    /// Show the tables of the running gateway: switches, bindings, MACs, tunnels, counters.
    Show(ShowOptions),
    /// Show the events of the running agent, as they happen, until Ctrl-C.
    Monitor(MonitorOptions),
    /// Show live rates of bindings, tunnels and drops, full screen.
    Top(TopOptions),
    /// Find what keeps the gateway from working, or working well, and suggest remedies. Changes nothing.
    Doctor(DoctorOptions),
    /// Make the running agent give the active role to another node.
    Handover(HandoverOptions),
    /// Show what would happen to a packet, step by step. Nothing is changed.
    Trace(TraceOptions),
    /// Show packets that the gateway drops or forwards, or write them to a file for Wireshark.
    Capture(CaptureOptions),
    /// Make the running agent read its configuration again, and show the errors in it.
    Reload(AgentOption),
    /// End the running agent. Its programs stay attached, and forward while its leases run.
    Exit(ExitOptions),
    /// Print the completion script of a shell.
    Completions(CompletionsOptions),
    /// Print or write the manual pages.
    Man(ManOptions),
}

impl Command {
    /// Returns the configuration file that the command needs complete and valid; `None` if it needs none.
    pub fn config(&self) -> Option<&Path> {
        match self {
            Self::Run(option) | Self::Detach(option) | Self::CheckConfig(option) => Some(&option.config),
            _ => None,
        }
    }

    /// Returns the agent that the command is for; `None` if it is for none.
    pub fn agent(&self) -> Option<&AgentOption> {
        match self {
            Self::Reload(agent) => Some(agent),
            Self::Show(options) => Some(&options.noun.output().agent),
            Self::Status(StatusOptions { agent, .. })
            | Self::Monitor(MonitorOptions { agent, .. })
            | Self::Top(TopOptions { agent, .. })
            | Self::Doctor(DoctorOptions { agent, .. })
            | Self::Handover(HandoverOptions { agent, .. })
            | Self::Capture(CaptureOptions { agent, .. })
            | Self::Trace(TraceOptions { agent, .. })
            | Self::Exit(ExitOptions { agent, .. }) => Some(agent),
            Self::Run(_) | Self::Detach(_) | Self::CheckConfig(_) | Self::Completions(_) | Self::Man(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};
    use gateway_base::log::LogFormat;

    use super::*;
    use crate::options::DEFAULT_CONFIG;

    fn parse(args: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["vtep-gateway"].into_iter().chain(args.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_takes_a_file_and_has_a_default_for_it() {
        for (args, file) in [("", DEFAULT_CONFIG), (" --config /x/y.toml", "/x/y.toml")] {
            for verb in ["run", "detach", "check-config"] {
                let command = parse(&format!("{verb}{args}")).unwrap().command;
                assert_eq!(command.config(), Some(Path::new(file)), "{verb}{args}");
            }
            for verb in ["status", "monitor", "top", "doctor", "handover", "reload", "exit", "show macs", "capture"] {
                let command = parse(&format!("{verb}{args}")).unwrap().command;
                assert_eq!(command.config(), None, "{verb} needs no valid file");
                assert_eq!(command.agent().unwrap().file.config, Path::new(file), "{verb}{args}");
            }
        }
    }

    #[test]
    fn an_agent_may_be_named_by_its_socket() {
        for args in ["status -t /x", "status --socket /x"] {
            let command = parse(args).unwrap().command;
            assert_eq!(command.agent().unwrap().socket.as_deref(), Some(Path::new("/x")), "{args}");
        }
    }

    #[test]
    fn a_handover_may_name_a_virtual_router() {
        let Command::Handover(options) = parse("handover a --force").unwrap().command else { panic!() };
        assert_eq!((options.router.as_deref(), options.force), (Some("a"), true));
    }

    #[test]
    fn log_options_may_follow_the_verb() {
        let log = parse("run --log-format json --log-level debug").unwrap().log;
        assert_eq!(log, LogOptions { log_format: LogFormat::Json, log_level: "debug".to_owned() });
    }

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        let error = parse("run --log-level verbose").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ValueValidation);
        assert_eq!(error.exit_code(), 2);
    }
}
