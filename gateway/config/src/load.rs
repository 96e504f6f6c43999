//! Loading of a file as a [`Config`].

use std::{fs::File, io::Read, path::Path, sync::Arc};

use super::{
    database_section, gateway_section, interfaces, metrics_section,
    raw::RawConfig,
    report::{ConfigError, Report, not_utf8},
    shape, switch_options,
    types::Config,
    vrrp_section,
};
use crate::switch_section as static_rows;

/// Largest file accepted, in bytes: some half a million MACs.
const MAX_FILE: u64 = 64 << 20;

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or has errors; all of them are returned, see [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read(path)?, path)
    }

    /// Checks `text`, the contents of the file at `path`.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut report = Report::new(text);
        let config = shape::read(text, &mut report).map(|raw| check(&raw, &mut report));
        report.finish(path, config)
    }
}

pub(super) fn check(raw: &RawConfig, report: &mut Report<'_>) -> Config {
    let gateway = gateway_section::check(&raw.gateway, report);
    let (uplinks, ports) = interfaces::check(raw, report);
    let database = database_section::check(raw, report);
    let (instances, sync) = vrrp_section::check(raw, database.as_ref(), report);
    let rows = static_rows::read(raw, &gateway, &instances, report);
    let switch_options = switch_options::check(raw, report);
    let metrics = metrics_section::check(raw, report);
    Config { gateway, instances, sync, uplinks, ports, rows: Arc::new(rows), database, switch_options, metrics }
}

/// Reads the text of the file.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    read_at_most(path, MAX_FILE)
}

fn read_at_most(path: &Path, limit: u64) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(ConfigError::Directory { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ConfigError::TooLarge { path: path.to_owned(), limit });
    }
    String::from_utf8(bytes).map_err(|error| not_utf8(path, error.as_bytes(), error.utf8_error().valid_up_to()))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    /// Temporary file of a test, deleted on drop.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, contents: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("vtep-gateway-load-{}-{name}", std::process::id()));
            fs::write(&path, contents).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Config::load(Path::new("/nonexistent/gateway.toml")).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot read configuration file /nonexistent/gateway.toml: No such file or directory (os error 2); \
             name the file with --config"
        );
    }

    #[test]
    fn a_directory_is_called_one() {
        let error = Config::load(Path::new("/")).unwrap_err().to_string();
        assert_eq!(error, "cannot read configuration file /: it is a directory; name a TOML file with --config");
    }

    #[test]
    fn bytes_that_are_not_text_are_placed() {
        let file = Scratch::new("binary", b"# \xc3\xa9\n# \xff\n");
        let error = Config::load(&file.0).unwrap_err().to_string();
        assert_eq!(error, format!("{}:2:3: expected UTF-8 text, found byte 0xff", file.0.display()));
    }

    #[test]
    fn an_endless_file_is_refused() {
        let error = Config::load(Path::new("/dev/zero")).unwrap_err().to_string();
        assert_eq!(error, "cannot read configuration file /dev/zero: expected at most 64 MiB, found more");
    }

    #[test]
    fn a_file_of_just_the_limit_is_read() {
        let file = Scratch::new("limit", b"1234");
        assert_eq!(read_at_most(&file.0, 4).unwrap(), "1234");
        assert!(matches!(read_at_most(&file.0, 3), Err(ConfigError::TooLarge { limit: 3, .. })));
    }
}
