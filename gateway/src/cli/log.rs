//! Options of the log, and the log they make.

use std::{
    env,
    io::{self, IsTerminal},
};

use clap::{Args, ValueEnum};
use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter,
    filter::{LevelFilter, ParseError},
    fmt::MakeWriter,
    util::{SubscriberInitExt, TryInitError},
};

/// The library and the binary, as the log names them.
const OWN_CRATES: [&str; 2] = ["gateway", "vtep_gateway"];

/// How to log. All of it goes to standard error.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Form of the log's lines.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
    /// error, warn, info, debug, trace or off; or by module, such as info,gateway::config=debug. A level alone is that
    /// of the gateway: libraries log no more than info unless they are named.
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

/// What the log filter is told. A bare level is meant for the gateway's own crates; below `info` the libraries' lines
/// would drown them (loading the programs alone makes hundreds).
fn directives(text: &str) -> String {
    let (named, bare): (Vec<&str>, Vec<&str>) = text.split(',').map(str::trim).partition(|word| word.contains('='));
    let mut directives = Vec::new();
    if let Some(level) = bare.iter().filter_map(|word| word.parse::<LevelFilter>().ok()).next_back() {
        directives.push(level.min(LevelFilter::INFO).to_string());
        // It warns of every message that comes after nobody wants one any more, which is at each end.
        directives.push(format!("netlink_proto={}", level.min(LevelFilter::ERROR)));
        directives.extend(OWN_CRATES.map(|name| format!("{name}={level}")));
    }
    // After the bare ones, which they overrule.
    directives.extend(named.into_iter().map(str::to_owned));
    directives.join(",")
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
        let filter = EnvFilter::builder().parse(directives(&self.log_level))?;
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

    use super::*;

    /// What a subscriber writes about one event.
    fn logged(format: LogFormat, level: &str) -> String {
        logged_of(format, level, || tracing::info!(switches = 2, "ready"))
    }

    /// What a subscriber writes about some events.
    fn logged_of(format: LogFormat, level: &str, events: impl FnOnce()) -> String {
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
        tracing::subscriber::with_default(subscriber, events);
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn levels_by_module_are_accepted() {
        assert_eq!(level("info,gateway::config=debug").unwrap(), "info,gateway::config=debug");
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

    /// The targets and levels that get through at `level`, of all that log at each.
    fn heard(level: &str) -> Vec<&'static str> {
        let text = logged_of(LogFormat::Text, level, || {
            tracing::info!(target: "gateway::agent", "own info;");
            tracing::debug!(target: "gateway::agent", "own debug;");
            tracing::debug!(target: "vtep_gateway", "binary debug;");
            tracing::trace!(target: "gateway::agent", "own trace;");
            tracing::info!(target: "aya::bpf", "library info;");
            tracing::debug!(target: "aya::bpf", "library debug;");
        });
        let all = ["own info", "own debug", "binary debug", "own trace", "library info", "library debug"];
        all.into_iter().filter(|what| text.contains(&format!("{what};"))).collect()
    }

    #[test]
    fn a_bare_level_below_info_is_the_gateway_s_alone() {
        assert_eq!(heard("debug"), ["own info", "own debug", "binary debug", "library info"]);
        assert_eq!(heard("trace"), ["own info", "own debug", "binary debug", "own trace", "library info"]);
    }

    #[test]
    fn a_bare_level_from_info_up_is_everybody_s() {
        assert_eq!(heard("info"), ["own info", "library info"]);
        assert_eq!(heard("warn"), [""; 0]);
        assert_eq!(heard("off"), [""; 0]);
    }

    #[test]
    fn libraries_that_are_named_log_what_is_asked() {
        let all_but_trace = ["own info", "own debug", "binary debug", "library info", "library debug"];
        assert_eq!(heard("debug,aya=debug"), all_but_trace);
        assert_eq!(heard("warn,aya=debug"), ["library info", "library debug"]);
    }

    #[test]
    fn modules_that_are_named_overrule_a_bare_level_wherever_it_stands() {
        assert_eq!(heard("info,gateway=debug"), ["own info", "own debug", "library info"]);
        assert_eq!(heard("gateway=debug,info"), ["own info", "own debug", "library info"]);
        assert_eq!(heard("debug,gateway::agent=info"), ["own info", "binary debug", "library info"]);
    }

    #[test]
    fn what_is_below_the_level_is_not_logged() {
        assert_eq!(logged(LogFormat::Text, "warn"), "");
    }
}
