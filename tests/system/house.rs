//! A network with two in it: the machine, and a TV that really plays.

use std::{
    fs::File, net::Ipv4Addr, os::fd::AsFd as _, path::Path, process::Command, thread, time::Instant,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::{
    machine::{Kind, Machine, PATIENCE},
    support::{
        booted::{self, Booted as _, Said},
        packages,
        players::Player,
        tv::{Options, PlayingTv},
        wait::wait_for,
    },
};

/// Where the TV is; also a viewer, and whoever else is not the machine.
const TV: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
const MACHINE: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 2);

/// The page that the service has itself.
pub(crate) const SAMPLE: &str = "http://127.0.0.1:8000/sample";

#[derive(Debug)]
pub(crate) struct House {
    pub(crate) tv: PlayingTv,
    pub(crate) machine: Machine,
    networks: Networks,
}

impl House {
    /// With a machine of this suite, on which the package is installed. This thread, and what it starts,
    /// is in the house's network from then on.
    #[track_caller]
    pub(crate) fn of(name: &str, suite: &str, kind: Kind) -> Self {
        // What needs the network of this machine comes first.
        for name in ["players", "tv"] {
            packages::from_npm(name);
        }
        let tree = booted::prepare("tests/system/prepare", suite);
        let networks = Networks::new(name);
        networks.enter(&networks.house);
        let machine = Machine::boot(tree, &networks.machine, kind);
        machine.do_("apt-get install -q -y --no-install-recommends /root/dashboard-cast.deb");
        let tv = PlayingTv::start(&Options {
            address: TV,
            name: "Wall".to_owned(),
            ..Options::new(Player::Shaka52)
        });
        Self { tv, machine, networks }
    }

    /// Does something on a thread that is in the machine's network.
    pub(crate) fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let act = || {
            self.networks.enter(&self.networks.machine);
            act()
        };
        let done = thread::scope(|scope| scope.spawn(act).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The configuration that knows the TV, with more at its end.
    pub(crate) fn configure(&self, more: &str) {
        let config = format!("[devices]\ndiscover = false\nstatic = [\"Wall={TV}\"]\n{more}\n");
        self.machine.write("/etc/dashboard-cast/conf.d/50-house.toml", &config);
    }

    /// As it is before the first session: for what comes after a test that failed.
    pub(crate) fn tidy(&self) {
        self.configure("");
        self.machine.run(
            "systemctl reset-failed 'dashboard-cast*'; \
             systemctl stop 'dashboard-cast@*.service'; \
             systemctl restart dashboard-cast.service && dashboard-cast stop --all",
        );
    }

    /// Waits until the TV has shown new pictures, and checks that its player never saw an error and was
    /// never started again: `loads` is how often it was told what to play.
    #[track_caller]
    pub(crate) fn plays_on(&self, loads: u32) {
        let before = self.tv.stats().player.expect("a player").decoded;
        let stats = self.tv.wait_until("new pictures on the TV", |stats| {
            let player = stats.player.as_ref();
            player.is_some_and(|now| now.state == "PLAYING" && now.decoded > before + 10)
        });
        assert_eq!((&*stats.player.expect("a player").errors, stats.loads), (&[][..], loads));
    }
}

/// One for the machine, and one for everything else of the house.
#[derive(Debug)]
struct Networks {
    house: String,
    machine: String,
}

impl Networks {
    #[track_caller]
    fn new(name: &str) -> Self {
        let of = |part| format!("dashboard-cast-{name}-{part}-{}", std::process::id());
        let networks = Self { house: of("house"), machine: of("machine") };
        let Self { house, machine } = &networks;
        for network in [house, machine] {
            ip(&format!("netns add {network}"));
            ip(&format!("-n {network} link set lo up"));
        }
        ip(&format!("-n {house} link add lan type veth peer name lan netns {machine}"));
        for (network, address) in [(house, TV), (machine, MACHINE)] {
            ip(&format!("-n {network} address add {address}/24 dev lan"));
            ip(&format!("-n {network} link set lan up"));
        }
        networks
    }

