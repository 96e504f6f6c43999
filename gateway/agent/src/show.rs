//! Serves read-only requests of the control socket.

use gateway_api::{
    ctl::{Answer, Show},
    screen::{self, Look},
    view,
};
use gateway_netdev::underlay::Snapshot;
use serde::Serialize;

use super::{error::AgentError, handlers::Agent};

impl Agent<'_> {
    /// Answers a request for `what`.
    pub(super) fn shown(&mut self, what: &Show, underlay: &Snapshot) -> Answer {
        self.text(what, underlay).map_err(|error| error.to_string())
    }

    fn text(&mut self, what: &Show, underlay: &Snapshot) -> Result<String, AgentError> {
        Ok(match what {
            Show::Status { json: true } => format!("{}\n", pretty(&self.status(underlay))),
            Show::Status { json: false } => screen::status(&self.status(underlay), Look::PLAIN),
            Show::Everything => json(&self.everything(underlay)?),
            Show::Switches => json(&self.switches()?),
            Show::Bindings => json(&self.bindings(underlay)?),
            Show::Macs { from, filter } => json::<view::Macs>(&self.macs(*from, filter, underlay)?),
            Show::Tunnels => json(&self.tunnels(underlay)?),
            Show::Neighbours => json(&self.neighbours(underlay)),
            Show::Vrrp => json(&self.routers()),
            Show::Counters => json(&self.counters()?),
            Show::Drops => json(&self.drops()?),
            Show::FdbShow(switch) => self.fdb_show(switch.as_deref(), underlay)?,
            Show::FdbStats => self.fdb_stats()?,
        })
    }
}

/// Serializes a view. The types of [`view`] hold nothing that JSON can't represent.
fn json<T: Serialize>(shown: &T) -> String {
    serde_json::to_string(shown).unwrap_or_default()
}

fn pretty<T: Serialize>(shown: &T) -> String {
    serde_json::to_string_pretty(shown).unwrap_or_default()
}
