//! `trace`: what it predicts for a packet is what happens to it, and it changes nothing itself.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::PathBuf,
};

use anyhow::{Context, Result, ensure};
use gateway_common::{
    counters::{DropReason, PathCounter},
    net::MacAddr,
};
use gateway_datapath::pins::PINNED_MAPS;
use lab::{
    Host,
    config::Mode,
    crossing::{Crossing, EXT, EXT2, GW, Plan, Site, Underlay, VLAN, VM, VM2, VNI},
    frame::{EXPERIMENTAL, Frame},
    gateway::command,
    vxlan::VmHost,
    wait::{SOON, wait_for},
    wire::Wire,
};
use pcap_file::{
    DataLink,
    pcap::{PcapHeader, PcapPacket, PcapWriter},
};
use serde_json::Value;

const NOBODY: MacAddr = MacAddr([2, 0xcc, 0, 0, 0, 9]);
const LLDP: MacAddr = MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x0e]);
const GROUP: MacAddr = MacAddr([0x01, 0, 0x5e, 0, 0, 1]);
const VTEP1: u8 = 11;
const VTEP2: u8 = 12;
const FOREIGN_VTEP: u8 = 13;

/// The crossing, with a second VTEP that has the machine [`VM2`], and one that the gateway does not know.
struct Scene {
    lab: Crossing,
    vm2: Host,
    vteps: BTreeMap<u8, Host>,
}

/// A frame, and where it is sent.
#[derive(Clone, Copy)]
enum From {
    /// Outside, on the VLAN.
    Outside,
    /// A VTEP of this number, for a VNI.
    Vtep(u8, u32),
}

struct Case {
    name: &'static str,
    from: From,
    src: MacAddr,
    dst: MacAddr,
    /// Expected result: `forwarded`, `flooded`, `passed` or the reason of a drop.
    end: &'static str,
}

const fn case(name: &'static str, from: From, src: MacAddr, dst: MacAddr, end: &'static str) -> Case {
    Case { name, from, src, dst, end }
}

const CASES: [Case; 16] = [
    case("to a VM", From::Outside, EXT.mac(), VM.mac(), "forwarded"),
    case("to a VM behind another VTEP", From::Outside, EXT.mac(), VM2.mac(), "forwarded"),
    case("to nobody", From::Outside, EXT.mac(), NOBODY, "flooded"),
    case("to all", From::Outside, EXT.mac(), MacAddr::BROADCAST, "flooded"),
    case("from a station not seen before", From::Outside, NOBODY, VM.mac(), "forwarded"),
    case("to a station on the same VLAN", From::Outside, EXT.mac(), EXT2.mac(), "same_port"),
    case("from a group", From::Outside, GROUP, VM.mac(), "bad_source"),
    case("with the address of a VM", From::Outside, VM.mac(), EXT.mac(), "source_elsewhere"),
    case("between neighbours", From::Outside, EXT.mac(), LLDP, "passed"),
    case("from a VM", From::Vtep(VTEP1, VNI), VM.mac(), EXT.mac(), "forwarded"),
    case("from a VM to all", From::Vtep(VTEP1, VNI), VM.mac(), MacAddr::BROADCAST, "flooded"),
    case("from a VM to a VM", From::Vtep(VTEP1, VNI), VM.mac(), VM2.mac(), "split_horizon"),
    case("for no logical switch", From::Vtep(VTEP2, 7777), VM2.mac(), EXT.mac(), "unknown_vni"),
    case("from a group, through a tunnel", From::Vtep(VTEP1, VNI), GROUP, EXT.mac(), "bad_source"),
    case("to a link-local group, through a tunnel", From::Vtep(VTEP1, VNI), VM.mac(), LLDP, "link_local"),
    case("from a VTEP not known", From::Vtep(FOREIGN_VTEP, VNI), VM.mac(), EXT.mac(), "unknown_vtep"),
];

