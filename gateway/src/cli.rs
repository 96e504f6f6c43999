//! The command line.

use std::{
    env,
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter,
    filter::{LevelFilter, ParseError},
    fmt::MakeWriter,
    util::{SubscriberInitExt, TryInitError},
};

/// Where the configuration is unless `--config` says otherwise.
pub const DEFAULT_CONFIG: &str = "/etc/vtep-gateway/gateway.toml";

const EXAMPLES: &str = "\
Examples:
  vtep-gateway check-config --config gateway.toml   say what is wrong with a file, and do nothing
  vtep-gateway run --config gateway.toml            forward, in the foreground
  kill -HUP PID                                     make a running agent re-read its file
  vtep-gateway detach                               stop forwarding and remove every trace

Stopping the agent (SIGTERM, SIGINT) leaves the data plane forwarding; starting it again takes over without a gap.

Exit codes: 0 fine, 1 failed at run time, 2 wrong arguments or configuration (nothing is attached then).";

/// Joins VXLAN networks of a cloud with VLANs outside it into one layer-2 network.
#[derive(Clone, Debug, Parser)]
#[command(name = "vtep-gateway", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to log.
    #[command(flatten)]
    pub log: LogOptions,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Attach and forward, in the foreground, until SIGTERM or SIGINT.
    Run(ConfigOption),
    /// Remove programs and pins, and put NIC settings back.
    Detach(ConfigOption),
    /// Check a configuration file without touching the system.
    CheckConfig(ConfigOption),
}

/// Which configuration.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ConfigOption {
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
}

/// How to log. All of it goes to standard error.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Form of the log's lines.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
    /// error, warn, info, debug, trace or off; or by module, such as info,gateway::config=debug.
    #[arg(long, value_name = "LEVEL", env = "VTEP_GATEWAY_LOG", default_value = "info", value_parser = level, global = true)]
    pub log_level: String,
}

/// Form of the log's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object on each line.
    Json,
}

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The level does not parse; the command line excludes it.
    #[error("cannot log at this level: {0}")]
    Level(#[from] ParseError),
    /// The process has a log already.
    #[error("cannot set the log up: {0}")]
    Taken(#[from] TryInitError),
}

/// Accepts what the log filter understands. That takes any single word for the name of a module, so a slip like
/// `verbose` would silence the log: a word alone has to be a level.
fn level(text: &str) -> Result<String, String> {
    // An environment variable that is there but empty is not set.
    let text = if text.trim().is_empty() { "info" } else { text };
    for directive in text.split(',').map(str::trim).filter(|directive| !directive.contains('=')) {
        directive
            .parse::<LevelFilter>()
            .map_err(|_| "expected error, warn, info, debug, trace or off, or MODULE=LEVEL, with commas between")?;
    }
    EnvFilter::builder().parse(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

impl LogOptions {
    /// Makes this the process's log.
    ///
    /// # Errors
    /// There is one already, or the level does not parse.
    pub fn init(&self) -> Result<(), LogError> {
        let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Ok(self.subscriber(colours, io::stderr)?.try_init()?)
    }

    fn subscriber<W>(&self, colours: bool, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let filter = EnvFilter::builder().parse(&self.log_level)?;
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colours);
        Ok(match self.log_format {
            LogFormat::Text => Box::new(log.finish()),
            LogFormat::Json => Box::new(log.json().flatten_event(true).finish()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    fn parse(args: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["vtep-gateway"].into_iter().chain(args.split_whitespace()))
    }

    /// What a subscriber writes about one event.
    fn logged(format: LogFormat, level: &str) -> String {
        #[derive(Clone, Default)]
        struct Buffer(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Buffer {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let options = LogOptions { log_format: format, log_level: level.to_owned() };
        let subscriber = options.subscriber(false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || tracing::info!(switches = 2, "ready"));
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_takes_a_file_and_has_a_default_for_it() {
        for verb in ["run", "detach", "check-config"] {
            for (args, file) in [("", DEFAULT_CONFIG), (" --config /x/y.toml", "/x/y.toml")] {
                let (Command::Run(option) | Command::Detach(option) | Command::CheckConfig(option)) =
                    parse(&format!("{verb}{args}")).unwrap().command;
                assert_eq!(option.config, PathBuf::from(file), "{verb}{args}");
            }
        }
    }

    #[test]
    fn log_options_may_follow_the_verb() {
        let log = parse("run --log-format json --log-level debug").unwrap().log;
        assert_eq!(log, LogOptions { log_format: LogFormat::Json, log_level: "debug".to_owned() });
    }

    #[test]
    fn levels_by_module_are_accepted() {
        assert_eq!(level("info,gateway::config=debug").unwrap(), "info,gateway::config=debug");
    }

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        let error = parse("run --log-level verbose").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ValueValidation);
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn an_empty_variable_means_the_default() {
        assert_eq!(level("").unwrap(), "info");
    }

    #[test]
    fn json_lines_are_objects_with_the_fields_of_the_event() {
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, "info")).unwrap();
        assert_eq!((&line["message"], &line["switches"]), (&"ready".into(), &2.into()));
    }

    #[test]
    fn text_lines_carry_no_colours_away_from_a_terminal() {
        let line = logged(LogFormat::Text, "info");
        assert!(line.contains("ready switches=2") && !line.contains('\x1b'), "{line:?}");
    }

    #[test]
    fn what_is_below_the_level_is_not_logged() {
        assert_eq!(logged(LogFormat::Text, "warn"), "");
    }
}
