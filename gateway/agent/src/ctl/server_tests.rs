//! Tests of the server with good and bad clients, over real sockets.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use gateway_api::ctl::{Access, CallError, call, end};
use serde_json::{Value, json};

use super::*;

const COMMANDS: &[Command] = &[
    Command { name: "echo", usage: "TEXT", params: 1..=1, access: Access::Read },
    Command { name: "refuse", usage: "", params: 0..=0, access: Access::Change },
    Command { name: "forget", usage: "", params: 0..=0, access: Access::Change },
    Command { name: "exit", usage: "", params: 0..=0, access: Access::Change },
];

const LIMIT: Duration = Duration::from_secs(20);

/// Path of one test, removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("vtep-gateway-ctl-{}-{number}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs a minimal agent while `client` runs.
fn with_agent<T: Send + 'static>(client: impl AsyncFnOnce(PathBuf) -> T) -> T {
    let scratch = Scratch::new();
    let path = scratch.0.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut requests, _, work) = open(&path, None, COMMANDS).unwrap();
        let agent = async {
            let mut work = std::pin::pin!(work);
            loop {
                let request = tokio::select! {
                    () = &mut work => unreachable!(),
                    Some(request) = requests.recv() => request,
                };
                match request.command {
                    "echo" => {
                        let text = request.params[0].clone();
                        drop(request.answer(Ok(text)));
                    }
                    "refuse" => drop(request.answer(Err("not today".to_owned()))),
                    "exit" => return request.answer(Ok("bye".to_owned())).await,
                    _ => drop(request),
                }
            }
        };
        // The agent ends on request, and the client may still check something after that.
        let mut client = std::pin::pin!(client(path.clone()));
        tokio::select! {
            done = &mut client => done,
            () = agent => client.await,
        }
    })
}

async fn blocking(path: &Path, method: &'static str, params: &'static [&'static str]) -> Result<String, CallError> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || call(&path, method, params, LIMIT)).await.unwrap()
}

/// Reads the next reply on a raw connection.
async fn read_reply(stream: &mut UnixStream) -> Value {
    let mut bytes = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "hung up on");
        if let Ok(value) = serde_json::from_slice(&bytes) {
            return value;
        }
    }
}

/// Returns true if the server closes the connection, after any reply.
async fn is_hung_up_on(stream: &mut UnixStream) -> bool {
    let mut chunk = [0; 4096];
    loop {
        match timeout(LIMIT, stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => {}
            Err(_) => return false,
        }
    }
}

#[test]
fn a_client_gets_what_the_agent_answers() {
    with_agent(async |path| {
        assert_eq!(blocking(&path, "echo", &["hello"]).await.unwrap(), "hello\n");
        assert!(matches!(blocking(&path, "refuse", &[]).await, Err(CallError::Refused(text)) if text == "not today\n"));
        assert!(
            matches!(blocking(&path, "forget", &[]).await, Err(CallError::Refused(text)) if text.contains("not answer"))
        );
        assert!(blocking(&path, "list-commands", &[]).await.unwrap().contains("  echo                    TEXT\n"));
    });
}

#[test]
fn the_client_of_an_agent_that_ends_has_its_answer_and_waits_for_the_end() {
    with_agent(async |path| {
        let ended = tokio::task::spawn_blocking(move || {
            let answer = end(&path, "exit", &[], LIMIT);
            (answer, path)
        });
        let (answer, path) = ended.await.unwrap();
        assert_eq!(answer.unwrap(), "bye\n");
        assert!(!path.exists());
    });
}

#[test]
fn root_alone_may_connect_and_the_name_goes_with_the_work() {
    let scratch = Scratch::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let opened = open(&scratch.0, None, COMMANDS).unwrap();
    assert_eq!(fs::metadata(&scratch.0).unwrap().permissions().mode() & 0o777, 0o600);
    drop(opened);
    assert!(!scratch.0.exists());
}

#[test]
fn the_socket_of_a_dead_agent_is_replaced_and_that_of_a_living_one_is_not() {
    let scratch = Scratch::new();
    drop(std::os::unix::net::UnixListener::bind(&scratch.0).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let _opened = open(&scratch.0, None, COMMANDS).unwrap();
    assert!(matches!(open(&scratch.0, None, COMMANDS).map(drop), Err(CtlError::Taken { .. })));
    assert!(scratch.0.exists());
}

#[test]
fn what_is_not_a_socket_is_left_alone() {
    let scratch = Scratch::new();
    fs::write(&scratch.0, "precious").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    assert!(matches!(open(&scratch.0, None, COMMANDS).map(drop), Err(CtlError::NotASocket { .. })));
    assert_eq!(fs::read_to_string(&scratch.0).unwrap(), "precious");
}

#[test]
fn without_an_agent_the_error_names_the_socket_that_was_tried() {
    let scratch = Scratch::new();
    let error = call(&scratch.0, "status", &[], LIMIT).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains(&scratch.0.display().to_string()), "{error}");
    // A socket without a process behind it is treated the same.
    drop(std::os::unix::net::UnixListener::bind(&scratch.0).unwrap());
    assert_eq!(call(&scratch.0, "status", &[], LIMIT).unwrap_err().exit_code(), 3);
}

#[test]
fn an_agent_that_hangs_is_not_waited_for_without_end() {
    let scratch = Scratch::new();
    let _listener = std::os::unix::net::UnixListener::bind(&scratch.0).unwrap();
    let error = call(&scratch.0, "status", &[], Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, CallError::TimedOut { .. }), "{error}");
}

