//! Lenient loading of a configuration file that has errors. The valid part is enough to find the running agent and to
//! inspect its environment.

use std::path::{Path, PathBuf};

use super::{
    gateway_section::DEFAULT_RUN_DIR,
    load::{self, check},
    raw::RawConfig,
    report::{ConfigError, Report},
    shape,
    types::Config,
};

/// Returns `gateway.run_dir` of the file at `path`; the default if it cannot be determined.
///
/// # Errors
/// The file cannot be read.
pub fn run_dir(path: &Path) -> Result<PathBuf, ConfigError> {
    let text = match load::read(path) {
        Ok(text) => text,
        // The file is not UTF-8 text.
        Err(ConfigError::Invalid(_)) => String::new(),
        Err(error) => return Err(error),
    };
    Ok(run_dir_in(&text).unwrap_or_else(|| DEFAULT_RUN_DIR.into()))
}

pub(super) fn run_dir_in(text: &str) -> Option<PathBuf> {
    let of = |table: &toml::Table| Some(table.get("run_dir")?.as_str()?.into());
    let found: Option<PathBuf> = match toml::from_str::<toml::Table>(text) {
        Ok(table) => table.get("gateway").and_then(toml::Value::as_table).and_then(of),
        // Not TOML: parse each line of that section by itself.
        Err(_) => section(text, "gateway").filter_map(|line| of(&toml::from_str(line).ok()?)).next(),
    };
    found.filter(|path| path.is_absolute())
}

/// Returns the lines of a section; the text need not be valid TOML.
fn section<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let is_header = |line: &str| line.trim_start().starts_with('[');
    let name = format!("[{name}]");
    let lines = text.lines().skip_while(move |line| !line.trim_start().starts_with(&name)).skip(1);
    lines.take_while(move |line| !is_header(line))
}

/// Returns the valid part of a text that is not a valid configuration.
pub(super) fn sound_part(text: &str) -> Config {
    let mut report = Report::new(text);
    match shape::read(text, &mut report) {
        Some(raw) => check(&raw, &mut report),
        None => Config::bare(&run_dir_in(text).unwrap_or_else(|| DEFAULT_RUN_DIR.into())),
    }
}

impl Config {
    /// Loads the valid part of the file at `path`, and returns its errors as well. If the file as a whole is invalid,
    /// only `gateway.run_dir` is taken from it.
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

    /// Returns a default configuration with only the run directory set.
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
