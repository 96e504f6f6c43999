//! The report for people.

use std::fmt::{Display, Formatter, Result};

use crate::{
    compare::{Compared, Values},
    control::Control,
    goals::{Bound, Goal, MIB, goals},
    report::Report,
    scale::{Row, Scaled},
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
        self.scaled(f)?;
        self.others(f)?;
        goals_met(f, &goals(self))
    }
}

impl Report {
    /// Writes the main table, with the parts that were measured.
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

impl Report {
    /// Writes the cost of larger tables.
    fn scaled(&self, f: &mut Formatter<'_>) -> Result {
        let Some(Scaled { fdb, cold, rest }) = &self.scale else { return Ok(()) };
        let titles = [
            ("Own cost of the gateway, ns", fdb),
            ("The limit and one look into 64 MiB, ns", cold),
            ("Own cost of the gateway, ns", rest),
        ];
        for (title, rows) in titles {
            writeln!(f)?;
            row(f, title, ["decap", "encap", "ratio", "ratio"].map(str::to_owned))?;
            for Row { what, decap_ns, encap_ns, decap_ratio, encap_ratio, .. } in rows {
                let costs = [format!("{decap_ns:.1}"), format!("{encap_ns:.1}")];
                let ratios = [format!("{decap_ratio:.2}"), format!("{encap_ratio:.2}")];
                row(f, &format!("  {what}"), costs.into_iter().chain(ratios))?;
            }
        }
        Ok(())
    }

    /// Writes all parts of a line or two.
    fn others(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(cpus) = &self.cpus {
            writeln!(f)?;
            row(f, "Two CPUs carry, times what one does", ["decap", "encap", "direct"].map(str::to_owned))?;
            let ratios = [cpus.decap_ratio, cpus.encap_ratio, cpus.direct_ratio];
            row(f, "  vtep-gateway, XDP", ratios.map(|ratio| format!("{ratio:.2}")))?;
        }
        if let Some(latency) = &self.latency {
            writeln!(f)?;
            let heads = ["decap 50%", "99%", "encap 50%", "99%"];
            row(f, "Latency added to one frame, ns", heads.map(str::to_owned))?;
            for (decap, encap) in latency.decap.iter().zip(&latency.encap) {
                let values = [decap.p50_ns, decap.p99_ns, encap.p50_ns, encap.p99_ns];
                row(f, &format!("  {}", decap.subject), values.map(|ns| ns.map_or("-".into(), |ns| ns.to_string())))?;
            }
        }
        if let Some(flood) = &self.flood {
            writeln!(f)?;
            row(f, "Broadcast, own cost, ns", ["a frame", "a copy"].map(str::to_owned))?;
            for flooded in flood {
                let costs = [flooded.frame_ns, flooded.copy_ns].map(|cost| format!("{cost:.1}"));
                row(f, &format!("  to {} VTEPs", flooded.remotes), costs)?;
            }
        }
        if let Some(calls) = &self.calls {
            writeln!(f)?;
            row(f, "A single call of a program, ns", [])?;
            calls.iter().try_for_each(|(name, ns)| row(f, &format!("  {name}"), [format!("{ns:.1}")]))?;
        }
        if let Some(memory) = &self.memory {
            writeln!(f)?;
            row(f, "Memory of the maps, MiB", [])?;
            let mib = |bytes: u64| [format!("{:.1}", bytes as f64 / MIB)];
            row(f, "  for 100,000 MACs", mib(memory.bytes_per_100k))?;
            row(f, "  with room for 1024 MACs, all maps", mib(memory.few_bytes))?;
        }
        if let Some(control) = &self.control {
            self.control_plane(f, control)?;
        }
        Ok(())
    }

    /// Writes the times of the MACs from the database to the maps.
    fn control_plane(&self, f: &mut Formatter<'_>, control: &Control) -> Result {
        let lines = [
            ("  all at once, from sent to programmed, ms", control.programmed_ms, 0),
            ("  of that the gateway's own, without the server", control.own_ms, 0),
            ("  at a start, from started to programmed, ms", control.start_programmed_ms, 0),
            ("  of that the gateway's own", control.start_own_ms, 0),
            ("  one MAC more, from published to programmed, us", control.one_change_us, 0),
            ("  the same, nine of ten", control.one_change_p90_us, 0),
            ("  CPU time of the agent for one MAC more, us", control.one_change_agent_cpu_us, 0),
            ("  memory for 100,000, agent, MiB", control.agent_bytes_per_100k / MIB, 1),
            ("  memory for 100,000, agent after a start, MiB", control.start_agent_bytes_per_100k / MIB, 1),
            ("  memory for 100,000, kernel, MiB", control.kernel_bytes_per_100k / MIB, 1),
            ("  agent at rest, % of a core", control.idle_core_percent, 2),
            ("  CPU time of the agent for as many local, ms", control.learn_agent_cpu_ms, 0),
            ("  CPU time of the agent for one local more, us", control.learn_one_agent_cpu_us, 0),
        ];
        writeln!(f)?;
        writeln!(f, "Control plane, {} MACs from the database", control.macs)?;
        lines.iter().try_for_each(|(what, value, digits)| {
            let width = FIRST + OTHER - what.len();
            writeln!(f, "{what}{value:>width$.digits$}")
        })
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

/// Writes a line.
fn row(f: &mut Formatter<'_>, first: &str, others: impl IntoIterator<Item = String>) -> Result {
    let others: String = others.into_iter().map(|other| format!("{other:>OTHER$}")).collect();
    writeln!(f, "{}", format!("{first:<FIRST$}{others}").trim_end())
}

/// Formats a value; its key has the unit.
fn cell(value: Option<f64>, key: &str) -> String {
    match value {
        Some(value) if key.ends_with("_mpps") => format!("{value:.3}"),
        Some(value) => format!("{value:.1}"),
        None => "-".to_owned(),
    }
}
