//! Connections to servers.

use std::{io, path::PathBuf, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::{
    Cause, HostPort, Remote, ServerIdentity, TlsFiles,
    tls::{self, TlsError},
};

/// Byte stream in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Error: a connection can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("can't connect to the socket {path}: {error}", path = path.display())]
    Unix { path: PathBuf, error: io::Error },
    #[error("can't connect to {to}: {error}")]
    Tcp { to: HostPort, error: io::Error },
    #[error(transparent)]
    Files(#[from] TlsError),
    #[error("{0:?} is no name for TLS")]
    Name(String),
    #[error("{}", tls::explain(.0))]
    Tls(io::Error),
}

impl ConnectError {
    /// Returns the cause of the failure.
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Self::Unix { .. } | Self::Tcp { .. } => Cause::Unreachable,
            Self::Files(_) | Self::Name(_) | Self::Tls(_) => Cause::Tls,
        }
    }
}

/// Connects to `remote`.
pub(crate) async fn connect(
    remote: &Remote,
    tls: Option<&TlsFiles>,
    server: &ServerIdentity,
) -> Result<Box<dyn Stream>, ConnectError> {
    match (remote, tls) {
        (Remote::Unix(path), _) => {
            let stream = UnixStream::connect(path).await;
            Ok(Box::new(stream.map_err(|error| ConnectError::Unix { path: path.clone(), error })?))
        }
        (Remote::Ssl(to), Some(files)) => {
            let config = tls::config(files, server)?;
            let name = ServerName::try_from(to.host.clone()).map_err(|_| ConnectError::Name(to.host.clone()))?;
            let stream = tcp(to).await?;
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
            Ok(Box::new(stream.map_err(ConnectError::Tls)?))
        }
        // The check of the options has ensured that there are TLS files.
        (Remote::Tcp(to) | Remote::Ssl(to), _) => Ok(Box::new(tcp(to).await?)),
    }
}

async fn tcp(to: &HostPort) -> Result<TcpStream, ConnectError> {
    let error = |error| ConnectError::Tcp { to: to.clone(), error };
    let stream = TcpStream::connect((to.host.as_str(), to.port)).await.map_err(error)?;
    // Each request is one write; Nagle's algorithm would only delay it.
    stream.set_nodelay(true).map_err(error)?;
    Ok(stream)
}
