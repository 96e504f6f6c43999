//! Attached means attached: what takes the programs off an interface is noticed, put right and reported.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use lab::{
    Host, bpf,
    config::{Config, Mode},
    crossing::{Crossing, EXT, Plan, Site, VM},
    flow::Flow,
    gateway::{self, Gateway, Surroundings},
    process,
    wait::{SOON, wait_for, wait_some},
};
use serde_json::Value;

/// Pins of the links of an interface, by hook.
fn pin(lab: &Crossing, dev: &str, hook: &str) -> Result<std::path::PathBuf> {
    Ok(lab.gateway.pin_dir().join("links").join(format!("{dev}-{}-{hook}", lab.gw.ifindex(dev)?)))
}

fn xdp(host: &Host, dev: &str) -> Result<Option<u64>> {
    Ok(host.ip_json(&format!("link show dev {dev}"))?[0]["xdp"]["prog"]["id"].as_u64())
}

/// Returns the problems of `status` with this severity.
fn problems(gateway: &Gateway, severity: &str) -> Result<Vec<String>> {
    let all = gateway.problems()?.into_iter().filter(|(of, _)| of == severity);
    Ok(all.map(|(_, text)| text).collect())
}

fn wait_problem(gateway: &Gateway, severity: &str, words: &[&str]) -> Result<String> {
    wait_some(&format!("a {severity} with {words:?}"), SOON, || {
        let all = problems(gateway, severity).ok()?;
        all.into_iter().find(|text| words.iter().all(|word| text.contains(word)))
    })
}

/// In the way of kernels before 6.6.
fn without_tcx() -> Surroundings {
    Surroundings::variables(&[("VTEP_GATEWAY_TCX", "off")])
}

fn start_in(site: Site, config: Config, surroundings: Surroundings) -> Result<Crossing> {
    let mut gateway = Gateway::launch_in(&site.gw, &config, surroundings)?;
    gateway.wait_log(|line| line.contains("ready"))?;
    Ok(site.with(gateway, config))
}

fn cross(lab: &Crossing) -> Result<()> {
    lab.ext.forget_neighbours()?;
    lab.vm.wait_reaches(&EXT.v4().to_string())
}

#[test]
fn removed_pins_cost_no_packet_and_are_made_again() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    cross(&lab)?;
    let pins = ["u0", "a0"].into_iter().flat_map(|dev| ["xdp", "tc"].map(|hook| (dev, hook)));
    let pins = pins.map(|(dev, hook)| pin(&lab, dev, hook)).collect::<Result<Vec<_>>>()?;
    let maps = lab.gateway.pin_dir().join("maps");
    let there = Flow::start(&lab.vm, &lab.ext, EXT.v4().into())?;
    let back = Flow::start(&lab.ext, &lab.vm, VM.v4().into())?;
    there.wait_more(300)?;
    for path in &pins {
        fs::remove_file(path)?;
    }
    fs::remove_file(maps.join("fdb"))?;
    wait_for("all is pinned again", SOON, || pins.iter().all(|path| path.exists()) && maps.join("fdb").exists())?;
    // And that is what it all outlives its agent by.
    lab.gateway.kill()?;
    there.wait_more(300)?;
    back.wait_more(300)?;
    lab.gateway.resume()?;
    there.wait_more(300)?;
    assert!(lab.gateway.log()?.contains("adopted=true"));
    for flow in [there, back] {
        let tally = flow.finish()?;
        assert!(tally.is_whole(), "{tally:?}");
    }
    Ok(())
}

