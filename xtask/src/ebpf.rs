//! Builds the BPF objects: finds a suitable compiler and linker, and runs a nested cargo with them.
//!
//! Two compilers are suitable. A rustup nightly with the `rust-src` component builds `core` for the BPF target itself.
//! Debian's packaged `rustc` comes with that `core` ready-made. Both link with `bpf-linker`.
//!
//! `gateway/build.rs` includes this file too, so that a plain `cargo build` works: it uses nothing but `std`.

use std::{
    env::{self, consts::EXE_SUFFIX},
    error, fmt, fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

/// The package and binary that hold the BPF programs.
const PACKAGE: &str = "gateway-ebpf";
const BINARY: &str = "vtep-gateway-ebpf";
/// The binary with the programs of `vtep-gateway trace` and `capture`; it is beside the other one.
const CAPTURE_BINARY: &str = "vtep-gateway-capture";
/// The binary with the benchmark's own programs. The agent does not need it.
const BENCH_BINARY: &str = "vtep-gateway-bench";
const TARGET: &str = "bpfel-unknown-none";

/// Environment variable with the path of a ready-made object, for builds without a BPF toolchain; `vtep-gateway-capture`
/// and, for the benchmark, `vtep-gateway-bench` are beside it.
pub(crate) const OBJECT_ENV: &str = "VTEP_GATEWAY_BPF_OBJECT";

/// Path of Debian's compiler; the `core` for BPF goes with it.
pub(crate) const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CORE: &str = "/usr/lib/rustlib/bpfel-unknown-none/lib";
pub(crate) const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";

/// The packages that contain all of that.
pub(crate) const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "libstd-rust-web-dev-bpf", "rust-web-clippy"];

/// Flags of the BPF target only: debug information, which the linker turns into BTF.
const RUSTFLAGS: [&str; 6] = ["-C", "debuginfo=2", "-C", "link-arg=--btf", "-C", "target-cpu=v3"];

/// A compiler that can build `core` for BPF, or has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// A rustup toolchain with `rust-src`, by its name.
    Nightly(String),
    /// Debian's own.
    Debian,
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nightly(name) => write!(f, "rustup's {name} with rust-src"),
            Self::Debian => write!(f, "Debian's {DEBIAN_RUSTC}"),
        }
    }
}

/// Error of building the BPF object.
#[derive(Debug)]
pub(crate) enum Error {
    /// None of these places has a compiler for BPF.
    NoCompiler(Vec<String>),
    /// None of these directories has `bpf-linker`.
    NoLinker(Vec<PathBuf>),
    /// The nested cargo could not be started.
    Spawn(String, io::Error),
    /// The nested cargo failed, and has printed the reason.
    Failed(String, ExitStatus),
    /// The nested cargo succeeded, but the object is missing.
    NoObject(PathBuf),
    /// [`OBJECT_ENV`] has a path that is no file.
    NotAFile(PathBuf),
}

impl error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const REMEDY: &str = "`cargo xtask setup` installs what is missing";
        match self {
            Self::NoCompiler(looked) => {
                writeln!(f, "no Rust compiler for the BPF programs; looked for")?;
                for place in looked {
                    writeln!(f, "  - {place}")?;
                }
                write!(
                    f,
                    "{REMEDY}; by hand: `rustup toolchain install nightly --component rust-src`, \
                     or on Debian `apt-get install {}`",
                    DEBIAN_PACKAGES.join(" ")
                )
            }
            Self::NoLinker(looked) => {
                let looked: Vec<_> = looked.iter().map(|dir| dir.display().to_string()).collect();
                write!(f, "no `bpf-linker` in {}; {REMEDY}; by hand: `cargo install bpf-linker`", looked.join(", "))
            }
            Self::Spawn(command, source) => write!(f, "cannot start `{command}`: {source}"),
            Self::Failed(command, status) => write!(f, "building the BPF programs failed: `{command}`: {status}"),
            Self::NoObject(path) => write!(f, "the build went well but left no BPF object at {}", path.display()),
            Self::NotAFile(path) => write!(
                f,
                "{OBJECT_ENV} is set to {}, which is no readable file: correct it, or unset it to build the object here",
                path.display()
            ),
        }
    }
}

