//! DHCP, with a real server on one side and a real client on the other.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::Result;
use lab::{
    Host,
    crossing::{Crossing, EXT, Plan, VM},
    wait::SOON,
};

const OFFERED: &str = "10.0.0.50";

/// What udhcpc runs when it has got an address.
const SCRIPT: &str = "#!/bin/sh
[ \"$1\" != bound ] || ip addr add \"$ip/$mask\" dev \"$interface\"
";

fn lease(server: &Host, client: &Host) -> Result<()> {
    let directory = client.lab().directory();
    client.ip("addr flush dev eth0")?;
    let script = directory.join("udhcpc");
    fs::write(&script, SCRIPT)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;

    let mut dnsmasq = server.start(&format!(
        "dnsmasq --keep-in-foreground --log-facility=- --log-dhcp --conf-file=/dev/null --user=root --pid-file= \
         --port=0 --interface=eth0 --bind-interfaces --no-ping --dhcp-authoritative \
         --dhcp-range={OFFERED},{OFFERED},1h --dhcp-leasefile={}",
        directory.join("leases").display()
    ))?;
    dnsmasq.wait_line(0, SOON, |line| line.contains("DHCP, IP range"))?;

    client.run(&format!("busybox udhcpc -f -q -n -i eth0 -t 10 -T 1 -s {}", script.display()))?;
    let addresses = client.ip_json("-4 addr show dev eth0")?;
    assert_eq!(addresses[0]["addr_info"][0]["local"], OFFERED);
    server.wait_reaches(OFFERED)
}

#[test]
fn a_vm_gets_its_address_from_a_server_outside() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lease(&lab.ext, &lab.vm)?;
    lab.vm.wait_reaches(&EXT.v4().to_string())
}

#[test]
fn a_host_outside_gets_its_address_from_a_vm() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lease(&lab.vm, &lab.ext)?;
    lab.ext.wait_reaches(&VM.v4().to_string())
}
