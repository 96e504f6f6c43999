//! `vtep-gateway top`: live rates, for scripts and on a real terminal.

use std::{
    fs::File,
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::Path,
    process::{Child, Command},
};

use anyhow::{Context, Result, ensure};
use lab::{
    crossing::{Crossing, Plan, Underlay, VLAN, VM},
    flow::Flow,
    gateway::binary,
    process,
    wait::{SOON, wait_for},
};
use nix::{
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

/// A terminal of 80 columns and 24 lines: a session of a tmux server of its own.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// Runs a command of the shell in it; `name` distinguishes it from others of the lab. When that has ended the terminal stays, with what is on it.
    fn run(directory: &Path, name: &str, command: &str) -> Result<Self> {
        let socket = directory.join(format!("tmux-{name}")).display().to_string();
        let this = Self { socket };
        let command = format!("LC_ALL=C.UTF-8 TERM=xterm-256color sh -c '{command}; echo ended with $?; exec cat'");
        // The configuration of the user who runs the test is not used.
        this.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &command])?;
        Ok(this)
    }

    fn tmux(&self, words: &[&str]) -> Result<String> {
        let words = [&["tmux", "-u", "-S", &self.socket], words].concat();
        Ok(String::from_utf8_lossy(&process::run(&words)?.stdout).into_owned())
    }

    /// Returns the contents of the screen.
    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).unwrap_or_default()
    }

    fn press(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys"], keys].concat()).map(drop)
    }

    /// A property of the terminal, as tmux calls it.
    fn is(&self, property: &str) -> Result<bool> {
        Ok(self.tmux(&["display-message", "-p", &format!("#{{{property}}}")])?.trim() == "1")
    }

    fn expect(&self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        wait_for(what, SOON, || wanted(&self.screen()))
            .with_context(|| format!("on the screen:\n{}", self.screen()))?;
        Ok(self.screen())
    }

    /// Asserts that the command has ended with `code`, and has left the terminal as it was.
    fn expect_restored(&self, code: u8) -> Result<()> {
        self.expect("it has ended", |screen| screen.contains(&format!("ended with {code}")))?;
        ensure!(!self.is("alternate_on")?, "the other screen is still shown");
        ensure!(self.is("cursor_flag")?, "the cursor is still hidden");
        // The terminal echoes again: `cat` shows each line twice.
        self.press(&["echoed", "Enter"])?;
        self.expect("what is typed is shown", |screen| screen.matches("echoed").count() == 2).map(drop)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Only what runs in this one.
        let _ = self.tmux(&["kill-server"]);
    }
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Packets, wherever they are counted.
const WAYS: [&str; 2] = ["rx_packets_per_second", "tx_packets_per_second"];

#[test]
fn rates_are_those_of_what_was_sent() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    let flow = Flow::start(&lab.ext, &lab.vm, VM.v4().into())?;
    flow.wait_more(100)?;
    let ifindex = lab.gw.ifindex("a0")?;
    // Two readings of the maps bound what it may show: the two samples lie between the two readings.
    let before = lab.gateway.read().binding(ifindex, VLAN)?;
    let rates: Value = serde_json::from_str(&lab.gateway.ask("top --json --interval 0.5")?)?;
    let after = lab.gateway.read().binding(ifindex, VLAN)?;
    flow.finish()?;

    let seconds = number(&rates, "interval_seconds");
    assert!(seconds >= 0.5);
    let binding = &rates["bindings"][0];
    assert_eq!((&binding["port"], &binding["vlan"], &binding["vni"]), (&json!("a0"), &json!(VLAN), &json!(5001)));
    let packets = number(binding, "rx_packets_per_second") * seconds;
    let most = (after.rx_packets - before.rx_packets) as f64;
    assert!(packets >= 1.0 && packets <= most + 0.5, "{packets} of {most}");
    let bits = number(binding, "rx_bits_per_second") * seconds;
    assert!(bits <= 8.0 * (after.rx_bytes - before.rx_bytes) as f64 + 0.5);
    // Each frame has the headers of Ethernet, IPv4 and UDP at least, or is an ARP request.
    assert!(bits >= packets * 8.0 * 42.0, "{bits} bits in {packets} packets");

    // What came from the VLAN went into the tunnel; the two are read one after the other, and more comes meanwhile.
    let tunnel = &rates["tunnels"][0];
    assert_eq!((&tunnel["remote"], &tunnel["resolved"]), (&json!(lab.hv.vtep()), &json!(true)));
    assert!(number(tunnel, "tx_packets_per_second") > 0.0);
    for way in WAYS {
        assert_eq!(number(&rates["total_bindings"], way), number(binding, way));
        assert_eq!(number(&rates["total_tunnels"], way), number(tunnel, way));
    }
    assert_eq!(rates["fdb"]["given"], 1);
    assert_eq!(rates["fdb"]["learned"], 1);
    Ok(())
}

