//! Path of the control socket in the file system.

use std::{
    fs, io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt, chown},
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
    unistd::{Group, unlink},
};
use tokio::net::UnixListener;

use super::error::CtlError;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// Listening socket. Its path is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    pub socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Opens the socket at `path`, for root and the members of `group`.
    pub(crate) fn open(path: &Path, group: Option<&str>) -> Result<Self, CtlError> {
        let failed = |source: io::Error| CtlError::Open { path: path.to_owned(), source };
        let gid = self::group(group)?;
        clear(path)?;
        let socket = listening(path, gid).map_err(failed)?;
        if let (Some(group), Some(gid)) = (group, gid) {
            warn_of_closed_directory(path, group, gid);
        }
        let socket = UnixListener::from_std(socket).map_err(failed)?;
        Ok(Self { socket, path: path.to_owned() })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A path that remains is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the socket of an agent that is dead.
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

/// Looks up the number of a group, if one is named.
///
/// # Errors
/// There is no such group, or the lookup fails.
pub(crate) fn group(name: Option<&str>) -> Result<Option<u32>, CtlError> {
    let Some(name) = name else { return Ok(None) };
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(Some(group.gid.as_raw())),
        Ok(None) => Err(CtlError::NoGroup { group: name.to_owned() }),
        Err(errno) => Err(CtlError::Group { group: name.to_owned(), source: errno.into() }),
    }
}

fn listening(path: &Path, gid: Option<u32>) -> io::Result<StdListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // Linux gives the name the mode that the socket has (unix_bind_bsd() in net/unix/af_unix.c), so there is no moment
    // at which others could connect.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    if let Some(gid) = gid {
        chown(path, None, Some(gid))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    }
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(StdListener::from(socket))
}

/// Warns if the group may use the socket but not enter its directory. The mode of the directory is its owner's choice.
fn warn_of_closed_directory(path: &Path, group: &str, gid: u32) {
    let Some(directory) = path.parent() else { return };
    let open = fs::metadata(directory).is_ok_and(|found| {
        let mode = found.mode();
        if found.gid() == gid { mode & 0o010 != 0 } else { mode & 0o001 != 0 }
    });
    if !open {
        let directory = directory.display();
        tracing::warn!(
            "control socket: group {group} may not enter {directory}, so it can't reach the socket there; `chmod o+x {directory}`"
        );
    }
}
