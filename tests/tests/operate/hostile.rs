//! Clients of the control socket that mean harm: none of it reaches the data plane, the virtual routers or other clients.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use lab::{
    cluster::{Pair, Plan, member::Member},
    crossing::{EXT, VM},
    flow::Flow,
    wait::{SOON, pause, wait_for},
};

use nix::unistd::{Group, User};

const VRID: u8 = 20;

/// Advertisements that the active node has to send while it is being molested.
const ADVERTISEMENTS: u64 = 8;

/// Those who molest, until they are dropped.
struct Attack {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Attack {
    fn start(socket: &Path, ways: &[fn(&Path, &AtomicBool)]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = ways.iter().map(|&way| {
            let (socket, stop): (PathBuf, _) = (socket.to_owned(), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    way(&socket, &stop);
                }
            })
        });
        let threads = threads.collect();
        Self { stop, threads }
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn connect(socket: &Path) -> Option<UnixStream> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(200))).ok()?;
    stream.set_write_timeout(Some(Duration::from_millis(200))).ok()?;
    Some(stream)
}

const REQUEST: &[u8] = br#"{"method":"status","params":["json"],"id":1}"#;

/// Sends what is no request, and connects again.
fn garbage(socket: &Path, _: &AtomicBool) {
    for text in [&b"\x00\xff\x13GET / HTTP/1.0"[..], b"{}", b"[[[[[[[[", br#"{"method":7,"params":0,"id":null}"#] {
        let Some(mut stream) = connect(socket) else { return };
        let _ = stream.write_all(text);
        let _ = stream.read(&mut [0; 64]);
    }
}

/// Takes all the seats there are, each with half a message, and keeps them.
fn half_messages(socket: &Path, stop: &AtomicBool) {
    let mut held = Vec::new();
    for _ in 0..40 {
        let Some(mut stream) = connect(socket) else { break };
        let _ = stream.write_all(&REQUEST[..20]);
        held.push(stream);
    }
    while !stop.load(Ordering::Relaxed) && held.iter_mut().any(|stream| stream.write_all(b"x").is_ok()) {
        pause(Duration::from_millis(20));
    }
}

/// Asks for the dearest there is without end, and never takes an answer.
fn flood_without_reading(socket: &Path, stop: &AtomicBool) {
    let Some(mut stream) = connect(socket) else { return };
    let requests = REQUEST.repeat(1000);
    while !stop.load(Ordering::Relaxed) && stream.write_all(&requests).is_ok() {}
}

/// Asks without end, and takes the answers.
fn flood(socket: &Path, stop: &AtomicBool) {
    let Some(stream) = connect(socket) else { return };
    let (Ok(mut reader), mut writer) = (stream.try_clone(), stream) else { return };
    thread::scope(|scope| {
        scope.spawn(move || while reader.read(&mut [0; 64 << 10]).is_ok_and(|length| length > 0) {});
        let requests = REQUEST.repeat(100);
        while !stop.load(Ordering::Relaxed) && writer.write_all(&requests).is_ok() {}
        let _ = writer.shutdown(std::net::Shutdown::Both);
    });
}

/// A thousand connections, and all at once gone.
fn a_thousand_connections(socket: &Path, stop: &AtomicBool) {
    let mut all = Vec::new();
    while all.len() < 1000 && !stop.load(Ordering::Relaxed) {
        match connect(socket) {
            Some(stream) => all.push(stream),
            None => return,
        }
    }
}

/// A letter at a time.
fn slow_writers(socket: &Path, stop: &AtomicBool) {
    let Some(mut stream) = connect(socket) else { return };
    for letter in REQUEST.chunks(1) {
        if stop.load(Ordering::Relaxed) || stream.write_all(letter).is_err() {
            return;
        }
        pause(Duration::from_millis(10));
    }
}

fn counter(member: &Member, name: &str) -> Result<u64> {
    member.router()?["counters"][name].as_u64().context("a counter")
}

