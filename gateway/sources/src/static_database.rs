//! Static database: the rows of the configuration file.

use std::sync::Arc;

use gateway_config::{Config, rows::Rows};
use tokio::sync::watch;

use super::Database;

/// Rows from the configuration file; they change when it is read again.
#[derive(Debug)]
pub struct StaticDatabase {
    rows: watch::Sender<Arc<Rows>>,
}

impl StaticDatabase {
    /// Creates the database with the rows of `config`.
    pub fn new(config: &Config) -> Self {
        Self { rows: watch::Sender::new(Arc::clone(&config.rows)) }
    }
}

impl Database for StaticDatabase {
    fn rows(&self) -> watch::Receiver<Arc<Rows>> {
        self.rows.subscribe()
    }

    fn reconfigure(&self, config: &Config) {
        self.rows.send_replace(Arc::clone(&config.rows));
    }
}
