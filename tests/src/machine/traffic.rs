//! Traffic between the VM and the host outside, both ways, each byte compared and each checksum verified at the receiver.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::fabric::Fabric;
use crate::{
    Host,
    crossing::{EXT, Station, VM},
    flow::Flow,
    transfer,
    wait::{SOON, pause, wait_for},
};

/// Numbered packets that are counted each way.
const COUNTED: u64 = 200;

/// Broadcasts that are counted each way.
const BROADCASTS: u64 = 30;

/// Bytes of IPv4 and UDP headers.
const HEADERS: usize = 28;

/// Address of all hosts in the network.
const BROADCAST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 255));

/// Runs all checks with packets of up to `mtu` bytes.
///
/// # Errors
/// The first check that fails.
pub fn check(fabric: &Fabric, mtu: u32) -> Result<()> {
    let Fabric { vm, ext, .. } = fabric;
    let before = [checksum_errors(vm)?, checksum_errors(ext)?];
    let ways = [(vm, ext, EXT), (ext, vm, VM)];
    for (from, to, station) in ways {
        let address = IpAddr::V4(station.v4());
        let largest = usize::try_from(mtu)? - HEADERS;
        ping(from, station, largest)?;
        for length in [1, largest] {
            transfer::udp(from, to, address, length)?;
        }
        transfer::tcp(from, to, address, 1)?;
        broadcast(from, to)?;
    }
    let after = [checksum_errors(vm)?, checksum_errors(ext)?];
    ensure!(before == after, "packets with a wrong checksum arrived: {before:?} before, {after:?} after");
    Ok(())
}

/// Sends numbered packets both ways at the same time; all have to arrive once.
///
/// # Errors
/// If one is lost or comes twice.
pub fn count(fabric: &Fabric) -> Result<u64> {
    let there = Flow::slow(&fabric.vm, &fabric.ext, EXT.v4().into())?;
    let back = Flow::slow(&fabric.ext, &fabric.vm, VM.v4().into())?;
    let mut sent = 0;
    for flow in [&there, &back] {
        flow.wait_more(COUNTED)?;
    }
    for (flow, way) in [(there, "to the host outside"), (back, "to the VM")] {
        let tally = flow.finish()?;
        ensure!(
            tally.is_whole(),
            "of {} packets {way}, {} were lost and {} came twice",
            tally.sent,
            tally.lost.len(),
            tally.doubled
        );
        sent += tally.sent;
    }
    Ok(sent)
}

/// Waits until the VM and the host outside reach each other.
///
/// # Errors
/// If they do not.
pub fn wait_reaches(fabric: &Fabric) -> Result<()> {
    fabric.vm.wait_reaches(&EXT.v4().to_string())?;
    fabric.ext.wait_reaches(&VM.v4().to_string())
}

/// Sends pings whose packets are not to be fragmented, with `length` bytes of data.
fn ping(from: &Host, to: Station, length: usize) -> Result<()> {
    let command = format!("ping -n -q -c 3 -i 0.05 -W 5 -M do -s {length} {}", to.v4());
    let output = from.run(&command)?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(text.contains(" 0% packet loss") && !text.contains("duplicates"), "{command}:\n{text}");
    Ok(())
}

/// Sends broadcasts, each of which has to arrive once, and not to come back.
fn broadcast(from: &Host, to: &Host) -> Result<()> {
    let open = |host: &Host, address: SocketAddr| {
        host.enter(|| {
            let socket = UdpSocket::bind(address)?;
            socket.set_broadcast(true)?;
            socket.set_read_timeout(Some(Duration::from_millis(100)))?;
            Ok(socket)
        })
    };
    let any = |port| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    let receiver = open(to, any(0))?;
    let port = receiver.local_addr()?.port();
    // The kernel loops each broadcast back once; a second copy has come back over the wire.
    let (sender, echo) = (open(from, any(0))?, open(from, any(port))?);
    for number in 0..BROADCASTS {
        sender.send_to(&number.to_be_bytes(), SocketAddr::new(BROADCAST, port))?;
        pause(Duration::from_millis(2));
    }
    let way = format!("from {} to {}", from.name(), to.name());
    let mut arrived = Numbers::default();
    wait_for(&format!("{BROADCASTS} broadcasts {way}"), SOON, || {
        // A copy that comes twice is close behind the first.
        arrived.receive(&receiver);
        arrived.seen.len() as u64 == BROADCASTS
    })
    .with_context(|| format!("of {BROADCASTS} broadcasts {way}, {} arrived", arrived.seen.len()))?;
    let mut back = Numbers::default();
    back.receive(&echo);
    let (twice, back) = (arrived.twice, back.twice);
    ensure!(twice + back == 0, "of {BROADCASTS} broadcasts {way}, {twice} came twice and {back} came back");
    Ok(())
}

/// Numbers of packets that a socket has received.
#[derive(Debug, Default)]
struct Numbers {
    seen: BTreeSet<u64>,
    twice: u64,
}

impl Numbers {
    /// Reads packets until none comes for a while.
    fn receive(&mut self, socket: &UdpSocket) {
        let mut buffer = [0; 8];
        while let Ok(8) = socket.recv(&mut buffer) {
            self.twice += u64::from(!self.seen.insert(u64::from_be_bytes(buffer)));
        }
    }
}

/// Returns the number of ICMP, TCP and UDP packets that a host has received with a wrong checksum.
fn checksum_errors(host: &Host) -> Result<u64> {
    let text = host.enter(|| fs::read_to_string("/proc/thread-self/net/snmp").context("reading network statistics"))?;
    Ok(sum_of_checksum_errors(&text))
}

/// Sums the columns `InCsumErrors`: a line of names and one of values for each protocol.
fn sum_of_checksum_errors(text: &str) -> u64 {
    let lines: Vec<&str> = text.lines().collect();
    let of_protocol = |pair: &[&str]| {
        let names = pair[0].split_whitespace();
        let value = names.zip(pair[1].split_whitespace()).find(|(name, _)| *name == "InCsumErrors");
        value.and_then(|(_, value)| value.parse::<u64>().ok()).unwrap_or_default()
    };
    lines.chunks_exact(2).map(of_protocol).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_errors_of_all_protocols_add_up() {
        let text = "Icmp: InMsgs InErrors InCsumErrors\nIcmp: 5 1 1\nUdp: InDatagrams InCsumErrors\nUdp: 7 3\n\
                    Ip: Forwarding\nIp: 2\n";
        assert_eq!(sum_of_checksum_errors(text), 4);
    }
}
