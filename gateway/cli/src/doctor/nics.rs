//! Evaluates the interfaces.

use gateway_config::Mode;
use gateway_netdev::{
    Link,
    nic::{self, Master, Role, Share, Wrong, XdpFeatures},
};

use super::{
    check::Check::{
        Attached, InterfaceMaster, InterfaceUp, NicQueues, NicRings, NicSettings, XdpForeign, XdpNative, XdpTransmit,
    },
    finding::Finding,
};

/// Facts about one interface of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) mode: Mode,
    /// `None`: no interface has this name.
    pub(super) interface: Option<Link>,
    /// The bridge or bond that it is a member of.
    pub(super) master: Option<Master>,
    pub(super) driver: Option<String>,
    /// XDP features; `None`: the kernel does not report them (before 6.3).
    pub(super) xdp: Option<XdpFeatures>,
    pub(super) wrong: Vec<Wrong>,
    pub(super) queues: Option<Share>,
    pub(super) ring: Option<Share>,
    /// Id of the program behind the gateway's pinned XDP link for this interface.
    pub(super) own_xdp: Option<u32>,
    /// True if the gateway's TC program is attached.
    pub(super) own_tc: bool,
    /// Name of the attached XDP program.
    pub(super) xdp_name: Option<String>,
}

/// Facts about all interfaces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    pub(super) cpus: u32,
    /// True if a data plane exists, so programs should be attached.
    pub(super) attached: bool,
}

pub(super) fn evaluate(all: &[Facts], around: Around) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all.iter().flat_map(|facts| one(facts, around)).collect();
    // Group the findings by check.
    findings.sort_by_key(|finding| finding.check);
    findings
}

fn one(facts: &Facts, around: Around) -> Vec<Finding> {
    let name = &facts.name;
    let section = if facts.role == Role::Uplink { "uplink" } else { "port" };
    let Some(interface) = &facts.interface else {
        let remedy = format!(
            "compare the name in [[{section}]] with `ip link`; if it is right, plug the NIC in or load its driver"
        );
        return vec![Finding::bad(InterfaceUp, "there is no such interface", remedy).about(name)];
    };
    let findings = [
        Some(up(facts, interface)),
        master(facts),
        Some(settings(facts, around)),
        native(facts),
        transmit(facts),
        foreign(facts, interface),
        queues(facts, around),
        ring(facts),
        attached(facts, interface, around),
    ];
    findings.into_iter().flatten().map(|finding| finding.about(name)).collect()
}

fn up(facts: &Facts, interface: &Link) -> Finding {
    let name = &facts.name;
    if !interface.admin_up {
        Finding::bad(
            InterfaceUp,
            "it is down",
            format!("`ip link set {name} up`, and have the network configuration do so at boot"),
        )
    } else if !interface.running {
        Finding::bad(
            InterfaceUp,
            "it is up and has no carrier",
            format!("check cable, optics and switch port: `ethtool {name}`"),
        )
    } else {
        let driver = facts.driver.as_deref().unwrap_or("an unknown one");
        Finding::ok(InterfaceUp, format!("up, MTU {}, driver {driver}", interface.mtu))
    }
}

fn master(facts: &Facts) -> Option<Finding> {
    let master = facts.master.as_ref()?;
    Some(Finding::bad(InterfaceMaster, master.trouble(facts.role), master.remedy(facts.role)))
}