#[test]
fn an_unmounted_bpf_file_system_costs_no_packet_and_is_mounted_again() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let config = site.config();
    // In a view of its own of the file system: this one's is everybody's.
    let view = "umount /sys/fs/bpf; mount -t bpf bpf /sys/fs/bpf && exec \"$@\"";
    let before = ["unshare", "--mount", "--propagation", "private", "sh", "-c", view, "sh"];
    let surroundings = Surroundings { before: before.map(str::to_owned).to_vec(), options: vec![] };
    let mut lab = start_in(site, config, surroundings)?;
    cross(&lab)?;
    let pid = lab.gateway.pid().context("it runs")?.to_string();
    let inside =
        |command: &[&str]| process::attempt(&[&["nsenter", "--mount", "--target", &pid, "--"], command].concat());
    let links = lab.gateway.pin_dir().join("links").display().to_string();
    let pinned = || inside(&["ls", &links]).is_ok_and(|output| output.stdout.split(|byte| *byte == b'\n').count() == 5);
    assert!(pinned());
    let there = Flow::start(&lab.vm, &lab.ext, EXT.v4().into())?;
    there.wait_more(300)?;
    let unmounted = inside(&["umount", "/sys/fs/bpf"])?;
    assert!(unmounted.status.success(), "{}", String::from_utf8_lossy(&unmounted.stderr));
    wait_for("links are pinned again", SOON, pinned)?;
    there.wait_more(300)?;
    let tally = there.finish()?;
    assert!(tally.lost.is_empty(), "{tally:?}");
    assert_eq!(problems(&lab.gateway, "fault")?, Vec::<String>::new());
    lab.gateway.stop()
}

#[test]
fn a_detached_link_is_noticed_and_attached_again() -> Result<()> {
    for (mode, hook) in [(Mode::Xdp, "xdp"), (Mode::Xdp, "tc"), (Mode::Tc, "tc")] {
        let lab = Crossing::build(Plan::mode(mode))?;
        cross(&lab)?;
        for dev in ["u0", "a0"] {
            bpf::detach_link(&pin(&lab, dev, hook)?)?;
        }
        wait_problem(&lab.gateway, "warning", &[&hook.to_uppercase(), "had gone from a0", "put back"])?;
        cross(&lab)?;
        assert_eq!(xdp(&lab.gw, "a0")?.is_some(), mode == Mode::Xdp);
        assert_eq!(lab.gateway.status()?["healthy"], true);
    }
    Ok(())
}

#[test]
fn a_foreign_program_in_the_place_of_ours_is_a_fault_until_it_goes() -> Result<()> {
    let lab = Crossing::build(Plan::mode(Mode::Auto))?;
    cross(&lab)?;
    let path = pin(&lab, "a0", "xdp")?;
    // Faster than the agent looks: again, if it was there first.
    let foreign = wait_some("the place is taken", SOON, || {
        bpf::detach_link(&path).ok()?;
        bpf::foreign_xdp(&lab.gw, "a0").ok()
    })?;
    let text = wait_problem(&lab.gateway, "fault", &["XDP on a0", "not this gateway's"])?;
    assert!(text.contains("bpftool prog show id"), "{text}");
    let status = lab.gateway.status()?;
    assert_eq!(status["healthy"], false);
    // What it passes on, TC forwards.
    cross(&lab)?;
    drop(foreign);
    wait_for("healthy again", SOON, || lab.gateway.status().is_ok_and(|status| status["healthy"] == true))?;
    let before = lab.gateway.read().paths()?;
    cross(&lab)?;
    assert!(lab.gateway.read().paths()?.xdp_encap > before.xdp_encap);
    Ok(())
}

#[test]
fn status_and_doctor_agree_on_a_foreign_program_that_was_there_first() -> Result<()> {
    let site = Site::build(Plan::mode(Mode::Auto))?;
    let _foreign = bpf::foreign_xdp(&site.gw, "a0")?;
    let config = site.config();
    let lab = site.start(config)?;
    wait_problem(&lab.gateway, "fault", &["XDP on a0", "not this gateway's"])?;
    let doctor = lab.gateway.try_ask("doctor --json --no-probe")?;
    let report: Value = serde_json::from_slice(&doctor.stdout)?;
    let all = report["findings"].as_array().context("there are findings")?;
    let foreign = all.iter().find(|one| one["check"] == "xdp-foreign").context("it is found")?;
    assert_eq!((&foreign["mark"], &foreign["subject"]), (&"bad".into(), &"a0".into()), "{foreign:#}");
    Ok(())
}

