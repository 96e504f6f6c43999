//! What a configuration file says although something in it is wrong: enough to find the agent that runs, and to look
//! around for it.

use std::path::{Path, PathBuf};

use super::{
    load::{self, check},
    raw::RawConfig,
    report::{ConfigError, Report},
    shape,
    types::Config,
};

/// Where agents keep their sockets unless they are told otherwise.
pub const DEFAULT_RUN_DIR: &str = "/run/vtep-gateway";

/// `gateway.run_dir` of the file at `path`, as far as it says so; the default where it does not.
///
/// # Errors
/// The file cannot be read.
pub fn run_dir(path: &Path) -> Result<PathBuf, ConfigError> {
    let text = match load::read(path) {
        Ok(text) => text,
        // It is no text.
        Err(ConfigError::Invalid(_)) => String::new(),
        Err(error) => return Err(error),
    };
    Ok(run_dir_in(&text).unwrap_or_else(|| DEFAULT_RUN_DIR.into()))
}

pub(super) fn run_dir_in(text: &str) -> Option<PathBuf> {
    let of = |table: &toml::Table| Some(table.get("run_dir")?.as_str()?.into());
    let found: Option<PathBuf> = match toml::from_str::<toml::Table>(text) {
        Ok(table) => table.get("gateway").and_then(toml::Value::as_table).and_then(of),
        // No TOML: of the lines of that section, each by itself.
        Err(_) => section(text, "gateway").filter_map(|line| of(&toml::from_str(line).ok()?)).next(),
    };
    found.filter(|path| path.is_absolute())
}

/// The lines of a section, of a text that may not be TOML.
fn section<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let is_header = |line: &str| line.trim_start().starts_with('[');
    let name = format!("[{name}]");
    let lines = text.lines().skip_while(move |line| !line.trim_start().starts_with(&name)).skip(1);
    lines.take_while(move |line| !is_header(line))
}

/// What is sound in a text that is not a valid configuration.
pub(super) fn sound_part(text: &str) -> Config {
    let mut report = Report::new(text);
    match shape::read(text, &mut report) {
        Some(raw) => check(&raw, &mut report),
        None => Config::bare(&run_dir_in(text).unwrap_or_else(|| DEFAULT_RUN_DIR.into())),
    }
}

impl Config {
    /// What the file at `path` says, without what is wrong with it, and what that is. The file may be wrong as a whole:
    /// then only `gateway.run_dir` is taken from it.
    pub fn load_leniently(path: &Path) -> (Self, Option<ConfigError>) {
        let text = match load::read(path) {
            Ok(text) => text,
            Err(error) => return (Self::bare(Path::new(DEFAULT_RUN_DIR)), Some(error)),
        };
        let error = match Self::parse(&text, path) {
            Ok(config) => return (config, None),
            Err(error) => error,
        };
        (sound_part(&text), Some(error))
    }

    /// Nothing but where its agent is.
    fn bare(run_dir: &Path) -> Self {
        let mut config = check(&RawConfig::default(), &mut Report::new(""));
        config.gateway.run_dir = run_dir.to_owned();
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_directory_is_found_in_a_file_that_is_not_valid() {
        let found = |text: &str| run_dir_in(text).map(|path| path.display().to_string());
        for text in [
            "[gateway]\nrun_dir = \"/run/x\"\n",
            "[gateway]\nrun_dir = \"/run/x\"\nvtep = 7\nfrobnicate = true\n[[switch]]\nbindings = [{ vlan = 5000 }]\n",
            // Not even TOML.
            "[gateway]\nvtep = [\n\nrun_dir = '/run/x' # here\n[[port]\n",
            "half a li\n  [gateway] # all of it\n  run_dir = \"/run/x\"\nudp_port =\n",
        ] {
            assert_eq!(found(text).as_deref(), Some("/run/x"), "{text}");
        }
        for text in [
            "",
            "[gateway]\n",
            "[gateway]\nrun_dir = 7\n",
            "[gateway]\nrun_dir = \"x\"\n",
            "[port]\nrun_dir = \"/x\"\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
        assert_eq!(found("[database\nrun_dir = \"/run/y\"\n"), None);
        assert!(matches!(run_dir(Path::new("/nonexistent")), Err(ConfigError::Read { .. })));
    }
}
