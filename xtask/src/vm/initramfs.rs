//! The root file system of a test VM.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{cpio::Archive, kernel::Kernel};
use crate::child;

/// Modules that the tests need and that are not built into every kernel.
const MODULES: [&str; 3] = ["veth", "sch_ingress", "cls_bpf"];

/// Writes the initramfs that runs `tests` with `arguments` on `kernel` into `dir`, and returns its path.
pub(super) fn make(dir: &Path, kernel: &Kernel, tests: &Path, arguments: &str) -> Result<PathBuf> {
    let stripped = dir.join(format!("tests-{}", kernel.release));
    child::run(Command::new("strip").arg("-o").arg(&stripped).arg(tests))?;
    let mut archive = base(kernel, &MODULES, &[&stripped])?;
    archive.file("/init", include_bytes!("init.sh"));
    archive.file("/tests", &read(&stripped)?);
    archive.file("/arguments", arguments.as_bytes());
    write(&dir.join(format!("initramfs-{}", kernel.release)), archive)
}

/// Makes an archive with busybox, the libraries that it and `programs` are linked to, and `modules` of a kernel with
/// those that they need: `/modules/order` lists them in the order of loading.
pub(crate) fn base(kernel: &Kernel, modules: &[&str], programs: &[&Path]) -> Result<Archive> {
    let mut archive = Archive::default();
    for folder in ["/bin", "/dev", "/proc", "/run", "/sys", "/tmp"] {
        archive.folder(folder);
    }
    // Init's standard streams are opened before it can mount anything.
    archive.device("/dev/console", 5, 1);

    let mut order = Vec::new();
    for module in modules {
        for (name, contents) in kernel.module(module)? {
            if !order.contains(&name) {
                archive.file(&format!("/modules/{name}.ko"), &contents);
                order.push(name);
            }
        }
    }
    archive.file("/modules/order", order.join("\n").as_bytes());

    let busybox = find_busybox()?;
    let mut libraries = libraries_of(&busybox)?;
    for program in programs {
        libraries.extend(libraries_of(program)?);
    }
    libraries.sort();
    libraries.dedup();
    for library in libraries {
        archive.file(&library, &read(Path::new(&library))?);
    }
    archive.file("/bin/busybox", &read(&busybox)?);
    Ok(archive)
}

/// Writes a complete archive to `path`, which is returned.
pub(crate) fn write(path: &Path, archive: Archive) -> Result<PathBuf> {
    fs::write(path, archive.finish()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_owned())
}

fn find_busybox() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut dirs = env::split_paths(&path).chain([PathBuf::from("/bin")]);
    dirs.find_map(|dir| Some(dir.join("busybox")).filter(|path| path.is_file())).context("no busybox on PATH")
}

/// Returns the paths of the libraries that a program is linked to, the loader among them; none for a static one.
fn libraries_of(program: &Path) -> Result<Vec<String>> {
    // ldd fails if there are none.
    let output = Command::new("ldd").arg(program).output().context("cannot start ldd")?;
    Ok(parse_ldd(&String::from_utf8_lossy(&output.stdout)))
}

fn parse_ldd(output: &str) -> Vec<String> {
    output.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_names_libraries_and_the_loader_by_path() {
        let printed =
            "\tlinux-vdso.so.1 (0x00007f)\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n\t/lib64/ld.so.2 (0x00007f)\n";
        assert_eq!(parse_ldd(printed), ["/lib/libc.so.6", "/lib64/ld.so.2"]);
        assert!(parse_ldd("\tstatically linked\n").is_empty());
    }
}
