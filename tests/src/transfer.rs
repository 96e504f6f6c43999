//! Transfers that check every byte at the far end.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::{
    Host,
    wait::{SOON, wait_some},
};

/// Bytes that look random and can be reproduced at the far end (xorshift64, George Marsaglia 2003).
#[derive(Debug)]
struct Pattern(u64);

impl Pattern {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.copy_from_slice(&self.0.to_be_bytes()[..chunk.len()]);
        }
    }
}

/// Bytes made and compared at a time; a multiple of eight.
const CHUNK: usize = 64 * 1024;

/// Sends `megabytes` through a TCP connection to `address` on `to`, and compares the received bytes.
///
/// # Errors
/// If the connection fails or stalls, or a byte is wrong or missing.
pub fn tcp(from: &Host, to: &Host, address: IpAddr, megabytes: usize) -> Result<()> {
    let listener = to.enter(|| Ok(TcpListener::bind(SocketAddr::new(address, 0))?))?;
    let target = listener.local_addr()?;
    let total = megabytes << 20;
    let what = || format!("TCP from {} to {} ({target})", from.name(), to.name());

    thread::scope(|scope| {
        let receiver = scope.spawn(move || receive(&listener, total));
        from.enter(|| {
            let mut stream = TcpStream::connect_timeout(&target, SOON)?;
            stream.set_write_timeout(Some(SOON))?;
            let (mut pattern, mut buffer) = (Pattern::new(), vec![0; CHUNK]);
            for _ in 0..total / CHUNK {
                pattern.fill(&mut buffer);
                stream.write_all(&buffer)?;
            }
            Ok(())
        })
        .with_context(what)?;
        receiver.join().map_err(|_| anyhow!("the receiver panicked"))?.with_context(what)
    })
}

fn receive(listener: &TcpListener, total: usize) -> Result<()> {
    // Polls instead of waiting for ever: the other end may have failed to connect.
    listener.set_nonblocking(true)?;
    let (mut stream, _) = wait_some("a connection", SOON, || listener.accept().ok())?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(SOON))?;
    let (mut pattern, mut expected, mut buffer) = (Pattern::new(), vec![0; CHUNK], vec![0; CHUNK]);
    for chunk in 0..total / CHUNK {
        pattern.fill(&mut expected);
        stream.read_exact(&mut buffer).with_context(|| format!("after {} bytes", chunk * CHUNK))?;
        if let Some(at) = expected.iter().zip(&buffer).position(|(a, b)| a != b) {
            bail!("byte {} is wrong", chunk * CHUNK + at);
        }
    }
    ensure!(stream.read(&mut buffer)? == 0, "more bytes came than were sent");
    Ok(())
}

/// Passes `count` datagrams of `length` bytes to the kernel at once, to be sent as a train (`UDP_SEGMENT`, udp(7)),
/// from `from` to `address` on `to`. Returns the datagrams that arrived within `patience`, each checked.
///
/// # Errors
/// If the train can't be sent, or a datagram arrives changed.
pub fn udp_train(
    from: &Host,
    to: &Host,
    address: IpAddr,
    length: usize,
    count: usize,
    patience: Duration,
) -> Result<usize> {
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let server = to.enter(|| Ok(UdpSocket::bind(SocketAddr::new(address, 0))?))?;
    server.set_read_timeout(Some(patience))?;
    let target = server.local_addr()?;
    let mut train = vec![0; length * count];
    Pattern::new().fill(&mut train);
    from.enter(|| {
        let client = UdpSocket::bind(SocketAddr::new(any, 0))?;
        let segment = i32::try_from(length)?;
        // SAFETY: the option takes an integer, which lives through the call.
        let set = unsafe {
            libc::setsockopt(
                client.as_raw_fd(),
                libc::SOL_UDP,
                libc::UDP_SEGMENT,
                (&raw const segment).cast(),
                size_of_val(&segment) as libc::socklen_t,
            )
        };
        ensure!(set == 0, "UDP_SEGMENT: {}", std::io::Error::last_os_error());
        client.send_to(&train, target)?;
        Ok(())
    })?;
    let mut buffer = vec![0; 65_536];
    let mut arrived = 0;
    while arrived < count {
        match server.recv(&mut buffer) {
            Ok(received) => {
                let sent = &train[arrived * length..][..length];
                ensure!(buffer[..received] == *sent, "datagram {arrived} came changed: {received} bytes");
                arrived += 1;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(arrived)
}

/// Sends one datagram of `length` bytes to `address` on `to`, and back, and compares it.
///
/// # Errors
/// If it does not arrive, or arrives changed.
pub fn udp(from: &Host, to: &Host, address: IpAddr, length: usize) -> Result<()> {
    let open = |host: &Host, address: SocketAddr| {
        host.enter(|| {
            let socket = UdpSocket::bind(address)?;
            socket.set_read_timeout(Some(Duration::from_secs(5)))?;
            Ok(socket)
        })
    };
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let server = open(to, SocketAddr::new(address, 0))?;
    let client = open(from, SocketAddr::new(any, 0))?;
    let what = || format!("UDP of {length} bytes between {} and {}", from.name(), to.name());

    let mut sent = vec![0; length];
    Pattern::new().fill(&mut sent);
    let mut buffer = vec![0; 65_536];
    client.send_to(&sent, server.local_addr()?).with_context(what)?;
    let (received, back) = server.recv_from(&mut buffer).with_context(what)?;
    ensure!(buffer[..received] == sent, "{}: changed on the way there", what());
    server.send_to(&sent, back).with_context(what)?;
    let received = client.recv(&mut buffer).with_context(what)?;
    ensure!(buffer[..received] == sent, "{}: changed on the way back", what());
    Ok(())
}
