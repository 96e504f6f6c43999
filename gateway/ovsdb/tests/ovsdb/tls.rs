//! TLS, with certificates as `ovs-pki` makes them.

use std::path::Path;

use gateway_ovsdb::{Cause, Event, Operation, Options, OptionsError, ServerIdentity, TlsFiles, open};

use crate::{
    follower::{AsTheyAre, Follower, options},
    lab::{Place, SCHEMA, Server, run, run_in},
};

/// Authorities for servers and for clients, a certificate of each, and another client's from elsewhere.
struct Pki {
    place: Place,
}

impl Pki {
    fn new() -> Self {
        let place = Place::new();
        let pki = Self { place };
        for directory in ["here", "elsewhere"] {
            pki.run(directory, &["init"]);
        }
        pki.run("here", &["req+sign", "server", "switch"]);
        pki.run("here", &["req+sign", "client", "controller"]);
        pki.run("elsewhere", &["req+sign", "stranger", "controller"]);
        pki
    }

    fn run(&self, directory: &str, arguments: &[&str]) {
        let (directory, log) = (format!("--dir={}", self.file(directory)), format!("--log={}", self.file("pki.log")));
        let all = [&[directory.as_str(), log.as_str(), "--bits=2048"], arguments].concat();
        run_in(Path::new(&self.file("")), "ovs-pki", &all);
    }

    fn file(&self, name: &str) -> String {
        self.place.file(name)
    }

    /// A server that wants certificates of clients.
    fn serve(&self) -> Server {
        let files = [
            format!("--private-key={}", self.file("server-privkey.pem")),
            format!("--certificate={}", self.file("server-cert.pem")),
            format!("--ca-cert={}", self.file("here/controllerca/cacert.pem")),
            "--remote=pssl:0:127.0.0.1".to_owned(),
        ];
        self.place.serve("a", SCHEMA, &files.each_ref().map(String::as_str))
    }

    /// Returns the options of `client`, which trusts the authority for servers of `authority`.
    fn options(&self, server: &Server, client: &str, authority: &str) -> Options {
        let tls = TlsFiles {
            private_key: self.file(&format!("{client}-privkey.pem")).into(),
            certificate: self.file(&format!("{client}-cert.pem")).into(),
            ca_cert: self.file(&format!("{authority}/switchca/cacert.pem")).into(),
        };
        Options { tls: Some(tls), ..options(&format!("ssl:127.0.0.1:{}", server.port())) }
    }
}

#[tokio::test]
async fn certificates_of_ovs_pki_are_accepted_both_ways() {
    let pki = Pki::new();
    let mut server = pki.serve();
    let mut follower = Follower::new(pki.options(&server, "client", "here"));
    follower.up().await;
    follower.changes().await;
    let row = vec![("name", "s1".into())];
    follower.client.transact(vec![Operation::Insert { table: "Switch", row, uuid_name: None }]).await.unwrap();
    assert_eq!(follower.changes().await.len(), 1);

    server.kill();
    let reason = follower.down().await;
    assert!(reason.contains("closed the connection"), "{reason}");
}

#[tokio::test]
async fn certificates_of_others_are_refused_and_it_is_said_whose() {
    let pki = Pki::new();
    let server = pki.serve();
    let mut follower = Follower::new(pki.options(&server, "client", "elsewhere"));
    let reason = follower.down().await;
    assert!(reason.starts_with("its certificate is not signed by an authority in ca_cert"), "{reason}");

    let mut follower = Follower::new(pki.options(&server, "stranger", "here"));
    let reason = follower.down().await;
    assert!(reason.starts_with("it refused our certificate"), "{reason}");
}

/// Every client's certificate is signed by an authority, too: a pinned one distinguishes a server from them.
#[tokio::test]
async fn a_certificate_of_the_right_authority_that_is_not_the_pinned_one_is_refused() {
    let pki = Pki::new();
    let server = pki.serve();
    let print = |name: &str| {
        let file = pki.file(&format!("{name}-cert.pem"));
        let printed = run("openssl", &["x509", "-noout", "-fingerprint", "-sha256", "-in", &file]);
        printed.trim().split_once('=').unwrap().1.to_owned()
    };
    let pinned = |names: &[&str], prints: &[String]| {
        let fingerprints = prints.iter().map(|print| print.parse().unwrap()).collect();
        let server_identity =
            ServerIdentity { names: names.iter().map(|name| (*name).to_owned()).collect(), fingerprints };
        Options { server: server_identity, ..pki.options(&server, "client", "here") }
    };
    let mut follower = Follower::new(pinned(&[], &[print("client"), print("server")]));
    follower.up().await;
    let mut follower = Follower::new(pinned(&[], &[print("client")]));
    let Event::Down { reason, cause, .. } = follower.next().await else { panic!() };
    let expected = format!("its certificate has the SHA-256 fingerprint {}", print("server"));
    assert!(reason.starts_with(&expected) && cause == Cause::Tls, "{reason}");
    let mut follower = Follower::new(pinned(&["db1.example"], &[]));
    let reason = follower.down().await;
    assert_eq!(reason, "its certificate has none of the names in server_name");
}

#[tokio::test]
async fn tls_and_its_lack_are_distinguished() {
    let pki = Pki::new();
    let server = pki.serve();
    let mut follower = Follower::new(options(&format!("tcp:127.0.0.1:{}", server.port())));
    let reason = follower.down().await;
    assert!(reason.contains("ssl: meant") || reason.contains("closed the connection"), "{reason}");
    drop(server);

    let plain = pki.place.serve("b", SCHEMA, &["--remote=ptcp:0:127.0.0.1"]);
    let mut follower = Follower::new(pki.options(&plain, "client", "here"));
    let reason = follower.down().await;
    assert!(reason.contains("tcp: meant") || reason.contains("closed the connection"), "{reason}");
}

#[test]
fn tls_without_a_certificate_is_not_tried() {
    let refused = open(options("ssl:127.0.0.1:6640"), AsTheyAre).err();
    assert!(matches!(refused, Some(OptionsError::TlsFilesMissing(_))), "{refused:?}");
}
