//! Tests that compare `docs/FAULTS.md` with the code: every check, and every message of the agent.

use std::collections::BTreeSet;

use gateway_common::net::{VlanId, Vni};
use gateway_datapath::{diff::Limit, plan};
use gateway_netdev::{
    nic::{Master, MasterKind, Role},
    underlay::{Forbidden, Why},
};
use gateway_sources::vtep::{Fault, Problem as InDatabase};

use super::{Check, Group};

const REFERENCE: &str = include_str!("../../../../docs/FAULTS.md");

fn is_documented(message: &str) -> bool {
    REFERENCE.contains(&format!("\n| {message} |"))
}

#[test]
fn every_check_is_in_the_reference_in_its_own_words() {
    for check in Check::ALL {
        let row = format!("\n| `{}` | {} | {} |\n", check.name(), check.asks(), check.why());
        assert!(REFERENCE.contains(&row), "add to docs/FAULTS.md, \"{}\":{row}", check.group().title());
    }
}

#[test]
fn the_reference_has_no_check_that_is_gone() {
    let (_, doctor) = REFERENCE.split_once("## Checks of the doctor").unwrap();
    let (_, groups) = doctor.split_once("\n### ").unwrap();
    let documented: Vec<&str> = groups.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let names: Vec<&str> = Check::ALL.iter().map(|check| check.name()).collect();
    assert_eq!(documented, names);
    let titles: Vec<&str> = doctor.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(titles, Group::ALL.iter().map(|group| group.title()).collect::<Vec<_>>());
}

/// Returns a problem of each kind with a number. A new kind does not compile here until it is added.
fn plan_problems() -> Vec<(usize, plan::Problem)> {
    use plan::Problem as P;
    let number = |problem: &P| match problem {
        P::NoInterface(_) => 0,
        P::Down(_) => 1,
        P::Mtu { .. } => 2,
        P::SameVni { .. } => 3,
        P::NoVtep(_) => 4,
        P::OwnAddress(_) => 5,
        P::Unresolved(..) => 6,
        P::NotAPort(_) => 7,
        P::BoundTwice { .. } => 8,
        P::NotBound { .. } => 9,
        P::NotForwarding { .. } => 10,
        P::Member { .. } => 11,
        P::PathMtu { .. } => 12,
    };
    let (vlan, port) = (VlanId::new(100).unwrap(), || "eth1".to_owned());
    let (first, second) = (|| "net1".to_owned(), || "net2".to_owned());
    let master = |name: &str, kind| Master { name: name.to_owned(), kind };
    let all = [
        P::NoInterface(port()),
        P::Down(port()),
        P::Mtu { uplink: "eth0".to_owned(), mtu: 1500, port: port(), port_mtu: 1500, needed: 1550, fits: 1450 },
        P::SameVni { vni: Vni::new(5001).unwrap(), first: first(), second: second() },
        P::NoVtep("2001:db8::11".parse().unwrap()),
        P::OwnAddress("172.31.0.21".parse().unwrap()),
        P::NotAPort("eth9".to_owned()),
        P::BoundTwice { port: port(), vlan, first: first(), second: second() },
        P::NotBound { switch: first(), port: port(), vlan },
        P::PathMtu { remote: "172.31.0.11".parse().unwrap(), mtu: 1400, max_frame: 1364, fits: 1350 },
        P::NotForwarding { first: Box::new(waiting()), count: 1, bound: 4 },
        P::Member { interface: "eth0".to_owned(), role: Role::Uplink, master: master("br-ex", MasterKind::Bridge) },
        P::Member { interface: port(), role: Role::Access, master: master("br-ex", MasterKind::Bridge) },
        P::Member { interface: "eth0".to_owned(), role: Role::Uplink, master: master("bond0", MasterKind::Bond) },
        P::Member {
            interface: "eth0".to_owned(),
            role: Role::Uplink,
            master: master("ovs-system", MasterKind::OpenVswitch),
        },
        P::Member { interface: port(), role: Role::Access, master: master("ovs-system", MasterKind::OpenVswitch) },
    ];
    all.into_iter().map(|problem| (number(&problem), problem)).collect()
}

fn waiting() -> plan::BoundVlan {
    let (port, switch) = ("eth1".to_owned(), "net2".to_owned());
    let state = gateway_api::view::BindingState::WaitsForKey;
    plan::BoundVlan { port, vlan: 200, switch, vni: None, instance: 0, state }
}