impl Scene {
    fn new(mode: Mode) -> Result<Self> {
        let site = Site::build(Plan::mode(mode))?;
        let hv2 = VmHost::new(&site.und, "hv2", &Underlay::V4.address(VTEP2))?;
        hv2.join(VNI, &[Underlay::V4.ip(GW)])?;
        let vm2 = hv2.vm("vm2", VNI, &VM2.mac().to_string(), &["10.0.0.12/24"])?;
        let foreign = VmHost::new(&site.und, "hv3", &Underlay::V4.address(FOREIGN_VTEP))?;
        let vteps = [(VTEP1, site.hv.host()), (VTEP2, hv2.host()), (FOREIGN_VTEP, foreign.host())];
        let vteps = vteps.map(|(number, host)| (number, host.clone())).into();
        let mut config = site.config();
        config.switch_mut(VNI).flood.push(hv2.vtep());
        let switch = config.switches.remove(0).remote(VM2.mac(), hv2.vtep());
        let lab = site.start(config.switch(switch))?;
        // Both outside stations are learned, and nothing is on its way any more.
        let outside = Wire::open(&lab.ext, "eth0")?;
        let at_vm = Wire::open(&lab.vm, "eth0")?;
        for station in [EXT, EXT2] {
            outside.send(&Frame::text(station.mac(), VM.mac(), "hello"))?;
            at_vm.expect("a greeting", |frame| frame.src == station.mac())?;
        }
        Ok(Self { lab, vm2, vteps })
    }

    /// Returns the output of `trace` for a packet.
    fn trace(&self, arguments: &str) -> Result<Value> {
        let answer: Value = serde_json::from_str(&self.lab.gateway.ask(&format!("trace --json {arguments}"))?)?;
        Ok(answer["packets"][0].clone())
    }

    fn trace_case(&self, case: &Case) -> Result<Value> {
        let (src, dst) = (case.src, case.dst);
        let frame = format!("--src {src} --dst {dst} --ethertype {EXPERIMENTAL:#06x}");
        self.trace(&match case.from {
            From::Outside => format!("--in a0 --vlan {VLAN} {frame}"),
            From::Vtep(number, vni) => {
                format!("--in u0 --from {} --vni {vni} {frame}", Underlay::V4.ip(number))
            }
        })
    }

    /// Sends it really.
    fn send(&self, from: From, frame: &Frame) -> Result<()> {
        match from {
            From::Outside => Wire::open(&self.lab.ext, "eth0")?.send(frame),
            From::Vtep(number, vni) => self.vteps[&number].enter(|| {
                let socket = UdpSocket::bind((IpAddr::from([0; 4]), 0))?;
                socket.send_to(&frame.in_vxlan(vni), SocketAddr::new(Underlay::V4.ip(GW), 4789))?;
                Ok(())
            }),
        }
    }

    /// Everything counted, by name.
    fn counters(&self) -> Result<BTreeMap<&'static str, u64>> {
        let (drops, paths) = (self.lab.gateway.read().drops()?, self.lab.gateway.read().paths()?);
        let drops = DropReason::ALL.iter().map(|reason| (reason.name(), drops.get(*reason)));
        Ok(drops.chain(PathCounter::ALL.iter().map(|path| (path.name(), paths.get(*path)))).collect())
    }

    /// All that the maps hold, as the kernel gives it.
    fn maps(&self) -> Result<BTreeMap<&'static str, Vec<u8>>> {
        let maps = self.lab.gateway.pin_dir().join("maps");
        // A ring buffer can't be dumped.
        let names = PINNED_MAPS.into_iter().filter(|name| *name != "events");
        names
            .map(|name| {
                let output = std::process::Command::new("bpftool")
                    .args(["-j", "map", "dump", "pinned"])
                    .arg(maps.join(name))
                    .output()?;
                ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
                Ok((name, output.stdout))
            })
            .collect()
    }
}

/// The stations that the way ends at, as the trace has it: interface, source and destination.
fn leaves(way: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let sent = way["sent"].as_array().unwrap();
    let inner = |sent: &Value| {
        let layers = sent["layers"].as_array().unwrap();
        layers.iter().rev().find(|layer| layer["layer"] == "ethernet").cloned().unwrap()
    };
    sent.iter()
        .map(|sent| {
            let ethernet = inner(sent);
            (text(&sent["interface"]), text(&ethernet["src"]), text(&ethernet["dst"]))
        })
        .collect()
}