fn settings(facts: &Facts, around: Around) -> Finding {
    let name = &facts.name;
    let Some(first) = facts.wrong.first() else {
        return Finding::ok(NicSettings, "offloads are as they have to be");
    };
    let list: Vec<String> =
        facts.wrong.iter().map(|wrong| format!("{} is {}", wrong.setting, word(!wrong.wanted))).collect();
    let list = list.join(", ");
    if let Some(fixed) = facts.wrong.iter().find(|wrong| !wrong.changeable) {
        let remedy =
            format!("use another NIC for {name}, or look for a newer driver: {} can't be changed", fixed.setting);
        return Finding::warn(NicSettings, format!("{list}, and the driver does not let it be changed"), remedy);
    }
    if !around.attached {
        return Finding::ok(NicSettings, format!("{list}; the agent changes that when it starts"));
    }
    let commands: Vec<String> = facts.wrong.iter().map(|wrong| command(name, wrong)).collect();
    let what = format!("{list} although the gateway is attached: {} has been changed since", first.setting);
    Finding::bad(
        NicSettings,
        what,
        format!(
            "`{}`, and find out what sets it (ethtool in network scripts, NetworkManager, tuned)",
            commands.join("; ")
        ),
    )
}

fn command(name: &str, wrong: &Wrong) -> String {
    match wrong.setting {
        nic::Setting::Promiscuous => format!("ip link set {name} promisc {}", word(wrong.wanted)),
        setting => format!("ethtool -K {name} {setting} {}", word(wrong.wanted)),
    }
}

const fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn native(facts: &Facts) -> Option<Finding> {
    if facts.mode == Mode::Tc {
        return Some(Finding::ok(XdpNative, "mode is tc: XDP is not asked for"));
    }
    let (name, driver) = (&facts.name, facts.driver.as_deref().unwrap_or("unknown"));
    let (has, known) = match facts.xdp {
        Some(features) => (features.basic() && features.redirect(), true),
        None => (facts.own_xdp.is_some(), false),
    };
    Some(if has {
        Finding::ok(XdpNative, format!("driver {driver} runs XDP"))
    } else if !known {
        Finding::unknown(
            XdpNative,
            format!("this kernel does not report whether driver {driver} runs XDP"),
            "the agent's log says so at start: `attached ... mode=\"xdp\"`",
        )
    } else {
        let what = format!("driver {driver} does not run XDP now");
        let remedy = format!(
            "`ethtool -K {name} lro off rx-gro-hw off`, a smaller MTU or fewer queues may be what the driver asks for (`dmesg | \
             tail` after a start of the agent); else use a NIC whose driver has XDP, or set mode = \"tc\" to say that it is meant"
        );
        if facts.mode == Mode::Xdp {
            Finding::bad(XdpNative, what, remedy)
        } else {
            Finding::warn(XdpNative, what, remedy)
        }
    })
}

fn transmit(facts: &Facts) -> Option<Finding> {
    // Without a program this means nothing yet: drivers create the queues for XDP when a program is attached.
    if facts.mode == Mode::Tc || facts.own_xdp.is_none() {
        return None;
    }
    let Some(features) = facts.xdp else {
        return Some(Finding::unknown(
            XdpTransmit,
            "this kernel (before 6.3) does not report whether the driver takes frames that XDP redirects to it",
            "`vtep-gateway show counters`: if redirect_refused grows, it does not; TC sends to it from the first such loss on",
        ));
    };
    let name = &facts.name;
    if !features.basic() {
        return None;
    }
    Some(if features.ndo_xmit_sg() {
        Finding::ok(XdpTransmit, "takes frames that XDP redirects to it, jumbo frames too")
    } else if features.ndo_xmit() {
        Finding::ok(XdpTransmit, "takes frames that XDP redirects to it; those in several buffers go through TC")
    } else if facts.driver.as_deref() == Some("veth") {
        let remedy =
            format!("put an XDP program on its peer, or `ethtool -K PEER gro on` there; {name} itself is fine");
        Finding::warn(XdpTransmit, "frames to it go through TC: its peer does not take XDP frames", remedy)
    } else {
        let remedy =
            "look for a newer driver or firmware, or fewer queues than processors (drivers want a send queue for each)";
        Finding::warn(XdpTransmit, "frames to it go through TC: the driver takes none from XDP", remedy)
    })
}

