//! Options of the log, and the log they make.

use std::{
    env,
    io::{self, IsTerminal},
    path::Path,
    sync::Mutex,
};

use clap::{Args, ValueEnum};
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::{
    Layer,
    fmt::MakeWriter,
    layer::SubscriberExt,
    reload,
    util::{SubscriberInitExt, TryInitError},
};

use super::{
    control::Control,
    format::{Json, Text},
    journal::{self, Journal},
    levels::{Levels, LevelsError},
    limit::Limit,
    vlog::Destination,
};

/// Options of the log.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Destination and format of the log.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
    /// error, warn, info, debug, trace or off; or by module, such as info,vtep_gateway::config=debug. A level alone is that
    /// of the gateway: libraries log no more than info unless they are named.
    #[arg(long, value_name = "LEVEL", env = "VTEP_GATEWAY_LOG", default_value = "info", value_parser = level, global = true)]
    pub log_level: String,
}

/// Destination and format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// journald where systemd has connected standard error to it, else text.
    #[default]
    Auto,
    /// To standard error, for people.
    Text,
    /// To standard error, an object on each line.
    Json,
    /// To systemd's journal, each value in a field.
    Journald,
}

/// Error that keeps the log from being set up.
#[derive(Debug, Error)]
pub enum LogError {
    /// The level does not parse; the command line rules that out.
    #[error("cannot log at this level: {0}")]
    Level(LevelsError),
    /// There is no journal.
    #[error("cannot write to the journal at {socket}: {0}; is systemd-journald running? --log-format text writes to standard error", socket = journal::SOCKET)]
    Journal(io::Error),
    /// The process has a log already.
    #[error("cannot set the log up: {0}")]
    Taken(#[from] TryInitError),
}

/// Validates levels of the command line.
fn level(text: &str) -> Result<String, LevelsError> {
    // An environment variable that is empty counts as unset.
    let text = if text.trim().is_empty() { "info" } else { text };
    Levels::parse(text).map(|_| text.to_owned())
}

impl LogOptions {
    /// Installs the log of this process.
    ///
    /// # Errors
    /// The process has a log already, there is no journal, or the level does not parse.
    pub fn init(&self) -> Result<Control, LogError> {
        let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let (subscriber, control) = self.subscriber(colours, io::stderr)?;
        subscriber.try_init()?;
        Ok(control)
    }

    fn subscriber<W>(&self, colours: bool, writer: W) -> Result<(Box<dyn Subscriber + Send + Sync>, Control), LogError>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let levels = Levels::parse(&self.log_level).map_err(LogError::Level)?;
        let format = match self.log_format {
            LogFormat::Auto if journal::is_stderr() => LogFormat::Journald,
            LogFormat::Auto => LogFormat::Text,
            chosen => chosen,
        };
        let (filter, handle) = reload::Layer::new(levels.targets());
        let limit = Limit::default();
        let lines = || tracing_subscriber::fmt::layer().with_ansi(colours);
        let output = match format {
            LogFormat::Auto | LogFormat::Text => lines().map_event_format(Text).with_writer(writer).boxed(),
            LogFormat::Json => lines().json().flatten_event(true).map_event_format(Json).with_writer(writer).boxed(),
            LogFormat::Journald => Journal::open(Path::new(journal::SOCKET)).map_err(LogError::Journal)?.boxed(),
        };
        let destination = if format == LogFormat::Journald { Destination::Syslog } else { Destination::Console };
        let subscriber = tracing_subscriber::registry().with(filter).with(limit.clone()).with(output);
        Ok((Box::new(subscriber), Control { levels: Mutex::new(levels), filter: handle, limit, destination }))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::bytes::Bytes, *};

    /// Returns the output of a subscriber for one event.
    fn logged(format: LogFormat, level: &str) -> String {
        logged_of(format, level, || tracing::info!(switches = 2, "ready"))
    }

