//! Boot files of a server: a kernel, an initramfs that finds the root file system, and a disk with all modules.

use std::{
    fs,
    path::Path,
    process::{self, Command},
};

use anyhow::{Context, Result};

use crate::{
    child,
    vm::{
        initramfs,
        kernel::{Flavour, Kernel, obtain},
    },
};

/// Modules that the initramfs needs to find the disks.
const MODULES: [&str; 4] = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"];

/// Size of a disk of modules, in MiB. The file is sparse.
const DISK: u64 = 1024;

/// Makes the folder `into/SERIES` with `vmlinuz`, `initramfs`, `modules.img` and a file `release`, of the newest kernel of
/// `series` in `kernels` or else of those that apt knows.
pub(super) fn make(kernels: &Path, series: &str, into: &Path) -> Result<()> {
    let kernel = obtain(kernels, series, Flavour::Server)?;
    let dir = into.join(series);
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut archive = initramfs::base(&kernel, &MODULES, &[])?;
    archive.file("/init", include_bytes!("init.sh"));
    archive.folder("/root");
    initramfs::write(&dir.join("initramfs"), archive)?;
    fs::copy(&kernel.image, dir.join("vmlinuz")).with_context(|| format!("cannot copy {}", kernel.image.display()))?;

    let (disk, release) = (dir.join("modules.img"), dir.join("release"));
    let complete = disk.exists() && fs::read_to_string(&release).is_ok_and(|of| of == kernel.release);
    if !complete {
        eprintln!("xtask: making a disk of the modules of {}", kernel.release);
        let partial = dir.join(format!(".modules.{}", process::id()));
        let outcome = modules(&kernel, &partial).and_then(|()| Ok(fs::rename(&partial, &disk)?));
        let _ = fs::remove_file(&partial);
        outcome?;
        fs::write(&release, &kernel.release)?;
    }
    Ok(())
}

/// Writes a file system with all modules, in the folder of their release, to `disk`.
fn modules(kernel: &Kernel, disk: &Path) -> Result<()> {
    // depmod expects lib/modules/RELEASE below its base.
    let folder = kernel.modules.parent().context("modules without a folder")?;
    let base = folder.parent().and_then(Path::parent).context("modules without a folder")?;
    child::run(Command::new("depmod").arg("--basedir").arg(base).arg(&kernel.release))?;
    let file = fs::File::create(disk).with_context(|| format!("cannot create {}", disk.display()))?;
    file.set_len(DISK << 20)?;
    // Nothing is ever written to it, so it needs no journal.
    child::run(
        Command::new("mkfs.ext4").args(["-q", "-F", "-O", "^has_journal", "-m", "0", "-d"]).arg(folder).arg(disk),
    )
}
