//! Settings of the C library's allocator, and the memory use of this process by kind.
//!
//! A snapshot of a hundred thousand rows needs several times their memory for a short time. glibc would keep most of
//! that. It keeps blocks of up to 32 MiB once one of that size was freed (mallopt(3), `M_MMAP_THRESHOLD`), and small
//! blocks wherever a block above them is in use.

use std::{fs, io};

/// Size in bytes from which freed blocks return to the system at once.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 256 << 10;

/// Makes large blocks return to the system when they are freed. Call it once, at the start.
pub fn keep_no_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) may be called at any time; it sets a number.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
}

/// Returns whole pages of freed blocks to the system. Takes some milliseconds where there is much.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) may be called at any time; it touches nothing that is in use.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// Returns the bytes that the allocator has handed out; `None` with another allocator than glibc's.
pub fn allocated() -> Option<u64> {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallinfo2(3) may be called at any time; it counts.
        let info = unsafe { libc::mallinfo2() };
        Some((info.uordblks + info.hblkhd) as u64)
    }
    #[cfg(not(target_env = "gnu"))]
    None
}

/// Returns the bytes of this process that are in memory (proc_pid_statm(5)).
///
/// # Errors
/// There is no /proc.
pub fn resident() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    // SAFETY: sysconf(3) looks a number up.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Ok(pages * u64::try_from(page).unwrap_or_default())
}

/// Returns the bytes of the BPF maps that this process has open, as the kernel accounts for them
/// (`bpf_map_show_fdinfo()` in `kernel/bpf/syscall.c`). They are not memory of the process.
///
/// # Errors
/// There is no /proc.
pub fn of_maps() -> io::Result<u64> {
    let mut bytes = std::collections::BTreeMap::new();
    for descriptor in fs::read_dir("/proc/self/fdinfo")?.flatten() {
        // The descriptor that reads the directory is closed by now.
        let Ok(text) = fs::read_to_string(descriptor.path()) else { continue };
        bytes.extend(of_map(&text));
    }
    Ok(bytes.values().sum())
}

/// Parses the kernel's description of a map: its number and its bytes. `None` for other descriptors.
fn of_map(text: &str) -> Option<(u64, u64)> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok());
    Some((value("map_id:")?, value("memlock:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_map_is_read_from_the_kernel() {
        let text = "pos:\t0\nflags:\t02000002\nmap_type:\t1\nmemlock:\t6291456\nmap_id:\t73\nfrozen:\t0\n";
        assert_eq!(of_map(text), Some((73, 6_291_456)));
        assert_eq!(of_map("pos:\t0\nprog_type:\t6\nmemlock:\t4096\n"), None);
    }

    #[test]
    fn what_is_handed_out_is_counted() {
        let before = allocated().unwrap();
        let block = vec![1_u8; 64 << 20];
        assert!(allocated().unwrap() >= before + (block.len() as u64) / 2 && resident().unwrap() >= block.len() as u64);
    }
}
