//! Programs on interfaces, by links and by filters: seen where they are, and seen to have gone. On older kernels, where TC
//! has no links, too.

use std::{fs, thread};

use gateway_datapath::{
    attach::{self, Attacher, Device, Seen},
    load::{self, Settings},
    pins::PinDir,
};
use gateway_netdev::{Link, nic::Role};
use nix::sched::{CloneFlags, unshare};

use crate::world::port;

#[test]
fn by_links_where_the_kernel_has_them() {
    in_a_namespace(|| seen_and_seen_gone(attach::has_tcx()));
}

#[test]
fn by_filters_everywhere() {
    in_a_namespace(|| seen_and_seen_gone(false));
}

fn in_a_namespace(work: impl FnOnce() + Send + 'static) {
    let inside = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        work();
    });
    inside.join().unwrap();
}

fn seen_and_seen_gone(links: bool) {
    let pins = PinDir::new(format!("/sys/fs/bpf/vgp{}attached{links}", std::process::id()));
    let mut loaded =
        load::load(&pins, Settings { udp_port: 4789, fdb_size: 64, trace: false }, ::gateway::OBJECTS).unwrap();
    Attacher::load(&mut loaded.ebpf).unwrap();
    let attacher = || if links { Attacher::new(pins.clone()) } else { Attacher::new(pins.clone()).without_tcx() };
    let mut ours = attacher();
    let ifindex = port("a0").ifindex;
    let device = Device { name: "a0".to_owned(), ifindex, role: Role::Access, bond: false };
    let on_driver = || Link::named("a0").unwrap().unwrap().xdp;

    assert_eq!(ours.look_tc(&device).unwrap(), Seen::Nothing);
    ours.attach_tc(&mut loaded.ebpf, &device).unwrap();
    ours.attach_xdp(&mut loaded.ebpf, &device).unwrap();
    assert_eq!((ours.look_tc(&device).unwrap(), ours.look_xdp(&device, on_driver())), (Seen::Ours, Seen::Ours));
    assert!(matches!(attacher().look_xdp(&device, on_driver()), Seen::Other(_)), "it is not that one's");

    // What is held stays where its pin goes, and is pinned again.
    for pin in fs::read_dir(pins.links()).unwrap() {
        fs::remove_file(pin.unwrap().path()).unwrap();
    }
    assert_eq!((ours.look_tc(&device).unwrap(), ours.look_xdp(&device, on_driver())), (Seen::Ours, Seen::Ours));
    let devices = ["a0".to_owned()].into();
    assert!(ours.pin_again(&devices).unwrap());
    assert!(!ours.pin_again(&devices).unwrap());

    // Another program takes it off.
    if !links {
        assert!(attacher().detach_filter(ifindex, "a0").unwrap());
        assert_eq!(ours.look_tc(&device).unwrap(), Seen::Nothing);
        ours.attach_tc(&mut loaded.ebpf, &device).unwrap();
        assert_eq!(ours.look_tc(&device).unwrap(), Seen::Ours);
        // What is there is replaced, with the qdisc left as it is.
        ours.attach_tc(&mut loaded.ebpf, &device).unwrap();
        assert_eq!(ours.look_tc(&device).unwrap(), Seen::Ours);
    }
    ours.detach_xdp(&device).unwrap();
    // The kernel lets go of a link that nobody has any more on its own time.
    lab::wait::wait_for("XDP is off", lab::wait::SOON, || ours.look_xdp(&device, on_driver()) == Seen::Nothing)
        .unwrap();
    ours.detach_others(&[]).unwrap();
    ours.detach_filter(ifindex, "a0").unwrap();
    lab::wait::wait_for("TC is off", lab::wait::SOON, || ours.look_tc(&device).unwrap() == Seen::Nothing).unwrap();
    assert!(!ours.has_tc(&device) && !ours.has_xdp(&device));
    fs::remove_dir_all(pins.root()).unwrap();
}
