//! The hardware of a server: its NICs, and QEMU's options for them.

use std::fmt::{self, Display, Formatter};

/// NIC that QEMU emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// virtio-net, by the number of its queue pairs. XDP wants one more for each CPU, or takes a lock on each packet.
    Virtio(u8),
    /// vmxnet3 of VMware.
    Vmxnet3,
    /// Intel 82540EM, driver e1000.
    E1000,
    /// Intel 82574L, driver e1000e.
    E1000e,
    /// Realtek RTL8139, driver 8139cp.
    Rtl8139,
}

impl Model {
    /// Returns the number of its queue pairs.
    pub const fn queues(self) -> u8 {
        match self {
            Self::Virtio(queues) => queues,
            _ => 1,
        }
    }

    /// Returns the name of QEMU's device.
    const fn device(self) -> &'static str {
        match self {
            Self::Virtio(_) => "virtio-net-pci",
            Self::Vmxnet3 => "vmxnet3",
            Self::E1000 => "e1000",
            Self::E1000e => "e1000e",
            Self::Rtl8139 => "rtl8139",
        }
    }
}

impl Display for Model {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Virtio(1) => "virtio-net, 1 queue",
            Self::Virtio(queues) => return write!(f, "virtio-net, {queues} queues"),
            other => other.device(),
        })
    }
}

/// NIC of a server, with the tap device that is its cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// Its kind.
    pub model: Model,
    /// The tap device.
    pub tap: String,
    /// Its address.
    pub mac: String,
}

impl Nic {
    /// Returns QEMU's options for the NIC `number`.
    pub(super) fn options(&self, number: usize) -> Vec<String> {
        let Self { model, tap, mac } = self;
        let queues = model.queues();
        let mut cable = format!("tap,id=n{number},ifname={tap},script=no,downscript=no,vhost=off");
        let mut device = format!("{},netdev=n{number},id=d{number},mac={mac},romfile=", model.device());
        if let Model::Virtio(_) = model {
            // A bond in mode 802.3ad aggregates no NIC whose speed it does not know.
            device += ",speed=10000,duplex=full";
            if queues > 1 {
                cable += &format!(",queues={queues}");
                device += &format!(",mq=on,vectors={}", 2 * queues + 2);
            }
        }
        ["-netdev".into(), cable, "-device".into(), device].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_virtio_has_queues_and_a_speed_to_set() {
        let options = |model| Nic { model, tap: "t0".into(), mac: "52:54:00:00:01:00".into() }.options(3).join(" ");
        assert!(options(Model::Virtio(2)).contains("queues=2") && options(Model::Virtio(2)).contains("vectors=6"));
        assert!(!options(Model::Virtio(1)).contains("queues") && options(Model::Virtio(1)).contains("speed=10000"));
        assert_eq!(
            options(Model::E1000),
            "-netdev tap,id=n3,ifname=t0,script=no,downscript=no,vhost=off \
             -device e1000,netdev=n3,id=d3,mac=52:54:00:00:01:00,romfile="
        );
    }
}
