//! The checks there are: one definition for names, groups and reasons, which `docs/FAULTS.md` repeats.

macro_rules! groups {
    ($( $variant:ident $name:literal $title:literal, )+) => {
        /// What checks are about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Group {
            $(#[doc = $title] $variant,)+
        }

        impl Group {
            /// All of them, in the order in which they are told.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The heading.
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
        /// Something that is looked at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Check {
            $(#[doc = $asks] $variant,)+
        }

        impl Check {
            /// All of them, in the order in which they are told.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name, which never changes: scripts go by it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The group it is told in.
            pub const fn group(self) -> Group {
                match self { $(Self::$variant => Group::$group,)+ }
            }

            /// What is looked at.
            pub const fn asks(self) -> &'static str {
                match self { $(Self::$variant => $asks,)+ }
            }

            /// Why it matters.
            pub const fn why(self) -> &'static str {
                match self { $(Self::$variant => $why,)+ }
            }
        }
    };
}

checks! {
    KernelRelease Kernel "kernel-release" "Whether the running kernel has what the programs use, as tiny programs show; its version is a note."
        "Older kernels do not have it; kernels of distributions have more than their version says.",
    BpfPrograms Kernel "bpf-programs" "Whether the kernel takes the programs: they are loaded, attached to nothing, and let go."
        "Without them nothing is forwarded; a kernel may lack a helper, or its verifier may refuse.",
    BpfJit Kernel "bpf-jit" "Whether BPF programs are compiled (net.core.bpf_jit_enable)."
        "Interpreted programs forward at a fraction of the speed.",
    KernelBtf Kernel "kernel-btf" "Type information of the kernel (/sys/kernel/btf/vmlinux)."
        "bpftool and other tools show more with it; forwarding does not depend on it.",
    BpfFs Kernel "bpf-fs" "Whether the BPF file system is mounted where gateway.pin_dir is."
        "Programs and maps are pinned there, so that forwarding outlives the agent.",
    Capabilities Kernel "capabilities" "What this process, or the running agent, may do."
        "Attaching takes CAP_NET_ADMIN, loading CAP_BPF and CAP_PERFMON, virtual routers CAP_NET_RAW and, to be on time, CAP_SYS_NICE.",
    BpfStats Kernel "bpf-stats" "Whether the kernel measures each run of a BPF program (kernel.bpf_stats_enabled)."
        "Measuring costs two readings of the clock for each packet.",
    UnprivilegedBpf Kernel "unprivileged-bpf" "Whether users without privileges may load BPF programs (kernel.unprivileged_bpf_disabled)."
        "It has been the way into the kernel more than once.",
    ClockSource Kernel "clock-source" "What the kernel reads the time from."
        "Leases and advertisements are a matter of milliseconds; a slow clock source costs microseconds at each reading, and the kernel falls back to one when the processor's own is unreliable.",
    ClockTick Kernel "clock-tick" "The kernel's tick, against the interval of the virtual routers."
        "The data plane reads the lease with the coarse clock, which lags by up to a tick.",

    InterfaceUp Interfaces "interface-up" "Whether each uplink and port is there, up, and has a carrier."
        "Nothing passes an interface that is not.",
    InterfaceMaster Interfaces "interface-master" "Whether an interface belongs to a bridge or a bond."
        "Its master carries its traffic: tunnels can't send by it, and what comes in is forwarded by both; the bridge or bond itself has to be named.",
    NicSettings Interfaces "nic-settings" "Offloads and promiscuous mode, as the data plane needs them."
        "A NIC that strips VLAN tags hides them from XDP, one that merges packets makes frames nobody sent, one that filters drops what is for the machines behind the tunnels.",
    XdpNative Interfaces "xdp-native" "Whether the driver runs XDP."
        "Where it does not, TC carries the traffic, at about a third of the speed.",
    XdpTransmit Interfaces "xdp-transmit" "Whether the driver takes frames that XDP redirects to it (ndo_xdp_xmit)."
        "Frames to an interface that does not are left to TC.",
    XdpForeign Interfaces "xdp-foreign" "Whether another XDP program is on the interface."
        "An interface has one XDP program; while another is there, the gateway's cannot be, and packets may never reach TC.",
    NicQueues Interfaces "nic-queues" "Receive queues against processors."
        "A queue is served by one processor at a time: with fewer queues the others do nothing.",
    NicRings Interfaces "nic-rings" "Size of the receive ring against what the NIC can have."
        "Bursts that do not fit are lost before anything counts them but `ethtool -S`.",
    Attached Interfaces "attached" "Whether the gateway's programs are on the interface."
        "Without them what arrives there is not forwarded.",

    UplinkMtu Tunnels "uplink-mtu" "MTU of the uplinks against that of the ports."
        "VXLAN makes packets longer and the gateway never fragments: what does not fit is dropped.",
    RemoteVtep Tunnels "remote-vtep" "Route and next hop of every remote VTEP."
        "Nothing can be sent to one that is not resolved.",
    PathMtu Tunnels "path-mtu" "Echo requests of the longest size, with Don't Fragment, to remote VTEPs."
        "A narrower link on the way drops long packets only: ping works, and transfers hang.",

    VtepAddress Nodes "vtep-address" "Whether the tunnel addresses are where they belong."
        "Remote VTEPs send to that address, and take packets from no other.",
    AddressClash Nodes "address-clash" "Who else answers ARP or neighbour discovery for the tunnel addresses."
        "Two machines with one address take each other's packets, in turns.",
    VrrpHeard Nodes "vrrp-heard" "Advertisements on the segment of each virtual router."
        "Another virtual router of the same number, or a node set up differently, keeps roles from being clear.",
    NodesAuthenticated Nodes "nodes-authenticated" "Whether nodes prove to each other who they are (auth_keys of [[vrrp]])."
        "Without it whoever is on the link can take the role, or keep it from every node.",
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
        "What an older schema does not have cannot be read or told.",
    TlsFiles Database "tls-files" "Key and certificates: readable, not for everybody, and not expired."
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
        "What is not bound is not forwarded.",
    DatabaseKeys Database "database-keys" "Whether each bound logical switch has a tunnel_key."
        "The controller gives it; a switch without one does not forward.",

    OvnVxlanMode Ovn "ovn-vxlan-mode" "OVN's options:vxlan_mode, in the northbound database."
        "A vxlan encapsulation anywhere limits the cloud to 4095 networks, unless OVN (24.09 or newer) is told that only VTEPs use it.",
    OvnEncap Ovn "ovn-encap" "Whether each hypervisor has a vxlan encapsulation."
        "The gateway speaks nothing else: VMs on a hypervisor without it are unreachable.",
    OvnChassis Ovn "ovn-chassis" "The gateway's chassis in the southbound database, and its address."
        "Without it ovn-controller-vtep does not run, or follows another database.",

    Agent Agent "agent" "Whether an agent runs and answers."
        "Forwarding goes on without one for a while, but nothing is resolved, learned or aged.",
    AgentProblem Agent "agent-problem" "Problems that the agent says stand."
        "Part of what is configured is not forwarded, or not as asked for.",
    Pins Agent "pins" "Pinned maps: there, complete, and of this version's layout."
        "They are what the programs forward by, and what the next agent takes over.",
    Drops Agent "drops" "Counters of dropped packets that grow while the doctor looks."
        "Every drop has a reason, and most a remedy.",
    ConfigFile Agent "config-file" "Who may change the configuration file."
        "Who changes it decides what is forwarded where.",
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