#[test]
fn clients_that_mean_harm_cost_no_packet_no_advertisement_and_no_answer() -> Result<()> {
    let mut pair = Pair::linux(&Plan::steady())?;
    pair.start()?;
    pair.vm.wait_reaches(&EXT.v4().to_string())?;
    for (host, other) in [(&pair.vm, EXT), (&pair.ext, VM)] {
        host.ip(&format!("neigh replace {} lladdr {} nud permanent dev eth0", other.v4(), other.mac()))?;
    }
    pair.members[0].wait_role(VRID, "active")?;
    let [active, standby] = &pair.members;
    let before = (counter(active, "become_master")?, counter(standby, "become_master")?, active.drops()?);
    let sent = counter(active, "advert_sent")?;
    let flow = Flow::start(&pair.vm, &pair.ext, EXT.v4().into())?;

    let socket = active.config.run_dir.join("vtep-gateway.ctl");
    let ways = [garbage, half_messages, flood_without_reading, flood, a_thousand_connections, slow_writers];
    let attack = Attack::start(&socket, &ways);
    // Each look is an honest client's request: it is answered, or was evicted by those of its own user and asks again.
    wait_for("advertisements under attack", SOON, || {
        counter(active, "advert_sent").is_ok_and(|now| now >= sent + ADVERTISEMENTS)
    })?;
    flow.wait_more(1000)?;
    drop(attack);

    let tally = flow.finish()?;
    assert!(tally.is_whole(), "{} of {} lost, {} doubled", tally.lost.len(), tally.sent, tally.doubled);
    let after = (counter(active, "become_master")?, counter(standby, "become_master")?, active.drops()?);
    assert_eq!((after.0, after.1), (before.0, before.1), "the role has moved");
    assert_eq!(after.2.lease_expired, before.2.lease_expired, "the lease has lapsed");
    active.wait_role(VRID, "active")
}

/// So many connections of `nobody` in group `daemon`, made by a thread that ends with them made. Fewer where the agent hangs up.
fn connections_of_another_user(socket: &Path, count: usize) -> Result<Vec<UnixStream>> {
    let gid = Group::from_name("daemon")?.context("group daemon")?.gid.as_raw();
    let uid = User::from_name("nobody")?.context("user nobody")?.uid.as_raw();
    let socket = socket.to_owned();
    let connect = move || -> Result<Vec<UnixStream>> {
        let (none, group, user) = (std::ptr::null::<libc::gid_t>(), [gid; 3], [uid; 3]);
        // SAFETY: the system calls change what this one thread may do and nothing else (the C library's functions of these
        // names would change all threads); the list of groups is empty.
        let outcomes = unsafe {
            [
                libc::syscall(libc::SYS_setgroups, 0, none),
                libc::syscall(libc::SYS_setresgid, group[0], group[1], group[2]),
                libc::syscall(libc::SYS_setresuid, user[0], user[1], user[2]),
            ]
        };
        ensure!(outcomes == [0; 3], "becoming nobody: {}", std::io::Error::last_os_error());
        let mut all = Vec::new();
        for _ in 0..count {
            let mut stream = UnixStream::connect(&socket)?;
            let _ = stream.write_all(b"{");
            all.push(stream);
        }
        Ok(all)
    };
    thread::spawn(connect).join().map_err(|_| anyhow!("the other user's thread panicked"))?
}

#[test]
fn another_user_s_clients_leave_room_for_root_and_for_a_third() -> Result<()> {
    let mut pair = Pair::linux(&Plan::without_vrrp())?;
    let member = &mut pair.members[0];
    member.config.control_group = Some("daemon".into());
    member.start()?;
    let socket = member.config.run_dir.join("vtep-gateway.ctl");
    let held = connections_of_another_user(&socket, 40)?;
    for _ in 0..20 {
        member.started()?.status()?;
    }
    // Of its own clients the other user has as many as it may, and they are the youngest.
    let is_open = |stream: &UnixStream| {
        stream.set_nonblocking(true).is_ok()
            && (&*stream).read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    let open: Vec<bool> = held.iter().map(is_open).collect();
    assert_eq!(open, [[false; 36].as_slice(), [true; 4].as_slice()].concat());
    Ok(())
}
