//! Batch operations on a hash map: thousands of elements with one system call (bpf(2), `BPF_MAP_*_BATCH`; kernel 5.6,
//! kernel/bpf/syscall.c `generic_map_update_batch` and `generic_map_delete_batch`, kernel/bpf/hashtab.c
//! `htab_map_lookup_batch`).
//!
//! The kernel works from the front on, stops at the first element that it refuses, and reports the number of elements
//! done.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use bytemuck::Pod;

/// Number of elements that a walk fetches at once.
const FETCHED: usize = 4096;

// Numbers of the kernel's ABI, from <linux/bpf.h>.
const MAP_LOOKUP_BATCH: libc::c_long = 24;
const MAP_UPDATE_BATCH: libc::c_long = 26;
const MAP_DELETE_BATCH: libc::c_long = 27;

/// The part `batch` of `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// Writes elements from the front on. Returns the number that the kernel has written.
pub(super) fn update<K: Pod, V: Pod>(map: BorrowedFd<'_>, keys: &[K], values: &[V]) -> usize {
    let count = keys.len().min(values.len());
    let attributes = Attributes {
        keys: keys.as_ptr() as u64,
        values: values.as_ptr() as u64,
        count: count as u32,
        map: map.as_raw_fd() as u32,
        ..Attributes::default()
    };
    // SAFETY: keys and values are `count` elements long, and the kernel only reads them.
    let (result, attributes) = unsafe { bpf(MAP_UPDATE_BATCH, attributes) };
    done(count, result, attributes.count)
}

/// Removes elements from the front on. Returns the number that is gone. An element that did not exist counts as gone.
pub(super) fn delete<K: Pod>(map: BorrowedFd<'_>, keys: &[K]) -> usize {
    let mut gone = 0;
    while gone < keys.len() {
        let rest = &keys[gone..];
        let attributes = Attributes {
            keys: rest.as_ptr() as u64,
            count: rest.len() as u32,
            map: map.as_raw_fd() as u32,
            ..Attributes::default()
        };
        // SAFETY: the keys are `count` elements long, and the kernel only reads them.
        let (result, attributes) = unsafe { bpf(MAP_DELETE_BATCH, attributes) };
        let missing = result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT));
        gone += done(rest.len(), result, attributes.count);
        if !missing {
            break;
        }
        gone += 1;
    }
    gone.min(keys.len())
}

/// A walk through a hash map, a batch at a time.
pub(super) struct Walk<'m, K, V> {
    map: BorrowedFd<'m>,
    /// The kernel's token for its position; `None` at the start.
    position: Option<u32>,
    keys: Vec<K>,
    values: Vec<V>,
    /// Number of elements in the last batch, and of those already returned.
    count: usize,
    returned: usize,
    over: bool,
}

/// Fetches elements from a position on, which is `None` at the start, as many as `keys` and `values` have room for.
/// Returns their number, and the position of the next ones, if there are any. A position is the kernel's: the number of
/// a bucket.
pub(super) fn fetch<K: Pod, V: Pod>(
    map: BorrowedFd<'_>,
    position: Option<u32>,
    keys: &mut [K],
    values: &mut [V],
) -> io::Result<(usize, Option<u32>)> {
    let room = keys.len().min(values.len());
    let mut next = 0_u32;
    let attributes = Attributes {
        in_batch: position.as_ref().map_or(0, |position| std::ptr::from_ref(position) as u64),
        out_batch: std::ptr::from_mut(&mut next) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: room as u32,
        map: map.as_raw_fd() as u32,
        ..Attributes::default()
    };
    // SAFETY: keys and values have room for `count` elements of their types, which may hold any bytes; the positions are
    // numbers of 32 bits as hash maps use (kernel/bpf/hashtab.c, __htab_map_lookup_and_delete_batch).
    let (result, attributes) = unsafe { bpf(MAP_LOOKUP_BATCH, attributes) };
    let count = (attributes.count as usize).min(room);
    match result {
        Ok(()) => Ok((count, Some(next))),
        // The last batch, which may have elements.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok((count, None)),
        Err(error) => Err(error),
    }
}

impl<'m, K: Pod, V: Pod> Walk<'m, K, V> {
    /// Begins a walk.
    ///
    /// # Errors
    /// The error of the kernel, for example that it has no batches.
    pub(super) fn begin(map: BorrowedFd<'m>) -> io::Result<Self> {
        let (keys, values) = (vec![K::zeroed(); FETCHED], vec![V::zeroed(); FETCHED]);
        let mut walk = Self { map, position: None, keys, values, count: 0, returned: 0, over: false };
        walk.fetch()?;
        Ok(walk)
    }

    fn fetch(&mut self) -> io::Result<()> {
        (self.returned, self.count) = (0, 0);
        match fetch(self.map, self.position, &mut self.keys, &mut self.values) {
            Ok((count, next)) => {
                (self.count, self.position, self.over) = (count, next, next.is_none());
                Ok(())
            }
            Err(error) => {
                self.over = true;
                Err(error)
            }
        }
    }
}

impl<K: Pod, V: Pod> Iterator for Walk<'_, K, V> {
    type Item = io::Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.returned == self.count {
            if self.over {
                return None;
            }
            if let Err(error) = self.fetch() {
                return Some(Err(error));
            }
        }
        let at = self.returned;
        self.returned += 1;
        Some(Ok((self.keys[at], self.values[at])))
    }
}

/// Returns the number of elements done out of `count`. A kernel that refuses the whole call may not have written its
/// own count, which then still is `count`.
fn done(count: usize, result: io::Result<()>, counted: u32) -> usize {
    match result {
        Ok(()) => count,
        Err(_) => Some(counted as usize).filter(|counted| *counted < count).unwrap_or(0),
    }
}

/// Calls bpf(2). Returns the attributes as the kernel has left them.
///
/// # Safety
/// The pointers in `attributes` must be valid for what `command` reads and writes.
unsafe fn bpf(command: libc::c_long, mut attributes: Attributes) -> (io::Result<()>, Attributes) {
    let size = size_of::<Attributes>();
    // SAFETY: the attributes are the part of the union for batches, `size` bytes long; the kernel writes its count into
    // them. The caller answers for the pointers in them.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(&mut attributes), size) };
    let result = if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    (result, attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_failed_as_a_whole_has_done_nothing() {
        let refused = || Err(io::Error::from_raw_os_error(libc::EINVAL));
        assert_eq!(done(100, refused(), 100), 0);
        assert_eq!(done(100, refused(), 0), 0);
        assert_eq!(done(100, refused(), 40), 40);
        assert_eq!(done(100, Ok(()), 100), 100);
    }
}