#[test]
fn a_request_may_come_in_pieces_and_many_in_one() {
    with_agent(async |path| {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let text = br#"{"method":"echo","params":["a"],"id":"x"}"#;
        for piece in text.chunks(7) {
            stream.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(read_reply(&mut stream).await, json!({ "id": "x", "result": "a\n", "error": null }));
        stream.write_all(&[text.as_slice(), text, text].concat()).await.unwrap();
        let mut bytes = Vec::new();
        while bytes.iter().filter(|byte| **byte == b'}').count() < 3 {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
        }
    });
}

#[test]
fn a_client_that_sends_garbage_is_hung_up_on_and_others_are_served() {
    with_agent(async |path| {
        let long = format!("{{\"method\":\"{}", "x".repeat(2 * LONGEST));
        let deep = format!("{{\"params\":{}", "[".repeat(1000));
        for garbage in ["GET / HTTP/1.0\r\n\r\n", "{}", r#"{"method":"echo","params":[]}"#, &long, &deep] {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            // The server may close the connection before all of it is sent.
            let _ = stream.write_all(garbage.as_bytes()).await;
            assert!(is_hung_up_on(&mut stream).await, "{}", &garbage[..garbage.len().min(40)]);
        }
        assert_eq!(blocking(&path, "echo", &["still here"]).await.unwrap(), "still here\n");
    });
}

#[test]
fn a_client_that_sends_without_end_and_never_reads_is_hung_up_on() {
    with_agent(async |path| {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let text = br#"{"method":"list-commands","params":[],"id":1}"#.repeat(100);
        // The buffers of the sockets fill up, then the server's timeout ends the connection.
        let flood = async { while stream.write_all(&text).await.is_ok() {} };
        let other = async {
            assert_eq!(blocking(&path, "echo", &["meanwhile"]).await.unwrap(), "meanwhile\n");
        };
        let (flooded, ()) = tokio::join!(timeout(LIMIT, flood), other);
        assert!(flooded.is_ok());
    });
}

/// Connects a client that has received one answer, and stays.
async fn connected(path: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(br#"{"method":"version","params":[],"id":1}"#).await.unwrap();
    read_reply(&mut stream).await;
    stream
}

#[test]
fn clients_that_stay_and_say_nothing_keep_nobody_out() {
    with_agent(async |path| {
        let mut idle = Vec::new();
        for _ in 0..ROOT + 3 {
            idle.push(connected(&path).await);
        }
        // The clients that were idle longest have made room, and no others.
        for stream in &mut idle[..3] {
            assert!(is_hung_up_on(stream).await);
        }
        let youngest = idle.last_mut().unwrap();
        youngest.write_all(br#"{"method":"version","params":[],"id":2}"#).await.unwrap();
        assert_eq!(read_reply(youngest).await["id"], 2);
    });
}

#[test]
fn a_thousand_connections_keep_nobody_out() {
    with_agent(async |path| {
        let mut all = Vec::new();
        for _ in 0..1000 {
            all.push(UnixStream::connect(&path).await.unwrap());
        }
        assert_eq!(blocking(&path, "echo", &["here"]).await.unwrap(), "here\n");
        let left = all
            .iter()
            .filter(|stream| stream.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock));
        assert!(left.count() <= ROOT);
    });
}

#[test]
fn a_client_that_asks_without_pause_is_held_to_a_pace_and_another_is_not() {
    with_agent(async |path| {
        let mut greedy = UnixStream::connect(&path).await.unwrap();
        let burst = usize::try_from(PACE.burst).unwrap();
        let text = br#"{"method":"version","params":[],"id":1}"#.repeat(4 * burst);
        greedy.write_all(&text).await.unwrap();
        let started = clock::monotonic();
        let (mut replies, mut bytes) = (0, Vec::new());
        while replies < burst + 10 {
            assert_ne!(greedy.read_buf(&mut bytes).await.unwrap(), 0);
            replies = bytes.iter().filter(|byte| **byte == b'}').count();
        }
        // Ten more than the burst can't have been answered in less time.
        assert!(clock::monotonic() - started >= 10 * PACE.each);
        assert_eq!(blocking(&path, "echo", &["meanwhile"]).await.unwrap(), "meanwhile\n");
    });
}

#[test]
fn the_members_of_a_group_are_let_in_and_may_only_look() {
    let scratch = Scratch::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    // A group that every Debian has; the tests that need root connect as a member.
    let Ok(opened) = open(&scratch.0, Some("daemon"), COMMANDS) else {
        assert!(!nix::unistd::geteuid().is_root(), "root may give files away");
        return;
    };
    let found = fs::metadata(&scratch.0).unwrap();
    let daemon = nix::unistd::Group::from_name("daemon").unwrap().unwrap().gid.as_raw();
    assert_eq!((found.permissions().mode() & 0o777, std::os::unix::fs::MetadataExt::gid(&found)), (0o660, daemon));
    drop(opened);
}

#[test]
fn a_group_that_is_not_there_is_named() {
    let scratch = Scratch::new();
    let error = open(&scratch.0, Some("no-such-group"), COMMANDS).map(drop).unwrap_err().to_string();
    assert!(error.contains("control_group") && error.contains("\"no-such-group\""), "{error}");
    assert!(!scratch.0.exists());
}
