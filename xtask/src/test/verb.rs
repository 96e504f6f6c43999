//! The stages of `cargo xtask test`.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
};

use anyhow::{Context, Result};

use super::{
    Report, Stage, Tally,
    beside::{Beside, Share},
    leftovers, stage,
};
use crate::{
    cargo::{self, cargo},
    child::Console,
    ebpf, fuzz, instructions, interrupt, machine,
    setup::{self, Purpose},
    vm,
};

/// The test target that runs the BPF programs on packets, here and in VMs.
pub(crate) const PACKET_TESTS: &str = "packets";

/// The test target that installs the package in a clean system.
const PACKAGE_TESTS: &str = "packaging";

/// Number of labs in parallel: mostly they wait, so it may exceed the cores; with too many they wait for each other.
const LABS: usize = 4;

/// Runs all stages, or with a `filter` only the tests whose names contain it. Whole servers are run on request.
pub(crate) fn run(root: &Path, with_vms: bool, with_servers: bool, filter: Option<&str>) -> Result<ExitCode> {
    let mut purposes = vec![Purpose::Bpf, Purpose::Lab, Purpose::Package, Purpose::Install];
    if with_vms {
        purposes.extend([Purpose::Vm, Purpose::Machine]);
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
    let agent = run.build();
    thread::scope(|scope| {
        // The labs wait more than they compute: the fuzz targets are built and run in what they leave of the processors.
        let fuzz = |tally: &mut Tally, console: &Console| fuzz::stage(root, None, fuzz::SECONDS_BESIDE, tally, console);
        let fuzz = filter.is_none().then(|| Beside::start(scope, fuzz::STAGE, Share::Idle, fuzz));
        run.tests(agent.as_deref());
        if let Some(fuzz) = fuzz {
            run.report.add(fuzz.finish());
        }
    });
    if with_servers {
        run.stage(machine::STAGE, |tally| machine::stage(root, tally));
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

    /// Returns the path of the agent's binary.
    fn build(&mut self) -> Option<PathBuf> {
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
        agent
    }

    fn tests(&mut self, agent: Option<&Path>) {
        let root = self.root;
        self.harness("unit tests", &["--lib", "--bins"], None, agent);
        self.harness("packet tests", &["--test", PACKET_TESTS], None, agent);

        let mut names = Vec::new();
        match cargo::integration_tests(root) {
            Ok(found) => {
                names = found.into_iter().filter(|name| name != PACKET_TESTS && name != PACKAGE_TESTS).collect();
            }
            Err(error) => self.stage("end-to-end tests", |_| Err(error)),
        }
        let targets: Vec<_> = names.iter().flat_map(|name| ["--test", name.as_str()]).collect();
        if !targets.is_empty() {
            self.harness("end-to-end tests", &targets, Some(LABS), agent);
        }
        self.harness("package", &["--test", PACKAGE_TESTS], Some(LABS), agent);
    }

    /// A stage for each kernel. They run side by side, since each takes one processor: the first shows what it does, the
    /// others are shown when they are through.
    fn packets_on_other_kernels(&mut self) {
        let (root, filter) = (self.root, self.filter);
        let name = |series: &str| format!("packets on {series}");
        if let Err(error) = vm::prepare(root) {
            return self.stage("packets on other kernels", |_| Err(error));
        }
        thread::scope(|scope| {
            let start = |series| {
                let run = move |tally: &mut Tally, console: &Console| vm::run_on(root, series, filter, tally, console);
                Beside::start(scope, &name(series), Share::Equal, run)
            };
            let [first, others @ ..] = vm::GATE;
            let others = others.map(start);
            self.stage(&name(first), |tally| vm::run_on(root, first, filter, tally, &Console::Shown));
            for other in others {
                self.report.add(other.finish());
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
