//! Live state of two gateways, printed each half second.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use lab::{
    Host,
    cluster::{Pair, Probes, probes::Mark},
    gateway,
    wait::{Stopwatch, pause},
};
use serde_json::Value;

use super::screen::Screen;
use crate::INTERRUPTED;

/// Interval of polling.
const STEP: Duration = Duration::from_millis(500);

/// Watches the nodes and the flow of probes.
pub(super) struct Live<'a> {
    screen: &'a Screen,
    probes: &'a Probes,
    nodes: Vec<Node>,
    clock: Stopwatch,
    /// Start of the search for the longest gap.
    since: Mutex<Mark>,
    over: AtomicBool,
}

/// A node that is polled.
struct Node {
    host: Host,
    file: PathBuf,
}

/// State of a node.
struct State {
    name: String,
    role: String,
    lease: String,
}

impl<'a> Live<'a> {
    pub(super) fn new(pair: &mut Pair, probes: &'a Probes, screen: &'a Screen) -> Result<Self> {
        let mut nodes = Vec::new();
        for member in &mut pair.members {
            nodes.push(Node { host: member.host.clone(), file: member.gateway()?.file().to_owned() });
        }
        let since = Mutex::new(probes.mark());
        Ok(Self { screen, probes, nodes, clock: Stopwatch::start(), since, over: AtomicBool::new(false) })
    }

    /// Prints the header.
    pub(super) fn head(&self) {
        self.screen.head("");
        self.screen.head(&format!("{:44} packets/s      longest gap", ""));
        let nodes = "role   lease left ";
        self.screen.head(&format!("    s  gw1 {nodes} gw2 {nodes} vm>ext ext>vm  vm>ext ext>vm"));
    }

    /// Prints the state until the demo ends.
    pub(super) fn run(&self) {
        let mut before = (self.probes.arrived(), self.clock.elapsed());
        while !self.is_over() {
            pause(STEP.saturating_sub(self.clock.elapsed().saturating_sub(before.1)));
            let now = (self.probes.arrived(), self.clock.elapsed());
            let seconds = now.1.saturating_sub(before.1).as_secs_f64();
            let rates = [0, 1].map(|way| (now.0[way] - before.0[way]) as f64 / seconds);
            before = now;
            self.show(rates);
        }
    }

    /// Restarts the search for the longest gap.
    pub(super) fn restart(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = self.probes.mark();
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst) || INTERRUPTED.load(Ordering::SeqCst)
    }

    fn show(&self, [out, back]: [f64; 2]) {
        let states: Vec<State> = self.nodes.iter().map(Node::state).collect();
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let report = self.probes.between(since, self.probes.mark());
        let gaps = [report.out.gap, report.back.gap].map(|gap| format!("{} ms", gap.as_millis()));

        let mut block = vec![String::new(), "  node  role      lease left".into()];
        let mut line = format!("{:>5.1}", self.clock.elapsed().as_secs_f64());
        for State { name, role, lease } in &states {
            block.push(format!("  {name:<4}  {role:<8}  {lease:>10}"));
            line.push_str(&format!("  {name} {role:<8}{lease:>8}"));
        }
        block.push(format!("  vm -> ext  {out:>5.0} packets/s, longest gap {:>7}", gaps[0]));
        block.push(format!("  ext -> vm  {back:>5.0} packets/s, longest gap {:>7}", gaps[1]));
        line.push_str(&format!("  {out:>6.0} {back:>6.0} {:>7} {:>6}", gaps[0], gaps[1]));
        if !self.is_over() {
            self.screen.draw(&block, &line);
        }
    }
}

impl Node {
    fn state(&self) -> State {
        let status = self.ask();
        // If no agent runs, the lease goes on in the kernel, but no process reports it.
        let role = status.as_ref().and_then(|status| status["role"].as_str()).unwrap_or("no agent");
        let lease = status.as_ref().and_then(|status| status["lease_left_ms"].as_u64());
        State {
            name: self.host.name().into(),
            role: role.into(),
            lease: lease.map_or_else(|| "-".into(), |ms| format!("{ms} ms")),
        }
    }

    /// Returns its only virtual router, as `vtep-gateway status --json` reports it; `None` while no agent runs.
    fn ask(&self) -> Option<Value> {
        let output = gateway::command(&self.host, &format!("status --json --config {}", self.file.display())).ok()?;
        let mut status: Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(status["vrrp"][0].take())
    }
}
