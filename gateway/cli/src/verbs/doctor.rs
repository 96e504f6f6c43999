//! `doctor`: finds problems around this gateway, and suggests remedies.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Args;
use gateway_config::Config;
use gateway_datapath::load::Objects;
use gateway_ovsdb::{Remote, Remotes};

use super::{
    output::{self, BAD_INPUT},
    target::{Gateway, Target},
};
use crate::{
    doctor::{self, Options},
    options::AgentOption,
};

/// Exit code if a finding is bad or, with `--strict`, a warning.
const UNWELL: u8 = 1;

/// `doctor`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = "\
It changes nothing, needs no running agent, and takes a few seconds. It sends a few packets, unless --no-probe: echo requests \
to remote VTEPs, and ARP probes or neighbour solicitations for the tunnel addresses.

A configuration file that is not valid is one of the findings; its valid parts are used.

Exit codes: 0 nothing is bad, 1 something is, 2 wrong arguments.")]
pub struct DoctorOptions {
    /// As a JSON object.
    #[arg(long)]
    pub json: bool,
    /// Warnings count as bad, for the exit code.
    #[arg(long)]
    pub strict: bool,
    /// Send nothing.
    #[arg(long)]
    pub(crate) no_probe: bool,
    /// OVN's northbound database, as unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT, to check how OVN is set up.
    #[arg(long, value_name = "REMOTE")]
    pub(crate) ovn_nb: Option<Remotes>,
    /// OVN's southbound database.
    #[arg(long, value_name = "REMOTE")]
    pub(crate) ovn_sb: Option<Remotes>,
    /// Of which gateway.
    #[command(flatten)]
    pub agent: AgentOption,
}

/// Executes the verb.
pub(crate) fn carry_out(options: &DoctorOptions, target: &Target, objects: Objects) -> ExitCode {
    let file = &target.file;
    let (mut config, invalid) = Config::load_leniently(file);
    if config.uplinks.is_empty()
        && config.ports.is_empty()
        && let Some(running) = Gateway::running(&target.socket)
    {
        running.fill(&mut config);
    }
    let secured = [&options.ovn_nb, &options.ovn_sb].into_iter().flatten().flat_map(Remotes::iter);
    let mut secured = secured.filter(|remote| matches!(remote, Remote::Ssl { .. }));
    let has_files = config.database.as_ref().is_some_and(|database| database.tls.is_some());
    if let (Some(remote), false) = (secured.next(), has_files) {
        eprintln!(
            "vtep-gateway: {remote} takes private_key, certificate and ca_cert in [database], which are used for it too"
        );
        return ExitCode::from(BAD_INPUT);
    }
    let progress = io::stderr().is_terminal();
    let announce = |what: &str| {
        if progress {
            eprint!("\r\x1b[K{what} ...");
        }
    };
    let looks = Options {
        probe: !options.no_probe,
        ovn_nb: options.ovn_nb.as_ref(),
        ovn_sb: options.ovn_sb.as_ref(),
        objects,
        socket: &target.socket,
        invalid: invalid.as_ref(),
    };
    let findings = doctor::examine(&config, file, looks, &announce);
    if progress {
        eprint!("\r\x1b[K");
    }
    let text = if options.json {
        format!("{:#}\n", doctor::json(&findings, &file.display().to_string()))
    } else {
        doctor::text(&findings, io::stdout().is_terminal())
    };
    let well = doctor::verdict(&findings, options.strict);
    output::write(&text, if well { ExitCode::SUCCESS } else { ExitCode::from(UNWELL) })
}
