//! What came of the events.

use std::time::Duration;

use anyhow::Result;
use lab::cluster::Report;

use super::INTERVAL;

/// What came of an event.
pub(super) struct Outcome {
    pub(super) name: &'static str,
    /// How long the protocol lets nobody forward.
    pub(super) wait: Duration,
    pub(super) report: Report,
    /// Whether the right node forwards in the end, and packets cross both ways.
    pub(super) recovered: Result<()>,
}

impl Outcome {
    /// In one line.
    pub(super) fn line(&self) -> String {
        let Self { report, .. } = self;
        let strays = report.doubles() + report.reflections.len();
        match &self.recovered {
            Ok(()) if strays > 0 => format!("=> {strays} packets came twice or back to their sender."),
            Ok(()) if report.lost() == 0 => "=> Nothing was lost.".into(),
            Ok(()) => format!(
                "=> Nothing passed for {} from vm to ext, and for {} from ext to vm.",
                ms(report.out.gap),
                ms(report.back.gap)
            ),
            Err(_) => "=> It did not recover.".into(),
        }
    }

    /// What is wrong, if anything is.
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
    println!(
        "  {:<28}{:>9}{:>9}{:>9}{:>7}{:>7}{:>7}",
        "event", "vm->ext", "ext->vm", "by VRRP", "lost", "twice", "back"
    );
    for Outcome { name, wait, report, recovered } in outcomes {
        println!(
            "  {name:<28}{:>9}{:>9}{:>9}{:>7}{:>7}{:>7}{}",
            ms(report.out.gap),
            ms(report.back.gap),
            ms(*wait),
            report.lost(),
            report.doubles(),
            report.reflections.len(),
            if recovered.is_err() { "  not recovered" } else { "" }
        );
    }
    println!("\n  by VRRP: how long a standby has to wait, with advertisements each {INTERVAL} s;");
    println!("  lost: of 1000 packets a second, either way; twice: copies beyond the first;");
    println!("  back: packets that came back to their sender, as in a loop.");
}

fn ms(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}
