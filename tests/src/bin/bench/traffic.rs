//! The traffic: frames of known unicast between VMs behind tunnels and hosts on VLANs.

use std::net::{IpAddr, Ipv4Addr};

use gateway_common::{
    headers::{ETH_P_8021Q, ETH_P_IP, IPV4_LEN, Outer, TAG_LEN, UDP_LEN, V4_LEN, ipv4_checksum},
    net::MacAddr,
};

use crate::abi::{self, Field, Headers, LONG, NOTHING, PLAIN, Settings, TAGGED, VXLAN};

/// Address of the gateway on the underlay.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 31, 0, 1);
/// The first remote VTEP.
pub(crate) const REMOTE: Ipv4Addr = Ipv4Addr::new(172, 31, 64, 0);
/// The first VNI.
pub(crate) const VNI: u32 = 5000;
/// The first VLAN.
pub(crate) const VLAN: u16 = 100;
/// Default number of VMs, of hosts, and of hosts behind the other port.
pub(crate) const STATIONS: u32 = 64;
/// The first host that sends; the gateway has no static MACs of those.
pub(crate) const SENDERS: u32 = 0x20_0000;
/// The first host behind the other port.
pub(crate) const NEIGHBOURS: u32 = 0x40_0000;
/// MAC of the uplink.
pub(crate) const GATEWAY_MAC: MacAddr = MacAddr([2, 0x11, 0, 0, 0, 1]);
/// MAC of the router beyond it.
pub(crate) const ROUTER_MAC: MacAddr = MacAddr([2, 0x22, 0, 0, 0, 1]);

/// Bytes of a full inner frame, 1500 of IP; as all sizes here with frame check sequence and without tag.
pub(crate) const FULL: u32 = 1518;
/// The simple "Internet mix": seven short frames, four of 594 bytes and a full one, shuffled.
pub(crate) const IMIX: [u32; 12] = [64, 594, 64, 64, 594, 64, FULL, 64, 594, 64, 64, 594];
/// A long frame: live frames have one page for everything, so they can't be longer.
pub(crate) const JUMBO: u32 = 3000;

/// Returns the MAC of VM number `number`.
pub(crate) const fn vm(number: u32) -> MacAddr {
    station(0x02_aa_bb, number)
}

/// Returns the MAC of the host with that number.
pub(crate) const fn bare_metal(number: u32) -> MacAddr {
    station(0x02_cc_dd, number)
}

const fn station(prefix: u32, number: u32) -> MacAddr {
    let [_, a, b, c] = prefix.to_be_bytes();
    let [_, d, e, f] = number.to_be_bytes();
    MacAddr([a, b, c, d, e, f])
}

/// Direction of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From VM to host.
    Decap,
    /// From host to VM.
    Encap,
    /// From host to host, on two ports.
    Local,
}

impl Direction {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Decap, Self::Encap, Self::Local];

    /// Returns its name in tables and options.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Decap => "decap",
            Self::Encap => "encap",
            Self::Local => "local",
        }
    }
}

/// Expected form of arriving frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Any form; the sink only counts.
    Anything,
    /// As they were sent.
    AsSent,
    /// In the form that the gateway produces.
    Converted,
}

/// Description of the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) direction: Direction,
    /// Lengths of inner frames without tag, taken in turn; with frame check sequence, as they are usually given.
    pub(crate) sizes: Vec<u32>,
    /// Flows, taken in turn.
    pub(crate) flows: u32,
    /// Receivers: flow f goes to number f modulo this power of two.
    pub(crate) stations: u32,
    /// Senders, likewise.
    pub(crate) senders: u32,
    /// Remote VTEPs, likewise.
    pub(crate) vteps: u32,
    /// Logical switches and VLANs, likewise; not more than stations.
    pub(crate) nets: u32,
    /// With VLAN tags outside of the tunnel.
    pub(crate) tagged: bool,
    /// Broadcasts, not unicast.
    pub(crate) broadcast: bool,
    /// Frames carry the time of sending.
    pub(crate) stamped: bool,
}

impl Traffic {
    /// Makes 64 flows of the shortest frames, between 64 VMs and 64 hosts.
    pub(crate) fn known(direction: Direction) -> Self {
        Self {
            direction,
            sizes: vec![64],
            flows: 64,
            stations: STATIONS,
            senders: STATIONS,
            vteps: 1,
            nets: 1,
            tagged: true,
            broadcast: false,
            stamped: false,
        }
    }

    /// Sets the number of flows, each to another one of `stations`, a power of two.
    pub(crate) fn spread(self, flows: u32, stations: u32) -> Self {
        Self { flows, stations, ..self }
    }

    /// Removes the VLAN tags.
    pub(crate) fn untagged(self) -> Self {
        Self { tagged: false, ..self }
    }

    /// Adapts the frames to a path that leads straight to the sink: there a tag that they are to get makes no
    /// difference.
    pub(crate) fn straight(self) -> Self {
        if self.direction == Direction::Decap { Self { tagged: true, ..self } } else { self }
    }

    /// Makes the frames leave the source in the form in which these frames arrive at the sink.
    pub(crate) fn leaving_as_arrives(&self, expect: Expect) -> Self {
        match expect {
            Expect::Anything | Expect::AsSent => self.clone(),
            Expect::Converted => {
                let encapsulated = self.arrives_as() == VXLAN;
                let direction = if encapsulated { Direction::Decap } else { Direction::Encap };
                Self { direction, ..self.clone() }
            }
        }
    }

    /// Returns the frame for the kernel: as long as the longest.
    pub(crate) fn template(&self) -> Vec<u8> {
        let longest = self.sizes.iter().copied().max().unwrap_or(64);
        self.frame(longest)
    }

