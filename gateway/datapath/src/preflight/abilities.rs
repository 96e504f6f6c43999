//! Abilities of the kernel. They are tested by loading tiny programs: kernels of distributions have features that their
//! version does not show.

use std::fmt;

use aya::{
    maps::MapType,
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported, is_map_supported},
};

use crate::sys::{self, Instruction};

const XDP: u32 = 6;
/// `BPF_F_XDP_HAS_FRAGS`.
const HAS_FRAGS: u32 = 1 << 5;
const MOVE: u8 = 0xb7;
const EXIT: u8 = 0x95;
const XDP_PASS: i32 = 2;

/// Feature of the kernel that the programs use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ability {
    /// Its name.
    pub name: &'static str,
    /// The Linux release that added it.
    pub since: &'static str,
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (Linux {})", self.name, self.since)
    }
}

/// Returns the features that the programs use and the running kernel lacks. A test without a clear answer counts as no
/// lack: loading the programs will show it.
pub(crate) fn missing() -> Vec<Ability> {
    let helpers = [
        (BpfHelper::BPF_FUNC_ktime_get_coarse_ns, "the helper bpf_ktime_get_coarse_ns", "5.11"),
        (BpfHelper::BPF_FUNC_check_mtu, "the helper bpf_check_mtu", "5.12"),
        (BpfHelper::BPF_FUNC_loop, "the helper bpf_loop", "5.17"),
        (BpfHelper::BPF_FUNC_xdp_get_buff_len, "the helper bpf_xdp_get_buff_len", "5.18"),
    ];
    let ring_buffer = Ability { name: "ring buffers", since: "5.8" };
    let frags = Ability { name: "XDP programs for frames in several buffers", since: "5.18" };
    let lacks_ring_buffer = is_map_supported(MapType::RingBuf).is_ok_and(|there| !there);
    let lacking = helpers.into_iter().filter(|(helper, ..)| lacks(*helper));
    let lacking = lacking.map(|(_, name, since)| Ability { name, since });
    let others = [lacks_ring_buffer.then_some(ring_buffer), (!has_frags()).then_some(frags)];
    lacking.chain(others.into_iter().flatten()).collect()
}

fn lacks(helper: BpfHelper) -> bool {
    is_helper_supported(ProgramType::Xdp, helper).is_ok_and(|there| !there)
}

/// Tests for support of fragments. An unknown flag is an invalid argument.
fn has_frags() -> bool {
    sys::load(XDP, HAS_FRAGS, &PASS).is_ok() || sys::load(XDP, 0, &PASS).is_err()
}

const PASS: [Instruction; 2] = [
    Instruction { code: MOVE, registers: 0, offset: 0, immediate: XDP_PASS },
    Instruction { code: EXIT, registers: 0, offset: 0, immediate: 0 },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests run as root on a kernel that the gateway runs on.
    #[test]
    fn this_kernel_lacks_nothing_and_a_flag_that_no_kernel_has_is_refused() {
        assert_eq!(missing(), []);
        assert!(sys::load(XDP, HAS_FRAGS, &PASS).is_ok());
        assert!(sys::load(XDP, 1 << 31, &PASS).is_err());
    }

    #[test]
    fn an_ability_is_reported_with_the_release_that_brought_it() {
        let ability = Ability { name: "the helper bpf_loop", since: "5.17" };
        assert_eq!(ability.to_string(), "the helper bpf_loop (Linux 5.17)");
    }
}
