//! The ethtool ioctl (linux/ethtool.h): features by name, the driver's name, and the identity of an interface.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use gateway_common::net::MacAddr;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{error::NicError, plan::State};

const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GRINGPARAM: u32 = 0x10;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GPERMADDR: u32 = 0x20;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETHTOOL_GFEATURES: u32 = 0x3a;
const ETHTOOL_SFEATURES: u32 = 0x3b;

const ETHTOOL_GCHANNELS: u32 = 0x3c;
const ETHTOOL_GET_TS_INFO: u32 = 0x41;
/// Words of `struct ethtool_ts_info`: command, flags, clock, two masks with three reserved words each.
const TS_INFO_WORDS: usize = 11;

/// The set of feature names.
const ETH_SS_FEATURES: u32 = 4;
/// Bytes per name.
const ETH_GSTRING_LEN: usize = 32;
/// Words of `struct ethtool_drvinfo`: command, five strings of 32 bytes, 12 reserved bytes, five counts.
const DRVINFO_WORDS: usize = 1 + 5 * 8 + 3 + 5;

/// Current and largest amount of a NIC's resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Current amount.
    pub used: u32,
    /// Largest amount.
    pub most: u32,
}

/// Identity of an interface. An interface that was created again has another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) ifindex: u32,
    pub(super) mac: MacAddr,
    /// The address that the NIC was made with, if it has one. A member of a bond has the address of the bond.
    pub(super) permanent: Option<MacAddr>,
}

/// Socket for requests. The kernel accepts any kind.
#[derive(Debug)]
pub(super) struct Ethtool {
    socket: OwnedFd,
}

impl Ethtool {
    /// Opens the socket in the calling thread's network namespace.
    pub(super) fn open() -> Result<Self, NicError> {
        socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
            .map(|socket| Self { socket })
            .map_err(|errno| NicError::Socket(errno.into()))
    }

    /// Returns the identity of the interface that has this name now.
    pub(super) fn identity(&self, name: &str) -> Result<Identity, NicError> {
        let refused = |source| NicError::refused(name, "asking for the index and address", source);
        let request = self.ask(name, libc::SIOCGIFINDEX).map_err(refused)?;
        // SAFETY: SIOCGIFINDEX succeeded, and fills in this member of the union.
        let ifindex = unsafe { request.ifr_ifru.ifru_ifindex }.cast_unsigned();
        let request = self.ask(name, libc::SIOCGIFHWADDR).map_err(refused)?;
        // SAFETY: SIOCGIFHWADDR succeeded, and fills in this member of the union.
        let address = unsafe { request.ifr_ifru.ifru_hwaddr };
        let mut mac = [0; 6];
        for (byte, raw) in mac.iter_mut().zip(address.sa_data) {
            *byte = raw.cast_unsigned();
        }
        Ok(Identity { ifindex, mac: MacAddr(mac), permanent: self.permanent(name) })
    }

    /// Returns the permanent address of an interface, `None` if it has none.
    fn permanent(&self, name: &str) -> Option<MacAddr> {
        // struct ethtool_perm_addr: command, size, and room for the longest address there is.
        let mut words = [0; 2 + 8];
        words[..2].copy_from_slice(&[ETHTOOL_GPERMADDR, 32]);
        self.command(name, &mut words).ok()?;
        let bytes: [u8; 6] = bytemuck::cast_slice::<u32, u8>(&words)[8..14].try_into().ok()?;
        (words[1] == 6 && bytes != [0; 6]).then_some(MacAddr(bytes))
    }

    /// Returns the interface's flags (`IFF_*`), as set by user space.
    pub(super) fn flags(&self, name: &str) -> Result<u32, NicError> {
        let request = self
            .ask(name, libc::SIOCGIFFLAGS)
            .map_err(|source| NicError::refused(name, "asking for the flags", source))?;
        // SAFETY: SIOCGIFFLAGS succeeded, and fills in this member of the union.
        Ok(unsafe { request.ifr_ifru.ifru_flags }.cast_unsigned().into())
    }

    /// Returns all features of an interface.
    pub(super) fn features(&self, name: &str) -> Result<Features, NicError> {
        self.read_features(name).map_err(|source| NicError::refused(name, "listing the features", source))
    }

    fn read_features(&self, name: &str) -> io::Result<Features> {
        let mask: [u32; 2] = bytemuck::cast(1_u64 << ETH_SS_FEATURES);
        let mut info = [ETHTOOL_GSSET_INFO, 0, mask[0], mask[1], 0];
        self.command(name, &mut info)?;
        let count = info[4] as usize;

        let mut strings = vec![0; 3 + count * ETH_GSTRING_LEN / 4];
        strings[..3].copy_from_slice(&[ETHTOOL_GSTRINGS, ETH_SS_FEATURES, info[4]]);
        self.command(name, &mut strings)?;
        let names = bytemuck::cast_slice(&strings[3..]).chunks_exact(ETH_GSTRING_LEN).map(text).collect();

        let blocks = count.div_ceil(32);
        let mut words = vec![0; 2 + blocks * 4];
        words[..2].copy_from_slice(&[ETHTOOL_GFEATURES, blocks as u32]);
        self.command(name, &mut words)?;
        Ok(Features { names, words: words.split_off(2) })
    }

