//! `cargo xtask fuzz`: builds the targets of `gateway/fuzz` and runs them with inputs from libFuzzer.
//!
//! The coverage instrumentation is an LLVM pass that every compiler has, so the toolchain of the agent builds the
//! targets as well. Inputs that reach new code are kept in `target/fuzz/corpus`, and the next run starts from them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    num::NonZero,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Mutex,
    thread,
};

use anyhow::{Context, Result, anyhow, bail};

use crate::{
    cargo,
    child::{self, Console},
    ebpf, interrupt,
    setup::{self, Purpose},
    test::{Report, Stage, Tally},
};

/// Name of the stage of `cargo xtask test`.
pub(crate) const STAGE: &str = "fuzz targets";

/// Run time of each target, in seconds.
pub(crate) const SECONDS: u64 = 60;

/// Run time of each target in `cargo xtask test`, where it has only what the labs leave of the processors, in seconds.
pub(crate) const SECONDS_BESIDE: u64 = 90;

/// The crate of the targets. It is a workspace of its own: other flags, other dependencies.
const MANIFEST: &str = "gateway/fuzz/Cargo.toml";
/// Explicit target, which keeps the flags below from build scripts and macros.
const HOST: &str = "host-tuple";
/// The instrumentation that libFuzzer reads, and the checks that a release build leaves out.
const RUSTFLAGS: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
];
/// Memory limit for one input, in MiB.
const MEMORY: u32 = 2048;
/// Time limit for one input, in seconds.
const PATIENCE: u32 = 20;

/// Runs all targets, or the one named, for `seconds` each.
pub(crate) fn run(root: &Path, target: Option<&str>, seconds: u64) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Bpf, Purpose::Fuzz])?;
    let mut report = Report::default();
    report.add(Stage::run(STAGE, |tally| stage(root, target, seconds, tally, &Console::Shown)));
    Ok(report.conclude())
}

/// Builds and runs the targets, as many in parallel as there are processors.
pub(crate) fn stage(root: &Path, only: Option<&str>, seconds: u64, tally: &mut Tally, console: &Console) -> Result<()> {
    let known = targets(root)?;
    if let Some(only) = only
        && !known.iter().any(|target| target == only)
    {
        bail!("no fuzz target `{only}`; there are: {}", known.join(", "));
    }
    let built = build(root, console)?;
    let waiting = Mutex::new(known.into_iter().filter(|target| only.is_none_or(|only| only == target)));
    let next = || waiting.lock().ok().and_then(|mut targets| targets.next());
    let outcomes = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(target) = next()
                    && !interrupt::happened()
                {
                    let outcome = built
                        .get(&target)
                        .ok_or_else(|| anyhow!("{MANIFEST} has no [[bin]] `{target}`"))
                        .and_then(|program| fuzz(root, &target, program, seconds));
                    match &outcome {
                        Ok(inputs) => console.line(&format!("{target}: {inputs} inputs, none of them harmful")),
                        Err(error) => console.line(&format!("{target}: {error:#}")),
                    }
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.push((target, outcome.is_ok()));
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_default();
    let failed: Vec<_> = outcomes.iter().filter(|(_, sound)| !sound).map(|(target, _)| target.as_str()).collect();
    tally.passed += (outcomes.len() - failed.len()) as u64;
    tally.failed += failed.len() as u64;
    if failed.is_empty() { Ok(()) } else { bail!("harmful inputs, or none could be tried: {}", failed.join(", ")) }
}

/// Returns the targets that have a source file, sorted.
fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("gateway/fuzz/fuzz_targets");
    let files = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths = files.filter_map(|file| Some(file.ok()?.path()));
    let sources = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut targets: Vec<_> = sources.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    targets.sort();
    Ok(targets)
}

fn build(root: &Path, console: &Console) -> Result<BTreeMap<String, PathBuf>> {
    let arguments = ["build", "--release", "--locked", "--target", HOST, "--manifest-path", MANIFEST];
    let mut command = cargo::cargo(root, arguments);
    if matches!(console, Console::Kept(_)) {
        command.arg("--quiet");
    }
    command.env("CARGO_TARGET_DIR", folder(root)).env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"));
    // The target of the BPF programs runs the programs themselves.
    command.env(ebpf::OBJECT_ENV, ebpf::build(root)?);
    cargo::executables_of(&mut command)
}

/// Returns the directory of the built targets and their inputs.
fn folder(root: &Path) -> PathBuf {
    root.join("target/fuzz")
}

/// Runs one target. Returns the number of inputs that it has tried.
fn fuzz(root: &Path, target: &str, program: &Path, seconds: u64) -> Result<u64> {
    let made = |kind: &str| -> Result<PathBuf> {
        let folder = folder(root).join(kind).join(target);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    };
    let (corpus, artifacts) = (made("corpus")?, made("artifacts")?);
    let log = made("log")?.join("last.txt");
    let mut command = Command::new(program);
    command
        .current_dir(root)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .arg(format!("-timeout={PATIENCE}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-print_final_stats=1", "-verbosity=1"])
        .arg(corpus)
        .stderr(File::create(&log).with_context(|| format!("cannot write {}", log.display()))?);
    let seeds = root.join("gateway/fuzz/seeds").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    let outcome = child::run(&mut command);
    let printed = fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    if let Err(error) = outcome {
        let why = printed.lines().skip_while(|line| !line.contains("panicked at") && !line.contains("ERROR: "));
        let why: Vec<_> = why.take(4).collect();
        let artifacts = artifacts.display();
        bail!("{error:#}; its input is in {artifacts}, its output is in {}:\n{}", log.display(), why.join("\n"));
    }
    inputs(&printed).with_context(|| format!("{target} did not print how many inputs it tried: {}", log.display()))
}

fn inputs(printed: &str) -> Option<u64> {
    let line = printed.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok().filter(|&inputs| inputs > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_tried_nothing_has_not_passed() {
        assert_eq!(inputs("Done\nstat::number_of_executed_units: 4711\nstat::x: 1"), Some(4711));
        assert_eq!(inputs("stat::number_of_executed_units: 0"), None);
        assert_eq!(inputs("usage"), None);
    }

    #[test]
    fn each_source_file_is_a_target_of_the_manifest() {
        let root = crate::root();
        let manifest = fs::read_to_string(root.join(MANIFEST)).unwrap();
        for target in targets(&root).unwrap() {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
        }
    }
}