/// Builds the two BPF objects of the agent from the workspace at `root`, unless the environment has ready-made ones.
/// Returns the path of the first.
pub(crate) fn build(root: &Path) -> Result<PathBuf, Error> {
    build_binaries(root, &[BINARY, CAPTURE_BINARY])
}

/// Builds the benchmark's programs. Returns their path.
pub(crate) fn build_bench(root: &Path) -> Result<PathBuf, Error> {
    beside(&build_binaries(root, &[BENCH_BINARY])?, BENCH_BINARY)
}

/// Returns the object of `vtep-gateway trace` and `capture`, which was built along with `object`.
pub(crate) fn capture_object(object: &Path) -> Result<PathBuf, Error> {
    beside(object, CAPTURE_BINARY)
}

fn beside(object: &Path, binary: &str) -> Result<PathBuf, Error> {
    let object = object.with_file_name(binary);
    if object.is_file() { Ok(object) } else { Err(Error::NoObject(object)) }
}

/// Builds these binaries. Returns the path of the first.
fn build_binaries(root: &Path, binaries: &[&str]) -> Result<PathBuf, Error> {
    if let Some(object) = env::var_os(OBJECT_ENV) {
        let object = PathBuf::from(object);
        return if object.is_file() { Ok(object) } else { Err(Error::NotAFile(object)) };
    }
    let linker = find_linker()?;
    let mut command = nested_cargo(root, &find_compiler()?, "build");
    command.env("PATH", path_with(&linker)).args(binaries.iter().flat_map(|binary| ["--bin", binary]));
    run(command)?;

    let built = target_dir(root).join(TARGET).join("release").join(binaries.first().unwrap_or(&BINARY));
    if built.is_file() { Ok(built) } else { Err(Error::NoObject(built)) }
}

/// Returns the command that lints the BPF programs, with warnings as errors. They don't compile for the host: there is
/// no unwinding without `std`.
pub(crate) fn lint_command(root: &Path) -> Result<Command, Error> {
    let mut command = nested_cargo(root, &find_compiler()?, "clippy");
    command.args(["--", "-D", "warnings"]);
    Ok(command)
}

/// Returns the first suitable compiler.
pub(crate) fn find_compiler() -> Result<Compiler, Error> {
    let mut looked = Vec::new();

    let toolchains = rustup_home().join("toolchains");
    let mut nightlies: Vec<String> = fs::read_dir(&toolchains)
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    nightlies.retain(|name| name.starts_with("nightly"));
    // Plain `nightly` before dated ones, and those from new to old.
    nightlies.sort_by_key(|name| (name.starts_with("nightly-2"), std::cmp::Reverse(name.clone())));
    if nightlies.is_empty() {
        looked.push(format!("a rustup nightly with rust-src: no nightly in {}", toolchains.display()));
    }
    for name in nightlies {
        let source = toolchains.join(&name).join("lib/rustlib/src/rust/library/core/Cargo.toml");
        if source.is_file() {
            return Ok(Compiler::Nightly(name));
        }
        looked.push(format!("a rustup nightly with rust-src: {name} is there, but not its rust-src"));
    }

    let has_core = |dir| {
        fs::read_dir(dir).is_ok_and(|entries| {
            entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
        })
    };
    if !Path::new(DEBIAN_RUSTC).is_file() {
        looked.push(format!("Debian's compiler: no {DEBIAN_RUSTC}"));
    } else if !has_core(DEBIAN_CORE) {
        looked.push(format!("Debian's compiler: {DEBIAN_RUSTC} is there, but no libcore in {DEBIAN_CORE}"));
    } else {
        return Ok(Compiler::Debian);
    }
    Err(Error::NoCompiler(looked))
}