#[test]
fn where_tc_was_asked_for_a_foreign_xdp_program_is_a_warning() -> Result<()> {
    let site = Site::build(Plan::mode(Mode::Tc))?;
    let _foreign = bpf::foreign_xdp(&site.gw, "a0")?;
    let config = site.config();
    let lab = site.start(config)?;
    wait_problem(&lab.gateway, "warning", &["a0", "not this gateway's"])?;
    assert_eq!(lab.gateway.status()?["healthy"], true);
    cross(&lab)
}

#[test]
fn without_tcx_a_deleted_qdisc_is_noticed_at_once_and_packets_cross_again() -> Result<()> {
    let site = Site::build(Plan::mode(Mode::Tc))?;
    let config = site.config();
    let lab = start_in(site, config, without_tcx())?;
    cross(&lab)?;
    for dev in ["u0", "a0"] {
        lab.gw.run(&format!("tc qdisc del dev {dev} clsact"))?;
    }
    wait_problem(&lab.gateway, "warning", &["TC", "had gone from a0"])?;
    cross(&lab)?;
    assert_eq!(lab.gateway.status()?["healthy"], true);
    Ok(())
}

#[test]
fn without_tcx_it_is_healthy_whatever_was_there_before_and_a_mode_may_change() -> Result<()> {
    let site = Site::build(Plan::mode(Mode::Tc))?;
    // A foreign one: it stays.
    site.gw.run("tc qdisc add dev a0 clsact")?;
    let config = site.config();
    let mut lab = start_in(site, config, without_tcx())?;
    cross(&lab)?;
    for mode in [Mode::Auto, Mode::Tc] {
        for nic in lab.config.uplinks.iter_mut().chain(&mut lab.config.ports) {
            nic.mode = mode;
        }
        lab.gateway.reload(&lab.config)?;
        cross(&lab)?;
        assert_eq!(problems(&lab.gateway, "fault")?, Vec::<String>::new(), "{mode:?}");
    }
    lab.gateway.kill()?;
    lab.gateway.resume()?;
    cross(&lab)?;
    assert_eq!(problems(&lab.gateway, "fault")?, Vec::<String>::new());
    lab.gateway.stop()?;
    lab.gateway.detach()?;
    assert!(qdiscs(&lab.gw, "a0")?.contains("clsact"), "it was there before the gateway came");
    assert!(!qdiscs(&lab.gw, "u0")?.contains("clsact"));
    Ok(())
}

fn qdiscs(host: &Host, dev: &str) -> Result<String> {
    Ok(String::from_utf8_lossy(&host.run(&format!("tc qdisc show dev {dev}"))?.stdout).into_owned())
}

#[test]
fn detach_leaves_no_filter_and_no_qdisc() -> Result<()> {
    for (mode, surroundings) in
        [(Mode::Xdp, without_tcx()), (Mode::Tc, without_tcx()), (Mode::Xdp, Surroundings::default())]
    {
        let site = Site::build(Plan::mode(mode))?;
        let config = site.config();
        let filtered = !surroundings.before.is_empty();
        let mut lab = start_in(site, config, surroundings)?;
        cross(&lab)?;
        for dev in ["u0", "a0"] {
            assert_eq!(qdiscs(&lab.gw, dev)?.contains("clsact"), filtered, "{dev}");
        }
        lab.gateway.stop()?;
        cross(&lab)?;
        lab.gateway.detach()?;
        for dev in ["u0", "a0"] {
            let filters = lab.gw.attempt(&format!("tc filter show dev {dev} ingress"))?;
            assert!(!String::from_utf8_lossy(&filters.stdout).contains("22100"), "{dev}");
            assert!(!qdiscs(&lab.gw, dev)?.contains("clsact"), "{dev}");
            assert_eq!(xdp(&lab.gw, dev)?, None, "{dev}");
        }
        assert!(!lab.vm.reaches(&EXT.v4().to_string()));
    }
    Ok(())
}

