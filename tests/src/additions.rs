//! Programs of known length. The kernel's time for a test run of one shows the cost of a test run itself, and whether
//! the clock counts instructions.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::bpf::{EXIT, Insn, TYPE_SCHED_CLS, TYPE_XDP, insn, load, set};

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

/// Number of the command in the kernel's ABI, from <linux/bpf.h>.
const CMD_PROG_TEST_RUN: u32 = 10;

/// `r0 += immediate`, of 64 bits (RFC 9669 section 4.1).
const ADD: u8 = 0x07;

/// An Ethernet frame with nothing in it.
const PACKET: [u8; 64] = [0; 64];

/// The beginning of the kernel's `union bpf_attr` for a test run, as far as it is used.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: i32,
    returned: u32,
    size_in: u32,
    size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    nanoseconds: u32,
}

impl Additions {
    /// Loads a program of `count` additions; with 0 it only returns.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn load(kind: Kind, count: u32) -> Result<Self> {
        let add: Insn = insn(ADD, 0, 0, 0, 1);
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
        let mut attributes = TestRun {
            program: self.program.as_raw_fd(),
            size_in: u32::try_from(PACKET.len())?,
            data_in: PACKET.as_ptr() as u64,
            repeat: 1,
            ..TestRun::default()
        };
        let size = size_of::<TestRun>();
        // SAFETY: `attributes` is the beginning of `union bpf_attr` for the command, `size` bytes long, and the kernel
        // writes no further; the packet it points to is a constant.
        let result = unsafe { libc::syscall(libc::SYS_bpf, CMD_PROG_TEST_RUN, &raw mut attributes, size) };
        if result < 0 {
            return Err(io::Error::last_os_error()).context("a test run of additions");
        }
        ensure!(attributes.returned == self.count, "{} additions came to {}", self.count, attributes.returned);
        Ok(Duration::from_nanos(attributes.nanoseconds.into()))
    }
}
