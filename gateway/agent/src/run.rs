//! Run of the agent: what surrounds the event loop, and the loop.

use std::{cell::Cell, path::Path, pin::pin};

use gateway_api::ctl;
use gateway_base::{clock, log};
use gateway_config::Config;
use gateway_datapath::{load::Objects, pins::PinDir, preflight::preflight};
use gateway_ha as ha;
use gateway_ha::{Handle, Leases};
use gateway_vrrp::{Leave, Role};

use super::{
    configuration,
    error::AgentError,
    start::{Setup, Started, now, start},
    systemd,
    turn::{Effect, End, Input},
};
use crate::process_lock::ProcessLock;

/// Runs until SIGTERM or SIGINT, or until a client requests the end. The data plane stays. It goes on forwarding if no
/// other node can take over, or if the role is kept. `path` is read again on SIGHUP.
///
/// # Errors
/// The agent can't run. Nothing is attached then that was not attached before.
pub async fn run(path: &Path, config: Config, objects: Objects, log: &log::Control) -> Result<(), AgentError> {
    let ready = Cell::new(false);
    let outcome = run_to_end(path, config, objects, log, &ready).await;
    outcome.map_err(|error| if ready.get() { error } else { AgentError::NotStarted(Box::new(error)) })
}

async fn run_to_end(
    path: &Path,
    mut config: Config,
    objects: Objects,
    log: &log::Control,
    ready: &Cell<bool>,
) -> Result<(), AgentError> {
    preflight(&config)?;
    configuration::load_keys(&mut config)?;
    let _lock = ProcessLock::acquire(&config.gateway.run_dir)?;
    let group = config.gateway.control_group.as_deref();
    let (requests, clients, control) = crate::ctl::open(&ctl::path(&config.gateway.run_dir), group, ctl::COMMANDS)?;
    let mut control = pin!(control);
    // First of all: a lease of an earlier run is renewed while the rest starts.
    let ha = start_ha(&config)?;
    let setup = Setup { path, config, objects, ha: ha.as_ref(), log, requests, clients };
    let outcome: Result<End, AgentError> = tokio::select! {
        outcome = drive(setup, ready) => outcome,
        () = &mut control => Err(AgentError::ControlEnded),
    };
    let leave = outcome.as_ref().map_or(Leave::Handover, |end| end.leave);
    let kept = ha.is_none() || leave == Leave::Keep;
    systemd::stopping(if kept { "stopping; the data plane goes on forwarding" } else { "stopping; handing over" });
    // After the loop, so that no change of a map follows the end of a lease.
    if let Some(ha) = ha {
        ha.stop(leave).await;
    }
    let End { request, .. } = outcome?;
    if kept {
        tracing::info!("stopping; the data plane goes on forwarding (vtep-gateway detach takes it down)");
    } else {
        tracing::info!("stopping; the data plane is left without a lease, another node forwards");
    }
    if let Some(request) = request {
        tokio::select! {
            () = request.answer(Ok(String::new())) => {}
            () = control => {}
        }
    }
    Ok(())
}

/// Starts the agent and runs the loop. `ready` becomes true once everything is programmed and attached.
async fn drive(setup: Setup<'_>, ready: &Cell<bool>) -> Result<End, AgentError> {
    let path = setup.path;
    // The agent is dropped first: its captures end before the rest closes.
    let Started { mut outputs, mut inputs, mut agent } = start(setup).await?;
    outputs.ready(&agent);
    ready.set(true);
    let mut follow_up = None;
    loop {
        let input = match follow_up.take() {
            Some(input) => input,
            None => inputs.next(agent.due()).await?,
        };
        for effect in agent.handle(input, inputs.latest(), now())? {
            match effect {
                Effect::End(end) => return Ok(end),
                Effect::ReadConfiguration(request) => {
                    outputs.reloading();
                    follow_up = Some(Input::Configuration(configuration::read(path), request));
                }
                Effect::AgeEvery(every) => inputs.age_every(every),
                Effect::KeepAlive => inputs.keep_alive(),
                Effect::Output(output) => outputs.carry_out(output, &agent),
            }
        }
    }
}

fn start_ha(config: &Config) -> Result<Option<Handle>, AgentError> {
    if !config.is_redundant() {
        return Ok(None);
    }
    // The leases of an earlier run count only while it forwards. Without a lease, this node must not become active
    // before all changes since then are programmed.
    let leases = Leases::open(&PinDir::new(&config.gateway.pin_dir))?.filter(|leases| is_running(config, leases));
    let (uplinks, ports) = (config.uplinks.clone(), config.ports.clone());
    let ha = ha::start(ha::Setup { instances: config.instances.clone(), uplinks, ports, leases })?;
    if config.sync.port != 0 {
        // This holds until the number of bindings that other nodes forward is known.
        let statuses = ha.statuses();
        let others = statuses
            .borrow()
            .iter()
            .filter(|one| one.status.role != Role::Active)
            .map(|one| one.vrid)
            .collect::<Vec<_>>();
        ha.held(others.into_iter().collect());
    }
    Ok(Some(ha))
}

fn is_running(config: &Config, leases: &Leases) -> bool {
    let now = clock::monotonic();
    let vrids = config.instances.iter().filter_map(|instance| Some(instance.vrrp.as_ref()?.vrid));
    vrids.into_iter().any(|vrid| leases.read(vrid).is_ok_and(|end| end > now))
}
