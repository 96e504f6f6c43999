//! Other implementations, at the other end of the cable.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use gateway_ha::Family;
use gateway_vrrp::{Advertisement, Checksum, PacketError, Version};

use crate::{
    lab::{Daemon, Directory, Lab, PEER, PEER_LINK_LOCAL, SendNext, arrival, ip, open, parse, until},
    netns::in_new,
};

fn spawn(lab: &Lab, program: &str, arguments: &[&str]) -> Daemon {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Daemon::new(lab.peer.within(|| command.spawn()).unwrap_or_else(|error| panic!("{program}: {error}")))
}

fn keepalived(lab: &Lab, directory: &Directory, instance: &str) -> Daemon {
    let config = format!(
        "vrrp_instance lab {{\n state MASTER\n interface peer0\n virtual_router_id 51\n priority 200\n {instance}\n}}\n"
    );
    let config = directory.write("keepalived.conf", &config);
    let [main, vrrp, checkers] = ["main.pid", "vrrp.pid", "checkers.pid"].map(|name| directory.path(name));
    // VRRP alone, in the foreground.
    let arguments = ["-P", "-n", "-l", "-f", &config, "-p", &main, "-r", &vrrp, "-c", &checkers];
    spawn(lab, "keepalived", &arguments)
}

/// FRR wants a macvlan with the virtual MAC and the virtual address, and zebra to report both to it.
async fn frr(lab: &Lab, directory: &Directory, version: u8) -> [Daemon; 2] {
    for (name, octet, address) in [("vrrp4", 1, "10.9.0.100/24"), ("vrrp6", 2, "2001:db8::100/64")] {
        lab.peer
            .run(&format!("ip link add {name} link peer0 address 00:00:5e:00:0{octet}:33 type macvlan mode bridge"));
        lab.peer.run(&format!("ip addr add {address} dev {name}"));
        lab.peer.run(&format!("ip link set {name} up"));
    }
    let config = format!(
        "interface peer0\n vrrp 51 version {version}\n vrrp 51 priority 200\n vrrp 51 advertisement-interval 1000\n \
         vrrp 51 ip 10.9.0.100\n vrrp 51 ipv6 2001:db8::100\n"
    );
    let config = directory.write("vrrpd.conf", &config);
    // They become another user.
    fs::set_permissions(&directory.0, Permissions::from_mode(0o777)).unwrap();
    let nothing = directory.write("zebra.conf", "");
    let (socket, here) = (directory.path("zserv.api"), directory.path(""));
    let daemon = |name: &str, config: &str| {
        let pid = directory.path(&format!("{name}.pid"));
        let arguments = ["-P", "0", "-f", config, "-i", &pid, "-z", &socket, "--vty_socket", &here];
        spawn(lab, &format!("/usr/lib/frr/{name}"), &arguments)
    };
    let zebra = daemon("zebra", &nothing);
    // Else vrrpd tries again ten seconds later.
    until("ready", || Path::new(&socket).exists().then_some(())).await;
    [zebra, daemon("vrrpd", &config)]
}

/// What the other end sends first.
async fn first(family: Family) -> Result<Advertisement, PacketError> {
    let mut own = open("own0", family, &[]);
    let received = arrival(&mut own).await;
    let from = if family == Family::V4 { PEER } else { PEER_LINK_LOCAL };
    assert_eq!((received.envelope.from, received.envelope.to), (ip(from), family.group()));
    parse(&received)
}

fn assert_is(read: &Advertisement, version: Version, centiseconds: u16, addresses: &[&str]) {
    assert_eq!((read.version, read.vrid.get(), read.priority), (version, 51, 200));
    assert_eq!(read.interval.centiseconds(), centiseconds);
    assert_eq!(read.addresses, addresses.iter().map(|address| ip(address)).collect::<Vec<_>>());
}

#[test]
fn keepalived_version_2_is_understood() {
    in_new(|| async {
        let (lab, directory) = (Lab::new(), Directory::new("keepalived-2"));
        let _daemon =
            keepalived(&lab, &directory, "version 2\n virtual_ipaddress {\n 10.9.0.100/32\n 10.9.0.101/32\n }");
        assert_is(&first(Family::V4).await.unwrap(), Version::V2, 100, &["10.9.0.100", "10.9.0.101"]);
    });
}

#[test]
fn keepalived_version_3_is_understood() {
    in_new(|| async {
        let (lab, directory) = (Lab::new(), Directory::new("keepalived-3"));
        let _daemon =
            keepalived(&lab, &directory, "version 3\n advert_int 0.25\n virtual_ipaddress {\n 10.9.0.100/32\n }");
        let read = first(Family::V4).await.unwrap();
        assert_is(&read, Version::V3, 25, &["10.9.0.100"]);
        assert_eq!(read.checksum, Checksum::PseudoHeader);
    });
}

#[test]
fn keepalived_over_ipv6_is_understood() {
    in_new(|| async {
        let (lab, directory) = (Lab::new(), Directory::new("keepalived-6"));
        let addresses = "virtual_ipaddress {\n fe80::100/64\n 2001:db8::100/128\n }";
        let _daemon = keepalived(&lab, &directory, &format!("version 3\n advert_int 1\n {addresses}"));
        assert_is(&first(Family::V6).await.unwrap(), Version::V3, 100, &["fe80::100", "2001:db8::100"]);
    });
}

#[test]
fn keepalived_with_a_password_is_recognised() {
    in_new(|| async {
        let (lab, directory) = (Lab::new(), Directory::new("keepalived-password"));
        let password = "authentication {\n auth_type PASS\n auth_pass secret\n }";
        let instance = format!("version 2\n {password}\n virtual_ipaddress {{\n 10.9.0.100/32\n }}");
        let _daemon = keepalived(&lab, &directory, &instance);
        assert_eq!(first(Family::V4).await, Err(PacketError::Authentication(1)));
    });
}

#[test]
fn keepalived_receives_ours_and_stays_backup() {
    in_new(|| async {
        let (lab, directory) = (Lab::new(), Directory::new("keepalived-backup"));
        let mut own = open("own0", Family::V4, &[]);
        let mut stronger = crate::lab::advertisement("10.9.0.100");
        stronger.priority = 250;
        let instance = "version 3\n advert_int 1\n virtual_ipaddress {\n 10.9.0.100/32\n }";
        let _daemon = keepalived(&lab, &directory, instance);
        // It starts as the active router, receives a higher priority, and gives up its address.
        arrival(&mut own).await;
        until("backup", || {
            own.send_next(&stronger).unwrap();
            let has = lab.peer.run("ip addr show peer0").contains("10.9.0.100/32");
            (!has).then_some(())
        })
        .await;
    });
}

#[test]
fn frr_version_2_is_understood() {
    in_new(|| async {
        let (lab, directory) = (Lab::new(), Directory::new("frr-2"));
        let _daemons = frr(&lab, &directory, 2).await;
        assert_is(&first(Family::V4).await.unwrap(), Version::V2, 100, &["10.9.0.100"]);
    });
}

#[test]
fn frr_version_3_is_understood_over_both_families() {
    in_new(|| async {
        let (lab, directory) = (Lab::new(), Directory::new("frr-3"));
        let _daemons = frr(&lab, &directory, 3).await;
        assert_is(&first(Family::V4).await.unwrap(), Version::V3, 100, &["10.9.0.100"]);
        let mut own = open("own0", Family::V6, &[]);
        let read = parse(&arrival(&mut own).await).unwrap();
        assert_is(&read, Version::V3, 100, &["2001:db8::100"]);
    });
}