#[test]
fn a_second_agent_on_the_same_nics_is_refused_and_the_first_goes_on() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    cross(&lab)?;
    let mut config = lab.config.clone();
    config.run_dir = lab.lab.directory().join("second");
    config.pin_dir = lab.lab.pins("second");
    let output = gateway::try_run(&lab.gw, &config.to_string())?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let pid = lab.gateway.pid().context("it runs")?;
    let last = text.lines().last().unwrap_or_default();
    assert!(last.contains(&format!("another vtep-gateway (pid {pid}) has interface u0")), "{text}");
    assert!(!config.pin_dir.join("maps").exists(), "nothing is left of it");
    cross(&lab)?;
    assert!(lab.gw.feature("a0", "rx-vlan-offload").is_ok_and(|on| !on), "settings of the first one stay");
    assert_eq!(lab.gateway.status()?["healthy"], true);
    Ok(())
}

#[test]
fn an_uplink_that_is_in_a_bridge_is_a_fault_that_names_the_bridge() -> Result<()> {
    let lab = Crossing::build(Plan::mode(Mode::Tc))?;
    cross(&lab)?;
    lab.gw.ip("link add br-ex type bridge forward_delay 0")?;
    lab.gw.ip("link set u0 master br-ex")?;
    let text = wait_problem(&lab.gateway, "fault", &["u0", "br-ex", "[[uplink]]"])?;
    assert!(!text.contains("nomaster"), "{text}");
    assert_eq!(lab.gateway.status()?["healthy"], false);
    lab.gw.ip("link set u0 nomaster")?;
    wait_for("healthy again", SOON, || lab.gateway.status().is_ok_and(|status| status["healthy"] == true))?;
    // And an access port.
    lab.gw.ip("link set a0 master br-ex")?;
    wait_problem(&lab.gateway, "fault", &["a0", "br-ex"]).map(drop)
}

#[test]
fn a_full_run_dir_is_reported_as_that() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let config = site.config();
    let file = site.lab.directory().join("full.toml");
    fs::write(&file, config.to_string())?;
    fs::create_dir_all(&config.run_dir)?;
    // The root of a file system of one inode has it.
    let mount = format!("mount -t tmpfs -o nr_inodes=1 tmpfs {} && exec \"$@\"", config.run_dir.display());
    let prefix = site.gw.prefix();
    let file = file.display().to_string();
    let binary = gateway::binary()?;
    let words = [prefix[0].as_str(), &prefix[1], "unshare", "--mount", "--propagation", "private", "sh", "-c", &mount];
    let output = process::attempt(&[&words[..], &["sh", binary, "run", "--config", &file]].concat())?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("No space left on device") && text.contains("make room"), "{text}");
    assert!(!text.contains("run as root"), "{text}");
    Ok(())
}

#[test]
fn too_few_files_are_reported_with_the_limit_to_raise() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let file = site.lab.directory().join("few.toml");
    fs::write(&file, site.config().to_string())?;
    let output =
        site.gw.attempt(&format!("prlimit --nofile=32 {} run --config {}", gateway::binary()?, file.display()))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("Too many open files") && text.contains("LimitNOFILE="), "{text}");
    Ok(())
}

#[test]
fn xdp_where_the_driver_has_none_is_a_fault_of_the_configuration() -> Result<()> {
    let site = Site::build(Plan::default())?;
    site.gw.ip("link add br9 type bridge")?;
    site.gw.ip("link set br9 up")?;
    let config = site.config().port("br9", Mode::Xdp);
    let output = gateway::try_run(&site.gw, &config.to_string())?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // The service is not started again after this code.
    assert_eq!(output.status.code(), Some(2), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.contains("XDP on br9: its driver does not run XDP") && last.contains("mode ="), "{text}");
    let links = config.pin_dir.join("links");
    assert!(fs::read_dir(Path::new(&links)).map_or(true, |mut links| links.next().is_none()));
    Ok(())
}
