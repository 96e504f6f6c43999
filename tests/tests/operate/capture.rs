//! `capture`: what is written is what the gateway drops and forwards, no more than was asked for, and nothing of it is
//! left behind, whichever process dies.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use gateway_common::net::MacAddr;
use lab::{
    config::Mode,
    crossing::{Crossing, EXT, EXT2, Plan, VLAN, VM, VNI},
    frame::Frame,
    gateway::binary,
    process::Process,
    wait::{SOON, wait_for},
    wire::Wire,
};
use nix::sys::signal::Signal;
use pcap_file::pcapng::{
    Block, PcapNgReader,
    blocks::{enhanced_packet::EnhancedPacketOption, interface_description::InterfaceDescriptionOption},
};
use serde_json::Value;

const GROUP: MacAddr = MacAddr([0x01, 0, 0x5e, 0, 0, 1]);

/// A packet of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Packet {
    interface: String,
    comment: String,
    length: u32,
    bytes: Vec<u8>,
}

impl Packet {
    fn has_text(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|part| part == text.as_bytes())
    }
}

fn read(file: &Path) -> Result<Vec<Packet>> {
    let mut reader = PcapNgReader::new(File::open(file)?)?;
    let (mut interfaces, mut packets) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block() {
        match block? {
            Block::InterfaceDescription(interface) => {
                let name = interface.options.iter().find_map(|option| match option {
                    InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
                    _ => None,
                });
                interfaces.push(name.context("an interface without a name")?);
            }
            Block::EnhancedPacket(packet) => {
                let comment = packet.options.iter().find_map(|option| match option {
                    EnhancedPacketOption::Comment(comment) => Some(comment.to_string()),
                    _ => None,
                });
                packets.push(Packet {
                    interface: interfaces[packet.interface_id as usize].clone(),
                    comment: comment.context("a packet without a comment")?,
                    length: packet.original_len,
                    bytes: packet.data.into_owned(),
                });
            }
            _ => {}
        }
    }
    Ok(packets)
}

/// A running capture.
struct Capture {
    process: Process,
    file: PathBuf,
}

impl Capture {
    fn start(lab: &Crossing, name: &str, options: &str) -> Result<Self> {
        let directory = lab.lab.directory();
        let file = directory.join(format!("{name}.pcapng"));
        let command = format!(
            "{} capture --config {} --write {} {options}",
            binary()?,
            lab.gateway.file().display(),
            file.display()
        );
        let prefix = lab.gw.prefix();
        let words: Vec<&str> = prefix.iter().map(String::as_str).chain(command.split_whitespace()).collect();
        let mut process = Process::start(&words, &directory.join(format!("{name}.log")))?;
        process.wait_line(0, SOON, |line| line.contains("capturing"))?;
        Ok(Self { process, file })
    }

    /// Waits until it has come to its end, and reads what it wrote.
    fn packets(mut self) -> Result<Vec<Packet>> {
        let status = self.process.wait(SOON)?;
        ensure!(status.success(), "{status}: {}", self.process.log());
        read(&self.file)
    }

    /// Ends it as an operator does.
    fn end(self) -> Result<(Vec<Packet>, String)> {
        let Self { mut process, file } = self;
        process.signal(Signal::SIGINT)?;
        let status = process.wait(SOON)?;
        ensure!(status.success(), "{status}: {}", process.log());
        Ok((read(&file)?, process.log()))
    }
}

