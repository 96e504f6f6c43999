//! Thread for requests to the kernel about interfaces and addresses.
//!
//! Most netlink requests are carried out within the system call, under a lock that the whole machine shares (RTNL). A
//! program that removes an interface or a namespace may hold it for seconds. If the virtual routers waited for the
//! lock, they would lose their leases.

use std::{future::Future, io, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// Handle of the thread. The thread ends when the handle is dropped.
#[derive(Debug)]
pub struct Net {
    runtime: Handle,
    _end: oneshot::Sender<()>,
}

impl Net {
    /// Starts the thread in the network namespace of the calling thread, with its priority minus one.
    pub fn start(prepare: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("vrrp-net".to_owned()).spawn(move || {
            prepare();
            // Ends with an error when the other end was dropped.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { runtime: handle, _end: end })
    }

    /// Runs a future on the thread, concurrently with others.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Drops a socket, or another value that need not be dropped at once, on the thread. Closing a socket that sends
    /// frames takes as long as all CPUs need to pass a quiescent state (`synchronize_net()` in `packet_release()`).
    /// Closing one that has joined a group waits for the lock.
    pub fn close<T: Send + 'static>(&self, socket: T) {
        self.runtime.spawn(async move { drop(socket) });
    }

    /// Runs a future on the thread, and waits for the result.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        self.runtime.spawn(work).await.map_err(io::Error::other)?
    }
}
