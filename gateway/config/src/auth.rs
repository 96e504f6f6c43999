//! Authentication between nodes, after the checks of `auth_*` of `[[vrrp]]`.

use std::collections::BTreeMap;

use gateway_vrrp::{AuthSettings, Secret};

use super::key_files::KeyFile;

/// Authentication of the advertisements of a virtual router, and of the sessions of `[sync]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// Sources of the keys, by number.
    pub sources: BTreeMap<u8, KeySource>,
    /// Settings for the use of the keys. The key ring is empty until the keys are [loaded](crate::Config::load_keys); until
    /// then nothing is authentic.
    pub settings: AuthSettings,
}

/// Source of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file of its own.
    File(KeyFile),
    /// The configuration file.
    Here(Secret),
}
