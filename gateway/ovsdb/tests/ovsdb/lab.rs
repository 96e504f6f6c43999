//! Database servers for tests: the real `ovsdb-server`, in a directory that goes away with the test.
#![allow(dead_code, reason = "each test crate uses its part of this module")]

use std::{
    env, fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio, id},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// Time limit of waiting for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The schema most tests use.
pub(crate) const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ovsdb/lab.ovsschema");

/// A directory that is removed at the end.
pub(crate) struct Place {
    path: PathBuf,
}

/// A running server. It ends with the test.
pub(crate) struct Server {
    arguments: Vec<String>,
    socket: PathBuf,
    log: PathBuf,
    child: Child,
}

impl Place {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("vtep-gateway-ovsdb-{}-{}", id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self { path }
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    /// Makes a standalone database, and starts a server for it at `unix:NAME.sock`. Further remotes and databases may be
    /// among the `arguments`.
    pub(crate) fn serve(&self, name: &str, schema: &str, arguments: &[&str]) -> Server {
        let database = self.file(&format!("{name}.db"));
        run("ovsdb-tool", &["create", &database, schema]);
        self.serve_made(name, arguments)
    }

    /// Starts a server for the database `NAME.db` that is already there.
    pub(crate) fn serve_made(&self, name: &str, arguments: &[&str]) -> Server {
        let file = |end: &str| self.file(&format!("{name}.{end}"));
        let mut all = vec![
            format!("--remote=punix:{}", file("sock")),
            format!("--unixctl={}", file("ctl")),
            "-vconsole:off".to_owned(),
            format!("--log-file={}", file("log")),
            "--no-chdir".to_owned(),
        ];
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        all.push(file("db"));
        let child = spawn(&all);
        let mut server = Server { arguments: all, socket: file("sock").into(), log: file("log").into(), child };
        server.wait();
        server
    }

    /// Where the server `name` listens.
    pub(crate) fn remote(&self, name: &str) -> String {
        format!("unix:{}", self.file(&format!("{name}.sock")))
    }

    /// Asks the server `name` for something that only an operator can ask for.
    pub(crate) fn control(&self, name: &str, arguments: &[&str]) -> String {
        let control = self.file(&format!("{name}.ctl"));
        run("ovs-appctl", &[&["-t", &control], arguments].concat())
    }

    /// Does a transaction with another client than the one that is tested.
    pub(crate) fn transact(&self, name: &str, transaction: &Value) -> Value {
        let reply = run("ovsdb-client", &["transact", &self.remote(name), &transaction.to_string()]);
        serde_json::from_str(&reply).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.path);
    }
}

impl Server {
    /// The port it chose, if it listens at one.
    pub(crate) fn port(&self) -> u16 {
        let mut port = None;
        wait_until(|| {
            let log = fs::read_to_string(&self.log).unwrap();
            // Without an end of the line, it is still being written.
            port = log.split_once("listening on port ").and_then(|(_, rest)| rest.split_once('\n')?.0.parse().ok());
            port.is_some()
        });
        port.unwrap()
    }

    /// Ends it without a word, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let _gone = fs::remove_file(&self.socket);
        self.child = spawn(&self.arguments);
        self.wait();
    }

    /// Makes it stand still.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Makes it go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn wait(&mut self) {
        let child = &mut self.child;
        wait_until(|| {
            assert_eq!(child.try_wait().unwrap(), None, "ovsdb-server ended, its log: {}", self.log.display());
            UnixStream::connect(&self.socket).is_ok()
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, or stand still, which makes no difference to SIGKILL.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn spawn(arguments: &[String]) -> Child {
    Command::new("ovsdb-server").args(arguments).stdin(Stdio::null()).spawn().unwrap()
}

/// Runs a program to its end: what it text.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs a program to its end in `directory`.
pub(crate) fn run_in(directory: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Waits until `condition` holds.
#[expect(clippy::disallowed_methods, reason = "waits for another process, and not for longer than it needs")]
pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < end, "it did not happen");
        thread::sleep(Duration::from_millis(5));
    }
}