    #[track_caller]
    fn enter(&self, network: &str) {
        let network = File::open(Path::new("/run/netns").join(network)).expect("a network");
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("entering a network");
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for network in [&self.house, &self.machine] {
            let _ = Command::new("ip").args(["netns", "delete", network]).status();
        }
    }
}

#[track_caller]
fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.unwrap_or_else(|error| panic!("running ip: {error}: run .ci/setup system"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {said}");
}

pub(crate) fn json(said: &Said) -> Option<Value> {
    serde_json::from_str(&said.out).ok()
}

/// The one session as HTTP tells of it.
pub(crate) fn session(machine: &Machine) -> Option<Value> {
    json(&machine.run("curl -sS http://127.0.0.1:8000/sessions"))?["sessions"].get(0).cloned()
}

/// The one session, which is started where there is none.
#[track_caller]
pub(crate) fn some_session(machine: &Machine) -> Value {
    if session(machine).is_none() {
        machine.do_(&format!("dashboard-cast start {SAMPLE} --device none"));
    }
    wait_live(machine)
}

#[track_caller]
pub(crate) fn wait_live(machine: &Machine) -> Value {
    machine.wait("live session", "curl -sS http://127.0.0.1:8000/sessions", |said| {
        let session = json(said)?["sessions"].get(0)?.clone();
        (session["state"] == "live" && session["page"]["title"].is_string()).then_some(session)
    })
}

/// Waits until the one session is on the TV, as far as the service can tell.
#[track_caller]
pub(crate) fn wait_confirmed(machine: &Machine) {
    machine.wait("confirmed cast", "curl -sS http://127.0.0.1:8000/sessions", |said| {
        let session = json(said)?["sessions"].get(0)?.clone();
        (session["cast"]["verdict"] == "confirmed").then_some(())
    });
}

/// The main processes of the running workers of this kind.
#[track_caller]
pub(crate) fn workers(machine: &Machine, kind: &str) -> Vec<String> {
    let units = machine.do_(&format!(
        "systemctl list-units --plain --no-legend 'dashboard-cast-{kind}@*' | cut -d' ' -f1"
    ));
    units
        .lines()
        .map(|unit| machine.do_(&format!("systemctl show -P MainPID {unit}")).trim().to_owned())
        .collect()
}

#[track_caller]
pub(crate) fn worker(machine: &Machine, kind: &str) -> String {
    let found = workers(machine, kind);
    assert_eq!(found.len(), 1, "{kind}: {found:?}");
    found[0].clone()
}

/// Waits until another worker of this kind runs than the one before.
#[track_caller]
pub(crate) fn wait_other_worker(machine: &Machine, kind: &str, before: &str) {
    machine.wait(&format!("other {kind}"), "true", |_| {
        let now = workers(machine, kind);
        (now.len() == 1 && now[0] != before && now[0] != "0").then_some(())
    });
}

#[track_caller]
pub(crate) fn wait_no_workers(machine: &Machine) {
    let list = "systemctl list-units --no-legend 'dashboard-cast-*@*'";
    machine.wait("end of the workers", list, |said| said.out.is_empty().then_some(()));
}

pub(crate) fn daemon(machine: &Machine) -> String {
    machine.do_("systemctl show -P MainPID dashboard-cast.service").trim().to_owned()
}

/// Waits until the daemon is another process than before, and answers.
#[track_caller]
pub(crate) fn wait_other_daemon(machine: &Machine, before: &str) {
    wait_for("other daemon", PATIENCE, || {
        let now = daemon(machine);
        let answers = || machine.run("curl -sS http://127.0.0.1:8000/health").success;
        (now != before && now != "0" && answers()).then_some(())
    });
}

/// How long something took, for whoever reads the log.
pub(crate) fn measure<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let outcome = act();
    eprintln!("    {what}: {:.0?}", begin.elapsed());
    outcome
}
