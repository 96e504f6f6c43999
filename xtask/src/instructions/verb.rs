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
    test::Tally,
    vm::{self, Clock},
};

/// The name of the stage.
pub(crate) const STAGE: &str = "instructions per packet";

/// The test target that counts.
const TARGET: &str = "instructions";

/// The kernel series it counts on: helpers cost what they cost there.
const SERIES: &str = "6.12";

/// Counts, then compares with the record, replaces it, or prints JSON.
pub(crate) fn run(root: &Path, record: bool, json: bool) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Bpf, Purpose::Vm])?;
    let counted = count(root, io::stderr())?;
    if json {
        println!("{}", counted.json()?);
    }
    let rows = match Record::read(root) {
        // A record that can't be read is no reason not to make one.
        Err(_) if record || json => compare::rows(&counted.instructions, &Counts::new()),
        recorded => compare::rows(&counted.instructions, &recorded?.instructions),
    };
    if record {
        counted.write(root)?;
    }
    if !json {
        println!("{}", compare::table(&rows));
    }
    let holds = record || json || rows.iter().all(Row::holds);
    if !holds {
        println!("{}", remedy(&counted));
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Counts and compares with the record; each path is a test in `tally`.
pub(crate) fn check(root: &Path, tally: &mut Tally) -> Result<()> {
    let counted = count(root, io::stdout())?;
    let rows = compare::rows(&counted.instructions, &Record::read(root)?.instructions);
    println!("\n{}", compare::table(&rows));
    for row in &rows {
        *if row.holds() { &mut tally.passed } else { &mut tally.failed } += 1;
    }
    ensure!(rows.iter().all(Row::holds), remedy(&counted));
    Ok(())
}

fn count(root: &Path, echo: impl Write) -> Result<Record> {
    let mut instructions = Counts::new();
    let read = |line: &str| console::read(line, &mut instructions);
    let kernel = vm::run_target(root, TARGET, "", SERIES, Clock::Instructions, echo, read)?;
    Ok(Record { kernel, instructions })
}

fn remedy(counted: &Record) -> String {
    format!(
        "what a packet costs on Linux {} differs from the record; if that is meant, \
         `cargo xtask instructions --record` puts it on record",
        counted.kernel
    )
}