/// Returns the directory that holds `bpf-linker`: one of PATH, else cargo's own.
pub(crate) fn find_linker() -> Result<PathBuf, Error> {
    let mut dirs: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    dirs.push(cargo_home().join("bin"));
    match dirs.iter().find(|dir| dir.join(format!("bpf-linker{EXE_SUFFIX}")).is_file()) {
        Some(dir) => Ok(dir.clone()),
        None => Err(Error::NoLinker(dirs)),
    }
}

/// Removes the variables of an outer cargo and those that control its compiler. A nested cargo that saw them would
/// build for the wrong target, with the wrong compiler or under clippy, or rebuild fresh targets.
pub(crate) fn forget_outer_cargo(command: &mut Command) {
    const KEPT: [&str; 7] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
    ];
    const PREFIXES: [&str; 5] = ["CARGO", "CLIPPY_", "DEP_", "RUSTC", "RUSTDOC"];
    const NAMES: [&str; 10] =
        ["DEBUG", "HOST", "MAKEFLAGS", "MFLAGS", "NUM_JOBS", "OPT_LEVEL", "OUT_DIR", "PROFILE", "RUSTFLAGS", "TARGET"];
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let kept = KEPT.iter().any(|kept| name.starts_with(kept));
        if NAMES.contains(&name) || (!kept && PREFIXES.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
}

/// Returns the cargo that runs this program, or the one on PATH.
pub(crate) fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Returns cargo's directory of installed programs, which has `bin`.
pub(crate) fn cargo_home() -> PathBuf {
    env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from)
}

/// Returns rustup's directory of toolchains.
pub(crate) fn rustup_home() -> PathBuf {
    env::var_os("RUSTUP_HOME").map_or_else(|| home().join(".rustup"), PathBuf::from)
}

fn home() -> PathBuf {
    env::home_dir().unwrap_or_else(|| PathBuf::from("/root"))
}

/// Returns a target directory apart from the host's: the two builds neither wait for each other nor discard each
/// other's output.
fn target_dir(root: &Path) -> PathBuf {
    root.join("target/ebpf")
}

/// Makes the command `cargo VERB` for the BPF programs with this compiler.
fn nested_cargo(root: &Path, compiler: &Compiler, verb: &str) -> Command {
    let mut command = match compiler {
        Compiler::Nightly(name) => {
            let mut command = Command::new("rustup");
            command.args(["run", name, "cargo", verb, "-Z", "build-std=core"]);
            command
        }
        // Its clippy has to match the compiler, so it is Debian's as well.
        Compiler::Debian if verb == "clippy" => {
            let mut command = Command::new(DEBIAN_CLIPPY);
            command.arg(verb);
            command
        }
        Compiler::Debian => {
            let mut command = Command::new(cargo());
            command.arg(verb);
            command
        }
    };
    forget_outer_cargo(&mut command);
    if *compiler == Compiler::Debian {
        // `RUSTC_BOOTSTRAP`: BPF needs features that a stable compiler offers only with this variable.
        command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1").env("CARGO", cargo());
    }
    command
        .current_dir(root)
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"))
        .args(["--package", PACKAGE, "--release", "--locked", "--target", TARGET, "--target-dir"])
        .arg(target_dir(root));
    command
}

/// Returns PATH with `dir` at its end.
fn path_with(dir: &Path) -> std::ffi::OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain([dir.to_owned()]);
    // A directory with a colon in its name can't be added; it can't be on PATH either.
    env::join_paths(dirs).unwrap_or(path)
}

fn run(mut command: Command) -> Result<(), Error> {
    let words: Vec<_> =
        [command.get_program()].into_iter().chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
    let shown = words.join(" ");
    let status = command.status().map_err(|source| Error::Spawn(shown.clone(), source))?;
    if status.success() { Ok(()) } else { Err(Error::Failed(shown, status)) }
}
