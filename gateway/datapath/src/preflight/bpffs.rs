//! The BPF file system, which holds the pins.

use std::{fs::File, io, path::Path};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};

use super::checks::Failure;

/// Mount point by convention; the configuration keeps pins below it.
const MOUNT_POINT: &str = "/sys/fs/bpf";

/// Makes sure that `pin_dir` is on a BPF file system; mounts the file system if it is missing.
pub fn ensure(pin_dir: &Path) -> Result<(), Failure> {
    if !is_bpffs(Path::new(MOUNT_POINT)) {
        mount_once().map_err(|reason| {
            Failure::BpfFs(format!(
                "no BPF file system is mounted at {MOUNT_POINT}, and mounting it failed: {reason}; \
                 mount it with: mount -t bpf bpf {MOUNT_POINT}"
            ))
        })?;
    }
    // The directory itself is made later.
    let nearest = pin_dir.ancestors().find(|path| path.exists()).unwrap_or(pin_dir);
    if is_bpffs(nearest) {
        Ok(())
    } else {
        Err(Failure::BpfFs(format!(
            "gateway.pin_dir {}: expected a BPF file system, found another at {}; unmount that, or set another pin_dir",
            pin_dir.display(),
            nearest.display()
        )))
    }
}

/// Returns true if `path` is on a BPF file system.
pub fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC)
}

/// Mounts the file system unless another process was faster: a second one on top would hide the pins of the first.
fn mount_once() -> io::Result<()> {
    let _lock = Flock::lock(File::open(MOUNT_POINT)?, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    if is_bpffs(Path::new(MOUNT_POINT)) {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), MOUNT_POINT, Some("bpf"), flags, Some("mode=0700")).map_err(|errno| match errno {
        Errno::EPERM => io::Error::other("operation not permitted (it takes CAP_SYS_ADMIN)"),
        other => other.into(),
    })?;
    tracing::info!("mounted the BPF file system at {MOUNT_POINT}, where none was");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_system_is_not_taken_for_it() {
        assert!(!is_bpffs(Path::new("/proc")));
        assert!(!is_bpffs(Path::new("/nonexistent")));
    }
}
