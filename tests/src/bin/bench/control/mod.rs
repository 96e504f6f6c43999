//! The control plane with many stations: a real database server, the real agent, the maps in the kernel.
//!
//! The server has a share in every time: it reads a transaction, writes it to its file and sends it to each client. A
//! *reader* sends the same requests as the agent and discards the updates, so it has that share alone, in the same run
//! and with the same server. The time that the agent takes longer than the reader is the agent's own.

mod cloud;
mod connection;
mod kernel;
mod learn;
mod usage;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::{
    gateway::Gateway,
    wait::{Stopwatch, pause, wait_for},
};
use serde::Serialize;

use self::{
    cloud::Cloud,
    connection::{Follower, Writer},
    kernel::Kernel,
    learn::Learned,
    usage::{Memory, cpu_time, memory_at_rest},
};

/// Number of stations for the memory that others are compared with.
const FEW: u32 = 64;
/// Time limit for an agent that was built without optimisation.
const LATER: Duration = Duration::from_secs(120);
/// Time without a change after which the effects of a change are over.
const QUIET: Duration = Duration::from_secs(3);
/// Memory is reported for this number of stations.
const PER: f64 = 100_000.0;

/// Options of the measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Remote MACs, and local ones.
    pub(crate) macs: u32,
    /// Single changes.
    pub(crate) changes: u32,
    /// Time for watching the agent at rest. Its FDB scan runs every 30 seconds.
    pub(crate) rest: Duration,
}

/// Results.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Control {
    /// Remote MACs.
    pub(crate) macs: u32,
    /// All MACs are added in one transaction while the agent runs: time from sending it to its reply.
    pub(crate) reply_ms: f64,
    /// Time from sending it until the reader has received it all.
    pub(crate) server_ms: f64,
    /// Time from sending it until all MACs are in the map.
    pub(crate) programmed_ms: f64,
    /// The difference of the last two.
    pub(crate) own_ms: f64,
    /// Time from the reply, when the database has them, until all are in the map.
    pub(crate) replied_to_programmed_ms: f64,
    /// CPU time of the agent for this, including its handling of received bytes meanwhile.
    pub(crate) agent_cpu_ms: f64,
    /// An agent without maps or pins starts on the filled database: time from its start until all MACs are in the map.
    pub(crate) start_programmed_ms: f64,
    /// Time from connecting until the reader has received it all, from the same database.
    pub(crate) start_server_ms: f64,
    /// The difference of the last two. It includes the start of the process and the loading of programs.
    pub(crate) start_own_ms: f64,
    /// CPU time from the start of the agent until all MACs are in the map.
    pub(crate) start_agent_cpu_ms: f64,
    /// The same for a start with a few stations.
    pub(crate) start_few_agent_cpu_ms: f64,
    /// One more station, with all of the others present: time from the reader having the row to the map having it.
    /// Median.
    pub(crate) one_change_us: f64,
    /// The 90th percentile of the same.
    pub(crate) one_change_p90_us: f64,
    /// Time from sending the transaction to its reply: the server's share. Median.
    pub(crate) one_change_reply_us: f64,
    /// CPU time of the agent for one change: all of it, divided by the changes.
    pub(crate) one_change_agent_cpu_us: f64,
    /// Proportional set size of the agent with all stations less that with a few, for 100,000, after all were added
    /// while it ran.
    pub(crate) agent_bytes_per_100k: f64,
    /// The same after a start with all of them.
    pub(crate) start_agent_bytes_per_100k: f64,
    /// Proportional set size with a few.
    pub(crate) few_agent_bytes: u64,
    /// Peak memory of the agent, after a start with all stations.
    pub(crate) start_peak_bytes: u64,
    /// Memory of the kernel for 100,000 MACs: the share of these entries in the memory of `fdb`, which has room for all
    /// entries from the start, and the growth of all other maps.
    pub(crate) kernel_bytes_per_100k: f64,
    /// Agent (the larger of the two) and kernel.
    pub(crate) bytes_per_100k: f64,
    /// All pinned maps.
    pub(crate) kernel_bytes: u64,
    /// CPU time of the agent at rest with all stations, as a share of one core.
    pub(crate) idle_core_percent: f64,
    /// Time for which it was watched.
    pub(crate) idle_seconds: f64,
    /// The same number of local MACs is learned: CPU time of the agent, until all are in the database.
    pub(crate) learn_agent_cpu_ms: f64,
    /// The same for one more, with all of them present.
    pub(crate) learn_one_agent_cpu_us: f64,
}

