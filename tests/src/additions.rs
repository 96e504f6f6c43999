//! Programs of known length. The kernel's time for a test run of one shows the cost of a test run itself, and whether
//! the clock counts instructions.

use std::{os::fd::OwnedFd, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::bpf::{EXIT, Instruction, TYPE_SCHED_CLS, TYPE_XDP, instruction, load, set, test_run};

/// Type of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// XDP.
    Xdp,
    /// A classifier at TC.
    Tc,
}

/// A program that adds up ones, each an instruction of BPF and, compiled, one of x86.
#[derive(Debug)]
pub struct Additions {
    program: OwnedFd,
    count: u32,
}

/// `r0 += immediate`, of 64 bits (RFC 9669 section 4.1).
const ADD: u8 = 0x07;

/// An Ethernet frame with nothing in it.
const PACKET: [u8; 64] = [0; 64];

impl Additions {
    /// Loads a program of `count` additions; with 0 it only returns.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn load(kind: Kind, count: u32) -> Result<Self> {
        let add: Instruction = instruction(ADD, 0, 0, 0, 1);
        let mut program = vec![set(0, 0)];
        program.extend((0..count).map(|_| add));
        program.push(EXIT);
        let kind = match kind {
            Kind::Xdp => TYPE_XDP,
            Kind::Tc => TYPE_SCHED_CLS,
        };
        Ok(Self { program: load(kind, &program)?, count })
    }

    /// Runs it once on a packet (`BPF_PROG_TEST_RUN`) and returns the time that the kernel reports.
    ///
    /// # Errors
    /// If the kernel refuses, or the sum is wrong.
    pub fn run(&self) -> Result<Duration> {
        let run = test_run(&self.program, &PACKET).context("a test run of additions")?;
        ensure!(run.returned == self.count, "{} additions came to {}", self.count, run.returned);
        Ok(Duration::from_nanos(run.nanoseconds.into()))
    }
}
