//! `cargo xtask instructions`, and the stage of `cargo xtask test`.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Result, ensure};

use super::{
    compare::{self, Row},
    console::{self, Counts},
    record::Record,
};
use crate::{
    setup::{self, Purpose},
    test::{Report, Stage, Tally},
    vm::{self, Clock},
};

/// Use of the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Compare them with the record.
    Compare,
    /// Record them.
    Record,
    /// Print them as JSON, and nothing else.
    Json,
}

/// The name of the stage.
pub(crate) const STAGE: &str = "instructions per packet";

/// The test target that counts.
const TARGET: &str = "instructions";

/// Kernel series of the counts, because the cost of helpers depends on it.
const SERIES: &str = "6.12";

/// Counts, and compares with the record, or replaces it, or prints JSON.
pub(crate) fn run(root: &Path, what: What) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Bpf, Purpose::Vm])?;
    match what {
        What::Compare => {
            let mut report = Report::default();
            report.add(Stage::run(STAGE, |tally| check(root, tally)));
            return Ok(report.conclude());
        }
        What::Record => {
            let counted = count(root, io::stdout())?;
            // The previous record may be missing, or have an older form.
            let before = Record::read(root).map(|record| record.instructions).unwrap_or_default();
            println!("\n{}", compare::table(&compare::rows(&counted.instructions, &before)));
            println!("now on record: {}", counted.write(root)?.display());
        }
        What::Json => println!("{}", count(root, io::stderr())?.json()?),
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts and compares with the record; each path is a test in `tally`.
pub(crate) fn check(root: &Path, tally: &mut Tally) -> Result<()> {
    let counted = count(root, io::stdout())?;
    let recorded = Record::read(root)?;
    let rows = compare::rows(&counted.instructions, &recorded.instructions);
    println!("\n{}", compare::table(&rows));
    for row in &rows {
        *if row.holds() { &mut tally.passed } else { &mut tally.failed } += 1;
    }
    let differing: Vec<_> = rows.iter().filter(|row| !row.holds()).map(Row::path).collect();
    ensure!(
        differing.is_empty(),
        "{} on Linux {} not as on record (from Linux {}): if that is meant, put it there with \
         `cargo xtask instructions --record`",
        differing.join(", "),
        counted.kernel,
        recorded.kernel
    );
    Ok(())
}

fn count(root: &Path, echo: impl Write) -> Result<Record> {
    let mut instructions = Counts::new();
    let read = |line: &str| console::read(line, &mut instructions);
    let kernel = vm::run_target(root, TARGET, "", SERIES, Clock::Instructions, echo, read)?;
    Ok(Record { kernel, instructions })
}
