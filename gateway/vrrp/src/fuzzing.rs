//! A way in for the fuzz target of `gateway/fuzz`.

use super::{Advertisement, Envelope, GROUP_V6, TTL, unwrap_ipv4};

/// A packet from a raw socket: whole over IPv4, the message alone over IPv6. What is sound is emitted as it was read.
pub fn packet(bytes: &[u8]) {
    if let Ok((envelope, message)) = unwrap_ipv4(bytes) {
        again(message, &Envelope { ttl: TTL, ..envelope });
    }
    again(bytes, &Envelope { from: [0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), to: GROUP_V6.into(), ttl: TTL });
}

fn again(message: &[u8], envelope: &Envelope) {
    if let Ok(read) = Advertisement::parse(message, envelope) {
        let emitted = read.emit(envelope.from, envelope.to);
        assert_eq!(Advertisement::parse(&emitted, envelope).expect("sound"), read);
    }
}
