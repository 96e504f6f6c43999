//! Many elements of a map with one system call (bpf(2); kernel 5.6, commit 15c14a3dca42 "bpf: Add bpf_map_{value_size,
//! update_value,map_copy_value} functions" and those after it).
//!
//! A hundred thousand MACs one by one are a hundred thousand system calls, and as many copies through the library between.
//! Only `fdb` has so many elements. What the kernel refuses of a batch, and what comes after it, is what it did not do: the
//! element at that place is then tried alone, which gives the reason, and the rest goes on as a batch. A kernel that has no
//! batches refuses all of them, and is asked one by one.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use bytemuck::Pod;

/// Elements of a batch at most: the arrays of one stay small, and what is around it has its turn in between.
pub(super) const BATCH: usize = 4096;
/// Below this, one by one is as quick.
const WORTH_IT: usize = 8;

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

/// Carries out `items` on `map`, as many together as there can be: `batch` does those of a slice from the front and gives
/// how many, all of them if it met no obstacle; `one` does one. Gives the places of those that could not be done.
pub(super) fn carry_out<M: ?Sized, T, E>(
    map: &mut M,
    items: &[T],
    batch: impl Fn(&M, &[T]) -> usize,
    one: impl Fn(&mut M, &T) -> Result<(), E>,
) -> Vec<(usize, E)> {
    let mut failed = Vec::new();
    let mut together = items.len() >= WORTH_IT;
    let mut at = 0;
    while at < items.len() {
        let rest = &items[at..items.len().min(at + BATCH)];
        let done = if together { batch(map, rest).min(rest.len()) } else { 0 };
        at += done;
        if done == rest.len() {
            continue;
        }
        match one(map, &items[at]) {
            // It was not this element that kept the batch from being begun.
            Ok(()) => together &= done > 0,
            Err(error) => failed.push((at, error)),
        }
        at += 1;
    }
    failed
}

/// Writes elements from the front on: how many the kernel has written.
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

/// Removes elements from the front on: how many are gone. One that was not there is gone.
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
    /// The kernel's word for how far it came; `None` at the start.
    position: Option<u32>,
    keys: Vec<K>,
    values: Vec<V>,
    /// Elements of the last batch, and how many of them are given out.
    count: usize,
    given: usize,
    over: bool,
}

impl<'m, K: Pod, V: Pod> Walk<'m, K, V> {
    /// Begins one.
    ///
    /// # Errors
    /// What the kernel says, such as that it has no batches.
    pub(super) fn begin(map: BorrowedFd<'m>) -> io::Result<Self> {
        let (keys, values) = (vec![K::zeroed(); BATCH], vec![V::zeroed(); BATCH]);
        let mut walk = Self { map, position: None, keys, values, count: 0, given: 0, over: false };
        walk.fetch()?;
        Ok(walk)
    }

    fn fetch(&mut self) -> io::Result<()> {
        let mut next = 0_u32;
        let attributes = Attributes {
            in_batch: self.position.as_ref().map_or(0, |position| std::ptr::from_ref(position) as u64),
            out_batch: std::ptr::from_mut(&mut next) as u64,
            keys: self.keys.as_mut_ptr() as u64,
            values: self.values.as_mut_ptr() as u64,
            count: BATCH as u32,
            map: self.map.as_raw_fd() as u32,
            ..Attributes::default()
        };
        // SAFETY: keys and values have room for `count` elements of their types, which may hold any bytes; the positions
        // are numbers of 32 bits as hash maps use (kernel/bpf/hashtab.c, __htab_map_lookup_and_delete_batch).
        let (result, attributes) = unsafe { bpf(MAP_LOOKUP_BATCH, attributes) };
        (self.given, self.count) = (0, (attributes.count as usize).min(BATCH));
        self.position = Some(next);
        match result {
            Ok(()) => Ok(()),
            // The last batch: there may be elements in it.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                self.over = true;
                Ok(())
            }
            Err(error) => {
                (self.over, self.count) = (true, 0);
                Err(error)
            }
        }
    }
}

impl<K: Pod, V: Pod> Iterator for Walk<'_, K, V> {
    type Item = io::Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.given == self.count {
            if self.over {
                return None;
            }
            if let Err(error) = self.fetch() {
                return Some(Err(error));
            }
        }
        let at = self.given;
        self.given += 1;
        Some(Ok((self.keys[at], self.values[at])))
    }
}

/// Of `count` elements. A kernel that refuses the whole call may not have touched its own count, which is then all of them.
fn done(count: usize, result: io::Result<()>, counted: u32) -> usize {
    match result {
        Ok(()) => count,
        Err(_) => Some(counted as usize).filter(|counted| *counted < count).unwrap_or(0),
    }
}

/// bpf(2); gives the attributes back as the kernel has left them.
///
/// # Safety
/// What `attributes` point to must be what `command` reads and writes.
unsafe fn bpf(command: libc::c_long, mut attributes: Attributes) -> (io::Result<()>, Attributes) {
    let size = size_of::<Attributes>();
    // SAFETY: the attributes are the part of the union for batches, `size` bytes long; the kernel writes its count into
    // them. What they point to is the caller's to answer for.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(&mut attributes), size) };
    let result = if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    (result, attributes)
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
