//! The files of the package, at the paths of their installation.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use super::{
    control::{fill, maintainer, put},
    epoch::rfc_2822,
};
use crate::child;

const DOC: &str = "usr/share/doc/vtep-gateway";

/// Folders of `packaging` that are installed unchanged, if they exist: files for Prometheus and Grafana.
const SHARED: [&str; 2] = ["prometheus", "grafana"];

/// Completion scripts: the shell, and the path at which it looks for one.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/vtep-gateway"),
    ("zsh", "usr/share/zsh/vendor-completions/_vtep-gateway"),
    ("fish", "usr/share/fish/vendor_completions.d/vtep-gateway.fish"),
];

/// Header of the example configuration, in which everything is commented out.
const UNCONFIGURED: &str = "\
# Nothing is set yet: take away the # of the lines that begin with one and no space, as far as they are wanted. There have
# to be [gateway] with an address, an [[uplink]] and a [[port]]. Then: vtep-gateway check-config, and
# systemctl enable --now vtep-gateway
#
";

/// Lays out all files except those that dpkg itself reads.
pub(super) fn lay_out(root: &Path, stage: &Path, binary: &Path, version: &str, epoch: u64) -> Result<()> {
    let program = stage.join("usr/sbin/vtep-gateway");
    put(&program, "", 0o755)?;
    child::run(Command::new("strip").arg("--strip-unneeded").arg("-o").arg(&program).arg(binary))?;

    let packaging = root.join("packaging");
    let unit = read(&packaging.join("systemd/vtep-gateway.service"))?;
    put(&stage.join("usr/lib/systemd/system/vtep-gateway.service"), unit, 0o644)?;
    let example = read(&packaging.join("gateway.toml"))?;
    put(&stage.join("etc/vtep-gateway/gateway.toml"), commented(&example), 0o644)?;
    put(&stage.join(DOC).join("examples/gateway.toml"), example, 0o644)?;
    copy(&packaging.join("ovn"), &stage.join(DOC).join("examples"))?;
    for (shell, path) in COMPLETIONS {
        let script = child::output(Command::new(binary).args(["completions", shell]))?;
        put(&stage.join(path), script, 0o644)?;
    }
    manual(stage, binary)?;
    documents(root, stage)?;
    for folder in SHARED {
        copy(&packaging.join(folder), &stage.join("usr/share/vtep-gateway").join(folder))?;
    }
    let overrides = read(&packaging.join("debian/lintian-overrides"))?;
    put(&stage.join("usr/share/lintian/overrides/vtep-gateway"), overrides, 0o644)?;
    let mit = read(&root.join("LICENSE-MIT"))?;
    let mit: Vec<_> =
        mit.lines().map(|line| if line.is_empty() { " .".to_owned() } else { format!(" {line}") }).collect();
    let copyright = fill(&read(&packaging.join("debian/copyright"))?, &[("mit", &mit.join("\n"))])?;
    put(&stage.join(DOC).join("copyright"), copyright, 0o644)?;
    let changes = format!(
        "vtep-gateway ({version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- {}  {}\n",
        maintainer(),
        rfc_2822(epoch)?
    );
    let changelog = stage.join(DOC).join("changelog.Debian");
    put(&changelog, changes, 0o644)?;
    compress(&changelog)
}

/// Returns the paths of all files below `dir`, relative to it, in order; without dpkg's own.
pub(super) fn files(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(relative) = path.strip_prefix(dir)
                && !relative.starts_with("DEBIAN")
            {
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Comments everything in the example out, which an operator would otherwise have to remove.
fn commented(example: &str) -> String {
    let lines = example.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line if line.starts_with('#') => format!("{line}\n"),
        line => format!("#{line}\n"),
    });
    UNCONFIGURED.to_owned() + &lines.collect::<String>()
}

fn manual(stage: &Path, binary: &Path) -> Result<()> {
    let pages = stage.join("usr/share/man/pages");
    fs::create_dir_all(&pages)?;
    child::run(Command::new(binary).arg("man").arg("--dir").arg(&pages))?;
    for name in files(&pages)? {
        let Some((_, section)) = name.rsplit_once('.') else { continue };
        let page = stage.join(format!("usr/share/man/man{section}/{name}"));
        put(&page, fs::read(pages.join(&name))?, 0o644)?;
        compress(&page)?;
    }
    Ok(fs::remove_dir_all(&pages)?)
}

/// Copies README, change log and all of `docs`.
fn documents(root: &Path, stage: &Path) -> Result<()> {
    put(&stage.join(DOC).join("README.md"), read(&root.join("README.md"))?, 0o644)?;
    let changelog = stage.join(DOC).join("changelog");
    put(&changelog, read(&root.join("CHANGELOG.md"))?, 0o644)?;
    compress(&changelog)?;
    copy(&root.join("docs"), &stage.join(DOC).join("docs"))
}

/// Copies all files of a folder, if there is one.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        for name in files(from)? {
            put(&to.join(&name), fs::read(from.join(&name))?, 0o644)?;
        }
    }
    Ok(())
}

/// Compresses as Debian's policy requires (section 12.3), and without name and time, which would differ from build to
/// build.
fn compress(path: &Path) -> Result<()> {
    child::run(Command::new("gzip").args(["-9", "-n", "--force"]).arg(path).stdin(Stdio::null()))?;
    // gzip keeps the mode, except under a strict umask.
    let packed = path.with_file_name(format!("{}.gz", path.file_name().unwrap_or_default().to_string_lossy()));
    Ok(fs::set_permissions(packed, fs::Permissions::from_mode(0o644))?)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_commented_example_is_in_force() {
        let text = commented("# About.\n\n[gateway]\nvtep = 1\n#ttl = 64\nlist = [\n    2,\n]\n");
        let rest = text.strip_prefix(UNCONFIGURED).unwrap();
        assert_eq!(rest, "# About.\n\n#[gateway]\n#vtep = 1\n#ttl = 64\n#list = [\n#    2,\n#]\n");
    }
}
