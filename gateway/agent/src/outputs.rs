//! Outputs of the event loop: answers with parts of the state, metrics, the status file, the log, and the service
//! manager.

use std::sync::Arc;

use gateway_api::ctl::{Answer, LogControl};
use gateway_base::{clock, log};
use gateway_config::Config;

use super::{agent::Agent, coverage::Coverage, status::StatusFile, systemd::Systemd, turn::Output};
use crate::{
    ctl::Counters,
    metrics::{Exporter, ScrapeRequests},
};

/// Everything that the loop writes to.
pub(super) struct Outputs<'a> {
    log: &'a log::Control,
    /// Counters of the control socket.
    clients: Arc<Counters>,
    systemd: Systemd,
    status_file: StatusFile,
    exporter: Exporter,
    coverage: Coverage,
}

impl<'a> Outputs<'a> {
    /// Makes the outputs of an agent that starts.
    pub(super) fn new(
        log: &'a log::Control,
        clients: Arc<Counters>,
        status_file: StatusFile,
        exporter: Exporter,
    ) -> Self {
        Self { log, clients, systemd: Systemd::default(), status_file, exporter, coverage: Coverage::default() }
    }

    /// Returns the requests of clients for new measurements.
    pub(super) fn scrapes(&self) -> ScrapeRequests {
        self.exporter.requests()
    }

    /// Publishes that everything known is programmed and attached.
    pub(super) fn ready(&mut self, agent: &Agent<'_>) {
        self.systemd.ready(agent.status_line());
        self.exporter.turned(agent.readiness());
    }

    /// Notifies the service manager that the configuration is being read again.
    pub(super) fn reloading(&self) {
        self.systemd.reloading();
    }

    /// Carries out an output of the state of `agent`.
    pub(super) fn carry_out(&mut self, output: Output, agent: &Agent<'_>) {
        match output {
            Output::Ready => self.systemd.ready(agent.status_line()),
            // The loop does not wait until the client has read the answer.
            Output::Show(what, request) => drop(request.answer(agent.shown(&what))),
            Output::Memory(request) => drop(request.answer(Ok(agent.memory(self.log)))),
            Output::Coverage(request) => {
                let totals = agent.totals(self.log, &self.clients);
                drop(request.answer(Ok(self.coverage.show(totals, clock::monotonic()))));
            }
            Output::Log(control, request) => drop(request.answer(self.control_log(control))),
            Output::Report => self.report(agent),
            Output::Measure => self.exporter.publish(agent.measure()),
        }
    }

    fn control_log(&self, control: LogControl) -> Answer {
        match control {
            LogControl::List => Ok(self.log.list()),
            LogControl::Set(specs) => self.log.set(&specs).map(|()| String::new()).map_err(|error| error.to_string()),
            LogControl::Limit(on) => {
                self.log.limit(on);
                Ok(String::new())
            }
            LogControl::Reopen => {
                Ok("there is no file to open again: the log goes to standard error or the journal\n".to_owned())
            }
        }
    }

    /// Publishes the state, once a second.
    fn report(&mut self, agent: &Agent<'_>) {
        // A reload may have changed the addresses.
        listen(&mut self.exporter, agent.config());
        self.exporter.turned(agent.readiness());
        self.status_file.write(&agent.status());
        self.systemd.status(agent.status_line());
        self.log.report_left_out(false);
        let now = clock::monotonic();
        if self.coverage.is_due(now) {
            self.coverage.poll(agent.totals(self.log, &self.clients), now);
        }
    }
}

/// Listens for scrapes. An error is only logged, because forwarding matters more than metrics.
pub(super) fn listen(exporter: &mut Exporter, config: &Config) {
    if let Err(error) = exporter.listen(&config.metrics.listen) {
        tracing::error!("there are no metrics: starting the thread that serves them: {error}");
    }
}