/// The name of the program on a hook of an interface of the gateway.
fn program(lab: &Crossing, interface: &str, hook: &str) -> Result<String> {
    let pin = lab.gateway.pin_dir().join(format!("links/{interface}-{}-{hook}", lab.gw.ifindex(interface)?));
    let bpftool = |words: &[&str]| -> Result<Value> {
        let output = Command::new("bpftool").arg("-j").args(words).output()?;
        ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let link = bpftool(&["link", "show", "pinned", &pin.to_string_lossy()])?;
    let id = link["prog_id"].as_u64().context("a link without a program")?.to_string();
    let program = bpftool(&["prog", "show", "id", &id])?;
    Ok(program["name"].as_str().context("a program without a name")?.to_owned())
}

fn is_as_before(lab: &Crossing) -> bool {
    let plain = |interface, hook, name| program(lab, interface, hook).is_ok_and(|found| found == name);
    plain("u0", "xdp", "xdp_uplink")
        && plain("u0", "tc", "tc_uplink")
        && plain("a0", "xdp", "xdp_access")
        && plain("a0", "tc", "tc_access")
        && fs::read_dir(lab.gateway.pin_dir().join("captures")).map_or(true, |mut dir| dir.next().is_none())
}

/// Unicast and broadcast cross, both ways.
fn crosses(lab: &Crossing, text: &str) -> Result<()> {
    let (at_ext, at_vm) = (Wire::open(&lab.ext, "eth0")?, Wire::open(&lab.vm, "eth0")?);
    for dst in [VM.mac(), MacAddr::BROADCAST] {
        at_ext.send(&Frame::text(EXT.mac(), dst, text))?;
        at_vm.expect(text, |frame| frame.has_text(text) && frame.dst == dst)?;
    }
    for dst in [EXT.mac(), MacAddr::BROADCAST] {
        at_vm.send(&Frame::text(VM.mac(), dst, text))?;
        at_ext.expect(text, |frame| frame.has_text(text) && frame.dst == dst)?;
    }
    Ok(())
}

fn drops_and_forwards(mode: Mode) -> Result<()> {
    let lab = Crossing::build(Plan::mode(mode))?;
    let capture = Capture::start(&lab, "all", "")?;
    let (at_ext, at_vm) = (Wire::open(&lab.ext, "eth0")?, Wire::open(&lab.vm, "eth0")?);
    at_ext.send(&Frame::text(GROUP, VM.mac(), "from a group"))?;
    at_ext.send(&Frame::text(EXT.mac(), VM.mac(), "to the vm"))?;
    at_vm.expect("to the vm", |frame| frame.has_text("to the vm"))?;
    at_vm.send(&Frame::text(VM.mac(), EXT.mac(), "to outside"))?;
    at_ext.expect("to outside", |frame| frame.has_text("to outside"))?;
    at_vm.send(&Frame::text(VM.mac(), MacAddr::BROADCAST, "to all"))?;
    at_ext.expect("to all", |frame| frame.has_text("to all"))?;
    let (packets, log) = capture.end()?;
    let find = |text: &str| -> Result<Packet> {
        let mut found = packets.iter().filter(|packet| packet.has_text(text));
        let packet = found.next().with_context(|| format!("{text} is not in {packets:?}: {log}"))?;
        assert_eq!(found.next(), None, "{text} is there twice");
        Ok(packet.clone())
    };
    // Dropped: as it came, tag and all.
    let dropped = find("from a group")?;
    assert!(dropped.comment.starts_with("dropped, bad_source: in by a0"), "{dropped:?}");
    assert_eq!(dropped.interface, "a0");
    assert_eq!(Frame::parse(&dropped.bytes), Some(Frame::text(GROUP, VM.mac(), "from a group").tagged(VLAN)));
    // Forwarded: as it leaves.
    let encapsulated = find("to the vm")?;
    assert_eq!(encapsulated.interface, "u0");
    assert_eq!(encapsulated.comment, format!("forwarded: in by a0, VNI {VNI}"));
    assert_eq!(encapsulated.length as usize, 50 + Frame::text(EXT.mac(), VM.mac(), "to the vm").bytes().len());
    for text in ["to outside", "to all"] {
        let decapsulated = find(text)?;
        assert_eq!(decapsulated.interface, "a0");
        let frame = Frame::parse(&decapsulated.bytes).context("no frame")?;
        assert!(frame.has_text(text) && frame.vlan == Some(VLAN), "{decapsulated:?}");
    }
    assert!(log.contains(&format!("{} packets captured", packets.len())), "{log}");
    // tcpdump reads it, too.
    let file = lab.lab.directory().join("all.pcapng");
    let output = Command::new("tcpdump").args(["-n", "-r"]).arg(&file).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What is in a tunnel has a line of its own, which has no time of day.
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        printed.lines().filter(|line| line.as_bytes().get(8) == Some(&b'.')).count(),
        packets.len(),
        "{printed}"
    );
    Ok(())
}

#[test]
fn in_xdp_mode_drops_and_forwarded_packets_are_in_the_file_with_what_became_of_them() -> Result<()> {
    drops_and_forwards(Mode::Xdp)
}

#[test]
fn in_tc_mode_drops_and_forwarded_packets_are_in_the_file_with_what_became_of_them() -> Result<()> {
    drops_and_forwards(Mode::Tc)
}

