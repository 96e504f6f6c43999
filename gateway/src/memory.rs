//! What the C library's allocator keeps for later, and when it does not.
//!
//! A picture of a hundred thousand rows takes several times their memory in passing. glibc would keep most of that: blocks
//! of up to 32 MiB once one of that size was freed (mallopt(3), `M_MMAP_THRESHOLD`), and small ones wherever something is
//! left above them.

/// Blocks of this size, in bytes, and larger ones are the system's again as soon as they are freed.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 256 << 10;

/// Has large blocks given back when they are freed. To be called once, at the start.
pub fn keep_no_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) may be called at any time; it sets a number.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
}

/// Gives whole pages of freed blocks back to the system. Takes some milliseconds where there is much.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) may be called at any time; it touches nothing that is in use.
    let _ = unsafe { libc::malloc_trim(0) };
}
