//! A cast of the configuration that lasts as long as the program, as `dashboard-cast@NAME.service` has it.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::net::UnixDatagram,
    process::{Child, ChildStderr, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;
use zbus::{Connection, OwnedObjectPath, connection, interface};

use crate::{
    bus::Bus,
    fake::{Facts, Fake},
    support::wait::wait_for,
};

const PATIENCE: Duration = Duration::from_secs(60);
const STOP: &str = "StopCast /org/dashboardcast1/session/1a2b3c4d";

fn kitchen() -> Facts {
    Facts::live("1a2b3c4d", "http://dash.lan/1")
        .on("Kitchen", "confirmed", "it plays")
        .named("kitchen")
}

/// The program as a unit: systemd is told how it does.
struct Unit {
    child: Child,
    words: BufReader<ChildStderr>,
    told: UnixDatagram,
}

impl Unit {
    #[track_caller]
    fn start(bus: &Bus) -> Self {
        let socket = bus.directory.path().join("notify");
        let told = UnixDatagram::bind(&socket).expect("a socket for what systemd is told");
        told.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let mut child = bus
            .command(&["cast", "kitchen"])
            .env("NOTIFY_SOCKET", socket)
            .stderr(Stdio::piped())
            .spawn()
            .expect("running the program");
        let words = BufReader::new(child.stderr.take().unwrap());
        Self { child, words, told }
    }

    /// The next thing that systemd is told.
    #[track_caller]
    fn told(&self) -> String {
        let mut text = [0; 4096];
        let length = self.told.recv(&mut text).expect("a word to systemd");
        String::from_utf8(text[..length].to_vec()).expect("text").trim_end().to_owned()
    }

    #[track_caller]
    fn is_shown(&self) {
        assert_eq!(self.told(), "READY=1");
        assert_eq!(self.told(), "STATUS=live confirmed http://dash.lan/1 on Kitchen");
    }

    /// Ends it with a signal; tells what it still says.
    #[track_caller]
    fn end(mut self, signal: Signal) -> String {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal");
        self.ended()
    }

    /// What it has said, once it has ended well.
    #[track_caller]
    fn ended(&mut self) -> String {
        let status = wait_for("end", PATIENCE, || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
        let lines = self.words.by_ref().lines().map(Result::unwrap);
        lines.flat_map(|line| [line, "\n".to_owned()]).collect()
    }
}

#[test]
fn systemd_is_told_how_it_does_and_what_ends_it_ends_the_cast() {
    for signal in [Signal::TERM, Signal::INT] {
        let bus = Bus::start();
        let fake = Fake::start(&bus, &[]);
        fake.will_start(kitchen());
        let unit = Unit::start(&bus);
        unit.is_shown();
        fake.change(kitchen().on("Kitchen", "taken-over", "Netflix is on"));
        let status = "STATUS=live taken-over http://dash.lan/1 on Kitchen: TV: Netflix is on";
        assert_eq!(unit.told(), status);
        assert_eq!(fake.calls(), ["StartNamed kitchen"]);
        let said = unit.end(signal);
        let expected = "live confirmed http://dash.lan/1 on Kitchen\n\
                        live taken-over http://dash.lan/1 on Kitchen: TV: Netflix is on\n";
        assert_eq!(said, expected);
        assert_eq!(fake.calls(), [STOP]);
    }
}

#[test]
fn a_screen_that_people_have_taken_is_theirs_when_the_unit_is_started_again() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[kitchen().on("Kitchen", "taken-over", "somebody stopped it")]);
    let unit = Unit::start(&bus);
    assert_eq!(unit.told(), "READY=1");
    let status = "STATUS=live taken-over http://dash.lan/1 on Kitchen: TV: somebody stopped it";
    assert_eq!(unit.told(), status);
    assert_eq!(fake.calls(), [""; 0]);
    unit.end(Signal::TERM);
}

