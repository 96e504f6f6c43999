//! Parses and prints log levels in the format of Open vSwitch (`ovs-appctl(8)`, `lib/vlog.c`).

use tracing_subscriber::filter::LevelFilter;

use super::{
    levels::Levels,
    target::{self, PROGRAM, ROOMS},
};

/// Destination of the log, by the names of Open vSwitch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// Standard error.
    Console,
    /// systemd's journal.
    Syslog,
}

impl Destination {
    const NAMES: [&str; 3] = ["console", "syslog", "file"];

    fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Syslog => "syslog",
        }
    }

    /// Returns the column of the destination in the list, from 0.
    fn column(self) -> usize {
        match self {
            Self::Console => 0,
            Self::Syslog => 1,
        }
    }
}

/// Error in a setting of a level.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A property of the log that Open vSwitch can set and this log cannot.
    #[error("{0} can't be set: the form of the log's lines is that of --log-format, and the facility is the journal's")]
    Fixed(String),
    /// A word that is no destination, level or module.
    #[error("no destination, level, or module \"{0}\" (\"vlog/list\" has the modules)")]
    Unknown(String),
    /// A setting with two words of one kind.
    #[error("\"{0}\" names two destinations, levels or modules")]
    Twice(String),
    /// A destination that this log does not have.
    #[error("the log goes to {own} and not to {other}: where it goes is chosen at the start, by --log-format")]
    Destination {
        /// The destination of the log.
        own: &'static str,
        /// The named destination.
        other: &'static str,
    },
}

/// One setting of a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    /// Target that the level is for; if none is named, all targets.
    target: Option<String>,
    level: LevelFilter,
}

impl Spec {
    /// Parses `dbg`, `agent:dbg`, `agent:console:dbg`, `ANY:syslog:warn` and the like. A level, a destination and a
    /// module come in any order. A missing level means `dbg`; a missing destination or module means all. A module is a
    /// room, or one as the log names it: `vtep_gateway::ha::driver`.
    ///
    /// # Errors
    /// A word means nothing here, or two words mean the same kind of thing.
    pub(super) fn parse(text: &str, log: Destination) -> Result<Self, SpecError> {
        let (mut target, mut level, mut destination) = (None, None, None);
        for (place, word) in words(text).into_iter().enumerate() {
            let lower = word.to_ascii_lowercase();
            if place == 0 && matches!(lower.as_str(), "pattern" | "facility") {
                return Err(SpecError::Fixed(word));
            }
            let twice = if let Some(found) = level_of(&lower) {
                level.replace(found).is_some()
            } else if let Some(found) = module(&lower) {
                target.replace(found).is_some()
            } else if let Some(found) = Destination::NAMES.iter().find(|name| **name == lower) {
                destination.replace(*found).is_some()
            } else if lower == "any" {
                false
            } else {
                return Err(SpecError::Unknown(word));
            };
            if twice {
                return Err(SpecError::Twice(text.to_owned()));
            }
        }
        if let Some(other) = destination.filter(|name| *name != log.name()) {
            return Err(SpecError::Destination { own: log.name(), other });
        }
        Ok(Self { target, level: level.unwrap_or(LevelFilter::DEBUG) })
    }

    /// Applies the setting to `levels`.
    pub(super) fn apply(self, levels: &mut Levels) {
        match self.target {
            Some(target) => levels.set_target(&target, self.level),
            None => levels.set_all(self.level),
        }
    }
}

/// Splits a setting into its words. There are two colons in a module that is named as the log names it, and else one
/// between words.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for text in text.split([' ', ',', '\t']) {
        let mut parts = text.split(':').peekable();
        while let Some(part) = parts.next() {
            let mut word = part.to_owned();
            while word.starts_with(PROGRAM) && parts.next_if_eq(&"").is_some() {
                word = format!("{word}::{}", parts.next().unwrap_or_default());
            }
            words.push(word);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns the target of a module of the gateway: of a room, or of one that is named as the log names it.
fn module(word: &str) -> Option<String> {
    if let Some((_, target)) = ROOMS.iter().find(|(room, _)| *room == word) {
        return Some((*target).to_owned());
    }
    // A name that stays as it is means none.
    word.starts_with(PROGRAM).then(|| target::meant(word)).filter(|target| target != word)
}

/// Parses the name of a level. `emer` turns the log off, since no line of this program is an emergency. `trace` is not
/// a level of Open vSwitch.
fn level_of(word: &str) -> Option<LevelFilter> {
    Some(match word {
        "off" | "emer" => LevelFilter::OFF,
        "err" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "dbg" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return None,
    })
}

fn name_of(level: LevelFilter) -> &'static str {
    match level {
        LevelFilter::ERROR => "ERR",
        LevelFilter::WARN => "WARN",
        LevelFilter::INFO => "INFO",
        LevelFilter::DEBUG => "DBG",
        LevelFilter::TRACE => "TRACE",
        _ => "OFF",
    }
}

