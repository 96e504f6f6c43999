//! A map of leases without a data plane.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use aya::maps::{Map, MapData};
use gateway_base::clock;
use gateway_ha::Leases;
use gateway_vrrp::{Time, Vrid};

const ENTRIES: u32 = 256;
const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_TYPE_ARRAY: u32 = 2;

/// The map, and what a data plane would make of it.
pub(crate) struct LeaseMap {
    fd: OwnedFd,
    leases: Leases,
}

impl LeaseMap {
    pub(crate) fn new() -> Self {
        // union bpf_attr for BPF_MAP_CREATE: type, size of a key, size of a value, entries.
        let attr = [BPF_MAP_TYPE_ARRAY, 4, 8, ENTRIES];
        // SAFETY: the kernel reads the bytes of `attr`, and takes the rest for zero.
        let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_MAP_CREATE, attr.as_ptr(), size_of_val(&attr)) };
        assert!(fd >= 0, "a BPF map: {}", std::io::Error::last_os_error());
        // SAFETY: the kernel has just given it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let leases = leases(fd.try_clone().unwrap());
        Self { fd, leases }
    }

    /// The same map, to look at.
    pub(crate) fn of(other: &Self) -> Self {
        let fd = other.fd.try_clone().unwrap();
        let leases = leases(fd.try_clone().unwrap());
        Self { fd, leases }
    }

    /// The same map for virtual routers.
    pub(crate) fn share(&self) -> Leases {
        leases(self.fd.try_clone().unwrap())
    }

    /// A descriptor that a child process inherits.
    pub(crate) fn inheritable(&self) -> OwnedFd {
        // SAFETY: duplicates a descriptor that is open.
        let fd = unsafe { libc::dup(self.fd.as_raw_fd()) };
        assert!(fd >= 0);
        // SAFETY: the kernel has just given it.
        unsafe { OwnedFd::from_raw_fd(fd) }
    }

    pub(crate) fn read(&self, vrid: u8) -> Time {
        self.leases.read(Vrid::new(vrid).unwrap()).unwrap()
    }

    /// True if programs would forward now.
    pub(crate) fn forwards(&self, vrid: u8) -> bool {
        Time::from_nanos(clock::coarse_ns().unwrap()) < self.read(vrid)
    }
}

/// Takes a descriptor of a map.
pub(crate) fn leases(fd: OwnedFd) -> Leases {
    Leases::from_map(Map::from_map_data(MapData::from_fd(fd).unwrap()).unwrap()).unwrap()
}