    /// Returns the output of a subscriber for `events`.
    fn logged_of(format: LogFormat, level: &str, events: impl FnOnce()) -> String {
        let buffer = Bytes::default();
        let writer = buffer.clone();
        let options = LogOptions { log_format: format, log_level: level.to_owned() };
        let (subscriber, _control) = options.subscriber(false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        buffer.text()
    }

    #[test]
    fn levels_by_module_are_accepted() {
        assert_eq!(level("info,vtep_gateway::config=debug").unwrap(), "info,vtep_gateway::config=debug");
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
    fn lines_name_modules_by_the_program() {
        let own = || tracing::warn!(target: "gateway_ha::driver", from = "\"target\":\"gateway_ha::driver\"", "ready");
        let line = logged_of(LogFormat::Text, "info", own);
        assert!(line.contains("Z  WARN vtep_gateway::ha::driver: ready from="), "{line:?}");
        let line: serde_json::Value = serde_json::from_str(&logged_of(LogFormat::Json, "info", own)).unwrap();
        assert_eq!((&line["target"], &line["level"]), (&"vtep_gateway::ha::driver".into(), &"WARN".into()));
        assert_eq!(line["from"], "\"target\":\"gateway_ha::driver\"");
    }

    #[test]
    fn lines_of_libraries_keep_their_targets() {
        let library = || tracing::info!(target: "aya::bpf", "loaded");
        assert!(logged_of(LogFormat::Text, "info", library).contains("Z  INFO aya::bpf: loaded\n"));
        let line: serde_json::Value = serde_json::from_str(&logged_of(LogFormat::Json, "info", library)).unwrap();
        assert_eq!(line["target"], "aya::bpf");
    }

    /// Returns the targets and levels that pass at `level`, of all that log at each.
    fn passed(level: &str) -> Vec<&'static str> {
        let text = logged_of(LogFormat::Text, level, || {
            tracing::info!(target: "gateway_agent::run", "own info;");
            tracing::debug!(target: "gateway_agent::run", "own debug;");
            tracing::debug!(target: "vtep_gateway", "binary debug;");
            tracing::trace!(target: "gateway_agent::run", "own trace;");
            tracing::info!(target: "aya::bpf", "library info;");
            tracing::debug!(target: "aya::bpf", "library debug;");
        });
        let all = ["own info", "own debug", "binary debug", "own trace", "library info", "library debug"];
        all.into_iter().filter(|what| text.contains(&format!("{what};"))).collect()
    }

    #[test]
    fn a_bare_level_below_info_is_the_gateway_s_alone() {
        assert_eq!(passed("debug"), ["own info", "own debug", "binary debug", "library info"]);
        assert_eq!(passed("trace"), ["own info", "own debug", "binary debug", "own trace", "library info"]);
    }

    #[test]
    fn a_bare_level_from_info_up_is_everybody_s() {
        assert_eq!(passed("info"), ["own info", "library info"]);
        assert_eq!(passed("warn"), [""; 0]);
        assert_eq!(passed("off"), [""; 0]);
    }

    #[test]
    fn libraries_that_are_named_log_what_is_asked() {
        let all_but_trace = ["own info", "own debug", "binary debug", "library info", "library debug"];
        assert_eq!(passed("debug,aya=debug"), all_but_trace);
        assert_eq!(passed("warn,aya=debug"), ["library info", "library debug"]);
    }

    #[test]
    fn modules_that_are_named_overrule_a_bare_level_wherever_it_stands() {
        assert_eq!(passed("info,gateway_agent=debug"), ["own info", "own debug", "library info"]);
        assert_eq!(passed("gateway_agent=debug,info"), ["own info", "own debug", "library info"]);
        assert_eq!(passed("debug,vtep_gateway::agent=info"), ["own info", "binary debug", "library info"]);
    }

    #[test]
    fn a_name_that_the_log_shows_is_one_that_the_level_takes() {
        assert_eq!(passed("warn,vtep_gateway::agent::run=debug"), ["own info", "own debug"]);
        assert_eq!(passed("warn,vtep_gateway=debug"), ["own info", "own debug", "binary debug"]);
        assert_eq!(passed("debug,vtep_gateway=info"), ["own info", "library info"]);
        assert_eq!(passed("vtep_gateway::agent=info,vtep_gateway=debug"), ["own info", "binary debug"]);
    }

    #[test]
    fn what_is_below_the_level_is_not_logged() {
        assert_eq!(logged(LogFormat::Text, "warn"), "");
    }
}