/// Measures the control plane. The agent is the one of the same build profile.
///
/// # Errors
/// If the lab can't be built, or an expected event does not happen.
pub(crate) fn measure(options: &Options) -> Result<Control> {
    let mut cloud = Cloud::build()?;
    cloud.add(0, FEW)?;
    let started = Stopwatch::start();
    let mut gateway = Gateway::start(&cloud.site.gw, &cloud.config())?;
    let kernel = Kernel::open(gateway.pin_dir())?;
    kernel.wait_all(0..FEW, &started)?;
    let start_few_agent_cpu = agent_cpu(&gateway)?;
    let few = memory_at_rest(pid(&gateway)?, QUIET)?;
    let kernel_before = kernel.memory()?;

    let many = Many::measure(&cloud, &gateway, &kernel, options)?;
    let grown = memory_at_rest(pid(&gateway)?, QUIET)?;
    let idle = idle(&gateway, options.rest)?;
    let one = One::measure(&cloud, &gateway, &kernel, options)?;
    let kernel_after = kernel.memory()?;
    gateway.stop()?;
    gateway.detach()?;

    let start = Start::measure(&mut cloud, &mut gateway, options)?;
    drop((kernel, gateway, cloud));
    let learned = Learned::measure(options)?;
    let per = PER / f64::from(options.macs);
    let agent = grown.kept_over(&few) * per;
    let start_agent = start.memory.kept_over(&few) * per;
    let others = kernel_after.others as f64 - kernel_before.others as f64;
    let kernel_bytes = kernel_after.fdb_entry * PER + others * per;
    Ok(Control {
        macs: options.macs,
        reply_ms: ms(many.reply),
        server_ms: ms(many.server),
        programmed_ms: ms(many.programmed),
        own_ms: ms(many.programmed) - ms(many.server),
        replied_to_programmed_ms: ms(many.programmed) - ms(many.reply),
        agent_cpu_ms: ms(many.cpu),
        start_programmed_ms: ms(start.programmed),
        start_server_ms: ms(start.server),
        start_own_ms: ms(start.programmed) - ms(start.server),
        start_agent_cpu_ms: ms(start.cpu),
        start_few_agent_cpu_ms: ms(start_few_agent_cpu),
        one_change_us: one.median,
        one_change_p90_us: one.p90,
        one_change_reply_us: one.reply,
        one_change_agent_cpu_us: one.cpu,
        agent_bytes_per_100k: agent,
        start_agent_bytes_per_100k: start_agent,
        few_agent_bytes: few.proportional,
        start_peak_bytes: start.memory.peak,
        kernel_bytes_per_100k: kernel_bytes,
        bytes_per_100k: kernel_bytes + agent.max(start_agent),
        kernel_bytes: kernel_after.fdb + kernel_after.others,
        idle_core_percent: idle * 100.0,
        idle_seconds: options.rest.as_secs_f64(),
        learn_agent_cpu_ms: ms(learned.all),
        learn_one_agent_cpu_us: learned.one.as_secs_f64() * 1e6,
    })
}

/// Results for all stations in one transaction.
struct Many {
    reply: Duration,
    server: Duration,
    programmed: Duration,
    cpu: Duration,
}

impl Many {
    fn measure(cloud: &Cloud, gateway: &Gateway, kernel: &Kernel, options: &Options) -> Result<Self> {
        let mut writer = Writer::connect(&cloud.socket())?;
        let mut follower = Follower::connect(&cloud.socket())?;
        follower.wait_snapshot()?;
        let transaction = cloud.transaction(FEW, options.macs)?;
        let before = agent_cpu(gateway)?;
        let watch = Stopwatch::start();
        let (reply, server, programmed) = std::thread::scope(|scope| -> Result<_> {
            let reading = scope.spawn(|| follower.wait_published().map(|()| watch.elapsed()));
            let writing = scope.spawn(|| writer.transact(&transaction).map(|()| watch.elapsed()));
            let programmed = kernel.wait_all(FEW..options.macs, &watch)?;
            let ended = |_| anyhow::anyhow!("a thread panicked");
            Ok((writing.join().map_err(ended)??, reading.join().map_err(ended)??, programmed))
        })?;
        let cpu = agent_cpu(gateway)? - before;
        Ok(Self { reply, server, programmed, cpu })
    }
}