#[test]
fn only_what_was_asked_for_is_taken_and_no_more_of_it() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let at_ext = Wire::open(&lab.ext, "eth0")?;
    let at_vm = Wire::open(&lab.vm, "eth0")?;
    let send = |src, text: &str| at_ext.send(&Frame::text(src, VM.mac(), text));

    // By reason, and as many as were asked for.
    let capture = Capture::start(&lab, "reason", "--dropped bad_source --count 2")?;
    for _ in 0..3 {
        send(VM.mac(), "elsewhere")?;
        send(EXT.mac(), "forwarded")?;
        send(GROUP, "a group")?;
    }
    let packets = capture.packets()?;
    assert_eq!(packets.len(), 2);
    assert!(packets.iter().all(|packet| packet.has_text("a group")), "{packets:?}");
    wait_for("our own programs", SOON, || is_as_before(&lab))?;

    // By station, one in three, cut short.
    let capture =
        Capture::start(&lab, "station", &format!("--forwarded --mac {} --sample 3 --snaplen 60", EXT2.mac()))?;
    for _ in 0..9 {
        send(EXT.mac(), "not this one")?;
        send(EXT2.mac(), "this one")?;
    }
    send(EXT.mac(), "the last")?;
    at_vm.expect("the last", |frame| frame.has_text("the last"))?;
    let (packets, log) = capture.end()?;
    assert_eq!(packets.len(), 3, "{packets:?}");
    assert!(packets.iter().all(|packet| packet.bytes.len() == 60 && packet.length > 60), "{packets:?}");
    assert!(log.contains("6 left out by sampling"), "{log}");

    // By VNI, and not too many a second.
    for (vni, least, most) in [(VNI, 5, 100), (VNI + 1, 0, 0)] {
        let capture = Capture::start(&lab, &format!("vni{vni}"), &format!("--vni {vni} --port a0 --rate 5"))?;
        for _ in 0..500 {
            send(EXT.mac(), "many")?;
        }
        send(EXT.mac(), "the end")?;
        at_vm.expect("the end", |frame| frame.has_text("the end"))?;
        let (packets, log) = capture.end()?;
        assert!((least..=most).contains(&packets.len()), "{} packets: {log}", packets.len());
        assert_eq!(log.contains(" 0 beyond 5 a second"), vni != VNI, "{log}");
    }
    Ok(())
}

#[test]
fn a_capture_that_is_killed_ends_and_forwarding_never_stops() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    let mut capture = Capture::start(&lab, "killed", "--forwarded")?;
    assert_eq!(program(&lab, "a0", "xdp")?, "capt_xdp_access");
    crosses(&lab, "while it runs")?;
    let output = lab.gateway.try_ask("capture --count 1")?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("one at a time"), "{output:?}");
    capture.process.signal(Signal::SIGKILL)?;
    capture.process.wait(SOON)?;
    crosses(&lab, "after it was killed")?;
    lab.gateway.wait_log(|line| line.contains("was not renewed"))?;
    wait_for("our own programs", SOON, || is_as_before(&lab))?;
    crosses(&lab, "when all is over")
}

#[test]
fn an_agent_that_is_killed_takes_its_programs_back_when_it_starts_again() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    let mut capture = Capture::start(&lab, "agent", "--dropped")?;
    lab.gateway.kill()?;
    crosses(&lab, "without an agent")?;
    let status = capture.process.wait(SOON)?;
    assert!(matches!(status.code(), Some(1 | 3)), "{status}: {}", capture.process.log());
    crosses(&lab, "without either")?;
    lab.gateway.resume()?;
    assert!(is_as_before(&lab));
    crosses(&lab, "with a new agent")
}

#[test]
fn an_agent_that_ends_puts_its_own_programs_back() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    let _capture = Capture::start(&lab, "stop", "--dropped")?;
    lab.gateway.stop()?;
    assert!(is_as_before(&lab));
    crosses(&lab, "after the agent")?;
    let output = lab.gateway.try_ask("capture")?;
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let output = lab.gateway.try_ask("capture --dropped no_such_reason")?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown_vni"));
    Ok(())
}

#[test]
fn without_a_file_each_packet_is_a_line() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let command = format!("{} capture --config {} --dropped --count 1", binary()?, lab.gateway.file().display());
    let prefix = lab.gw.prefix();
    let words: Vec<&str> = prefix.iter().map(String::as_str).chain(command.split_whitespace()).collect();
    let mut process = Process::start(&words, &lab.lab.directory().join("lines.log"))?;
    process.wait_line(0, SOON, |line| line.contains("capturing"))?;
    Wire::open(&lab.ext, "eth0")?.send(&Frame::text(GROUP, VM.mac(), "a line"))?;
    let expected = format!("in by a0 bad_source: {GROUP} > {} vlan {VLAN}", VM.mac());
    process.wait_line(0, SOON, |line| line.contains(&expected))?;
    assert!(process.wait(SOON)?.success());
    Ok(())
}