fn end(way: &Value) -> String {
    way["reason"].as_str().or(way["verdict"].as_str()).unwrap().to_owned()
}

/// Everything that is predicted of each case happens.
fn predictions_come_true(mode: Mode) -> Result<()> {
    let scene = Scene::new(mode)?;
    let (at_ext, at_vm, at_vm2) =
        (Wire::open(&scene.lab.ext, "eth0")?, Wire::open(&scene.lab.vm, "eth0")?, Wire::open(&scene.vm2, "eth0")?);
    for case in &CASES {
        let way = scene.trace_case(case).context(case.name)?;
        assert_eq!(end(&way), case.end, "{}: {way:#}", case.name);
        let predicted = leaves(&way);
        let before = scene.counters()?;
        scene.send(case.from, &Frame::text(case.src, case.dst, case.name))?;

        // All that is to be counted is.
        let counted: Vec<&str> = way["counted"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(counted.is_empty(), case.end == "passed", "{}: {way:#}", case.name);
        wait_for(&format!("{} to be counted as {counted:?}", case.name), SOON, || {
            scene.counters().is_ok_and(|after| counted.iter().all(|name| after[name] > before[name]))
        })?;
        // It leaves by the interfaces that were named, as often, and by no other.
        for (interface, src, dst) in &predicted {
            assert_eq!((src, dst), (&case.src.to_string(), &case.dst.to_string()), "{}", case.name);
            assert!(interface == "u0" || interface == "a0", "{interface}");
        }
        let by = |interface: &str| predicted.iter().filter(|(by, ..)| by == interface).count();
        let is_sent = |frame: &Frame| frame.has_text(case.name);
        if by("a0") > 0 {
            at_ext.expect(case.name, is_sent)?;
        }
        let at_vms = match (by("u0"), case.dst == VM2.mac()) {
            (0, _) => vec![],
            (1, false) => vec![&at_vm],
            (1, true) => vec![&at_vm2],
            _ => vec![&at_vm, &at_vm2],
        };
        at_vms.iter().try_for_each(|wire| wire.expect(case.name, is_sent).map(drop))?;
        let copies: usize = [&at_ext, &at_vm, &at_vm2]
            .iter()
            .map(|wire| wire.arrived().map(|frames| frames.iter().filter(|frame| is_sent(frame)).count()))
            .sum::<Result<usize>>()?;
        assert_eq!(copies, 0, "{}: more arrived than was predicted", case.name);
        // And nothing is counted that was not predicted, learning aside.
        let after = scene.counters()?;
        for (name, count) in &after {
            let expected = counted.contains(name) || ["learned", "moved"].contains(name);
            assert!(expected || *count == before[name], "{}: {name} was not predicted: {way:#}", case.name);
        }
    }
    Ok(())
}

#[test]
fn in_xdp_mode_what_is_predicted_happens() -> Result<()> {
    predictions_come_true(Mode::Xdp)
}

#[test]
fn in_tc_mode_what_is_predicted_happens() -> Result<()> {
    predictions_come_true(Mode::Tc)
}

#[test]
fn a_trace_changes_nothing() -> Result<()> {
    let scene = Scene::new(Mode::Xdp)?;
    let before = scene.maps()?;
    for case in &CASES {
        scene.trace_case(case).context(case.name)?;
    }
    let after = scene.maps()?;
    for name in before.keys() {
        assert!(before[name] == after[name], "{name} is not as it was");
    }
    assert!(before["fdb"].len() > 100);
    Ok(())
}

#[test]
fn steps_show_binding_lease_source_destination_and_next_hop() -> Result<()> {
    let scene = Scene::new(Mode::Xdp)?;
    let way = scene.trace_case(&CASES[0])?;
    let steps = way["hooks"][0]["steps"].as_array().unwrap();
    let step = |name: &str| steps.iter().find(|step| step["step"] == name).cloned().unwrap_or_default();
    assert_eq!(way["hooks"][0]["hook"], "xdp");
    assert_eq!(
        (step("frame")["vlan"].as_u64(), step("binding")["vni"].as_u64()),
        (Some(VLAN.into()), Some(VNI.into()))
    );
    assert_eq!(step("lease")["left"], Value::Null, "{way:#}");
    assert!(step("source_known")["seen"].as_f64().is_some_and(|seen| seen < 60.0), "{way:#}");
    assert_eq!(step("known")["place"]["vtep"], Underlay::V4.ip(VTEP1).to_string());
    assert_eq!(step("next_hop")["interface"], "u0");
    let outer = &way["sent"][0]["layers"][1];
    assert_eq!(
        (&outer["src"], &outer["dst"]),
        (&Value::from(Underlay::V4.ip(GW).to_string()), &Value::from(Underlay::V4.ip(VTEP1).to_string()))
    );
    // A frame that a stop of the agent leaves behind is traced as before: the maps are pinned.
    let Scene { mut lab, .. } = scene;
    let asked = format!("trace --json --in a0 --vlan {VLAN} --src {} --dst {}", EXT.mac(), VM.mac());
    lab.gateway.stop()?;
    let answer: Value = serde_json::from_str(&lab.gateway.ask(&asked)?)?;
    assert_eq!(answer["packets"][0]["verdict"], "forwarded");
    Ok(())
}

#[test]
fn packets_of_a_file_are_traced_one_by_one() -> Result<()> {
    let scene = Scene::new(Mode::Xdp)?;
    let frame = |dst| Frame::text(EXT.mac(), dst, "from a file").tagged(VLAN);
    let double = {
        let mut bytes = frame(VM.mac()).bytes();
        // A second tag behind the binding's own.
        bytes.splice(12..12, [0x81, 0x00, 0x00, VLAN as u8]);
        bytes
    };
    let packets = [frame(VM.mac()).bytes(), frame(MacAddr::BROADCAST).bytes(), double, frame(VM2.mac()).bytes()];
    let file = scene.lab.lab.directory().join("packets.pcap");
    write(&file, &packets)?;
    let ask = |count: usize| -> Result<Value> {
        let words = format!("trace --json --in a0 --count {count} --pcap {}", file.display());
        Ok(serde_json::from_str(&scene.lab.gateway.ask(&words)?)?)
    };
    let answer = ask(10)?;
    let ends: Vec<String> = answer["packets"].as_array().unwrap().iter().map(end).collect();
    assert_eq!(ends, ["forwarded", "flooded", "inner_tagged", "forwarded"]);
    assert_eq!(ask(2)?["packets"].as_array().unwrap().len(), 2);
    Ok(())
}

fn write(file: &PathBuf, packets: &[Vec<u8>]) -> Result<()> {
    let header = PcapHeader { datalink: DataLink::ETHERNET, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(fs::File::create(file)?, header)?;
    for packet in packets {
        writer.write_packet(&PcapPacket::new(std::time::Duration::ZERO, packet.len() as u32, packet))?;
    }
    Ok(())
}

#[test]
fn what_cannot_be_traced_is_said_with_a_code() -> Result<()> {
    let scene = Scene::new(Mode::Xdp)?;
    let macs = format!("--src {} --dst {}", EXT.mac(), VM.mac());
    for (words, code, expected) in [
        (format!("--in nosuch {macs}"), 2, "nosuch"),
        (format!("--in u0 {macs}"), 2, "--from"),
        (format!("--in a0 {macs} --vni 5"), 2, "access port"),
        ("--in a0".to_owned(), 2, "--src"),
        (format!("--in a0 {macs} --vlan 4095"), 2, "4094"),
        ("--in a0 --pcap /proc/version".to_owned(), 2, "/proc/version"),
    ] {
        let output = scene.lab.gateway.try_ask(&format!("trace {words}"))?;
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), printed.contains(expected)), (Some(code), true), "{words}: {printed}");
    }
    let Scene { mut lab, .. } = scene;
    lab.gateway.stop()?;
    lab.gateway.detach()?;
    let output = command(&lab.gw, &format!("trace --in a0 {macs} --config {}", lab.gateway.file().display()))?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), printed.contains("nothing is pinned")), (Some(3), true), "{printed}");
    Ok(())
}