#[test]
fn a_cast_that_ends_ends_the_program_without_a_failure() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[kitchen()]);
    let mut unit = Unit::start(&bus);
    unit.is_shown();
    bus.run(&["stop", "kitchen"]).succeeded();
    let said = unit.ended();
    assert!(said.ends_with("on Kitchen\nThe cast has ended.\n"), "{said}");
    assert_eq!(fake.calls(), ["StartNamed kitchen", STOP], "it was running, and is stopped once");
}

#[test]
fn a_service_that_goes_is_waited_for_and_the_next_one_is_asked_where_it_has_not_gone_on() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[kitchen()]);
    let unit = Unit::start(&bus);
    unit.is_shown();
    drop(fake);
    assert_eq!(unit.told(), "STATUS=The service is not running; it is waited for.");
    let fake = Fake::start(&bus, &[kitchen()]);
    assert_eq!(unit.told(), "STATUS=live confirmed http://dash.lan/1 on Kitchen");
    assert_eq!(fake.calls(), [""; 0], "it may not know yet that people have the screen");
    drop(fake);
    assert_eq!(unit.told(), "STATUS=The service is not running; it is waited for.");
    let fake = Fake::start_for(&bus, kitchen());
    assert_eq!(unit.told(), "STATUS=live confirmed http://dash.lan/1 on Kitchen");
    assert_eq!(fake.calls(), ["StartNamed kitchen"]);
    unit.end(Signal::TERM);
    assert_eq!(fake.calls(), [STOP]);
}

#[test]
fn nothing_is_left_to_end_without_the_service() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[kitchen()]);
    let unit = Unit::start(&bus);
    unit.is_shown();
    drop(fake);
    assert_eq!(unit.told(), "STATUS=The service is not running; it is waited for.");
    unit.end(Signal::TERM);
}

#[test]
fn an_unknown_name_fails_in_the_services_words() {
    let bus = Bus::start();
    bus.run(&["cast", "kitchen"]).failed(1, &["the service is not running"]);
    let _fake = Fake::start(&bus, &[]);
    let refused = bus.run(&["cast", "kitchen"]).failed(1, &[]);
    let expected = "dashboard-cast: the configuration has no [casts.kitchen]\nIt has hall, loft.\n";
    assert_eq!(refused.words, expected);
}

struct Systemd;

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn get_unit(&self, name: &str) -> OwnedObjectPath {
        assert_eq!(name, "dashboard-cast.service");
        "/unit".try_into().unwrap()
    }
}

struct ItsUnit;

#[interface(name = "org.freedesktop.systemd1.Unit")]
impl ItsUnit {
    #[zbus(property)]
    fn job(&self) -> (u32, OwnedObjectPath) {
        (7, "/job".try_into().unwrap())
    }
}

struct Job(&'static str);

#[interface(name = "org.freedesktop.systemd1.Job")]
impl Job {
    #[zbus(property)]
    fn job_type(&self) -> &str {
        self.0
    }
}

/// A service manager that is about to do this with the service.
async fn systemd(bus: &Bus, job: &'static str) -> zbus::Result<Connection> {
    connection::Builder::address(bus.address.as_str())
        .serve_at("/org/freedesktop/systemd1", Systemd)
        .serve_at("/unit", ItsUnit)
        .serve_at("/job", Job(job))
        .name("org.freedesktop.systemd1")
        .build()
        .await
}

#[test]
fn the_restart_of_the_service_leaves_it_on_the_tv_and_its_stop_does_not() {
    let runtime = Runtime::new().expect("a runtime");
    for (job, calls) in [("restart", &[][..]), ("try-restart", &[]), ("stop", &[STOP])] {
        let bus = Bus::start();
        let _systemd = runtime.block_on(systemd(&bus, job)).expect("a service manager");
        let fake = Fake::start(&bus, &[kitchen()]);
        let unit = Unit::start(&bus);
        unit.is_shown();
        fake.calls();
        unit.end(Signal::TERM);
        assert_eq!(fake.calls(), calls, "{job}");
    }
}
