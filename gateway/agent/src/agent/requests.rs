//! Handlers of requests on the control socket, and of reloads.

use gateway_api::{ctl::Control, events::Event};
use gateway_config::Config;
use gateway_vrrp::Leave;

use super::{Agent, AgentError, DataPlane, Effect, End, Moment, Output, ReloadError, Turn};
use crate::{ctl::Request, forwarding::ageing_interval};

impl<P: DataPlane> Agent<'_, P> {
    /// Handles a request on the control socket.
    pub(super) fn request(&mut self, request: Request, now: Moment, effects: &mut Vec<Effect>) {
        self.turns.count(Turn::Request);
        let answer = match Control::new(request.command, &request.params) {
            Control::Exit { keep } => {
                let leave = if keep { Leave::Keep } else { Leave::Handover };
                return effects.push(Effect::End(End { leave, request: Some(request) }));
            }
            Control::Show(what) => return effects.push(Effect::Output(Output::Show(what, request))),
            Control::Memory => return effects.push(Effect::Output(Output::Memory(request))),
            Control::Coverage => return effects.push(Effect::Output(Output::Coverage(request))),
            Control::Reload => return effects.push(Effect::ReadConfiguration(Some(request))),
            Control::Log(control) => return effects.push(Effect::Output(Output::Log(control, request))),
            Control::Monitor(cursor) => return self.event_log.read(cursor, request, now.steady),
            Control::Handover { router, force } => match &mut self.cluster {
                Some(cluster) => {
                    return cluster.handover(router.as_deref(), force, &self.config, request, now.steady);
                }
                None => Err("this gateway has no [[vrrp]]: there is no other node to hand over to".to_owned()),
            },
            Control::Capture(what, id) => self.captures.request(what, id, &mut self.forwarding, now.steady),
            Control::Unknown(why) => Err(why),
        };
        // The loop does not wait until the client has read the answer.
        drop(request.answer(answer));
    }

    /// Applies a configuration that was read again. If it is refused, nothing changes.
    pub(super) fn reload(
        &mut self,
        read: Result<Box<Config>, ReloadError>,
        request: Option<Request>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Result<(), AgentError> {
        self.turns.count(Turn::Reload);
        let outcome = read.and_then(|new| self.reconfigure(*new));
        let path = self.path;
        let file = path.display();
        match &outcome {
            Ok(()) => {
                self.latest.rows = self.source.rows();
                self.update(now)?;
                // A changed learning limit or ageing time applies from now on.
                self.age_fdb(now)?;
                tracing::info!("reloaded {file}");
                self.event_log.note(Event::Reloaded { file: file.to_string() }, now);
                effects.push(Effect::AgeEvery(ageing_interval(&self.config)));
                self.reloads.applied += 1;
            }
            Err(error) => {
                tracing::error!("reload refused, the agent goes on as before: {error}");
                self.event_log.note(Event::ReloadRefused { reason: error.to_string() }, now);
                self.reloads.refused += 1;
            }
        }
        self.reloads.last_refused = outcome.is_err();
        effects.push(Effect::Output(Output::Ready));
        if let Some(request) = request {
            let answer = outcome.as_ref().map(|()| format!("reloaded {file}\n"));
            drop(request.answer(answer.map_err(ToString::to_string)));
        }
        self.refused = outcome.err();
        Ok(())
    }

    fn reconfigure(&mut self, new: Config) -> Result<(), ReloadError> {
        let restart = self.config.changes_needing_restart(&new);
        if !restart.is_empty() {
            return Err(ReloadError::NeedsRestart(restart.join(", ")));
        }
        self.config = new;
        self.source.database().reconfigure(&self.config);
        if let Some(cluster) = &self.cluster {
            cluster.reconfigure(&self.config);
        }
        Ok(())
    }
}
