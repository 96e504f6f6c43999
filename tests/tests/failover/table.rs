//! Measuring an event, and a line about it.

use std::{
    io::{Write, stderr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, bail};
use gateway_common::counters::DropReason;
use lab::cluster::{Pair, Plan, Probes, Report};

/// Time that a machine with two busy processors adds to an outage: the agents, the switch outside and the probes share them,
/// and a thread that is to act waits its turn. Bounds of the protocol are tens to hundreds of milliseconds.
pub(crate) const ALLOWANCE: Duration = Duration::from_millis(400);

/// Limit of attempts of an event until its outage is within bounds.
const ATTEMPTS: u32 = 3;

/// Packets each way before an event and after it.
const AROUND: u64 = 500;

/// An event and its bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// Description of the event.
    pub(crate) name: &'static str,
    /// The longest outage; zero: nothing may be lost.
    pub(crate) bound: Duration,
}

impl Event {
    pub(crate) fn new(name: &'static str, bound_ms: u64) -> Self {
        Self { name, bound: Duration::from_millis(bound_ms) }
    }

    /// Has it happen in a lab of two gateways opposite Linux, of which the first is active. `happen` is through when the
    /// gateway that should forward then does.
    pub(crate) fn measure(self, plan: &Plan, happen: impl Fn(&mut Pair, &Probes) -> Result<()>) -> Result<()> {
        self.measure_in(|| Pair::linux(plan), happen)
    }

    /// The same in another lab.
    pub(crate) fn measure_in(
        self,
        build: impl Fn() -> Result<Pair>,
        happen: impl Fn(&mut Pair, &Probes) -> Result<()>,
    ) -> Result<()> {
        for attempt in 1..=ATTEMPTS {
            let mut pair = build()?;
            pair.start()?;
            let probes = pair.probes()?;
            probes.wait_more(AROUND)?;
            if has_moved(&pair) {
                let text = format!("{}: the role moved before anything happened (attempt {attempt})\n", self.name);
                let _ = stderr().write_all(text.as_bytes());
                continue;
            }
            happen(&mut pair, &probes)?;
            probes.wait_more(AROUND)?;
            let report = probes.finish()?;
            self.print(&report, attempt);
            assert_eq!((report.doubles(), report.reflections.len()), (0, 0), "{}: {report:?}", self.name);
            if self.is_kept(&report) {
                return Ok(());
            }
            why(&pair, &report);
        }
        bail!(
            "{}: {ATTEMPTS} times the outage was beyond {:?} and {ALLOWANCE:?}, or the role moved",
            self.name,
            self.bound
        )
    }

    fn is_kept(self, report: &Report) -> bool {
        if self.bound.is_zero() { report.lost() == 0 } else { report.outage() <= self.bound + ALLOWANCE }
    }

    /// Writes the line, past the capturing of output: the numbers are wanted of tests that pass.
    pub(crate) fn print(self, report: &Report, attempt: u32) {
        static HEADED: Mutex<bool> = Mutex::new(false);
        let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
        let mut headed = HEADED.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if !*headed {
            text = format!(
                "\n{:<44} {:>9} {:>9} {:>5} {:>5} {:>7} {:>9} {:>9}\n",
                "event", "vm->ext", "ext->vm", "lost", "lost", "doubles", "reflected", "bound"
            );
            *headed = true;
        }
        text.push_str(&format!(
            "{:<44} {:>9} {:>9} {:>5} {:>5} {:>7} {:>9} {:>9}{}\n",
            self.name,
            ms(report.out.gap),
            ms(report.back.gap),
            report.out.lost,
            report.back.lost,
            report.doubles(),
            report.reflections.len(),
            ms(self.bound),
            if attempt > 1 { format!("  (attempt {attempt})") } else { String::new() }
        ));
        let _ = stderr().write_all(text.as_bytes());
    }
}

/// True if another node than the first is active: both run on one machine, and one that stands still for longer than three
/// intervals leaves it to chance who claims first when it goes on.
fn has_moved(pair: &Pair) -> bool {
    let [first, _] = &pair.members;
    let Some(vrrp) = first.config.vrrp.first() else { return false };
    first.role(vrrp.vrid).is_some_and(|role| role != "active")
}

/// Prints what may explain an outage that was too long.
fn why(pair: &Pair, report: &Report) {
    let [out, back] = [&report.broadcast_out, &report.broadcast_back];
    let mut text =
        format!("    broadcasts: {:?} and {:?} long, {} and {} lost\n", out.gap, back.gap, out.lost, back.lost);
    for member in &pair.members {
        let name = member.host.name();
        if let Ok(drops) = member.drops() {
            let drops = DropReason::ALL.iter().map(|which| (which.name(), drops.get(*which))).filter(|(_, n)| *n > 0);
            text.push_str(&format!("    {name} dropped: {:?}\n", drops.collect::<Vec<_>>()));
        }
        for line in member.log().unwrap_or_default().lines() {
            text.push_str(&format!("    {name}: {line}\n"));
        }
    }
    let _ = stderr().write_all(text.as_bytes());
}
