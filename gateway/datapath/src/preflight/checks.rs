//! Conditions that must hold before anything is attached.

use gateway_base::suggest;
use gateway_config::Config;
use thiserror::Error;

use super::{abilities::Ability, capabilities::missing_capabilities, facts::Facts};

/// Oldest kernel that the programs are tested on: Linux 6.1.
pub const OLDEST_KERNEL: (u32, u32) = (6, 1);
/// Limit of the interfaces that an error lists if a configured one is missing.
const MAX_LISTED: usize = 32;

/// Reason that nothing can be attached.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    /// The kernel lacks features that the programs use.
    #[error("kernel {found} lacks {lacking}; boot Linux {}.{} or newer, or RHEL's of 9.2 or newer", OLDEST_KERNEL.0, OLDEST_KERNEL.1)]
    Kernel {
        /// Release of the running kernel.
        found: String,
        /// The features that it lacks.
        lacking: String,
    },
    /// This process lacks capabilities.
    #[error("not permitted: {} missing; run as root, or give the service these capabilities", missing.join(", "))]
    Capabilities {
        /// Names of the missing capabilities.
        missing: Vec<&'static str>,
    },
    /// An interface of the configuration does not exist.
    #[error("{section} {name:?}: no such interface{}; there are {existing}", hint(meant.as_deref()))]
    Interface {
        /// `uplink` or `port`.
        section: &'static str,
        /// The name in the configuration.
        name: String,
        /// A similar name that exists, if the name looks like a slip.
        meant: Option<String>,
        /// The existing interfaces.
        existing: String,
    },
    /// There is no BPF file system for pins.
    #[error("{0}")]
    BpfFs(String),
}

fn hint(meant: Option<&str>) -> String {
    meant.map(|name| format!(" (is {name} meant?)")).unwrap_or_default()
}

/// Returns all failures.
pub(super) fn failures(facts: &Facts, config: &Config) -> Vec<Failure> {
    let uplinks = config.uplinks.iter().map(|interface| ("uplink", interface));
    let ports = config.ports.iter().map(|interface| ("port", interface));
    kernel(facts)
        .into_iter()
        .chain(capabilities(facts.capabilities))
        .chain(uplinks.chain(ports).filter_map(|(section, found)| interface(section, &found.name, &facts.interfaces)))
        .collect()
}

/// Returns warnings: conditions that prevent nothing, and that the operator should know.
pub(super) fn warnings(facts: &Facts) -> Vec<String> {
    let mut warnings = Vec::new();
    if version(&facts.kernel).is_none_or(|version| version < OLDEST_KERNEL) {
        warnings.push(format!(
            "kernel {} is none of those that the programs are tested on, {}.{} and newer; it has what they use",
            facts.kernel, OLDEST_KERNEL.0, OLDEST_KERNEL.1
        ));
    }
    if !facts.jit {
        warnings.push("BPF programs are interpreted, at a fraction of the speed: set net.core.bpf_jit_enable=1".into());
    }
    if !facts.btf {
        warnings.push(
            "the kernel has no type information (/sys/kernel/btf/vmlinux): bpftool shows less; boot a kernel with \
             CONFIG_DEBUG_INFO_BTF"
                .into(),
        );
    }
    warnings
}

fn kernel(facts: &Facts) -> Option<Failure> {
    let lacking = lacking(facts.missing.as_ref()?)?;
    Some(Failure::Kernel { found: facts.kernel.clone(), lacking })
}

