//! Machines on which it is not as it should be.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use rustix::{
    fd::OwnedFd,
    net::{
        AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt::set_socket_reuseaddr,
    },
};

use crate::{
    network::House,
    program::{PATIENCE, Program, look, look_json},
    support::wait::wait_for,
    tv::{Announcer, TV, TV_ID},
};

const MDNS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 5353);

#[test]
fn without_a_network_the_daemon_works_says_so_once_and_begins_when_there_is_one() {
    let house = House::build();
    let program = Program::start(&house.ours, "");
    wait_for("word about the network", PATIENCE, || {
        program.daemon.log().contains("this machine is in no network").then_some(())
    });
    program.wait_for_names(&[]);

    let output = look(&house.ours, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("in no network") && said.contains("ip address"), "{said}");

    house.connect();
    let _tv = Announcer::start(&house.tvs, &TV);
    program.wait_for_names(&["Living room"]);
    let log = program.daemon.log();
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert_eq!(log.matches("searching for TVs").count(), 1, "{log}");
}

#[test]
fn without_a_tv_the_command_says_where_to_look() {
    let house = House::connected();
    for (arguments, result) in [
        (vec!["--seconds", "1"], ""),
        (vec!["--seconds", "1", "--json"], "{\n  \"devices\": []\n}\n"),
    ] {
        let output = look(&house.ours, &arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), result);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("devices.static") && said.contains("VLAN"), "{said}");
    }
}

/// A socket on the mDNS port that shares it as avahi-daemon does.
fn avahi() -> OwnedFd {
    let kind = SocketType::DGRAM;
    let socket = socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, None).unwrap();
    set_socket_reuseaddr(&socket, true).unwrap();
    bind(&socket, &MDNS).unwrap();
    socket
}

#[test]
fn the_port_is_shared_with_another_responder() {
    let house = House::connected();
    let _avahi = house.ours.within(avahi);
    let _tv = Announcer::start(&house.tvs, &TV);
    let found = look_json(&house.ours);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["uuid"], TV_ID);
}

#[test]
fn a_program_that_keeps_the_port_for_itself_is_pointed_at() {
    let house = House::connected();
    let hog = house.ours.within(|| UdpSocket::bind(MDNS).unwrap());
    let output = look(&house.ours, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("UDP port 5353") && said.contains("ss -lupn"), "{said}");

    let program = Program::start(&house.ours, "");
    let _tv = Announcer::start(&house.tvs, &TV);
    wait_for("word about the port", PATIENCE, || {
        program.daemon.log().contains("another program keeps UDP port 5353").then_some(())
    });
    drop(hog);
    program.wait_for_names(&["Living room"]);
}