fn foreign(facts: &Facts, interface: &Link) -> Option<Finding> {
    let id = interface.xdp?;
    if facts.own_xdp == Some(id) {
        return None;
    }
    let what = nic::foreign_xdp(id, facts.xdp_name.as_deref());
    let remedy = nic::foreign_xdp_remedy(&facts.name, id);
    // With TC as the configured mode, the program may be intended.
    Some(if facts.mode == Mode::Tc {
        Finding::warn(XdpForeign, what, remedy)
    } else {
        Finding::bad(XdpForeign, what, remedy)
    })
}

fn queues(facts: &Facts, around: Around) -> Option<Finding> {
    let Share { used, most } = facts.queues?;
    // Queues of virtual interfaces are not rings of a NIC.
    if facts.driver.as_deref() == Some("veth") || most == 0 {
        return None;
    }
    let (name, wanted) = (&facts.name, around.cpus.min(most));
    Some(if used >= wanted {
        Finding::ok(NicQueues, format!("{used} receive queues for {} processors", around.cpus))
    } else {
        Finding::warn(
            NicQueues,
            format!("{used} receive queues for {} processors", around.cpus),
            format!("`ethtool -L {name} combined {wanted}` (rx {wanted} where it has no combined ones)"),
        )
    })
}

fn ring(facts: &Facts) -> Option<Finding> {
    let Share { used, most } = facts.ring?;
    // At 10 Gbit/s, bursts overrun a smaller ring within a fraction of a millisecond.
    const ENOUGH: u32 = 1024;
    if most == 0 {
        return None;
    }
    let (name, wanted) = (&facts.name, ENOUGH.min(most));
    Some(if used >= wanted {
        Finding::ok(NicRings, format!("room for {used} packets in each receive ring"))
    } else {
        Finding::warn(
            NicRings,
            format!("room for {used} packets in each receive ring, of {most} that it could have"),
            format!("`ethtool -G {name} rx {wanted}`"),
        )
    })
}

fn attached(facts: &Facts, interface: &Link, around: Around) -> Option<Finding> {
    if !around.attached {
        return None;
    }
    let ours = facts.own_xdp.is_some() && interface.xdp == facts.own_xdp;
    let remedy = "`systemctl restart vtep-gateway`; its log names the reason where it can't attach (`journalctl -u vtep-gateway`)";
    Some(if !facts.own_tc {
        Finding::bad(Attached, "the gateway's TC program is not on it", remedy)
    } else if facts.mode == Mode::Xdp && !ours {
        Finding::bad(Attached, "the gateway's XDP program is not on it", remedy)
    } else {
        Finding::ok(
            Attached,
            if ours { "the gateway's programs are on it, XDP and TC" } else { "TC carries its traffic" },
        )
    })
}

#[cfg(test)]
mod tests {
    use gateway_netdev::nic::{MasterKind, Setting};

    use super::*;
    use crate::doctor::{Check, Mark};

    const AROUND: Around = Around { cpus: 4, attached: true };

    fn sound() -> Facts {
        Facts {
            name: "eth0".to_owned(),
            role: Role::Access,
            mode: Mode::Xdp,
            interface: Some(Link {
                ifindex: 3,
                mtu: 1500,
                admin_up: true,
                running: true,
                xdp: Some(7),
                ..Link::default()
            }),
            master: None,
            driver: Some("mlx5_core".to_owned()),
            xdp: Some(XdpFeatures::from_bits(0b111)),
            wrong: vec![],
            queues: Some(Share { used: 4, most: 8 }),
            ring: Some(Share { used: 1024, most: 8192 }),
            own_xdp: Some(7),
            own_tc: true,
            xdp_name: Some("xdp_access".to_owned()),
        }
    }

    fn found(facts: &Facts, around: Around) -> Vec<(Check, Mark)> {
        let findings = evaluate(std::slice::from_ref(facts), around);
        findings.iter().filter(|one| one.mark != Mark::Ok).map(|one| (one.check, one.mark)).collect()
    }

    fn with(change: impl FnOnce(&mut Link)) -> Facts {
        let mut facts = sound();
        change(facts.interface.as_mut().unwrap());
        facts
    }

    const LRO: Wrong = Wrong { setting: Setting::Lro, wanted: false, changeable: true };