    /// Returns the headers, one for each size.
    pub(crate) fn headers(&self) -> Vec<Headers> {
        let frames = self.sizes.iter().map(|size| self.frame(*size));
        frames
            .map(|frame| {
                let mut bytes = [0; LONG];
                let written = frame.len().min(LONG);
                bytes[..written].copy_from_slice(&frame[..written]);
                Headers { words: bytemuck::cast(bytes), len: frame.len() as u32, reserved: 0 }
            })
            .collect()
    }

    /// Returns the settings of the source's variation and the sink's checks.
    pub(crate) fn settings(&self, expect: Expect) -> Settings {
        let encapsulated = self.direction == Direction::Decap;
        let tag = if self.tagged && !encapsulated { TAG_LEN as u32 } else { 0 };
        let inner = if encapsulated { V4_LEN as u32 } else { 0 };
        let field = |at: u32, count: u32| Field { at, mask: count - 1 };
        let (net, net_shift) = if encapsulated { (46, 8) } else { (12, 0) };
        Settings {
            flows: self.flows,
            beyond: 0,
            station: field(inner + 2, if self.broadcast { 1 } else { self.stations }),
            sender: field(inner + 8, self.senders),
            port: field(inner + 14 + tag + IPV4_LEN as u32 - 2, self.flows.next_power_of_two()),
            vtep: field(26, if encapsulated { self.vteps } else { 1 }),
            net: field(net, if self.tagged || encapsulated { self.nets } else { 1 }),
            net_shift,
            sizes: self.sizes.len() as u32,
            stamp_at: if self.stamped { self.stamp_at(self.leaves_as()) } else { 0 },
            expect: self.expect(expect),
        }
    }

    /// Returns the form in which frames leave the source.
    fn leaves_as(&self) -> u32 {
        match self.direction {
            Direction::Decap => VXLAN,
            _ if self.tagged => TAGGED,
            _ => PLAIN,
        }
    }

    fn arrives_as(&self) -> u32 {
        match self.direction {
            Direction::Encap => VXLAN,
            _ if self.tagged => TAGGED,
            _ => PLAIN,
        }
    }

    fn expect(&self, expect: Expect) -> abi::Expect {
        let arrives = if expect == Expect::Converted { self.arrives_as() } else { self.leaves_as() };
        abi::Expect {
            form: if expect == Expect::Anything { NOTHING } else { arrives },
            net: match arrives {
                VXLAN => VNI,
                _ => u32::from(VLAN),
            },
            net_mask: self.nets - 1,
            prefix: match self.direction {
                _ if self.broadcast => 0xff_ffff,
                Direction::Encap => 0x02_aa_bb,
                Direction::Decap | Direction::Local => 0x02_cc_dd,
            },
            stamp_at: if self.stamped { self.stamp_at(arrives) } else { 0 },
        }
    }

    /// Returns the offset of the timestamp, behind the inner UDP header.
    const fn stamp_at(&self, form: u32) -> u32 {
        const PAYLOAD: u32 = (14 + IPV4_LEN + UDP_LEN) as u32;
        match form {
            VXLAN => V4_LEN as u32 + PAYLOAD,
            TAGGED => TAG_LEN as u32 + PAYLOAD,
            _ => PAYLOAD,
        }
    }

    /// Returns the frame of flow 0 whose inner part is `size` bytes long, frame check sequence included.
    fn frame(&self, size: u32) -> Vec<u8> {
        let len = size as usize - 4;
        let (dst, src) = match self.direction {
            Direction::Decap => (bare_metal(0), vm(0)),
            Direction::Encap => (vm(0), bare_metal(SENDERS)),
            Direction::Local => (bare_metal(NEIGHBOURS), bare_metal(SENDERS)),
        };
        let dst = if self.broadcast { MacAddr::BROADCAST } else { dst };
        let mut inner = [dst.0, src.0].concat();
        if self.tagged && self.direction != Direction::Decap {
            inner.extend(ETH_P_8021Q.to_be_bytes());
            inner.extend(VLAN.to_be_bytes());
        }
        inner.extend(ETH_P_IP.to_be_bytes());
        let ip = len - 14;
        let mut header = vec![0x45, 0];
        header.extend((ip as u16).to_be_bytes());
        header.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        let sum: u32 = header.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
        header[10..12].copy_from_slice(&ipv4_checksum(sum, 0).to_be_bytes());
        inner.extend(header);
        inner.extend(1024u16.to_be_bytes());
        inner.extend(7u16.to_be_bytes());
        inner.extend((ip as u16 - IPV4_LEN as u16).to_be_bytes());
        inner.extend([0, 0]);
        let tag = if self.tagged && self.direction != Direction::Decap { TAG_LEN } else { 0 };
        inner.resize(len + tag, 0x55);
        if self.direction == Direction::Decap { encapsulated(&inner) } else { inner }
    }
}

fn encapsulated(inner: &[u8]) -> Vec<u8> {
    let outer = Outer {
        src_mac: ROUTER_MAC,
        dst_mac: GATEWAY_MAC,
        vlan: 0,
        src: IpAddr::V4(REMOTE),
        dst: IpAddr::V4(GATEWAY),
        ttl: 64,
        port: 4789,
    };
    let Some(template) = outer.template() else { return Vec::new() };
    let mut frame = template.bytes[..V4_LEN].to_vec();
    let udp = (inner.len() + 16) as u16;
    let total = udp + IPV4_LEN as u16;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame[24..26].copy_from_slice(&ipv4_checksum(template.ip_sum, total).to_be_bytes());
    frame[34..36].copy_from_slice(&50_000u16.to_be_bytes());
    frame[38..40].copy_from_slice(&udp.to_be_bytes());
    frame[46..50].copy_from_slice(&(VNI << 8).to_be_bytes());
    frame.extend(inner);
    frame
}
