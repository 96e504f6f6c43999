//! Capabilities that the agent needs (capabilities(7)).
//!
//! Attaching to interfaces takes `CAP_NET_ADMIN`; loading and pinning take `CAP_BPF` and, for the verifier to let packet
//! pointers be compared, `CAP_PERFMON`. `CAP_SYS_ADMIN` stands for the latter two.

const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Returns the names of the needed capabilities that are not among these.
pub fn missing_capabilities(effective: u64) -> Vec<&'static str> {
    let has = |capability: u32| effective & (1 << capability) != 0;
    let needs = [
        ("CAP_NET_ADMIN", has(CAP_NET_ADMIN)),
        ("CAP_BPF", has(CAP_BPF) || has(CAP_SYS_ADMIN)),
        ("CAP_PERFMON", has(CAP_PERFMON) || has(CAP_SYS_ADMIN)),
    ];
    needs.into_iter().filter(|(_, there)| !there).map(|(name, _)| name).collect()
}

/// Parses field `CapEff` of `/proc/self/status` (proc_pid_status(5)).
pub fn effective_capabilities(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(value.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_capabilities_are_enough() {
        assert_eq!(missing_capabilities(1 << CAP_NET_ADMIN | 1 << CAP_BPF | 1 << CAP_PERFMON), [""; 0]);
    }

    #[test]
    fn sys_admin_stands_for_bpf_and_perfmon_but_not_for_net_admin() {
        assert_eq!(missing_capabilities(1 << CAP_SYS_ADMIN), ["CAP_NET_ADMIN"]);
    }

    #[test]
    fn effective_capabilities_are_hexadecimal() {
        let status = "Name:\tcat\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000003000\nCapBnd:\t0\n";
        assert_eq!(effective_capabilities(status), Some(0x3000));
    }

    #[test]
    fn a_status_without_the_field_gives_nothing() {
        assert_eq!(effective_capabilities("Name:\tcat\n"), None);
    }
}
