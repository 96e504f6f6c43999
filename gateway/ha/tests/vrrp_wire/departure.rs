//! Whether an advertisement has left.

use std::time::Duration;

use gateway_ha::{Family, SendError};
use tokio::time::sleep;

use crate::{
    lab::{Lab, OWN, PEER, SendNext, advertisement, arrival, departure, open, until},
    netns::{in_new, run},
};

/// Time enough for something that must not happen to happen.
const A_WHILE: Duration = Duration::from_millis(200);

#[test]
fn sent_advertisements_have_left() {
    in_new(|| async {
        let _lab = Lab::new();
        for (family, address) in [(Family::V4, "10.9.0.100"), (Family::V6, "2001:db8::100")] {
            let mut own = open("own0", family, &[]);
            assert!(own.has_tx_timestamps());
            for _ in 0..100 {
                let id = own.send_next(&advertisement(address)).unwrap();
                departure(&mut own, id).await;
            }
            assert_eq!(own.tx_completed(), None);
        }
    });
}

#[test]
fn nothing_leaves_a_cable_that_is_cut() {
    in_new(|| async {
        let lab = Lab::new();
        let mut own = open("own0", Family::V4, &[]);
        lab.peer.run("ip link set peer0 down");
        until("without carrier", || run("ip link show own0").contains("NO-CARRIER").then_some(())).await;
        let _sent = own.send_next(&advertisement("10.9.0.100"));
        sleep(A_WHILE).await;
        assert_eq!(own.tx_completed(), None);
        lab.peer.run("ip link set peer0 up");
        until("left", || {
            let id = own.send_next(&advertisement("10.9.0.100")).unwrap();
            own.tx_completed().filter(|left| *left == id)
        })
        .await;
    });
}

#[test]
fn interface_that_is_down_is_an_error_and_the_next_one_leaves() {
    for family in [Family::V4, Family::V6] {
        in_new(move || async move {
            let _lab = Lab::new();
            let mut own = open("own0", family, &[]);
            run("ip link set own0 down");
            let error = own.send_next(&advertisement("10.9.0.100")).unwrap_err();
            assert!(matches!(error, SendError::Down(_)), "{error:?}");
            run("ip link set own0 up");
            let id = until("sent", || own.send_next(&advertisement("10.9.0.100")).ok()).await;
            departure(&mut own, id).await;
        });
    }
}

#[test]
fn what_waits_in_a_queue_has_not_left() {
    in_new(|| async {
        let _lab = Lab::new();
        // One packet now, and the next one some seconds later.
        run("tc qdisc add dev own0 root tbf rate 128bit burst 64 limit 10000");
        let mut own = open("own0", Family::V4, &[]);
        let first = own.send_next(&advertisement("10.9.0.100")).unwrap();
        departure(&mut own, first).await;
        let second = own.send_next(&advertisement("10.9.0.100")).unwrap();
        sleep(A_WHILE).await;
        assert_eq!(own.tx_completed(), None);
        departure(&mut own, second).await;
    });
}

#[test]
fn full_queue_is_an_error_and_the_next_one_leaves() {
    in_new(|| async {
        let lab = Lab::new();
        let mut peer = lab.open_peer(Family::V4, &[]);
        run("tc qdisc add dev own0 root tbf rate 8kbit burst 1540 limit 1600");
        let mut own = open("own0", Family::V4, &[]);
        let full = (0..1000).find_map(|_| own.send_next(&advertisement("10.9.0.100")).err()).unwrap();
        assert!(matches!(full, SendError::Full(_)), "{full:?}");
        run("tc qdisc del dev own0 root");
        while peer.receive().unwrap().is_some() {}
        while own.tx_completed().is_some() {}
        // The number of one that was thrown away may have to come by once before it counts again.
        until("left", || {
            let id = own.send_next(&advertisement("10.9.0.100")).unwrap();
            own.tx_completed().filter(|left| *left == id)
        })
        .await;
        arrival(&mut peer).await;
    });
}

#[test]
fn peer_that_is_gone_does_not_keep_an_advertisement_from_having_left() {
    in_new(|| async {
        let lab = Lab::new();
        let mut peer = lab.open_peer(Family::V4, &[OWN]);
        let mut own = open("own0", Family::V4, &["10.9.0.66", PEER, "10.9.0.67"]);
        for _ in 0..20 {
            let id = own.send_next(&advertisement("10.9.0.100")).unwrap();
            departure(&mut own, id).await;
            arrival(&mut peer).await;
        }
    });
}

#[test]
fn news_that_a_peer_is_unreachable_disturbs_nothing() {
    in_new(|| async {
        let lab = Lab::new();
        run("sysctl -qw net.ipv4.neigh.own0.retrans_time_ms=20");
        let mut own = open("own0", Family::V4, &["10.9.0.66", PEER]);
        let mut peer = lab.open_peer(Family::V4, &[OWN]);
        for _ in 0..40 {
            let id = own.send_next(&advertisement("10.9.0.100")).unwrap();
            departure(&mut own, id).await;
            peer.send_next(&advertisement("10.9.0.100")).unwrap();
            arrival(&mut own).await;
            sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn interface_without_tx_timestamps_is_believed() {
    in_new(|| async {
        let _lab = Lab::new();
        run("ip link add br0 type bridge");
        run("ip addr add 10.8.0.1/24 dev br0");
        run("ip link set br0 up");
        let mut bridge = open("br0", Family::V4, &[]);
        if !bridge.has_tx_timestamps() {
            let id = bridge.send_next(&advertisement("10.8.0.100")).unwrap();
            assert_eq!(bridge.tx_completed(), Some(id));
        }
    });
}
