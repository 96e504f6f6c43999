//! The programs that come in Debian packages, and the purpose of each.

use std::{env, path::Path};

/// Purpose of a need. A verb names its purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Building the BPF programs, and with them the agent.
    Bpf,
    /// Labs of network namespaces: the demo and the end-to-end tests.
    Lab,
    /// Other kernels in QEMU.
    Vm,
    /// Whole servers in QEMU.
    Machine,
    /// Style, lints, licences.
    Checks,
    /// Making the Debian package.
    Package,
    /// Installing it in a clean system.
    Install,
    /// Running the fuzz targets.
    Fuzz,
}

impl Purpose {
    pub(super) const ALL: [Self; 8] =
        [Self::Bpf, Self::Lab, Self::Vm, Self::Machine, Self::Checks, Self::Package, Self::Install, Self::Fuzz];
}

/// A program, the package that contains it, and its use.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    pub(super) purpose: &'static [Purpose],
    pub(super) why: &'static str,
}

const fn program(name: &'static str, package: &'static str, purpose: &'static [Purpose], why: &'static str) -> Program {
    Program { name, package, purpose, why }
}

use Purpose::{Checks, Fuzz, Install, Lab, Machine, Package, Vm};

/// All programs from packages. The compilers for BPF and the tools that cargo installs are in [`super::tools`].
pub(super) const PROGRAMS: [Program; 33] = [
    program("ovs-vswitchd", "openvswitch-switch", &[Lab], "the VLAN switch of the labs, in userspace"),
    program("ovs-pki", "openvswitch-common", &[Lab], "keys and certificates for OVSDB over TLS"),
    program("vtep-ctl", "openvswitch-vtep", &[Lab], "reads and writes the gateway's database as an operator does"),
    program("ovn-northd", "ovn-central", &[Lab], "the centre of a cloud"),
    program("ovn-controller", "ovn-host", &[Lab], "drives the hypervisors of a cloud"),
    program("ovn-controller-vtep", "ovn-controller-vtep", &[Lab], "fills the gateway's database from a cloud"),
    program("ip", "iproute2", &[Lab], "lays out namespaces, links and addresses"),
    program("ping", "iputils-ping", &[Lab], "the first sign of life in a lab"),
    program("arping", "iputils-arping", &[Lab], "asks for addresses by ARP alone"),
    program("ethtool", "ethtool", &[Lab], "turns off the checksum offload of lab links"),
    program("iperf3", "iperf3", &[Lab], "TCP and UDP traffic through the gateway"),
    program("tcpdump", "tcpdump", &[Lab], "shows what passes on a link"),
    program("bpftool", "bpftool", &[Lab], "prints the gateway's maps"),
    program("dnsmasq", "dnsmasq-base", &[Lab], "the DHCP server of a lab; the package has no daemon to start"),
    program("keepalived", "keepalived", &[Lab], "the other node of a pair, and one to take over from"),
    program("vrrpd", "frr", &[Lab], "another other node; the package keeps it in /usr/lib/frr"),
    program("tmux", "tmux", &[Lab], "the terminal that full screens are looked at in"),
    program("prometheus", "prometheus", &[Lab], "reads metrics; its promtool checks them and the alert rules"),
    program(
        "busybox",
        "busybox-static",
        &[Lab, Vm, Machine],
        "the DHCP client of a lab, and all of a test VM's userland",
    ),
    program("codespell", "codespell", &[Checks], "finds misspelt words in code and docs"),
    program("qemu-system-x86_64", "qemu-system-x86", &[Vm, Machine], "boots other kernels, and whole servers"),
    program("modinfo", "kmod", &[Vm, Machine], "lists the modules that a kernel module needs"),
    program("xz", "xz-utils", &[Vm, Machine], "unpacks kernel modules"),
    program("strip", "binutils", &[Vm, Package], "takes debug information off what goes into a VM or a package"),
    program("dpkg-shlibdeps", "dpkg-dev", &[Package], "finds the packages that the agent's libraries are in"),
    program("debootstrap", "debootstrap", &[Install, Machine], "makes a clean Debian to install the package in"),
    program("unshare", "util-linux", &[Install, Machine], "starts that Debian in namespaces of its own"),
    program("mkfs.ext4", "e2fsprogs", &[Machine], "makes the disks of servers"),
    program("lintian", "lintian", &[Install], "checks the package against Debian's policy"),
    program("systemd-analyze", "systemd", &[Install], "rates what the agent's unit may do"),
    program("ansible-playbook", "ansible-core", &[Install], "reads the role, and fills in its templates"),
    program("g++", "g++", &[Fuzz], "compiles libFuzzer"),
    program("man", "man-db", &[Install], "reads the manual pages, and complains of mistakes in them"),
];

impl Program {
    /// Returns true if it is on this machine: on PATH, or in a directory of the system or FRR for programs that only
    /// root runs.
    pub(super) fn is_there(&self) -> bool {
        on_path(self.name)
    }
}

/// Returns true if a program of this name is on PATH, or in a directory of the system or FRR for programs that only
/// root runs.
pub(super) fn on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/lib/frr"].map(|dir| Path::new(dir).to_owned()))
        .any(|dir| dir.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_every_system_is_found_and_an_invented_one_is_not() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-anywhere"));
    }

    #[test]
    fn each_package_is_named_once() {
        for (index, program) in PROGRAMS.iter().enumerate() {
            assert!(PROGRAMS[index + 1..].iter().all(|other| other.package != program.package), "{program:?}");
        }
    }
}
