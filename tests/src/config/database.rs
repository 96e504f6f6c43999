//! Section of the database that drives the gateway.

use std::fmt::{self, Display, Formatter};

use crate::ovn::tls::Identity;

/// Connection to the gateway's `hardware_vtep` database.
#[derive(Clone, Debug)]
pub struct Database {
    /// Like `unix:/path` or `tcp:10.0.0.1:6640`; several with commas between.
    pub remote: String,
    /// Name of the physical switch that the gateway is; `None` if each virtual router is one.
    pub switch: Option<String>,
    /// Identity of the gateway and its trusted authority, for `ssl:`.
    pub identity: Option<Identity>,
    /// Seconds for which forwarding goes on without the database; the gateway's default if `None`.
    pub hold_time: Option<u32>,
    /// True if all nodes use this one database; the gateway's default if `None`.
    pub shared: Option<bool>,
    /// Limit of learned MACs of a logical switch; the gateway's default if `None`.
    pub learn_limit: Option<u32>,
}

impl Display for Database {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "[database]\nremote = {:?}", self.remote)?;
        if let Some(switch) = &self.switch {
            writeln!(f, "switch = {switch:?}")?;
        }
        if let Some(time) = self.hold_time {
            writeln!(f, "hold_time = {time}")?;
        }
        if let Some(shared) = self.shared {
            writeln!(f, "shared = {shared}")?;
        }
        if let Some(limit) = self.learn_limit {
            writeln!(f, "learn_limit = {limit}")?;
        }
        if let Some(identity) = &self.identity {
            writeln!(f, "private_key = {:?}", identity.private_key)?;
            writeln!(f, "certificate = {:?}", identity.certificate)?;
            writeln!(f, "ca_cert = {:?}", identity.ca_cert)?;
        }
        Ok(())
    }
}