    /// Requests a feature to be on or off. The request may have no effect, so read the feature again.
    pub(super) fn set_feature(&self, name: &str, bit: usize, count: usize, on: bool) -> Result<(), NicError> {
        let blocks = count.div_ceil(32);
        let mut words = vec![0; 2 + blocks * 2];
        words[..2].copy_from_slice(&[ETHTOOL_SFEATURES, blocks as u32]);
        let (block, mask) = (2 + bit / 32 * 2, 1 << (bit % 32));
        words[block] = mask;
        words[block + 1] = if on { mask } else { 0 };
        self.command(name, &mut words).map_err(|source| NicError::refused(name, "changing a feature", source))
    }

    /// Returns the driver's name.
    pub(super) fn driver(&self, name: &str) -> Result<String, NicError> {
        let mut info = [0; DRVINFO_WORDS];
        info[0] = ETHTOOL_GDRVINFO;
        self.command(name, &mut info).map_err(|source| NicError::refused(name, "asking for the driver", source))?;
        Ok(text(&bytemuck::cast_slice(&info)[4..36]))
    }

    /// Returns the timestamps that a driver can create (`SOF_TIMESTAMPING_*`). Stacked interfaces report those of the
    /// one below.
    pub(super) fn timestamps(&self, name: &str) -> Result<u32, NicError> {
        let mut info = [0; TS_INFO_WORDS];
        info[0] = ETHTOOL_GET_TS_INFO;
        self.command(name, &mut info).map_err(|source| NicError::refused(name, "asking for timestamps", source))?;
        Ok(info[1])
    }

    /// Returns the current and the largest number of packets in the receive ring.
    pub(super) fn receive_ring(&self, name: &str) -> Result<Share, NicError> {
        // struct ethtool_ringparam: command; at most for receive, mini, jumbo, send; the same as it is now.
        let mut words = [0; 9];
        words[0] = ETHTOOL_GRINGPARAM;
        self.command(name, &mut words).map_err(|source| NicError::refused(name, "asking for the rings", source))?;
        Ok(Share { used: words[5], most: words[1] })
    }

    /// Returns the current and the largest number of receive queues, of those for receiving alone and those for both
    /// directions.
    pub(super) fn receive_queues(&self, name: &str) -> Result<Share, NicError> {
        // struct ethtool_channels: command; at most for receive, send, other, both; the same as it is now.
        let mut words = [0; 9];
        words[0] = ETHTOOL_GCHANNELS;
        self.command(name, &mut words).map_err(|source| NicError::refused(name, "asking for the queues", source))?;
        // A driver that has both kinds uses one of them.
        Ok(Share { used: words[5].saturating_add(words[8]), most: words[1].max(words[4]) })
    }

    /// Calls `SIOCETHTOOL`. The command is the first of `words`, and the answer is written to the fields of the
    /// command's struct. The caller sizes `words` as the struct of its command requires.
    fn command(&self, name: &str, words: &mut [u32]) -> io::Result<()> {
        let mut request = named(name)?;
        request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
        self.ioctl(libc::SIOCETHTOOL, &mut request)
    }

    fn ask(&self, name: &str, code: libc::c_ulong) -> io::Result<libc::ifreq> {
        let mut request = named(name)?;
        self.ioctl(code, &mut request)?;
        Ok(request)
    }

    fn ioctl(&self, code: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: all codes used here take a `struct ifreq`; for SIOCETHTOOL its data pointer leads to a live buffer
        // of the size the command in it demands.
        match unsafe { libc::ioctl(self.socket.as_raw_fd(), code as _, std::ptr::from_mut(request)) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

/// Snapshot of the features of one interface.
pub(super) struct Features {
    names: Vec<String>,
    /// Blocks of four words, each with 32 bits: available, requested, active, never changed.
    words: Vec<u32>,
}

impl Features {
    /// Returns the number of a feature, or `None` if the kernel doesn't know it.
    pub(super) fn bit(&self, feature: &str) -> Option<usize> {
        self.names.iter().position(|name| name == feature)
    }

    /// Returns the number of features.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// Returns the state of a feature.
    pub(super) fn state(&self, bit: usize) -> State {
        let has = |word: usize| self.words[bit / 32 * 4 + word] & (1 << (bit % 32)) != 0;
        State { wanted: has(1), active: has(2), changeable: has(0) && !has(3) }
    }
}

fn named(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: a struct of integers, and a union of such and pointers: all zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // No interface has an empty name, one too long, or a zero byte in it.
    if name.is_empty() || name.len() >= request.ifr_name.len() || name.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    Ok(request)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_no_interface_can_have_are_no_interface() {
        for name in ["", "sixteen-chars-xx", "a\0b"] {
            assert!(matches!(Ethtool::open().unwrap().driver(name), Err(NicError::NoInterface { .. })), "{name:?}");
        }
    }

    #[test]
    fn state_finds_its_bit_in_the_second_block() {
        let mut words = vec![0; 8];
        words[4] = 1 << 3;
        words[6] = 1 << 3;
        let features = Features { names: vec![], words };
        assert_eq!(features.state(35), State { wanted: false, active: true, changeable: true });
        assert_eq!(features.state(34), State { wanted: false, active: false, changeable: false });
    }
}
