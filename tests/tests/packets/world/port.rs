//! Tapped interfaces: veths whose other end is tapped.

use futures_util::TryStreamExt;
use lab::{frame::Frame, wire::Wire};
use rtnetlink::{
    LinkMessageBuilder, LinkUnspec, LinkVeth,
    packet_route::link::{LinkAttribute, State},
};

/// Interface at which a packet arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Uplink,
    PortA,
    PortB,
}

impl From {
    /// Returns the name of the interface.
    fn name(self) -> &'static str {
        match self {
            Self::Uplink => "u0",
            Self::PortA => "a0",
            Self::PortB => "b0",
        }
    }
}

/// A tapped interface.
pub(crate) struct Port {
    pub(crate) ifindex: u32,
    tap: Wire,
}

impl Port {
    /// Makes the interface of `from`.
    pub(super) fn new(from: From) -> Self {
        port(from.name())
    }

    /// Returns the frames that arrived at the other end.
    pub(super) fn sent(&self) -> Vec<Frame> {
        self.tap.arrived().unwrap().into_iter().filter(|frame| !is_noise(frame)).collect()
    }
}

/// Sets the MTU of the interface of `from`.
pub(super) fn set_mtu(from: From, mtu: u32) {
    change_link(from.name(), |link| link.mtu(mtu));
}

/// Frames that the kernel itself sends on a new link: IPv6 neighbour discovery and multicast listener reports.
fn is_noise(frame: &Frame) -> bool {
    frame.ethertype == 0x86dd && matches!(frame.payload.get(6), Some(0 | 58))
}

/// Makes a veth, brings both ends up, taps the far one.
pub(crate) fn port(name: &str) -> Port {
    let far = format!("{name}p");
    with_netlink(async |handle| {
        handle.link().add(LinkVeth::new(name, &far).build()).execute().await.expect("a veth pair");
    });
    for end in [name, &far] {
        change_link(end, |link| link.mtu(9000).up());
    }
    let index = |end: &str| nix::net::if_::if_nametoindex(end).unwrap();
    // Until the kernel has noticed the carrier, what is sent is thrown away.
    for end in [name, &far] {
        lab::wait::wait_for(&format!("{end} to be up"), lab::wait::SOON, || is_up(index(end))).unwrap();
    }
    Port { ifindex: index(name), tap: Wire::here(index(&far)).unwrap() }
}

fn is_up(ifindex: u32) -> bool {
    let mut up = false;
    with_netlink(async |handle| {
        let link = handle.link().get().match_index(ifindex).execute().try_next().await.unwrap().unwrap();
        up = link.attributes.contains(&LinkAttribute::OperState(State::Up));
    });
    up
}

fn change_link(name: &str, change: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>) {
    let message = change(LinkUnspec::new_with_name(name)).build();
    with_netlink(async |handle| handle.link().set(message).execute().await.unwrap());
}

fn with_netlink(work: impl AsyncFnOnce(rtnetlink::Handle)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        work(handle).await;
    });
}
