//! Tests of the server on loopback. The test plays the loop.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::atomic::{AtomicU8, Ordering},
};

use gateway_base::clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Builder,
};

use super::*;
use crate::metrics::{Exporter, Measured, Readiness};

/// Returns loopback addresses that no other test of this run uses, nor another run.
fn free(count: usize) -> BTreeSet<SocketAddr> {
    static TAKEN: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = |_| (Ipv4Addr::new(127, high | 0x80, low, TAKEN.fetch_add(1, Ordering::Relaxed)), PORT).into();
    (0..count).map(address).collect()
}

const PORT: u16 = 9959;

const READY: Readiness = Readiness { attached: true, known: true, unforwarded: 0, able: true, reaches: true };

fn run<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { timeout(Duration::from_secs(60), test).await.expect("an answer") })
}

async fn connect(address: SocketAddr) -> TcpStream {
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => return stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Sends `request` and returns the whole answer.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address).await;
    // The server may close the connection before all is sent. The answer has the reason.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n")
}

fn exporter(addresses: &BTreeSet<SocketAddr>) -> Exporter {
    let mut exporter = Exporter::new();
    exporter.listen(addresses).unwrap();
    exporter.turned(READY);
    exporter
}

/// Plays the loop until `work` is done. Returns the number of measurements.
async fn serving<T>(exporter: &Exporter, work: impl Future<Output = T>) -> (T, usize) {
    let (requests, mut times) = (exporter.requests(), 0);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return (done, times),
            () = requests.next() => {
                times += 1;
                exporter.publish(Measured { at: clock::monotonic(), attached: true, ..Measured::default() });
            }
        }
    }
}

#[test]
fn only_what_is_there_is_answered() {
    let addresses = free(1);
    let at = *addresses.first().unwrap();
    let exporter = exporter(&addresses);
    run(serving(&exporter, async {
        for (request, status) in [
            (get("/"), "200 OK"),
            (get("/metrics"), "200 OK"),
            (get("/metrics?a=b"), "200 OK"),
            (get("/healthz"), "200 OK"),
            (get("/readyz"), "200 OK"),
            (get("/nothing"), "404 Not Found"),
            (get("/metrics/"), "404 Not Found"),
            (get("//metrics"), "404 Not Found"),
            (get("/../metrics"), "404 Not Found"),
            ("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_owned(), "405 Method Not Allowed"),
            ("DELETE /healthz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "405 Method Not Allowed"),
            (
                format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS + 1)),
                "431 Request Header Fields Too Large",
            ),
            (
                format!("GET /metrics HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(LONGEST)),
                "431 Request Header Fields Too Large",
            ),
            ("\u{16}\u{3}\u{1} garbage\r\n\r\n".to_owned(), "400 Bad Request"),
        ] {
            let answer = ask(at, &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
        }
        let refused = ask(at, "PUT / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(refused.contains("\r\nallow: GET, HEAD\r\n"), "{refused}");
        let head = ask(at, "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    }));
}

#[test]
fn the_form_is_the_one_asked_for() {
    let addresses = free(1);
    let at = *addresses.first().unwrap();
    let exporter = exporter(&addresses);
    run(serving(&exporter, async {
        let plain = ask(at, &get("/metrics")).await;
        assert!(plain.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{plain}");
        let open = ask(at, "GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: application/openmetrics-text\r\n\r\n").await;
        assert!(
            open.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
            "{open}"
        );
        assert!(open.ends_with("# EOF\n"));
    }));
}

#[test]
fn many_scrapes_cost_few_measurements() {
    let addresses = free(1);
    let at = *addresses.first().unwrap();
    let exporter = exporter(&addresses);
    let start = clock::monotonic();
    let ((), measured) = run(serving(&exporter, async {
        for _ in 0..200 {
            let answer = ask(at, &get("/metrics")).await;
            assert!(answer.contains("\nvtep_gateway_attached 1\n"), "{answer}");
        }
    }));
    let seconds = (clock::monotonic() - start).as_secs() as usize;
    assert!((1..=seconds + 1).contains(&measured), "{measured} in {seconds} s");
}

#[test]
fn a_gateway_that_is_not_ready_answers_with_the_reason_and_is_alive() {
    let addresses = free(1);
    let at = *addresses.first().unwrap();
    let exporter = exporter(&addresses);
    exporter.turned(Readiness { known: false, ..READY });
    run(async {
        let answer = ask(at, &get("/readyz")).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("\r\n\r\nthe database has not been reached yet\n"), "{answer}");
        assert!(ask(at, &get("/healthz")).await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn a_loop_that_has_not_begun_is_not_alive() {
    let addresses = free(1);
    let at = *addresses.first().unwrap();
    let mut exporter = Exporter::new();
    exporter.listen(&addresses).unwrap();
    run(async {
        assert!(ask(at, &get("/healthz")).await.ends_with("the agent is starting\n"));
        assert!(ask(at, &get("/readyz")).await.starts_with("HTTP/1.1 503 "));
    });
}

#[test]
fn an_address_that_is_taken_off_is_no_longer_listened_on_and_another_is() {
    let addresses = free(2);
    let (first, second) = (*addresses.first().unwrap(), *addresses.last().unwrap());
    let mut exporter = exporter(&[first].into());
    run(async { assert!(ask(first, &get("/healthz")).await.starts_with("HTTP/1.1 200 ")) });
    exporter.listen(&[second].into()).unwrap();
    run(async {
        assert!(ask(second, &get("/healthz")).await.starts_with("HTTP/1.1 200 "));
        while TcpStream::connect(first).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    exporter.listen(&BTreeSet::new()).unwrap();
    run(async {
        while TcpStream::connect(second).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn all_addresses_of_both_families_can_be_had_at_one_port() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port();
    let all: BTreeSet<SocketAddr> = [(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()].into();
    let _exporter = exporter(&all);
    run(async {
        assert!(ask((Ipv4Addr::LOCALHOST, port).into(), &get("/healthz")).await.starts_with("HTTP/1.1 200 "));
        assert!(ask((Ipv6Addr::LOCALHOST, port).into(), &get("/healthz")).await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn clients_that_sit_there_make_way_for_new_ones() {
    let addresses = free(1);
    let at = *addresses.first().unwrap();
    let exporter = exporter(&addresses);
    run(serving(&exporter, async {
        let mut idle = Vec::new();
        for _ in 0..3 * CLIENTS {
            let mut stream = connect(at).await;
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ").await;
            idle.push(stream);
        }
        assert!(ask(at, &get("/metrics")).await.starts_with("HTTP/1.1 200 "));
        // The first is gone.
        let mut rest = Vec::new();
        let _ = idle[0].read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }));
}