    fn bridge() -> Master {
        Master { name: "br-ex".to_owned(), kind: MasterKind::Bridge }
    }

    #[test]
    fn the_remedy_for_a_port_of_a_bridge_is_to_name_the_bridge() {
        let facts = Facts { master: Some(bridge()), role: Role::Uplink, ..sound() };
        let findings = evaluate(&[facts], AROUND);
        let finding = findings.iter().find(|one| one.check == InterfaceMaster).unwrap();
        let remedy = finding.remedy.as_deref().unwrap_or_default();
        assert!(remedy.contains("name br-ex in [[uplink]]") && !remedy.contains("nomaster"), "{remedy}");
    }

    #[test]
    fn a_program_of_others_is_a_warning_where_tc_was_asked_for() {
        let facts = Facts { own_xdp: None, mode: Mode::Tc, ..sound() };
        assert_eq!(found(&facts, AROUND), [(XdpForeign, Mark::Warn)]);
    }

    #[test]
    fn a_sound_interface_is_fine() {
        assert_eq!(found(&sound(), AROUND), []);
    }

    #[test]
    fn each_fault_is_found_alone() {
        let cases = [
            (Facts { interface: None, ..sound() }, InterfaceUp, Mark::Bad),
            (with(|interface| interface.admin_up = false), InterfaceUp, Mark::Bad),
            (with(|interface| interface.running = false), InterfaceUp, Mark::Bad),
            (Facts { master: Some(bridge()), ..sound() }, InterfaceMaster, Mark::Bad),
            (Facts { wrong: vec![LRO], ..sound() }, NicSettings, Mark::Bad),
            (Facts { wrong: vec![Wrong { changeable: false, ..LRO }], ..sound() }, NicSettings, Mark::Warn),
            (Facts { xdp: Some(XdpFeatures::from_bits(0)), ..sound() }, XdpNative, Mark::Bad),
            (Facts { xdp: Some(XdpFeatures::from_bits(0)), mode: Mode::Auto, ..sound() }, XdpNative, Mark::Warn),
            (Facts { xdp: Some(XdpFeatures::from_bits(0b11)), ..sound() }, XdpTransmit, Mark::Warn),
            (Facts { xdp: None, ..sound() }, XdpTransmit, Mark::Unknown),
            (Facts { queues: Some(Share { used: 1, most: 8 }), ..sound() }, NicQueues, Mark::Warn),
            (Facts { ring: Some(Share { used: 256, most: 8192 }), ..sound() }, NicRings, Mark::Warn),
            (Facts { own_tc: false, ..sound() }, Attached, Mark::Bad),
        ];
        for (facts, check, mark) in cases {
            assert_eq!(found(&facts, AROUND), [(check, mark)], "{facts:?}");
        }
    }

    #[test]
    fn a_foreign_program_is_reported_with_its_name() {
        let facts = Facts { own_xdp: None, mode: Mode::Auto, xdp_name: Some("theirs".to_owned()), ..sound() };
        let findings = evaluate(&[facts], AROUND);
        let foreign = findings.iter().find(|one| one.check == XdpForeign).unwrap();
        assert_eq!(foreign.mark, Mark::Bad);
        assert!(foreign.what.contains("theirs id 7"), "{foreign:?}");
    }

    #[test]
    fn before_the_first_start_settings_are_nobody_s_fault() {
        let facts = Facts { wrong: vec![LRO], own_xdp: None, own_tc: false, ..with(|interface| interface.xdp = None) };
        assert_eq!(found(&facts, Around { attached: false, ..AROUND }), []);
    }

    #[test]
    fn the_remedy_is_the_command_that_helps() {
        let promiscuous = Wrong { setting: Setting::Promiscuous, wanted: true, changeable: true };
        assert_eq!(command("e0", &LRO), "ethtool -K e0 large-receive-offload off");
        assert_eq!(command("e0", &promiscuous), "ip link set e0 promisc on");
    }
}
