//! Log levels, for all lines or by target.

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::target::{self, OWN_CRATES, PROGRAM, ROOMS};

/// Error in log levels.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelsError {
    /// A word that is no level.
    #[error("expected error, warn, info, debug, trace or off, or MODULE=LEVEL, with commas between")]
    Level,
    /// Something other than the name of a module before a level; holds it.
    #[error("expected the name of a module, found {0:?}")]
    Module(String),
}

/// Log levels that the command line or an operator has set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Levels {
    /// Level of all targets that are not named. A bare level applies to the gateway's own crates only. Below `info` the
    /// libraries' lines would drown theirs (loading the programs alone makes hundreds).
    bare: Option<LevelFilter>,
    named: Vec<(String, LevelFilter)>,
}

impl Levels {
    /// Parses `info`, `debug,aya=debug` and the like.
    ///
    /// # Errors
    /// A word is no level, or names no module.
    pub(super) fn parse(text: &str) -> Result<Self, LevelsError> {
        let level = |text: &str| {
            // An empty word would parse as a level.
            let level = (!text.is_empty()).then(|| text.parse::<LevelFilter>().ok()).flatten();
            level.ok_or(LevelsError::Level)
        };
        let mut levels = Self::default();
        for word in text.split(',').map(str::trim) {
            match word.split_once('=') {
                None => levels.bare = Some(level(word)?),
                Some((name, of)) if is_target(name) => levels.named.push((target::meant(name), level(of)?)),
                Some((target, _)) => return Err(LevelsError::Module(target.to_owned())),
            }
        }
        Ok(levels)
    }

    /// Sets one level for all targets.
    pub(super) fn set_all(&mut self, level: LevelFilter) {
        *self = Self { bare: Some(level), named: Vec::new() };
    }

    /// Sets the level of a target and of all modules in it. Rooms in it keep their levels.
    pub(super) fn set_target(&mut self, target: &str, level: LevelFilter) {
        let inside = format!("{target}::");
        let others = ROOMS.iter().filter(|(_, other)| other.starts_with(&inside));
        let others: Vec<_> = others.map(|(room, other)| ((*other).to_owned(), self.of_room(room))).collect();
        self.named.retain(|(of, _)| *of != target && !of.starts_with(&inside));
        self.named.push((target.to_owned(), level));
        self.named.extend(others);
    }

    /// Returns the level of a room.
    pub(super) fn of_room(&self, room: &str) -> LevelFilter {
        let (targets, target) = (self.targets(), target::of_room(room));
        let all = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
        let most = all.into_iter().find(|level| targets.would_enable(target, level));
        most.map_or(LevelFilter::OFF, LevelFilter::from_level)
    }

    /// Returns the filter of the log.
    pub(super) fn targets(&self) -> Targets {
        let mut targets = Targets::new();
        if let Some(level) = self.bare {
            // `netlink_proto` warns of each message that arrives after its receiver was dropped. That happens at each
            // shutdown.
            let quiet = ("netlink_proto", level.min(LevelFilter::ERROR));
            let own = OWN_CRATES.map(|name| (name, level));
            targets = targets.with_default(level.min(LevelFilter::INFO)).with_targets([quiet]).with_targets(own);
        }
        // The name of the program stands for all its crates.
        for (_, level) in self.named.iter().filter(|(name, _)| name == PROGRAM) {
            targets = targets.with_targets(OWN_CRATES.map(|name| (name, *level)));
        }
        // These come last, because they override the others.
        targets.with_targets(self.named.iter().cloned())
    }
}

fn is_target(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-'))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn levels(text: &str) -> Levels {
        Levels::parse(text).unwrap()
    }

    /// Returns true if a file of the room logs lines.
    fn logs(room: &Path) -> bool {
        if room.is_dir() {
            return fs::read_dir(room).unwrap().any(|entry| logs(&entry.unwrap().path()));
        }
        let text = fs::read_to_string(room).unwrap();
        ["error!(", "warn!(", "info!(", "debug!(", "trace!("].iter().any(|made| {
            text.match_indices(made).any(|(at, _)| text[..at].ends_with("tracing::") || text[..at].ends_with("=> "))
        })
    }

    #[test]
    fn every_crate_that_logs_is_a_room_of_vlog_and_has_the_level_of_the_gateway() {
        let crates = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
        let crates = crates.map(|entry| entry.unwrap().path()).filter(|of| of.join("Cargo.toml").exists());
        let mut found = 0;
        for of in crates.filter(|of| of.join("src").is_dir() && logs(&of.join("src"))) {
            let name = format!("gateway_{}", of.file_name().unwrap().to_str().unwrap());
            assert!(ROOMS.iter().any(|(_, target)| *target == name), "{name} logs, and is not among ROOMS");
            assert!(OWN_CRATES.contains(&name.as_str()), "{name}");
            found += 1;
        }
        assert!(found > 3, "{found}");
    }

    #[test]
    fn a_room_has_the_level_of_the_closest_name() {
        let levels = levels("info,vtep_gateway::config=debug,gateway_config::load=off");
        assert_eq!(levels.of_room("config"), LevelFilter::DEBUG);
        assert_eq!(levels.of_room("agent"), LevelFilter::INFO);
        assert_eq!(levels.of_room("ctl"), LevelFilter::INFO);
    }

    #[test]
    fn a_room_that_is_set_is_set_with_all_that_is_in_it() {
        let mut levels = levels("info,vtep_gateway::config::load=trace");
        levels.set_target(target::of_room("config"), LevelFilter::WARN);
        assert_eq!(levels, Levels::parse("info,gateway_config=warn").unwrap());
        levels.set_target(target::of_room("config"), LevelFilter::OFF);
        assert_eq!(levels.of_room("config"), LevelFilter::OFF);
        levels.set_all(LevelFilter::DEBUG);
        assert_eq!(levels, Levels::parse("debug").unwrap());
    }

    #[test]
    fn a_room_within_another_keeps_its_level() {
        let mut levels = levels("info");
        levels.set_target(target::of_room("agent"), LevelFilter::DEBUG);
        assert_eq!((levels.of_room("agent"), levels.of_room("devices")), (LevelFilter::DEBUG, LevelFilter::INFO));
        levels.set_target(target::of_room("devices"), LevelFilter::ERROR);
        levels.set_target(target::of_room("agent"), LevelFilter::TRACE);
        assert_eq!((levels.of_room("agent"), levels.of_room("devices")), (LevelFilter::TRACE, LevelFilter::ERROR));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in ["verbose", "info,", "=info", "a b=info", "[span]=info", "gateway=loud"] {
            assert!(Levels::parse(text).is_err(), "{text}");
        }
    }
}