/// Results for stations one after the other.
struct One {
    median: f64,
    p90: f64,
    reply: f64,
    cpu: f64,
}

impl One {
    fn measure(cloud: &Cloud, gateway: &Gateway, kernel: &Kernel, options: &Options) -> Result<Self> {
        let mut writer = Writer::connect(&cloud.socket())?;
        let mut follower = Follower::connect(&cloud.socket())?;
        follower.wait_snapshot()?;
        pause(QUIET);
        let before = agent_cpu(gateway)?;
        let (mut own, mut replies) = (Vec::new(), Vec::new());
        for number in options.macs..options.macs + options.changes {
            let transaction = cloud.transaction(number, number + 1)?;
            let watch = Stopwatch::start();
            writer.send(&transaction)?;
            let (mut reply, mut published, mut mapped) = (None, None, None);
            // One thread polls all three in turn, without waiting for any.
            while reply.is_none() || published.is_none() || mapped.is_none() {
                if mapped.is_none() && kernel.has(number) {
                    mapped = Some(watch.elapsed());
                }
                if published.is_none() && follower.is_published()? {
                    published = Some(watch.elapsed());
                }
                if reply.is_none() && writer.is_answered()? {
                    reply = Some(watch.elapsed());
                }
                ensure!(watch.elapsed() < LATER, "station {number} did not come into the map");
            }
            let us = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1e6;
            own.push(us(mapped) - us(published));
            replies.push(us(reply));
        }
        let cpu = (agent_cpu(gateway)? - before).as_secs_f64() * 1e6 / f64::from(options.changes);
        let (own, replies) = (sorted(own), sorted(replies));
        Ok(Self { median: quantile(&own, 0.5), p90: quantile(&own, 0.9), reply: quantile(&replies, 0.5), cpu })
    }
}

/// Results for a start with all stations.
struct Start {
    server: Duration,
    programmed: Duration,
    cpu: Duration,
    memory: Memory,
}

impl Start {
    fn measure(cloud: &mut Cloud, gateway: &mut Gateway, options: &Options) -> Result<Self> {
        cloud.restart_server()?;
        let watch = Stopwatch::start();
        let mut follower = Follower::connect(&cloud.socket())?;
        follower.wait_snapshot()?;
        let server = watch.elapsed();
        // The server caches none of it for the agent.
        drop(follower);
        cloud.restart_server()?;

        let watch = Stopwatch::start();
        *gateway = Gateway::launch(&cloud.site.gw, &cloud.config())?;
        wait_for("the maps are there", LATER, || Kernel::open(gateway.pin_dir()).is_ok())?;
        let kernel = Kernel::open(gateway.pin_dir())?;
        let programmed = kernel.wait_all(0..options.macs, &watch)?;
        let cpu = agent_cpu(gateway)?;
        let memory = memory_at_rest(pid(gateway)?, QUIET)?;
        gateway.stop()?;
        gateway.detach()?;
        Ok(Self { server, programmed, cpu, memory })
    }
}

/// Returns the share of a core that the agent takes at rest.
fn idle(gateway: &Gateway, rest: Duration) -> Result<f64> {
    pause(QUIET);
    let (before, watch) = (agent_cpu(gateway)?, Stopwatch::start());
    pause(rest);
    let spent = agent_cpu(gateway)? - before;
    Ok(spent.as_secs_f64() / watch.elapsed().as_secs_f64())
}

fn pid(gateway: &Gateway) -> Result<u32> {
    gateway.pid().context("the agent is not running")
}

fn agent_cpu(gateway: &Gateway) -> Result<Duration> {
    cpu_time(pid(gateway)?)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn sorted(mut all: Vec<f64>) -> Vec<f64> {
    all.sort_by(f64::total_cmp);
    all
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}