#[test]
fn a_gateway_at_rest_has_no_rates() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    // Hosts send each other frames unasked, but are silent at some time.
    let quiet = || -> Result<bool> {
        let rates: Value = serde_json::from_str(&lab.gateway.ask("top --json --interval 0.1")?)?;
        Ok(WAYS.iter().all(|way| number(&rates["total_bindings"], way) == 0.0)
            && number(&rates, "dropped_packets_per_second") == 0.0)
    };
    wait_for("nothing is carried", SOON, || quiet().unwrap_or(false))
}

#[test]
fn one_sample_is_printed_as_tables() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let text = lab.gateway.ask("top --once --interval 0.1")?;
    assert!(text.lines().any(|line| line.starts_with("a0 VLAN 100 VNI 5001 net-5001")), "{text}");
    let tunnel = format!("{} > {}", Underlay::V4.ip(21), lab.hv.vtep());
    assert!(text.lines().any(|line| line.starts_with(&tunnel)), "{text}");
    Ok(())
}

#[test]
fn without_a_terminal_it_suggests_what_to_do_instead() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let output = lab.gateway.try_ask("top")?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--once"));
    let output = lab.gateway.try_ask("top --interval 0")?;
    assert_eq!(output.status.code(), Some(2));
    Ok(())
}

#[test]
fn on_a_terminal_rates_are_seen_and_keys_do_what_they_say() -> Result<()> {
    let mut lab = Crossing::build(Plan::default())?;
    lab.ext.wait_reaches(&VM.v4().to_string())?;
    let flow = Flow::start(&lab.ext, &lab.vm, VM.v4().into())?;
    let command = format!("{} top --interval 0.2 --config {}", binary()?, lab.gateway.file().display());
    let terminal = Terminal::run(&lab.lab.directory(), "top", &command)?;
    let carries = |screen: &str| {
        let row = screen.lines().find(|line| line.starts_with("a0 "))?;
        let words: Vec<&str> = row.split_whitespace().collect();
        (words.get(..4)? == ["a0", "100", "5001", "net-5001"] && *words.get(4)? != "0").then_some(())
    };
    let screen = terminal.expect("the binding and its rate", |screen| carries(screen).is_some())?;
    for text in ["standalone (no VRRP), VTEP 172.31.0.21", "static (configuration file)", "fdb", "q quit"] {
        assert!(screen.contains(text), "{text:?}:\n{screen}");
    }
    terminal.press(&["?"])?;
    terminal.expect("the keys", |screen| screen.contains(" Keys ") && screen.contains("reverse the order"))?;
    terminal.press(&["?"])?;
    terminal.expect("the keys no more", |screen| !screen.contains(" Keys "))?;
    terminal.press(&["Tab"])?;
    terminal.expect("the tunnel", |screen| {
        screen.lines().any(|line| line.starts_with("172.31.0.21") && line.contains("172.31.0.11"))
    })?;
    terminal.press(&["Tab"])?;
    terminal.expect("the reasons of drops", |screen| screen.lines().any(|line| line.starts_with("unknown_vtep")))?;
    terminal.press(&["/", "b", "a", "d", "Enter"])?;
    terminal.expect("those that match", |screen| {
        screen.lines().any(|line| line.starts_with("bad_source"))
            && !screen.lines().any(|line| line.starts_with("unknown_vtep"))
    })?;
    // The agent goes, and comes back.
    lab.gateway.kill()?;
    terminal.expect("that the agent is gone", |screen| screen.contains("no agent is running"))?;
    lab.gateway.resume()?;
    terminal.expect("that it is back", |screen| !screen.contains("no agent is running"))?;
    terminal.press(&["Escape"])?;
    terminal.expect("all of them", |screen| screen.lines().any(|line| line.starts_with("unknown_vtep")))?;
    terminal.press(&["q"])?;
    terminal.expect_restored(0)?;
    flow.finish().map(drop)
}

