//! Driver of the full screen: the terminal, its keys, signals, and the agent.
//!
//! One thread polls the agent, so that keys work while the agent is slow. Another one waits for signals, which no other
//! thread receives. The terminal is always restored: by [`ratatui::init`] after a panic, by [`Screen`] in all other
//! cases.
//!
//! Reading from a terminal that is gone returns empty reads without end, and crossterm would loop over them forever.
//! Therefore [`Keys`] polls before it lets crossterm read. If that is not enough, the thread of the signals ends the
//! process.

use std::{
    env,
    fs::File,
    io::{self, IsTerminal, Stdin},
    os::fd::AsFd,
    path::Path,
    process,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError},
    thread,
    time::Duration,
};

use gateway_api::ctl::CallError;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{SigSet, Signal},
};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};

use super::{
    Sample,
    model::{Key, Model, Then},
    screen::{Means, draw},
};

/// Time to wait for a key before samples and signals are checked.
const GLANCE: Duration = Duration::from_millis(50);

/// Message from the other threads.
enum Message {
    Sample(Result<Box<Sample>, CallError>),
    Quit,
}

/// Terminal in full-screen mode; restored on drop.
struct Screen(DefaultTerminal);

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Reasons for which there is no full screen.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// Standard output is not a terminal.
    #[error("standard output is no terminal; `vtep-gateway top --once` prints one sample, with --json for programs")]
    NoTerminal,
    /// The terminal failed.
    #[error("the terminal: {0}")]
    Io(#[from] io::Error),
    /// A thread has ended.
    #[error("the agent is no longer asked: this is a fault of the program")]
    Ended,
}

/// Shows rates until `q`, Ctrl-C, or a signal.
///
/// # Errors
/// See [`ScreenError`]. The loss of the agent is not an error.
pub fn show(
    socket: &Path,
    interval: Duration,
    take: fn(&Path) -> Result<Sample, CallError>,
) -> Result<(), ScreenError> {
    if !io::stdout().is_terminal() {
        return Err(ScreenError::NoTerminal);
    }
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (sender, messages) = mpsc::channel();
    wait_for_signals(sender.clone())?;
    let (intervals, changes) = mpsc::channel();
    let socket = socket.to_owned();
    thread::spawn(move || sample(&socket, take, interval, &changes, &sender));
    let keys = Keys::open()?;
    let mut screen = Screen(ratatui::try_init()?);
    let mut model = Model::new(host, interval);
    let means = means();
    loop {
        screen.0.draw(|frame| draw(frame, &model, means))?;
        match keys.wait(GLANCE)? {
            Wait::Gone => return Ok(()),
            Wait::Nothing => {}
            // Read all events: crossterm keeps what it has read at once for later calls.
            Wait::Key => {
                while event::poll(Duration::ZERO)? {
                    match key(&event::read()?).map(|key| model.key(key)) {
                        None | Some(Then::Nothing) => {}
                        Some(Then::Quit) => return Ok(()),
                        // A missing receiver is detected below.
                        Some(Then::Interval(interval)) => drop(intervals.send(interval)),
                    }
                }
            }
        }
        loop {
            match messages.try_recv() {
                Ok(Message::Sample(sample)) => model.sample(sample.map(|sample| *sample)),
                Ok(Message::Quit) => return Ok(()),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(ScreenError::Ended),
            }
        }
    }
}

/// Receives the signals that would end the process, and sends a message instead. Must be called before other threads
/// start, since they inherit the signal mask.
fn wait_for_signals(sender: Sender<Message>) -> io::Result<()> {
    let signals = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block()?;
    thread::spawn(move || {
        if signals.wait().is_ok() {
            // Without a receiver, the process is ending already.
            let _ = sender.send(Message::Quit);
            rest(GRACE);
            ratatui::restore();
            process::exit(0);
        }
    });
    Ok(())
}

/// Time for the screen to end by itself after a signal.
const GRACE: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "a process that does not end is waited for in real time")]
fn rest(time: Duration) {
    thread::sleep(time);
}

/// Source of keys: standard input if it is a terminal, as in crossterm.
enum Keys {
    Stdin(Stdin),
    Terminal(File),
}

/// Result of waiting for a key.
enum Wait {
    /// Input is available.
    Key,
    /// There is no input yet.
    Nothing,
    /// The terminal is gone.
    Gone,
}

impl Keys {
    fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        if stdin.is_terminal() { Ok(Self::Stdin(stdin)) } else { File::open("/dev/tty").map(Self::Terminal) }
    }

    fn wait(&self, limit: Duration) -> io::Result<Wait> {
        let fd = match self {
            Self::Stdin(stdin) => stdin.as_fd(),
            Self::Terminal(file) => file.as_fd(),
        };
        let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, limit) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Wait::Nothing),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        let found = fds[0].revents().unwrap_or(PollFlags::empty());
        Ok(if found.intersects(gone) { Wait::Gone } else { Wait::Key })
    }
}

/// Polls the agent until the receiver is gone.
fn sample(
    socket: &Path,
    take: fn(&Path) -> Result<Sample, CallError>,
    mut interval: Duration,
    changes: &Receiver<Duration>,
    sender: &Sender<Message>,
) {
    loop {
        let sample = take(socket).map(Box::new);
        if sender.send(Message::Sample(sample)).is_err() {
            return;
        }
        match changes.recv_timeout(interval) {
            Ok(changed) => interval = changed,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn means() -> Means {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    // The first of them that is set counts (locale(7)).
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default().to_lowercase();
    let unicode = locale.contains("utf-8") || locale.contains("utf8");
    Means { unicode, colours: set("NO_COLOR").is_none() }
}

/// Converts a terminal event to a key of the model.
fn key(event: &Event) -> Option<Key> {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press | KeyEventKind::Repeat, .. }) = event else {
        return None;
    };
    if modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(code, KeyCode::Char('c')).then_some(Key::Interrupt);
    }
    Some(match code {
        KeyCode::Char(c) => Key::Char(*c),
        KeyCode::Tab => Key::Char('\t'),
        KeyCode::BackTab | KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