#[test]
fn every_problem_of_a_plan_is_in_the_reference() {
    let all = plan_problems();
    for (_, problem) in &all {
        let mark = if problem.is_warning() { "warning" } else { "fault" };
        assert!(is_documented(&format!("{problem} | {mark}")), "{problem} | {mark}");
    }
    assert!(is_documented(&format!("{} | fault", gateway_api::view::EVERY_TUNNEL)));
    // `Unresolved` has a table of its own.
    assert!(REFERENCE.contains("\n| tunnel to 172.31.0.11 can't send: ... | warning |"));
    let numbers: BTreeSet<usize> = all.iter().map(|(number, _)| *number).chain([6]).collect();
    assert_eq!(numbers, (0..13).collect());
}

#[test]
fn every_reason_for_an_unresolved_tunnel_is_in_the_reference() {
    let number = |why: &Why| match why {
        Why::NotAsked => 0,
        Why::NoRoute { .. } => 1,
        Why::Forbidden(_) => 2,
        Why::OwnAddress => 3,
        Why::NotUnicast => 4,
        Why::Lookup(_) => 5,
        Why::LinkGone { .. } => 6,
        Why::NotUplink { .. } => 7,
        Why::LinkDown { .. } => 8,
        Why::NoCarrier { .. } => 9,
        Why::NotEthernet { .. } => 10,
        Why::NeighbourPending { .. } => 11,
        Why::NeighbourFailed { .. } => 12,
    };
    let (link, address) = (|| "eth0".to_owned(), "172.31.0.1".parse().unwrap());
    let all = [
        Why::NotAsked,
        Why::NoRoute { down: vec![] },
        Why::NoRoute { down: vec![link()] },
        Why::Forbidden(Forbidden::Blackhole),
        Why::OwnAddress,
        Why::NotUnicast,
        Why::Lookup(libc::EINVAL),
        Why::LinkGone { ifindex: 7 },
        Why::NotUplink { link: "eth9".to_owned() },
        Why::LinkDown { link: link() },
        Why::NoCarrier { link: link() },
        Why::NotEthernet { link: link() },
        Why::NeighbourPending { address, link: link() },
        Why::NeighbourFailed { address, link: link() },
    ];
    for why in &all {
        assert!(is_documented(&why.to_string()), "{why}");
    }
    assert_eq!(all.iter().map(number).collect::<BTreeSet<_>>(), (0..13).collect());
}

#[test]
fn every_problem_in_the_database_is_in_the_reference() {
    let number = |problem: &InDatabase| match problem {
        InDatabase::VniTwice { .. } => 0,
        InDatabase::NoPort { .. } => 1,
        InDatabase::NoVlan { .. } => 2,
        InDatabase::VlanTwice { .. } => 3,
    };
    let (port, first, second) = (|| "eth1".to_owned(), || "net1".to_owned(), || "net2".to_owned());
    let all = [
        InDatabase::VniTwice { vni: Vni::new(5001).unwrap(), switch: second(), holder: first() },
        InDatabase::NoPort { port: "eth9".to_owned() },
        InDatabase::NoVlan { port: port(), vlan: 4095 },
        InDatabase::VlanTwice { port: port(), vlan: VlanId::new(100).unwrap(), switch: second(), holder: first() },
    ];
    for problem in &all {
        assert!(is_documented(&format!("{problem} | warning")), "{problem}");
    }
    assert_eq!(all.iter().map(number).collect::<BTreeSet<_>>(), (0..4).collect());
}

#[test]
fn every_limit_is_in_the_reference() {
    use gateway_common::binding::BindingKey;
    let number = |limit: &Limit| match limit {
        Limit::Tunnels(_) => 0,
        Limit::Bindings(_) => 1,
        Limit::Flood(_) => 2,
    };
    let all = [
        Limit::Tunnels("172.31.0.11".parse().unwrap()),
        Limit::Bindings(BindingKey { ifindex: 3, vlan: 100, reserved: 0 }),
        Limit::Flood(5001),
    ];
    for limit in &all {
        assert!(is_documented(&format!("{limit} | fault")), "{limit}");
    }
    assert_eq!(all.iter().map(number).collect::<BTreeSet<_>>(), (0..3).collect());
}

