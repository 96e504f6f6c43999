//! Entry point for the fuzz target of `gateway/fuzz`.

use std::path::Path;

use super::{Config, DEFAULT_RUN_DIR, lenient};

/// Loads a configuration file with this text. A refused file must give an error text. For an accepted file, the lenient
/// loader must find the same run directory.
pub fn file(text: &str) {
    let path = Path::new("fuzz.toml");
    let found = lenient::run_dir_in(text);
    match Config::parse(text, path) {
        Ok(config) => {
            let run_dir = found.unwrap_or_else(|| DEFAULT_RUN_DIR.into());
            assert_eq!(config.gateway.run_dir, run_dir);
        }
        Err(error) => {
            assert!(!error.to_string().is_empty() && !format!("{error:#}").is_empty());
            let _ = lenient::sound_part(text);
        }
    }
}
