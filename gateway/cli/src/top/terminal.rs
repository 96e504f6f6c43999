//! The real terminal, its keys, signals, and the agent: the driver of the full screen.
//!
//! One thread asks the agent, so that keys are heard while it is slow; one waits for signals, which reach no other. The
//! terminal is put back as it was however this ends: [`ratatui::init`] sees to panics, [`Screen`] to all else.
//!
//! A terminal that is gone reads as an endless row of empty reads, which crossterm would take one after the other for ever. So
//! [`Keys`] looks before it lets crossterm read, and the thread of the signals ends the process should that not be enough.

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

/// How long keys are waited for before samples and signals are looked for.
const GLANCE: Duration = Duration::from_millis(50);

/// What the other threads say.
enum Message {
    Sample(Result<Box<Sample>, String>),
    Quit,
}

/// The terminal in its other state; it is put back when this goes.
struct Screen(DefaultTerminal);

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Why there is no full screen.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// Standard output is something else.
    #[error("standard output is no terminal; `vtep-gateway top --once` prints one sample, with --json for programs")]
    NoTerminal,
    /// The terminal does not do what it should.
    #[error("the terminal: {0}")]
    Io(#[from] io::Error),
    /// A thread has ended.
    #[error("the agent is no longer asked: this is a fault of the program")]
    Ended,
}

/// Shows rates until `q`, Ctrl-C, or a signal.
///
/// # Errors
/// See [`ScreenError`]. An agent that goes away is none.
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
            // All that is there: crossterm keeps what it has read at once for later calls.
            Wait::Key => {
                while event::poll(Duration::ZERO)? {
                    match key(&event::read()?).map(|key| model.key(key)) {
                        None | Some(Then::Nothing) => {}
                        Some(Then::Quit) => return Ok(()),
                        // That nobody listens is seen below.
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

/// Takes signals that would end the process for one that is told; it has to be called before other threads start, which do
/// as the one that starts them.
fn wait_for_signals(sender: Sender<Message>) -> io::Result<()> {
    let signals = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block()?;
    thread::spawn(move || {
        if signals.wait().is_ok() {
            // Nobody to tell: it is ending already.
            let _ = sender.send(Message::Quit);
            rest(GRACE);
            ratatui::restore();
            process::exit(0);
        }
    });
    Ok(())
}

/// How long the screen has to end by itself when a signal asks it to.
const GRACE: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "a process that does not end is waited for in real time")]
fn rest(time: Duration) {
    thread::sleep(time);
}

/// Where keys come from: standard input if that is a terminal, as for crossterm.
enum Keys {
    Stdin(Stdin),
    Terminal(File),
}

/// What came of waiting for a key.
enum Wait {
    /// There is something to read.
    Key,
    /// There is nothing yet.
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

/// Asks the agent again and again, until nobody wants to know.
fn sample(
    socket: &Path,
    take: fn(&Path) -> Result<Sample, CallError>,
    mut interval: Duration,
    changes: &Receiver<Duration>,
    sender: &Sender<Message>,
) {
    loop {
        let sample = take(socket).map(Box::new).map_err(|error| error.to_string());
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

/// What the model is told of an event.
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
