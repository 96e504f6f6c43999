use std::cell::{Cell, RefCell};

use super::*;

/// A map with room for some elements, which refuses others, on a kernel with or without batches.
struct Kernel {
    has_batches: bool,
    room: usize,
    refused: Vec<usize>,
    written: RefCell<Vec<usize>>,
    calls: Cell<usize>,
}

impl Kernel {
    fn new(has_batches: bool, room: usize, refused: &[usize]) -> Self {
        Self { has_batches, room, refused: refused.to_vec(), written: RefCell::default(), calls: Cell::default() }
    }

    fn write(&self, item: usize) -> Result<(), &'static str> {
        if self.refused.contains(&item) {
            return Err("refused");
        }
        let mut written = self.written.borrow_mut();
        if written.len() == self.room {
            return Err("full");
        }
        written.push(item);
        Ok(())
    }

    fn called(&self) {
        self.calls.set(self.calls.get() + 1);
    }

    fn carry_out(&mut self, items: &[usize]) -> Vec<(usize, &'static str)> {
        let batch = |kernel: &Self, items: &[usize]| {
            kernel.called();
            if !kernel.has_batches {
                return 0;
            }
            items.iter().take_while(|item| kernel.write(**item).is_ok()).count()
        };
        let one = |kernel: &mut Self, item: &usize| {
            kernel.called();
            kernel.write(*item)
        };
        carry_out(self, items, batch, one)
    }
}

fn items(count: usize) -> Vec<usize> {
    (0..count).collect()
}

#[test]
fn many_take_few_calls() {
    let mut kernel = Kernel::new(true, usize::MAX, &[]);
    assert_eq!(kernel.carry_out(&items(100_000)), []);
    assert_eq!(kernel.calls.get(), 100_000_usize.div_ceil(BATCH));
    assert_eq!(kernel.written.take(), items(100_000));
}

#[test]
fn a_few_go_one_by_one_and_none_is_no_call() {
    for count in [0, 1, WORTH_IT - 1] {
        let mut kernel = Kernel::new(true, usize::MAX, &[]);
        assert_eq!(kernel.carry_out(&items(count)), []);
        assert_eq!(kernel.calls.get(), count);
    }
}

#[test]
fn what_is_refused_is_reported_and_the_rest_is_done() {
    let refused = [0, 1, 17, BATCH - 1, BATCH, 9999];
    let mut kernel = Kernel::new(true, usize::MAX, &refused);
    let failed = kernel.carry_out(&items(10_000));
    assert_eq!(failed, refused.map(|at| (at, "refused")));
    assert_eq!(kernel.written.take().len(), 10_000 - refused.len());
    assert!(kernel.calls.get() < 20, "{} calls", kernel.calls.get());
}

#[test]
fn a_full_map_leaves_out_exactly_the_rest() {
    let mut kernel = Kernel::new(true, 6000, &[]);
    let failed = kernel.carry_out(&items(6010));
    assert_eq!(failed, (6000..6010).map(|at| (at, "full")).collect::<Vec<_>>());
    assert_eq!(kernel.written.take(), items(6000));
}

#[test]
fn a_kernel_without_batches_is_asked_for_one_once() {
    let mut kernel = Kernel::new(false, usize::MAX, &[30]);
    assert_eq!(kernel.carry_out(&items(1000)), [(30, "refused")]);
    assert_eq!(kernel.calls.get(), 1001);
}

#[test]
fn an_element_that_is_refused_first_does_not_hide_that_there_are_no_batches() {
    let mut kernel = Kernel::new(false, usize::MAX, &[0]);
    assert_eq!(kernel.carry_out(&items(1000)), [(0, "refused")]);
    assert_eq!(kernel.calls.get(), 1002);
}
