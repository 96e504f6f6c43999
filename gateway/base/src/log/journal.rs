//! Writes to systemd's journal, with a field for each value.
//!
//! A line is one datagram in the journal's native protocol (`https://systemd.io/JOURNAL_NATIVE_PROTOCOL`). A field is
//! `NAME=value`. If the value has more than one line, the field is the name, the value's length and the value. Writes
//! never block, because a journal that hangs must not hang the gateway.

use std::{
    env, fmt, fs, io,
    os::{fd::AsFd, unix::net::UnixDatagram},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FormatFields,
        format::{DefaultFields, Writer},
    },
    layer::{Context, Layer},
};

use super::target;

/// Path of the journal's socket.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// `SYSLOG_IDENTIFIER` of this program's lines.
const IDENTIFIER: &str = "vtep-gateway";

/// Prefix of the names of values. Without it a name could be one of the journal's own.
const PREFIX: &str = "VTEP_";

/// Bytes of a value that are written at most, well below the limit of a datagram.
const LONGEST: usize = 32 << 10;

/// Bytes of a field's name that the journal accepts at most.
const LONGEST_NAME: usize = 64;

/// Returns true if standard error goes to the journal: then `$JOURNAL_STREAM` names it (systemd.exec(5)).
pub(super) fn is_stderr() -> bool {
    let named = env::var("JOURNAL_STREAM").unwrap_or_default();
    let Ok(stderr) = nix::sys::stat::fstat(io::stderr().as_fd()) else { return false };
    names(&named, stderr.st_dev, stderr.st_ino)
}

fn names(stream: &str, device: u64, inode: u64) -> bool {
    stream.split_once(':').is_some_and(|(dev, ino)| dev.parse() == Ok(device) && ino.parse() == Ok(inode))
}

/// Connection to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
    lost: AtomicU64,
}

impl Journal {
    /// Opens a socket for the journal that listens at `path`.
    ///
    /// # Errors
    /// No journal listens there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::metadata(path)?;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path: path.to_owned(), lost: AtomicU64::new(0) })
    }

    /// Writes a line. Counts it as lost if the journal does not take it.
    fn write(&self, line: &[u8]) {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            let mut report = Datagram::new(&Level::WARN);
            report.put("MESSAGE", &format!("{lost} log lines were lost: the journal did not take them"));
            if self.socket.send_to(&report.0, &self.path).is_ok() {
                self.lost.fetch_sub(lost, Ordering::Relaxed);
            }
        }
        // The path is resolved each time, because a restarted journal has another socket there.
        if self.socket.send_to(line, &self.path).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = Datagram::new(metadata.level());
        // The message has the values in it, because `journalctl` shows the message alone.
        let mut message = String::new();
        let _ = DefaultFields::new().format_fields(Writer::new(&mut message), event);
        line.put("MESSAGE", message.trim_end());
        line.put("TARGET", &target::shown(metadata.target()));
        if let (Some(file), Some(number)) = (metadata.file(), metadata.line()) {
            line.put("CODE_FILE", file);
            line.put("CODE_LINE", &number.to_string());
        }
        event.record(&mut line);
        self.write(&line.0);
    }
}

/// Log line in the journal's format.
struct Datagram(Vec<u8>);

impl Datagram {
    fn new(level: &Level) -> Self {
        let mut line = Self(Vec::new());
        // Priorities of syslog(3): error, warning, informational, debug.
        let priority = match *level {
            Level::ERROR => "3",
            Level::WARN => "4",
            Level::INFO => "6",
            Level::DEBUG | Level::TRACE => "7",
        };
        line.put("PRIORITY", priority);
        line.put("SYSLOG_IDENTIFIER", IDENTIFIER);
        line
    }

    fn put(&mut self, name: &str, value: &str) {
        let value = &value[..value.floor_char_boundary(LONGEST)];
        let bytes = &mut self.0;
        bytes.extend(name.as_bytes());
        if value.contains('\n') {
            bytes.push(b'\n');
            bytes.extend((value.len() as u64).to_le_bytes());
        } else {
            bytes.push(b'=');
        }
        bytes.extend(value.as_bytes());
        bytes.push(b'\n');
    }
}

impl Visit for Datagram {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // Fields with the source location of the libraries' lines.
        if field.name() == "message" || field.name().starts_with("log.") {
            return;
        }
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name: String = PREFIX.chars().chain(field.name().chars().map(letter)).take(LONGEST_NAME).collect();
        self.put(&name, value);
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Journal of the test, and the datagrams that it received.
    struct Socket(PathBuf, UnixDatagram);

    impl Socket {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("vtep-gateway-journal-{}-{name}", std::process::id()));
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_nonblocking(true).unwrap();
            Self(path, socket)
        }

        fn next(&self) -> String {
            let mut bytes = vec![0; 1 << 20];
            let length = self.1.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        }
    }

    impl Drop for Socket {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn with_journal(journal_socket: &Socket, events: impl FnOnce()) {
        let journal = Journal::open(&journal_socket.0).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), events);
    }

    #[test]
    fn a_line_has_its_values_as_fields_and_in_its_message() {
        let journal_socket = Socket::new("fields");
        with_journal(&journal_socket, || tracing::warn!(switches = 2, mac = %"02:00:00:00:00:01", "ready"));
        let line = journal_socket.next();
        for field in [
            "PRIORITY=4\n",
            "SYSLOG_IDENTIFIER=vtep-gateway\n",
            "MESSAGE=ready switches=2 mac=02:00:00:00:00:01\n",
            "TARGET=vtep_gateway::base::log::journal::tests\n",
            "VTEP_SWITCHES=2\n",
            "VTEP_MAC=02:00:00:00:00:01\n",
        ] {
            assert!(line.contains(field), "{field} in {line}");
        }
    }

    #[test]
    fn a_value_of_many_lines_cannot_make_fields_of_its_own() {
        let journal_socket = Socket::new("lines");
        with_journal(&journal_socket, || tracing::info!(name = "a\nPRIORITY=0", "ready"));
        let line = journal_socket.next();
        assert!(line.contains("VTEP_NAME\n\u{c}\0\0\0\0\0\0\0a\nPRIORITY=0\n"), "{line:?}");
    }

    #[test]
    fn a_line_of_any_length_arrives() {
        let journal_socket = Socket::new("long");
        with_journal(&journal_socket, || tracing::info!(long = "ü".repeat(LONGEST), "x{}", "ü".repeat(LONGEST)));
        assert!(journal_socket.next().contains("VTEP_LONG=üü"));
    }

    #[test]
    fn lines_that_a_journal_does_not_take_are_counted_and_reported() {
        let journal_socket = Socket::new("full");
        let journal = Journal::open(&journal_socket.0).unwrap();
        let line = Datagram::new(&Level::INFO).0;
        while journal.lost.load(Ordering::Relaxed) < 3 {
            journal.write(&line);
        }
        let mut chunk = [0; 4096];
        while journal_socket.1.recv(&mut chunk).is_ok() {}
        journal.write(&line);
        assert!(journal_socket.next().contains("MESSAGE=3 log lines were lost"));
        assert_eq!(journal_socket.next().as_bytes(), line);
    }

    #[test]
    fn the_stream_is_known_by_device_and_inode() {
        assert!(names("8:1234", 8, 1234));
        for other in ["", "8", "9:1234", "8:123", "8:1234:1", "x:y"] {
            assert!(!names(other, 8, 1234), "{other}");
        }
    }
}
