//! Results of the events.

use std::time::Duration;

use anyhow::Result;
use lab::cluster::Report;

use super::INTERVAL;

/// Result of an event.
pub(super) struct Outcome {
    pub(super) name: &'static str,
    /// Time for which the protocol lets no node forward.
    pub(super) wait: Duration,
    pub(super) report: Report,
    /// Success if packets finally cross both ways.
    pub(super) recovered: Result<()>,
}

impl Outcome {
    /// Formats the result on a line.
    pub(super) fn line(&self) -> String {
        let Self { report, .. } = self;
        let strays = report.doubles() + report.reflections.len();
        match &self.recovered {
            Ok(()) if strays > 0 => format!("=> {strays} packets came twice or back to their sender."),
            Ok(()) if report.lost() == 0 => "=> Nothing was lost.".into(),
            Ok(()) => format!(
                "=> Nothing passed from vm to ext for {}, from ext to vm for {}.",
                ms(report.out.gap),
                ms(report.back.gap)
            ),
            Err(_) => "=> It did not recover.".into(),
        }
    }

    /// Returns the fault, if any.
    pub(super) fn trouble(&self) -> Option<String> {
        let Self { name, report, recovered, .. } = self;
        match recovered {
            Err(trouble) => Some(format!("no recovery from \"{name}\": {trouble:#}")),
            Ok(()) if report.doubles() + report.reflections.len() > 0 => {
                Some(format!("\"{name}\": packets came twice or back to their sender"))
            }
            Ok(()) => None,
        }
    }
}

pub(super) fn print(outcomes: &[Outcome]) {
    println!("  {:<28}{:>9}{:>9}{:>9}{:>7}{:>7}{:>7}", "event", "vm>ext", "ext>vm", "by VRRP", "lost", "twice", "back");
    for Outcome { name, wait, report, recovered } in outcomes {
        if recovered.is_err() {
            println!("  {name:<28}  not recovered");
            continue;
        }
        println!(
            "  {name:<28}{:>9}{:>9}{:>9}{:>7}{:>7}{:>7}",
            ms(report.out.gap),
            ms(report.back.gap),
            ms(*wait),
            report.lost(),
            report.doubles(),
            report.reflections.len(),
        );
    }
    println!("\n  vm>ext, ext>vm: the longest time without a packet; by VRRP: how long a standby");
    println!("  waits since the last advertisement of the active node, with advertisements each {INTERVAL} s;");
    println!("  lost: both ways, of some 2000 a second; twice: copies beyond the first;");
    println!("  back: packets that their sender received again.");
}

fn ms(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}
