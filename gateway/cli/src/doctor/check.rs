//! Checks of the doctor: one definition of their names, groups and reasons, which `docs/FAULTS.md` repeats.

macro_rules! groups {
    ($( $variant:ident $name:literal $title:literal, )+) => {
        /// Subject of checks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Group {
            $(#[doc = $title] $variant,)+
        }

        impl Group {
            /// All groups, in the order of the report.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the name in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns the heading.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

groups! {
    Kernel "kernel" "Kernel",
    Interfaces "interfaces" "Interfaces",
    Tunnels "tunnels" "Tunnels",
    Nodes "nodes" "Tunnel addresses and other nodes",
    Database "database" "Database",
    Ovn "ovn" "OVN",
    Agent "agent" "Agent and data plane",
}

macro_rules! checks {
    ($( $variant:ident $group:ident $name:literal $asks:literal $why:literal, )+) => {
        /// Check of the doctor.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Check {
            $(#[doc = $asks] $variant,)+
        }

        impl Check {
            /// All checks, in the order of the report.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the name, which never changes since scripts depend on it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns the group in the report.
            pub const fn group(self) -> Group {
                match self { $(Self::$variant => Group::$group,)+ }
            }

            /// Returns the question that the check answers.
            pub const fn asks(self) -> &'static str {
                match self { $(Self::$variant => $asks,)+ }
            }

            /// Returns the reason why it matters.
            pub const fn why(self) -> &'static str {
                match self { $(Self::$variant => $why,)+ }
            }
        }
    };
}

checks! {
    KernelRelease Kernel "kernel-release" "Features of the running kernel that the programs use, probed by tiny programs; its version is a note."
        "Older kernels lack them; kernels of distributions have more than their version says.",
    BpfPrograms Kernel "bpf-programs" "Whether the kernel accepts the programs: they are loaded, attached to nothing, and unloaded."
        "Without them nothing is forwarded; a kernel may lack a helper, or its verifier may refuse.",
    BpfJit Kernel "bpf-jit" "Whether BPF programs are compiled (net.core.bpf_jit_enable)."
        "Interpreted programs forward at a fraction of the speed.",
    KernelBtf Kernel "kernel-btf" "Type information of the kernel (/sys/kernel/btf/vmlinux)."
        "bpftool and other tools show more with it; forwarding does not depend on it.",
    BpfFs Kernel "bpf-fs" "Whether the BPF file system is mounted at gateway.pin_dir."
        "Programs and maps are pinned there, so that forwarding outlives the agent.",
    Capabilities Kernel "capabilities" "Capabilities of this process, or of the running agent."
        "Attaching takes CAP_NET_ADMIN, loading CAP_BPF and CAP_PERFMON, virtual routers CAP_NET_RAW and, to be on time, CAP_SYS_NICE.",
    BpfStats Kernel "bpf-stats" "Whether the kernel measures each run of a BPF program (kernel.bpf_stats_enabled)."
        "Measuring costs two readings of the clock for each packet.",
    UnprivilegedBpf Kernel "unprivileged-bpf" "Whether users without privileges may load BPF programs (kernel.unprivileged_bpf_disabled)."
        "Attacks on the kernel have used it more than once.",
    ClockSource Kernel "clock-source" "The clock source of the kernel."
        "Leases and advertisements are a matter of milliseconds; a slow clock source costs microseconds at each reading, and the kernel falls back to one when the processor's own is unreliable.",
    ClockTick Kernel "clock-tick" "The kernel's tick, against the interval of the virtual routers."
        "The data plane reads the lease with the coarse clock, which lags by up to a tick.",

    InterfaceUp Interfaces "interface-up" "Whether each uplink and port is there, up, and has a carrier."
        "No packet passes an interface otherwise.",
    InterfaceMaster Interfaces "interface-master" "Whether an interface belongs to a bridge or a bond."
        "Its master carries its traffic: tunnels can't send by it, and what comes in is forwarded by both; the bridge or bond itself has to be named.",
    NicSettings Interfaces "nic-settings" "Offloads and promiscuous mode, as the data plane needs them."
        "A NIC that strips VLAN tags hides them from XDP, one that merges packets makes frames that no station sent, one that filters drops frames for the machines behind the tunnels.",
    XdpNative Interfaces "xdp-native" "Whether the driver runs XDP."
        "Where it does not, TC carries the traffic, at about a third of the speed.",
    XdpTransmit Interfaces "xdp-transmit" "Whether the driver takes frames that XDP redirects to it (ndo_xdp_xmit)."
        "Frames to an interface that does not are left to TC.",
    XdpForeign Interfaces "xdp-foreign" "Whether another XDP program is on the interface."
        "An interface has one XDP program; while another is there, the gateway's cannot be, and packets may never reach TC.",
    NicQueues Interfaces "nic-queues" "Receive queues against processors."
        "A queue is served by one processor at a time: with fewer queues the others do nothing.",
    NicRings Interfaces "nic-rings" "Size of the receive ring against the maximum of the NIC."
        "Bursts that do not fit are lost before anything counts them but `ethtool -S`.",
    Attached Interfaces "attached" "Whether the gateway's programs are on the interface."
        "Without them no packet that arrives there is forwarded.",

    UplinkMtu Tunnels "uplink-mtu" "MTU of the uplinks against that of the ports."
        "VXLAN makes packets longer and the gateway never fragments: packets that do not fit are dropped.",
    RemoteVtep Tunnels "remote-vtep" "Route and next hop of every remote VTEP."
        "Nothing can be sent to one that is not resolved.",
    PathMtu Tunnels "path-mtu" "Echo requests of the longest size, with Don't Fragment, to remote VTEPs."
        "A narrower link on the path drops long packets only: ping works, and transfers hang.",

    VtepAddress Nodes "vtep-address" "Whether the tunnel addresses are on the right interface."
        "Remote VTEPs send to that address, and take packets from no other.",
    AddressClash Nodes "address-clash" "Other machines that answer ARP or neighbour discovery for the tunnel addresses."
        "Two machines with one address take each other's packets, in turns.",
    VrrpHeard Nodes "vrrp-heard" "Advertisements on the link of each virtual router."
        "Another virtual router of the same number, or a node set up differently, keeps roles from being clear.",
    NodesAuthenticated Nodes "nodes-authenticated" "Whether nodes authenticate each other (auth_keys of [[vrrp]])."
        "Without it any host on the link can take the role, or keep it from every node.",
    Lease Nodes "lease" "Whether the active node has a lease, and no other has."
        "The data plane forwards only under a lease.",
    RpFilter Nodes "rp-filter" "Reverse path filtering on the interfaces of virtual routers."
        "Strict filtering drops advertisements from addresses that are not reached by that interface.",
    Firewall Nodes "firewall" "nftables rules that could drop VRRP or the nodes' own connections."
        "Nodes that do not hear each other are both active. Tunnel packets do not pass the firewall.",
    IpForward Nodes "ip-forward" "Whether the machine routes, and has addresses on access ports."
        "It would join networks that the gateway keeps apart.",

    DatabaseReach Database "database-reach" "Whether a server of the database can be followed."
        "Without it bindings, MACs and VTEPs stay as they were, and are given up after `hold_time`, if there is one.",
    DatabaseMembers Database "database-members" "Each server of database.remote by itself."
        "One that is gone is not missed before the next one goes.",
    DatabaseSchema Database "database-schema" "Tables and columns the gateway uses."
        "Columns that an older schema lacks can be neither read nor written.",
    TlsFiles Database "tls-files" "Key and certificates: readable, not for all users, and not expired."
        "An expired certificate takes the database away, from one minute to the next.",
    DatabaseSwitch Database "database-switch" "The gateway's row in Physical_Switch, and that Global refers to it."
        "Controllers know the gateway by that row only.",
    DatabaseTunnelIps Database "database-tunnel-ips" "tunnel_ips of that row against gateway.vtep."
        "OVN has hypervisors send to tunnel_ips, and take packets from nowhere else.",
    DatabaseClash Database "database-clash" "Whether another physical switch has the same tunnel address."
        "OVN gives an address to one chassis; with two, hypervisors lose one or the other, without end.",
    DatabasePorts Database "database-ports" "A row in Physical_Port for each [[port]]."
        "VLANs are bound on these rows.",
    DatabaseBindings Database "database-bindings" "Whether any VLAN is bound, and only on ports there are."
        "Traffic of VLANs that are not bound is not forwarded.",
    DatabaseKeys Database "database-keys" "Whether each bound logical switch has a tunnel_key."
        "The controller gives it; a switch without one does not forward.",

    OvnVxlanMode Ovn "ovn-vxlan-mode" "OVN's options:vxlan_mode, in the northbound database."
        "A vxlan encapsulation anywhere limits the cloud to 4095 networks, unless OVN (24.09 or newer) knows that only VTEPs use it.",
    OvnEncap Ovn "ovn-encap" "Whether each hypervisor has a vxlan encapsulation."
        "The gateway speaks nothing else: VMs on a hypervisor without it are unreachable.",
    OvnChassis Ovn "ovn-chassis" "The gateway's chassis in the southbound database, and its address."
        "Without it ovn-controller-vtep does not run, or follows another database.",

    Agent Agent "agent" "Whether an agent runs and answers."
        "Forwarding goes on without one for a while, but nothing is resolved, learned or aged.",
    AgentProblem Agent "agent-problem" "Open problems of the agent."
        "Part of what is configured is not forwarded, or not as asked for.",
    Pins Agent "pins" "Pinned maps: there, complete, and of this version's layout."
        "The programs forward by them, and the next agent adopts them.",
    Drops Agent "drops" "Counters of dropped packets that grow while the doctor looks."
        "Every drop has a reason, and most a remedy.",
    ConfigFile Agent "config-file" "Write permission on the configuration file."
        "Its contents decide all forwarding.",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_fit_for_scripts() {
        let names: BTreeSet<&str> = Check::ALL.iter().map(|check| check.name()).collect();
        assert_eq!(names.len(), Check::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    }

    #[test]
    fn checks_of_a_group_stand_together() {
        let groups: Vec<Group> = Check::ALL.iter().map(|check| check.group()).collect();
        assert!(groups.is_sorted());
    }
}
