//! Network namespaces.

use std::{
    fs::File,
    panic::resume_unwind,
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use if_addrs::Interface;
use rustix::{
    fd::AsFd as _,
    process::geteuid,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use crate::{program::PATIENCE, support::wait::wait_for};

/// Where the program under test runs.
pub(crate) const OUR_ADDRESS: &str = "10.77.0.1";
/// Where the TVs are.
pub(crate) const TV_ADDRESS: &str = "10.77.0.2";
pub(crate) const OTHER_TV_ADDRESS: &str = "10.77.0.3";
/// The interface on each side.
const CABLE: &str = "cable";

/// A namespace with nothing but a loopback; removed when dropped.
#[derive(Debug)]
pub(crate) struct Namespace(String);

/// Two namespaces. They are not connected at first.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) ours: Namespace,
    pub(crate) tvs: Namespace,
}

/// Runs `ip`, which must succeed.
#[track_caller]
fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap_or_else(|error| {
        panic!("running ip: {error}. Install it from Debian: apt-get install iproute2")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {said}");
}

impl Namespace {
    #[track_caller]
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(geteuid().is_root(), "this test makes network namespaces: run it as root");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dashboard-cast-test-{}-{number}", process::id());
        ip(&format!("netns add {name}"));
        let namespace = Self(name);
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `ip` in it.
    #[track_caller]
    pub(crate) fn ip(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.0));
    }

    /// Runs `work` in it: on a thread of its own, because a thread is in one namespace, with all
    /// sockets, threads and processes that it makes.
    #[track_caller]
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let namespace = File::open(format!("/run/netns/{}", self.0)).expect("a namespace");
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("entering a namespace");
                work()
            });
            worker.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let removed = Command::new("ip").args(["netns", "delete", &self.0]).status();
        if !removed.is_ok_and(|status| status.success()) {
            eprintln!("the network namespace {} is left behind", self.0);
        }
    }
}

impl House {
    #[track_caller]
    pub(crate) fn build() -> Self {
        Self { ours: Namespace::new(), tvs: Namespace::new() }
    }

    /// Builds a house whose namespaces are connected.
    #[track_caller]
    pub(crate) fn connected() -> Self {
        let house = Self::build();
        house.connect();
        house
    }

    #[track_caller]
    pub(crate) fn connect(&self) {
        self.ours.ip(&format!("link add {CABLE} type veth peer name {CABLE} netns {}", self.tvs.0));
        self.ours.ip(&format!("address add {OUR_ADDRESS}/24 dev {CABLE}"));
        self.tvs.ip(&format!("address add {TV_ADDRESS}/24 dev {CABLE}"));
        self.tvs.ip(&format!("address add {OTHER_TV_ADDRESS}/24 dev {CABLE}"));
        for side in [&self.ours, &self.tvs] {
            side.ip(&format!("link set {CABLE} up"));
        }
        // The kernel takes up to a second to see that both ends are plugged in, and a responder that
        // starts before does not announce fixed addresses afterwards.
        for side in [&self.ours, &self.tvs] {
            wait_for("working cable", PATIENCE, || {
                let interfaces = side.within(if_addrs::get_if_addrs).expect("interfaces");
                let works = |own: &Interface| own.name == CABLE && own.is_oper_up();
                interfaces.iter().any(works).then_some(())
            });
        }
    }

    /// Takes the TVs' addresses away, so that they cannot say a word, not even goodbye.
    #[track_caller]
    pub(crate) fn silence_tvs(&self) {
        self.tvs.ip(&format!("address flush dev {CABLE}"));
    }

    /// The TVs' side of the cable loses its signal, as when Wi-Fi goes.
    #[track_caller]
    pub(crate) fn unplug(&self) {
        self.tvs.ip(&format!("link set {CABLE} down"));
    }

    #[track_caller]
    pub(crate) fn plug_in(&self) {
        self.tvs.ip(&format!("link set {CABLE} up"));
    }

    /// Takes one of the TVs' two addresses away; the other one stays.
    #[track_caller]
    pub(crate) fn move_tv(&self, from: &str, to: &str) {
        self.tvs.ip(&format!("address delete {from}/24 dev {CABLE}"));
        // It goes along with the first one in the kernel's list.
        self.tvs.ip(&format!("address replace {to}/24 dev {CABLE}"));
    }

    #[track_caller]
    pub(crate) fn let_tvs_speak(&self) {
        self.tvs.ip(&format!("address add {TV_ADDRESS}/24 dev {CABLE}"));
    }
}
