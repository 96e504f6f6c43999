//! The thread that asks the kernel about interfaces and addresses.
//!
//! Most requests by netlink are carried out within the system call, under a lock that the whole machine shares (RTNL). Whoever
//! takes an interface down or a namespace apart may hold it for seconds. Were the virtual routers to wait for that, they
//! would lose their leases.

use std::{future::Future, io, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// The thread; it ends with this.
#[derive(Debug)]
pub struct Net {
    runtime: Handle,
    _end: oneshot::Sender<()>,
}

impl Net {
    /// Starts it in the network namespace of the calling thread, with its priority less one.
    pub fn start(prepare: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("vrrp-net".to_owned()).spawn(move || {
            prepare();
            // Ends with an error, which says that nobody holds the other end any more.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { runtime: handle, _end: end })
    }

    /// Has it do this beside what else it does.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Has it close a socket, or what else is dropped at leisure: to close one that frames are sent by takes as long as all
    /// CPUs need to pass a quiet moment (`synchronize_net()` in `packet_release()`), one that has joined a group waits
    /// for the lock.
    pub fn close<T: Send + 'static>(&self, socket: T) {
        self.runtime.spawn(async move { drop(socket) });
    }

    /// Has it do this, and waits for the outcome.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        self.runtime.spawn(work).await.map_err(io::Error::other)?
    }
}