/// Returns the level of each module, in the columns of Open vSwitch.
pub(super) fn list(levels: &Levels, log: Destination) -> String {
    let mut text =
        "                 console    syslog    file\n                 -------    ------    ------\n".to_owned();
    for (room, _) in ROOMS {
        let mut columns = ["OFF"; 3];
        columns[log.column()] = name_of(levels.of_room(room));
        let [console, syslog, file] = columns;
        text.push_str(&format!("{room:<16}  {console:>4}       {syslog:>4}       {file:>4}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Result<(Option<String>, LevelFilter), SpecError> {
        Spec::parse(text, Destination::Console).map(|spec| (spec.target, spec.level))
    }

    #[test]
    fn a_spec_is_a_level_a_module_and_a_destination_in_any_order() {
        for (text, target, level) in [
            ("dbg", None, LevelFilter::DEBUG),
            ("ANY:ANY:WARN", None, LevelFilter::WARN),
            ("agent:dbg", Some("gateway_agent"), LevelFilter::DEBUG),
            ("agent::dbg", Some("gateway_agent"), LevelFilter::DEBUG),
            ("agent:console:off", Some("gateway_agent"), LevelFilter::OFF),
            ("console:nic:info", Some("gateway_netdev::nic"), LevelFilter::INFO),
            ("vrrp,any err", Some("gateway_vrrp"), LevelFilter::ERROR),
            ("ha", Some("gateway_ha"), LevelFilter::DEBUG),
            ("emer", None, LevelFilter::OFF),
            ("", None, LevelFilter::DEBUG),
        ] {
            assert_eq!(spec(text), Ok((target.map(str::to_owned), level)), "{text}");
        }
    }

    #[test]
    fn a_module_may_be_named_as_the_log_names_it() {
        for (text, target, level) in [
            ("vtep_gateway::ha:dbg", "gateway_ha", LevelFilter::DEBUG),
            ("warn:console:vtep_gateway::ha::driver", "gateway_ha::driver", LevelFilter::WARN),
            ("vtep_gateway::netdev::nic, err", "gateway_netdev::nic", LevelFilter::ERROR),
            ("vtep_gateway::devices", "gateway_agent::devices", LevelFilter::DEBUG),
        ] {
            assert_eq!(spec(text), Ok((Some(target.to_owned()), level)), "{text}");
        }
        for unknown in ["vtep_gateway:dbg", "vtep_gateway::", "vtep_gateway::bridge:dbg"] {
            assert!(matches!(spec(unknown), Err(SpecError::Unknown(_))), "{unknown}");
        }
        assert!(matches!(spec("ha:vtep_gateway::agent"), Err(SpecError::Twice(_))));
    }

    #[test]
    fn what_is_not_supported_is_refused_with_the_reason() {
        assert!(spec("agent:syslog:dbg").unwrap_err().to_string().contains("goes to console and not to syslog"));
        assert!(spec("file:dbg").unwrap_err().to_string().contains("--log-format"));
        assert!(spec("PATTERN:console:%m").unwrap_err().to_string().contains("PATTERN can't be set"));
        assert!(spec("FACILITY:daemon").unwrap_err().to_string().contains("FACILITY can't be set"));
        assert!(spec("bridge:dbg").unwrap_err().to_string().contains("module \"bridge\""));
        assert!(spec("dbg:info").unwrap_err().to_string().contains("two"));
    }

    #[test]
    fn the_list_has_the_columns_of_open_vswitch() {
        let mut levels = Levels::parse("info").unwrap();
        Spec::parse("ctl:dbg", Destination::Syslog).unwrap().apply(&mut levels);
        let text = list(&levels, Destination::Syslog);
        let row = |of: &str| {
            let line = text.lines().find(|line| line.starts_with(of)).unwrap();
            line.split_whitespace().collect::<Vec<_>>()
        };
        assert_eq!(row("agent "), ["agent", "OFF", "INFO", "OFF"]);
        assert_eq!(row("ctl "), ["ctl", "OFF", "DBG", "OFF"]);
        assert_eq!(text.lines().next().unwrap().split_whitespace().collect::<Vec<_>>(), Destination::NAMES);
        assert_eq!(text.lines().count(), 2 + ROOMS.len());
    }
}