#[test]
fn every_fault_for_controllers_is_in_the_reference() {
    for fault in [Fault::MacTableExhaustion, Fault::TunnelExhaustion, Fault::InvalidVlanMap, Fault::Unspecified] {
        assert!(is_documented(&format!("`{fault}` | {}", of(fault))), "{fault}");
    }
}

/// Returns the column of a fault.
fn of(fault: Fault) -> &'static str {
    match fault {
        Fault::MacTableExhaustion | Fault::TunnelExhaustion => "`switch_fault_status`",
        Fault::InvalidVlanMap => "`port_fault_status`",
        Fault::Unspecified => "both",
    }
}

fn unreachable() -> gateway_api::view::Unreachable {
    let (remote, reason) = ("tcp:192.0.2.1:6640".to_owned(), "no answer within 5s".to_owned());
    gateway_api::view::Unreachable { remote, reason, cause: "unreachable".to_owned() }
}

/// Compares the messages of [`gateway_api::view`] about a database and virtual routers.
#[test]
fn problems_derived_from_the_state_are_in_the_reference() {
    use gateway_api::view::{Database, DatabaseState, Role, samples};
    let states = [DatabaseState::Waiting, DatabaseState::Gone, DatabaseState::Kept, DatabaseState::Expired];
    for state in states {
        let mut status = samples::healthy();
        status.vrrp.clear();
        status.nodes = None;
        if let Database::HardwareVtep(following) = &mut status.database {
            (following.state, following.unreadable_rows) = (state, 2);
            following.hold_seconds_left = (state == DatabaseState::Kept).then_some(300);
            following.unreachable = (state != DatabaseState::Kept).then(unreachable);
        }
        status.evaluate(|_| false);
        assert_eq!(status.problems.len(), 2);
        assert!(is_documented(&format!("{} | fault", status.problems[0].text)), "{}", status.problems[0].text);
        assert!(is_documented(&format!("{} | warning", status.problems[1].text)), "{}", status.problems[1].text);
    }
    for (role, there, lease) in [
        (Role::Fault, false, None),
        (Role::Starting, false, None),
        (Role::Active, false, Some(1)),
        (Role::Active, true, None),
    ] {
        let mut status = samples::healthy();
        status.nodes = None;
        let router = &mut status.vrrp[0];
        (router.role, router.addresses_there, router.lease_left_ms) = (role, there, lease);
        (router.interface, router.problems) = ("eth0".to_owned(), Vec::new());
        let name = format!("{}: ", router.name);
        status.evaluate(|_| false);
        let texts: Vec<&str> = status.problems.iter().map(|one| one.text.strip_prefix(&name).unwrap()).collect();
        assert!(texts.len() == 1 && is_documented(texts[0]), "{texts:?}");
    }
}

/// Returns the commands of this program in a page: lines of code that begin with it, and text between backticks.
fn commands(page: &str) -> Vec<String> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("    vtep-gateway "));
    let pieces = page.split('`').skip(1).step_by(2).filter_map(|piece| piece.strip_prefix("vtep-gateway "));
    lines.chain(pieces).map(|command| command.split('#').next().unwrap_or_default().trim().to_owned()).collect()
}

#[test]
fn commands_of_the_pages_are_commands_of_this_program() {
    use clap::{CommandFactory, Parser};
    let pages = [include_str!("../../../../docs/TROUBLESHOOTING.md"), REFERENCE];
    let cli = crate::Cli::command();
    let verbs: BTreeSet<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    let mut seen = BTreeSet::new();
    for command in pages.into_iter().flat_map(commands) {
        let words: Vec<&str> = command.split_whitespace().collect();
        if !words.first().is_some_and(|verb| verbs.contains(verb)) {
            continue;
        }
        // Words in capitals are placeholders.
        let words = words.into_iter().map(|word| if word == "REMOTE" { "tcp:192.0.2.1:6641" } else { word });
        let parsed = crate::Cli::try_parse_from(["vtep-gateway"].into_iter().chain(words));
        let parsed = parsed.err().filter(|error| error.exit_code() != 0);
        assert!(parsed.is_none(), "{command}: {}", parsed.map(|error| error.to_string()).unwrap_or_default());
        seen.insert(command);
    }
    assert!(seen.len() >= 4, "{seen:?}");
}
