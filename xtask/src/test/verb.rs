//! The stages of `cargo xtask test`.

use std::{
    io::{self, Write},
    path::Path,
    process::{Command, ExitCode},
    thread,
};

use anyhow::{Context, Result, bail};

use super::{Report, Stage, Tally, leftovers, stage};
use crate::{
    cargo::{self, cargo},
    child, ebpf, fuzz, instructions, interrupt,
    setup::{self, Purpose},
    vm,
};

/// The test target that runs the BPF programs on packets, here and in VMs.
pub(crate) const PACKET_TESTS: &str = "packets";

/// The test target that installs the package in a clean system.
const PACKAGE_TESTS: &str = "packaging";

/// Number of labs in parallel: mostly they wait, so it may exceed the cores; with too many they wait for each other.
const LABS: usize = 4;

/// Runs all stages, or with a `filter` only the tests whose names contain it.
pub(crate) fn run(root: &Path, with_vms: bool, filter: Option<&str>) -> Result<ExitCode> {
    let mut purposes = vec![Purpose::Bpf, Purpose::Lab, Purpose::Package, Purpose::Install];
    if with_vms {
        purposes.push(Purpose::Vm);
    }
    if filter.is_none() {
        purposes.extend([Purpose::Checks, Purpose::Fuzz]);
    }
    setup::ensure(&purposes)?;

    let before = leftovers::found();
    let mut run = Run { root, filter, report: Report::default() };
    if filter.is_none() {
        run.checks();
    }
    run.tests();
    if filter.is_none() {
        run.stage(fuzz::STAGE, |tally| fuzz::stage(root, None, fuzz::SECONDS, tally));
    }
    if with_vms {
        run.packets_on_other_kernels();
        if filter.is_none() {
            run.stage(instructions::STAGE, |tally| instructions::check(root, tally));
        }
    }
    run.stage(leftovers::STAGE, |tally| leftovers::check(&before, tally));
    Ok(run.report.conclude())
}

struct Run<'a> {
    root: &'a Path,
    filter: Option<&'a str>,
    report: Report,
}

impl Run<'_> {
    fn checks(&mut self) {
        let root = self.root;
        self.cargo("format", &["fmt", "--all", "--check"]);
        let clippy = ["clippy"].into_iter().chain(cargo::HOST_PACKAGES);
        let clippy: Vec<_> = clippy.chain(["--all-targets", "--", "-D", "warnings"]).collect();
        self.cargo("lint", &clippy);
        self.stage("lint of the BPF programs", |tally| stage::command(&mut ebpf::lint_command(root)?, tally));
        // codespell reads .codespellrc.
        self.stage("spelling", |tally| stage::command(Command::new("codespell").current_dir(root), tally));
        // cargo-deny reads deny.toml. Its warnings of duplicates print the whole tree of dependents, which helps
        // nobody.
        self.cargo("dependencies", &["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    }

    fn tests(&mut self) {
        let root = self.root;
        let mut agent = None;
        self.stage("build", |_| {
            let build = ["build", "--bins"].into_iter().chain(cargo::HOST_PACKAGES);
            agent = cargo::executables(root, build)?.remove("vtep-gateway");
            agent.as_ref().map(|_| ()).context("cargo built no binary `vtep-gateway`")?;
            // A test runs the benchmark.
            ebpf::build_bench(root)?;
            Ok(())
        });
        self.harness("unit tests", &["--lib", "--bins"], None, agent.as_deref());
        self.harness("packet tests", &["--test", PACKET_TESTS], None, agent.as_deref());

        let mut names = Vec::new();
        match cargo::integration_tests(root) {
            Ok(found) => {
                names = found.into_iter().filter(|name| name != PACKET_TESTS && name != PACKAGE_TESTS).collect();
            }
            Err(error) => self.stage("end-to-end tests", |_| Err(error)),
        }
        let targets: Vec<_> = names.iter().flat_map(|name| ["--test", name.as_str()]).collect();
        if !targets.is_empty() {
            self.harness("end-to-end tests", &targets, Some(LABS), agent.as_deref());
        }
        self.harness("package", &["--test", PACKAGE_TESTS], Some(LABS), agent.as_deref());
    }

    /// A stage for each kernel. They run side by side, since each takes one processor: the first shows what it does, the
    /// others are shown when they are through.
    fn packets_on_other_kernels(&mut self) {
        let (root, filter) = (self.root, self.filter);
        let name = |series: &str| format!("packets on {series}");
        if let Err(error) = vm::prepare(root) {
            return self.stage("packets on other kernels", |_| Err(error));
        }
        let [first, others @ ..] = vm::SERIES;
        thread::scope(|scope| {
            let others = others.map(|series| {
                let run = move || {
                    let (mut tally, mut console, start) = (Tally::default(), Vec::new(), child::now());
                    let outcome = vm::run_on(root, series, filter, &mut tally, &mut console);
                    (outcome, tally, console, child::now() - start)
                };
                (series, scope.spawn(run))
            });
            self.stage(&name(first), |tally| vm::run_on(root, first, filter, tally, io::stdout()));
            for (series, running) in others {
                let Ok((outcome, tally, console, took)) = running.join() else {
                    self.stage(&name(series), |_| bail!("its thread has panicked"));
                    continue;
                };
                self.stage(&name(series), |counted| {
                    io::stdout().write_all(&console)?;
                    *counted = tally;
                    outcome
                });
                self.report.last_took(took);
            }
        });
    }

    /// A stage that is `cargo test` of these targets.
    fn harness(&mut self, name: &str, targets: &[&str], threads: Option<usize>, agent: Option<&Path>) {
        let (root, filter) = (self.root, self.filter);
        let args = ["test", "--no-fail-fast"].into_iter().chain(cargo::HOST_PACKAGES).chain(targets.iter().copied());
        let mut command = cargo(root, args);
        command.arg("--").args(threads.map(|threads| format!("--test-threads={threads}"))).args(filter);
        if let Some(agent) = agent {
            command.env(cargo::AGENT_ENV, agent);
        }
        self.stage(name, |tally| stage::command(&mut command, tally));
    }

    /// Adds a stage that is one cargo command.
    fn cargo(&mut self, name: &str, args: &[&str]) {
        let mut command = cargo(self.root, args.iter().copied());
        self.stage(name, |tally| stage::command(&mut command, tally));
    }

    /// Runs a stage, unless the user has interrupted.
    fn stage(&mut self, name: &str, work: impl FnOnce(&mut Tally) -> Result<()>) {
        if !interrupt::happened() {
            self.report.add(Stage::run(name, work));
        }
    }
}
