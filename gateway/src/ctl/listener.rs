//! The socket's name in the file system.

use std::{
    fs, io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::FileTypeExt,
            net::{UnixListener as StdListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use nix::{
    sys::{
        socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket},
        stat::{Mode, fchmod},
    },
    unistd::unlink,
};
use tokio::net::UnixListener;

use super::CtlError;

/// Clients that wait to be accepted.
const BACKLOG: i32 = 16;

/// A listening socket; its name goes with it.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    pub(super) fn open(path: &Path) -> Result<Self, CtlError> {
        let failed = |source: io::Error| CtlError::Open { path: path.to_owned(), source };
        clear(path)?;
        let socket = listening(path).map_err(failed)?;
        let socket = UnixListener::from_std(socket).map_err(failed)?;
        Ok(Self { socket, path: path.to_owned() })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // One that stays behind is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what an agent that is dead has left there.
fn clear(path: &Path) -> Result<(), CtlError> {
    let failed = |source: io::Error| CtlError::Open { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => Err(CtlError::NotASocket { path: path.to_owned() }),
        Ok(_) if UnixStream::connect(path).is_ok() => Err(CtlError::Taken { path: path.to_owned() }),
        Ok(_) => unlink(path).map_err(|errno| failed(errno.into())),
    }
}

fn listening(path: &Path) -> io::Result<StdListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // Linux gives the name the mode that the socket has (unix_bind_bsd() in net/unix/af_unix.c), so there is no moment
    // at which others could connect.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(StdListener::from(socket))
}
