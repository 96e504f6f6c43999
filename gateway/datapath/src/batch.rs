//! Many operations together.
//!
//! A hundred thousand MACs one by one are a hundred thousand system calls, and as many copies through the library between.
//! Only `fdb` has so many map_batch, so only its operations are put together. Where a batch ends early, the operation it
//! ended at is tried alone, which gives the reason, and the rest goes on as a batch. A kernel that has no batches refuses
//! all of them, and is asked one by one.

use super::{
    map_batch,
    maps::{Maps, MapsError},
    op::Op,
};

/// Operations of a batch at most: the arrays of one stay small.
const BATCH: usize = 4096;
/// Below this, one by one is as quick.
const WORTH_IT: usize = 8;

impl Maps {
    /// Carries out operations in their order, those on many MACs together. Gives the places of those that could not be
    /// carried out; all others are.
    pub(super) fn write_all(&mut self, ops: &[Op]) -> Vec<(usize, MapsError)> {
        let mut failed = Vec::new();
        let mut at = 0;
        for run in ops.chunk_by(are_alike) {
            let of_run = carry_out(self, run, Self::write_together, Self::write);
            failed.extend(of_run.into_iter().map(|(place, error)| (at + place, error)));
            at += run.len();
        }
        failed
    }

    /// Carries out operations that are alike, from the front on: how many.
    fn write_together(&self, ops: &[Op]) -> usize {
        match ops.first() {
            Some(Op::PutMac(..)) => {
                let element = |op: &Op| if let Op::PutMac(key, entry) = op { Some((*key, *entry)) } else { None };
                let (keys, entries): (Vec<_>, Vec<_>) = ops.iter().filter_map(element).unzip();
                map_batch::update(self.fdb_fd(), &keys, &entries)
            }
            Some(Op::DelMac(_)) => {
                let key = |op: &Op| if let Op::DelMac(key) = op { Some(*key) } else { None };
                map_batch::delete(self.fdb_fd(), &ops.iter().filter_map(key).collect::<Vec<_>>())
            }
            _ => 0,
        }
    }
}

/// True for operations that can be one batch.
fn are_alike(a: &Op, b: &Op) -> bool {
    matches!((a, b), (Op::PutMac(..), Op::PutMac(..)) | (Op::DelMac(_), Op::DelMac(_)))
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

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