/// Formats the features on a line; `None` if there are none.
pub fn lacking(missing: &[Ability]) -> Option<String> {
    let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Parses major and minor number of a release such as `6.1.0-13-amd64` or `6.2-rc1`.
pub fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Checks the capabilities.
fn capabilities(effective: u64) -> Option<Failure> {
    let missing = missing_capabilities(effective);
    (!missing.is_empty()).then_some(Failure::Capabilities { missing })
}

fn interface(section: &'static str, name: &str, existing: &[String]) -> Option<Failure> {
    if existing.iter().any(|other| other == name) {
        return None;
    }
    let mut names: Vec<_> = existing.iter().map(String::as_str).filter(|name| *name != "lo").collect();
    let meant = suggest::meant(name, names.iter().copied()).map(str::to_owned);
    names.sort_unstable();
    let more = names.len().saturating_sub(MAX_LISTED);
    names.truncate(MAX_LISTED);
    let existing = match (names.is_empty(), more) {
        (true, _) => "none but lo".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    };
    Some(Failure::Interface { section, name: name.to_owned(), meant, existing })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = u64::MAX;

    fn said(failure: Option<Failure>) -> String {
        failure.map(|failure| failure.to_string()).unwrap_or_default()
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    fn facts() -> Facts {
        let interfaces = names(&["lo", "eth0", "eth1"]);
        Facts { kernel: "6.1.0".to_owned(), missing: Some(vec![]), capabilities: ALL, interfaces, jit: true, btf: true }
    }

    #[test]
    fn a_kernel_is_refused_for_what_it_lacks_and_not_for_its_version() {
        for release in ["5.14.0-427.13.1.el9_4.x86_64", "6.1.0-13-cloud-amd64", "6.18.5", "next"] {
            assert_eq!(kernel(&Facts { kernel: release.to_owned(), ..facts() }), None, "{release}");
        }
        let missing = vec![
            Ability { name: "the helper bpf_loop", since: "5.17" },
            Ability { name: "XDP programs for frames in several buffers", since: "5.18" },
        ];
        let facts = Facts { kernel: "5.15.0-91-generic".to_owned(), missing: Some(missing), ..facts() };
        assert_eq!(
            said(kernel(&facts)),
            "kernel 5.15.0-91-generic lacks the helper bpf_loop (Linux 5.17), XDP programs for frames in several buffers \
             (Linux 5.18); boot Linux 6.1 or newer, or RHEL's of 9.2 or newer"
        );
    }

    #[test]
    fn a_kernel_that_may_not_be_asked_is_not_refused() {
        assert_eq!(kernel(&Facts { missing: None, ..facts() }), None);
    }

    #[test]
    fn a_kernel_that_the_programs_are_not_tested_on_is_a_warning() {
        for release in ["next", "5.14.0-427.13.1.el9_4.x86_64"] {
            let warnings = warnings(&Facts { kernel: release.to_owned(), ..facts() });
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].starts_with(&format!("kernel {release} is none of those")), "{warnings:?}");
        }
    }

    #[test]
    fn a_user_without_capabilities_is_advised_to_be_root() {
        assert_eq!(
            said(capabilities(0)),
            "not permitted: CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON missing; run as root, or give the service these \
             capabilities"
        );
    }

    #[test]
    fn an_interface_that_is_there_is_fine() {
        assert_eq!(interface("uplink", "eth0", &facts().interfaces), None);
    }

    #[test]
    fn a_missing_interface_is_reported_with_those_that_are_there() {
        assert_eq!(
            said(interface("uplink", "ens3f0np0", &facts().interfaces)),
            r#"uplink "ens3f0np0": no such interface; there are eth0, eth1"#
        );
    }

    #[test]
    fn a_slip_in_a_name_is_reported() {
        assert_eq!(
            said(interface("port", "eth11", &facts().interfaces)),
            r#"port "eth11": no such interface (is eth1 meant?); there are eth0, eth1"#
        );
    }

    #[test]
    fn a_namespace_without_interfaces_is_reported() {
        assert!(said(interface("port", "eth0", &names(&["lo"]))).ends_with("there are none but lo"));
    }

    #[test]
    fn a_long_list_of_interfaces_is_cut() {
        let many: Vec<_> = (0..40).map(|i| format!("veth{i:02}")).collect();
        assert!(said(interface("port", "eno1", &many)).ends_with(", veth31 and 8 more"));
    }

    #[test]
    fn a_sound_system_gives_no_warning() {
        assert!(warnings(&facts()).is_empty());
    }

    #[test]
    fn no_jit_and_no_btf_are_warnings() {
        let warnings = warnings(&Facts { jit: false, btf: false, ..facts() });
        assert!(warnings[0].contains("net.core.bpf_jit_enable=1"), "{warnings:?}");
        assert!(warnings[1].contains("CONFIG_DEBUG_INFO_BTF"), "{warnings:?}");
    }
}
