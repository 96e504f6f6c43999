//! Handlers of changes of rows, underlay and programs.

use std::sync::Arc;

use gateway_config::rows::Rows;

use super::{Agent, AgentError, DataPlane, Moment, Turn};

impl<P: DataPlane> Agent<'_, P> {
    /// Handles a change of the rows only.
    pub(super) fn rows_changed(&mut self, now: Moment) -> Result<(), AgentError> {
        self.turns.count(Turn::Rows);
        let rows = Arc::clone(&self.latest.rows);
        let (old, complete) = self.source.change(&rows);
        if complete && self.forwarding.update_rows(&self.config, &old, &rows) {
            return Ok(());
        }
        self.update(now)?;
        // A limit applies at once and not from the next ageing run. The learned MACs have to be counted for that.
        if limits_differ(&old, &rows) { self.age_fdb(now) } else { Ok(()) }
    }

    /// Handles a change of rows, underlay or configuration.
    pub(super) fn update(&mut self, now: Moment) -> Result<(), AgentError> {
        self.turns.count(Turn::Update);
        if !self.source.is_known() {
            self.forwarding.wait(&self.config, &self.latest.underlay);
            return self.attached();
        }
        self.source.plan(&self.config, &self.latest.rows, &self.latest.underlay);
        self.forwarding.update(&self.config, &self.latest.rows, &self.latest.underlay)?;
        self.forwarding_changed(now);
        self.attached()
    }

    /// Ages the forwarding database.
    pub(super) fn age_fdb(&mut self, now: Moment) -> Result<(), AgentError> {
        self.turns.count(Turn::Age);
        if !self.source.is_known() {
            return Ok(());
        }
        self.forwarding.age_fdb(&self.config, &self.latest.rows, &self.latest.underlay)?;
        self.forwarding.follow_again()?;
        // Bindings that could not be programmed before may be programmed now.
        self.forwarding_changed(now);
        self.attached()
    }

    /// Publishes what is programmed now to other nodes, to the database and to the event log.
    fn forwarding_changed(&mut self, now: Moment) {
        let Self { config, latest, source, forwarding, cluster, event_log, .. } = self;
        if let Some(cluster) = cluster {
            cluster.update(config, &latest.rows, forwarding.able(), &latest.underlay, now.steady);
        }
        source.database().report_faults(forwarding.faults());
        event_log.forwarding(forwarding, &latest.rows, &latest.underlay, now);
    }

    /// Checks whether the programs are attached, and puts back those that have gone.
    pub(super) fn check_programs(&mut self, now: Moment) -> Result<(), AgentError> {
        if !self.forwarding.check_programs(now.steady) {
            return Ok(());
        }
        // Another node takes over before the rest is checked.
        self.attached()?;
        self.update(now)
    }

    /// Reads the kernel's counters of lost frames and its path MTUs.
    pub(super) fn read_kernel(&mut self, now: Moment) -> Result<(), AgentError> {
        if self.forwarding.read_kernel(&self.latest.underlay, now.steady)? {
            return self.update(now);
        }
        self.event_log.forwarding_problems(&self.forwarding, now);
        Ok(())
    }
}

/// Returns true if a logical switch may learn more or fewer MACs than before.
fn limits_differ(old: &Rows, new: &Rows) -> bool {
    let limit = |rows: &Rows, name: &String| rows.switches.get(name).map(|switch| switch.learn_limit);
    old.switches.iter().any(|(name, switch)| limit(new, name).is_some_and(|limit| limit != switch.learn_limit))
}
