//! DHCP, with a real server on one side and a real client on the other.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::{Result, ensure};

use crate::{Host, wait::SOON};

/// Script of udhcpc for a new address.
const SCRIPT: &str = "#!/bin/sh
[ \"$1\" != bound ] || ip addr add \"$ip/$mask\" dev \"$interface\"
";

/// Removes all addresses from `eth0` of the client and makes it request one. The server offers only `offered`, on its
/// own `eth0`.
///
/// # Errors
/// If the client does not get that address, or the server cannot reach it then.
pub fn lease(server: &Host, client: &Host, offered: &str) -> Result<()> {
    let directory = client.lab().directory();
    client.ip("addr flush dev eth0")?;
    let script = directory.join(format!("{}-udhcpc", client.name()));
    fs::write(&script, SCRIPT)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;

    let mut dnsmasq = server.start(&format!(
        "dnsmasq --keep-in-foreground --log-facility=- --log-dhcp --conf-file=/dev/null --user=root --pid-file= \
         --port=0 --interface=eth0 --bind-interfaces --no-ping --dhcp-authoritative \
         --dhcp-range={offered},{offered},1h --dhcp-leasefile={}",
        directory.join(format!("{}-leases", server.name())).display()
    ))?;
    dnsmasq.wait_line(0, SOON, |line| line.contains("DHCP, IP range"))?;

    client.run(&format!("busybox udhcpc -f -q -n -i eth0 -t 10 -T 1 -s {}", script.display()))?;
    let addresses = client.ip_json("-4 addr show dev eth0")?;
    ensure!(addresses[0]["addr_info"][0]["local"] == offered, "{} has {addresses}", client.name());
    server.wait_reaches(offered)
}
