//! The report for people.

use std::fmt::{Display, Formatter, Result};

use crate::{
    compare::{Compared, Values},
    goals::{Bound, Goal, goals},
    report::Report,
};

/// Width of the first column, and of the others.
const FIRST: usize = 46;
const OTHER: usize = 10;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let machine = &self.machine;
        writeln!(
            f,
            "Kernel {}, {}, {} CPUs; {} rounds of {} frames",
            machine.kernel, machine.cpu, machine.cpus, self.effort.rounds, self.effort.frames
        )?;
        self.compared(f)?;
        goals_met(f, &goals(self))
    }
}

impl Report {
    /// The main table, as far as it was measured.
    fn compared(&self, f: &mut Formatter<'_>) -> Result {
        let all = [("decap", &self.decap), ("encap", &self.encap), ("local", &self.local)];
        let measured: Vec<(&str, &Compared)> =
            all.iter().filter_map(|(name, one)| Some((*name, one.as_ref()?))).collect();
        if measured.is_empty() {
            return Ok(());
        }
        let mut table = |title: &str, rows: &[(&str, &str)], pick: &dyn Fn(&Compared) -> Option<&Values>| {
            writeln!(f)?;
            row(f, title, measured.iter().map(|(name, _)| (*name).to_owned()))?;
            rows.iter().try_for_each(|(label, key)| {
                let values =
                    measured.iter().map(|(_, one)| cell(pick(one).and_then(|values| values.get(*key)).copied(), key));
                row(f, &format!("  {label}"), values)
            })
        };
        let own = [
            ("XDP that only redirects (limit)", "limit_ns"),
            ("XDP that rewrites blindly (least)", "least_ns"),
            ("vtep-gateway, XDP", "gateway_ns"),
            ("TC that only redirects", "limit_tc_ns"),
            ("vtep-gateway, TC", "gateway_tc_ns"),
            ("Linux: bridge and VXLAN device", "linux_ns"),
            ("(source and sink, not included)", "source_and_sink_ns"),
        ];
        table("Own cost of a frame, ns (64 bytes)", &own, &|one| Some(&one.values))?;
        let delivered = [
            ("vtep-gateway, XDP", "gateway_mpps"),
            ("vtep-gateway, TC", "gateway_tc_mpps"),
            ("Linux", "linux_mpps"),
            ("Open vSwitch in userspace, on another CPU", "ovs_mpps"),
        ];
        table("Delivered by one CPU, with source and sink, Mpps", &delivered, &|one| Some(&one.values))?;
        for size in measured.first().map(|(_, one)| one.sizes.keys()).into_iter().flatten() {
            let rows = [("limit", "limit_ns"), ("vtep-gateway, XDP", "gateway_ns"), ("Linux", "linux_ns")];
            table(&format!("Own cost, ns ({size} bytes)"), &rows, &|one| one.sizes.get(size))?;
        }
        Ok(())
    }
}

fn goals_met(f: &mut Formatter<'_>, goals: &[Goal]) -> Result {
    let known: Vec<(&Goal, f64)> = goals.iter().filter_map(|goal| Some((goal, goal.result?))).collect();
    if known.is_empty() {
        return Ok(());
    }
    writeln!(f)?;
    row(f, "Goals", ["goal", "result", ""].map(str::to_owned))?;
    for (Goal { what, bound, .. }, result) in known {
        let aim = match bound {
            Bound::AtMost(bound) => format!("<= {bound}"),
            Bound::AtLeast(bound) => format!(">= {bound}"),
        };
        let met = if bound.holds(result) { "met" } else { "missed" };
        row(f, &format!("  {what}"), [aim, format!("{result:.2}"), met.to_owned()])?;
    }
    Ok(())
}

/// A line.
fn row(f: &mut Formatter<'_>, first: &str, others: impl IntoIterator<Item = String>) -> Result {
    let others: String = others.into_iter().map(|other| format!("{other:>OTHER$}")).collect();
    writeln!(f, "{}", format!("{first:<FIRST$}{others}").trim_end())
}

/// A value, as its key says what it is.
fn cell(value: Option<f64>, key: &str) -> String {
    match value {
        Some(value) if key.ends_with("_mpps") => format!("{value:.3}"),
        Some(value) => format!("{value:.1}"),
        None => "-".to_owned(),
    }
}
