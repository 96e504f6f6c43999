//! Parses and prints log levels in the format of Open vSwitch (`ovs-appctl(8)`, `lib/vlog.c`).

use tracing_subscriber::filter::LevelFilter;

use super::levels::{Levels, ROOMS};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    /// Room that the level is for; if none is named, all rooms and the libraries.
    room: Option<&'static str>,
    level: LevelFilter,
}

impl Spec {
    /// Parses `dbg`, `agent:dbg`, `agent:console:dbg`, `ANY:syslog:warn` and the like. A level, a destination and a
    /// module come in any order. A missing level means `dbg`; a missing destination or module means all.
    ///
    /// # Errors
    /// A word means nothing here, or two words mean the same kind of thing.
    pub(super) fn parse(text: &str, log: Destination) -> Result<Self, SpecError> {
        let (mut room, mut level, mut destination) = (None, None, None);
        let words = text.split([' ', ',', ':', '\t']).filter(|word| !word.is_empty());
        for (place, word) in words.enumerate() {
            let lower = word.to_ascii_lowercase();
            if place == 0 && matches!(lower.as_str(), "pattern" | "facility") {
                return Err(SpecError::Fixed(word.to_owned()));
            }
            let twice = if let Some(found) = level_of(&lower) {
                level.replace(found).is_some()
            } else if let Some(found) = ROOMS.iter().map(|(room, _)| room).find(|room| **room == lower) {
                room.replace(*found).is_some()
            } else if let Some(found) = Destination::NAMES.iter().find(|name| **name == lower) {
                destination.replace(*found).is_some()
            } else if lower == "any" {
                false
            } else {
                return Err(SpecError::Unknown(word.to_owned()));
            };
            if twice {
                return Err(SpecError::Twice(text.to_owned()));
            }
        }
        if let Some(other) = destination.filter(|name| *name != log.name()) {
            return Err(SpecError::Destination { own: log.name(), other });
        }
        Ok(Self { room, level: level.unwrap_or(LevelFilter::DEBUG) })
    }

    /// Applies the setting to `levels`.
    pub(super) fn apply(self, levels: &mut Levels) {
        match self.room {
            Some(room) => levels.set_room(room, self.level),
            None => levels.set_all(self.level),
        }
    }
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

    fn spec(text: &str) -> Result<(Option<&'static str>, LevelFilter), SpecError> {
        Spec::parse(text, Destination::Console).map(|spec| (spec.room, spec.level))
    }

    #[test]
    fn a_spec_is_a_level_a_module_and_a_destination_in_any_order() {
        for (text, room, level) in [
            ("dbg", None, LevelFilter::DEBUG),
            ("ANY:ANY:WARN", None, LevelFilter::WARN),
            ("agent:dbg", Some("agent"), LevelFilter::DEBUG),
            ("agent:console:off", Some("agent"), LevelFilter::OFF),
            ("console:ovsdb:info", Some("ovsdb"), LevelFilter::INFO),
            ("vrrp,any err", Some("vrrp"), LevelFilter::ERROR),
            ("ha", Some("ha"), LevelFilter::DEBUG),
            ("emer", None, LevelFilter::OFF),
            ("", None, LevelFilter::DEBUG),
        ] {
            assert_eq!(spec(text), Ok((room, level)), "{text}");
        }
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
