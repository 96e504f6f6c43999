//! Reads the configuration file and the keys that it names.

use std::path::Path;

use gateway_config::{CREDENTIALS, Config, KeyError};

use super::error::ReloadError;

/// Reads the configuration again.
///
/// # Errors
/// The file or a key can't be read, or has errors.
pub(super) fn read(path: &Path) -> Result<Box<Config>, ReloadError> {
    let mut config = Config::load(path)?;
    load_keys(&mut config)?;
    Ok(Box::new(config))
}

/// Loads the keys that nodes authenticate each other with. Warns of the risks if there are none.
pub(super) fn load_keys(config: &mut Config) -> Result<(), KeyError> {
    for path in config.load_keys(std::env::var_os(CREDENTIALS).as_deref())? {
        tracing::warn!("{} has a key in it, and anybody can read it: chmod 0600 {0}", path.display());
    }
    for (name, why) in config.unauthenticated() {
        tracing::info!(
            "{name}: {why}: whoever is on the link can take the role from this node, or keep it from it; see Security in \
             HIGH-AVAILABILITY.md"
        );
    }
    Ok(())
}
