//! Serves read-only requests of the control socket.

use gateway_api::{
    ctl::{Answer, Show},
    screen::{self, Look},
    view,
};
use serde::Serialize;

use super::{agent::Agent, error::AgentError};

impl Agent<'_> {
    /// Answers a request for `what`.
    pub(super) fn shown(&self, what: &Show) -> Answer {
        self.text(what).map_err(|error| error.to_string())
    }

    fn text(&self, what: &Show) -> Result<String, AgentError> {
        Ok(match what {
            Show::Status { json: true } => format!("{}\n", pretty(&self.status())),
            Show::Status { json: false } => screen::status(&self.status(), Look::PLAIN),
            Show::Everything => json(&self.everything()?),
            Show::Switches => json(&self.switches()?),
            Show::Bindings => json(&self.bindings()?),
            Show::Macs { from, filter } => json::<view::Macs>(&self.macs(*from, filter)?),
            Show::Tunnels => json(&self.tunnels()?),
            Show::Neighbours => json(&self.neighbours()),
            Show::Vrrp => json(&self.routers()),
            Show::Counters => json(&self.counters()?),
            Show::Drops => json(&self.drops()?),
            Show::FdbShow(switch) => self.fdb_show(switch.as_deref())?,
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