#[test]
fn however_it_ends_the_terminal_is_as_before() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let config = lab.gateway.file().display().to_string();
    let shown = |screen: &str| screen.lines().any(|line| line.starts_with("a0 "));
    // Ctrl-C, and signals from elsewhere. The shell writes the number of its own process, which the command takes over.
    for (how, end) in [("C-c", None), ("TERM", Some("TERM")), ("INT", Some("INT"))] {
        let pid = lab.lab.directory().join(format!("pid-{how}"));
        let script = lab.lab.directory().join(format!("run-{how}"));
        let text = format!("echo $$ > {}; exec {} top --interval 0.2 --config {config}", pid.display(), binary()?);
        std::fs::write(&script, text)?;
        let terminal = Terminal::run(&lab.lab.directory(), how, &format!("sh {}", script.display()))?;
        terminal.expect("the binding", shown)?;
        match end {
            None => terminal.press(&["C-c"])?,
            Some(signal) => drop(process::run(&["kill", "-s", signal, std::fs::read_to_string(&pid)?.trim()])?),
        }
        terminal.expect_restored(0).with_context(|| format!("after {how}"))?;
    }
    Ok(())
}

#[test]
fn a_terminal_that_changes_its_size_is_followed() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    let command = format!("{} top --interval 0.2 --config {}", binary()?, lab.gateway.file().display());
    let terminal = Terminal::run(&lab.lab.directory(), "top", &command)?;
    terminal.expect("the binding", |screen| screen.lines().any(|line| line.starts_with("a0 ")))?;
    for (columns, lines) in [("120", "40"), ("30", "8"), ("80", "24")] {
        terminal.tmux(&["resize-window", "-x", columns, "-y", lines])?;
        let last = lines.parse::<usize>()? - 1;
        // The keys are on the last line, wherever that is.
        terminal.expect("the keys at the bottom", |screen| {
            screen.lines().nth(last).is_some_and(|line| line.starts_with("q quit"))
        })?;
    }
    terminal.expect("the binding again", |screen| screen.lines().any(|line| line.starts_with("a0 ")))?;
    Ok(())
}

/// `top` on a terminal of its own, which is `controlling` its session or not. What is given is the only other end of it.
fn on_own_terminal(lab: &Crossing, controlling: bool) -> Result<(PtyMaster, Child)> {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let mut options = File::options();
    let slave = options.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(ptsname_r(&master)?)?;
    let file = lab.gateway.file().display().to_string();
    // The parent may ignore SIGHUP, as nohup(1) does.
    let ignores = if controlling { "" } else { "trap '' HUP;" };
    let script = format!("stty cols 80 rows 24; {ignores} exec \"$@\"");
    let mut command = Command::new("setsid");
    command.args(if controlling { ["--ctty"].as_slice() } else { &[] });
    command.args(["sh", "-c", &script, "top", binary()?, "top", "--interval", "0.2", "--config", &file]);
    command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave).env("TERM", "xterm-256color");
    Ok((master, command.spawn()?))
}

/// Reads what is on it until the binding is.
fn wait_shown(master: &PtyMaster) -> Result<()> {
    let mut text = String::new();
    let mut chunk = [0; 4096];
    // A word that no movement of the cursor is in the midst of.
    while !text.contains("net-5001") {
        let there = poll(&mut [PollFd::new(master.as_fd(), PollFlags::POLLIN)], PollTimeout::try_from(SOON)?)?;
        ensure!(there > 0, "nothing more is shown:\n{text}");
        let length = nix::unistd::read(master, &mut chunk)?;
        text.push_str(&String::from_utf8_lossy(&chunk[..length]));
    }
    Ok(())
}

#[test]
fn top_ends_when_its_terminal_goes() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    for controlling in [true, false] {
        let (master, mut child) = on_own_terminal(&lab, controlling)?;
        wait_shown(&master)?;
        drop(master);
        let ended = wait_for("top to end", SOON, || matches!(child.try_wait(), Ok(Some(_))));
        if ended.is_err() {
            child.kill()?;
        }
        ended.with_context(|| format!("a controlling terminal: {controlling}"))?;
    }
    Ok(())
}

#[test]
fn top_ends_at_a_signal() -> Result<()> {
    let lab = Crossing::build(Plan::default())?;
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let (master, mut child) = on_own_terminal(&lab, true)?;
        wait_shown(&master)?;
        kill(Pid::from_raw(child.id().cast_signed()), signal)?;
        // Its last words have somewhere to go.
        let reader =
            std::thread::spawn(
                move || while nix::unistd::read(&master, &mut [0; 4096]).is_ok_and(|length| length > 0) {},
            );
        let ended = wait_for("top to end", SOON, || matches!(child.try_wait(), Ok(Some(_))));
        if ended.is_err() {
            child.kill()?;
        }
        ended.with_context(|| format!("{signal}"))?;
        reader.join().expect("the reader");
    }
    Ok(())
}
