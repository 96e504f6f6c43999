//! Batches of map operations.
//!
//! Writing a hundred thousand MACs one by one takes a hundred thousand system calls, and as many copies in the library.
//! No other map than `fdb` has that many elements, so only its operations form batches. If a batch ends early, the
//! operation at which it ended is tried alone, which gives the reason. The rest goes on as a batch. A kernel without
//! batches refuses all of them; then each operation is a call of its own.

use super::{
    map_batch,
    maps::{Maps, MapsError},
    op::Op,
};

/// Limit of the operations in a batch, which keeps the arrays small.
const BATCH: usize = 4096;
/// Smallest number of operations that is worth a batch.
const WORTH_IT: usize = 8;

impl Maps {
    /// Carries out operations in their order, those on many MACs as batches. Returns the positions of the operations
    /// that failed; all others are carried out.
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

    /// Carries out like operations from the front on. Returns their number.
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

/// Returns true for operations that can form one batch.
fn are_alike(a: &Op, b: &Op) -> bool {
    matches!((a, b), (Op::PutMac(..), Op::PutMac(..)) | (Op::DelMac(_), Op::DelMac(_)))
}

/// Carries out `items` on `map` in batches as large as possible. `batch` carries out those of a slice from the front
/// and returns their number, which is all of them if none failed. `one` carries out one. Returns the positions of the
/// items that failed.
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
            // This element was not the reason that the batch did not begin.
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
