//! Notifications to the service manager: sd_notify(3), with a socket of the test's own in its place.

use std::{os::unix::net::UnixDatagram, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use lab::{
    config::Mode,
    crossing::{Plan, Site},
    gateway::{Gateway, Surroundings},
    wait::SOON,
};
use nix::sys::signal::Signal;

/// After which the service manager would miss a sign of life, in microseconds.
const WATCHDOG: Duration = Duration::from_secs(1);

/// The service manager's ear.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(site: &Site) -> Result<Self> {
        let path = site.lab.directory().join("notify");
        let socket = UnixDatagram::bind(&path)?;
        socket.set_read_timeout(Some(SOON))?;
        Ok(Self { socket, path })
    }

    fn start(&self, site: &Site) -> Result<Gateway> {
        let (path, usec) = (self.path.display().to_string(), WATCHDOG.as_micros().to_string());
        let variables = Surroundings::variables(&[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", &usec)]);
        Gateway::launch_in(&site.gw, &site.config(), variables)
    }

    /// The next message; the error names what was waited for.
    fn next(&self, what: &str) -> Result<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).with_context(|| format!("waiting for {what}"))?;
        Ok(String::from_utf8(bytes[..length].to_vec())?)
    }

    /// The next message that has this line, past signs of life and statuses.
    fn wait(&self, line: &str) -> Result<String> {
        loop {
            let message = self.next(line)?;
            if message.lines().any(|found| found == line) {
                return Ok(message);
            }
            let passing = message.lines().all(|found| found == "WATCHDOG=1" || found.starts_with("STATUS="));
            assert!(passing, "{message} came before {line}");
        }
    }
}

fn status(message: &str) -> &str {
    message.lines().find_map(|line| line.strip_prefix("STATUS=")).unwrap()
}

#[test]
fn the_service_manager_is_notified_of_everything_in_order() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let manager = Manager::new(&site)?;
    let mut gateway = manager.start(&site)?;

    let ready = manager.next("READY=1")?;
    assert!(ready.lines().any(|line| line == "READY=1"), "{ready}");
    assert_eq!(status(&ready), "forwarding; 1 switch, 1 binding, 1 tunnel, 1 static MACs, 0 learned");
    manager.wait("WATCHDOG=1")?;
    manager.wait("WATCHDOG=1")?;

    gateway.signal(Signal::SIGHUP)?;
    let reloading = manager.wait("RELOADING=1")?;
    assert!(reloading.lines().any(|line| line.starts_with("MONOTONIC_USEC=")), "{reloading}");
    manager.wait("READY=1")?;

    // A file that is refused is a problem until the next one.
    gateway.reload_text("nonsense")?;
    manager.wait("RELOADING=1")?;
    let ready = manager.wait("READY=1")?;
    assert!(status(&ready).contains("1 problem: reload refused: "), "{ready}");
    gateway.reload(&site.config())?;
    manager.wait("RELOADING=1")?;
    let ready = manager.wait("READY=1")?;
    assert!(!status(&ready).contains("problem"), "{ready}");

    gateway.stop()?;
    manager.wait("STOPPING=1").map(drop)
}

#[test]
fn an_agent_that_stands_still_gives_no_sign_of_life() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let manager = Manager::new(&site)?;
    let mut gateway = manager.start(&site)?;
    manager.wait("READY=1")?;
    manager.wait("WATCHDOG=1")?;

    gateway.signal(Signal::SIGSTOP)?;
    lab::wait::wait_for("the agent to stand still", SOON, || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", gateway.pid().unwrap_or_default()));
        stat.is_ok_and(|stat| stat.contains(") T "))
    })?;
    // Its message before.
    manager.socket.set_nonblocking(true)?;
    while manager.next("nothing").is_ok() {}
    manager.socket.set_nonblocking(false)?;
    // The service manager's patience, twice over: nothing can come, however slow the machine is.
    manager.socket.set_read_timeout(Some(2 * WATCHDOG))?;
    assert!(manager.next("nothing").is_err());

    manager.socket.set_read_timeout(Some(SOON))?;
    gateway.signal(Signal::SIGCONT)?;
    manager.wait("WATCHDOG=1")?;
    gateway.stop()
}

#[test]
fn a_start_that_fails_ends_at_once_and_was_never_ready() -> Result<()> {
    let site = Site::build(Plan::default())?;
    let manager = Manager::new(&site)?;
    let config = site.config().port("nosuch0", Mode::Xdp);
    let variables = Surroundings::variables(&[("NOTIFY_SOCKET", &manager.path.display().to_string())]);
    let mut gateway = Gateway::launch_in(&site.gw, &config, variables)?;
    let (status, log) = gateway.wait_end()?;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("nosuch0"), "{log}");
    manager.socket.set_nonblocking(true)?;
    while let Ok(message) = manager.next("nothing") {
        assert!(!message.contains("READY"), "{message}");
    }
    Ok(())
}
