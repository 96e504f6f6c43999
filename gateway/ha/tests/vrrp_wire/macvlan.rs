//! Sending from the virtual router's MAC address.

use gateway_ha::Family;

use crate::{
    lab::{Lab, OWN, OWN_LINK_LOCAL, SendNext, advertisement, arrival, departure, ip, open, parse},
    netns::{in_new, run},
};

fn stack() {
    run("ip link add vrrp51 link own0 address 00:00:5e:00:01:33 type macvlan mode private");
    run("ip link set vrrp51 addrgenmode none");
    run("ip link set vrrp51 up");
}

#[test]
fn macvlan_without_an_address_sends_from_that_of_the_interface_below() {
    in_new(|| async {
        let lab = Lab::new();
        stack();
        for (family, from, address) in [(Family::V4, OWN, "10.9.0.100"), (Family::V6, OWN_LINK_LOCAL, "2001:db8::100")]
        {
            let mut peer = lab.open_peer(family, &[]);
            let mut own = open("vrrp51", family, &[]);
            let sent = advertisement(address);
            let id = own.send_next(&sent).unwrap();
            departure(&mut own, id).await;
            let received = arrival(&mut peer).await;
            assert_eq!((received.envelope.from, received.envelope.ttl), (ip(from), 255));
            assert_eq!(parse(&received), Ok(sent));
        }
    });
}

#[test]
fn macvlan_receives_multicast() {
    in_new(|| async {
        let lab = Lab::new();
        stack();
        for family in [Family::V4, Family::V6] {
            let mut own = open("vrrp51", family, &[]);
            lab.open_peer(family, &[]).send_next(&advertisement("10.9.0.100")).unwrap();
            arrival(&mut own).await;
        }
    });
}

#[test]
fn address_made_of_the_virtual_mac_is_no_source() {
    in_new(|| async {
        let _lab = Lab::new();
        stack();
        run("ip addr add fe80::200:5eff:fe00:133/64 dev vrrp51 nodad");
        run("ip addr add 10.9.0.100/32 dev vrrp51");
        assert_eq!(open("vrrp51", Family::V6, &[]).source(), ip(OWN_LINK_LOCAL));
        assert_eq!(open("vrrp51", Family::V4, &[]).source(), ip(OWN));
    });
}
