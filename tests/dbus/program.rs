//! The built program on buses of its own.

use std::{
    io::Read as _,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    bus::PrivateBus,
    house::{Client, ROOT, session_path},
    support::{
        daemon::Daemon,
        pages::{Pages, plain},
        processes::holdings,
        stage::PATIENCE,
        wait::wait_for,
    },
};

const LIST: &str = "busctl --user call org.dashboardcast1 /org/dashboardcast1 \
                    org.dashboardcast1.Manager ListSessions";

struct Program {
    // Fields are dropped in this order: the daemon ends before its directory goes.
    daemon: Daemon,
    _directory: TempDir,
}

fn command(bus: &PrivateBus, arguments: &[&str]) -> (Command, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.toml");
    std::fs::write(&file, "[devices]\ndiscover = false\n").unwrap();
    let (variable, address) = bus.environment();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dashboard-cast"));
    command
        .args(["daemon", "--listen", "127.0.0.1:0", "--config"])
        .arg(file)
        .args(arguments)
        .env("RUNTIME_DIRECTORY", directory.path().join("run"))
        .env("STATE_DIRECTORY", directory.path().join("state"))
        .env(variable, address);
    (command, directory)
}

impl Program {
    fn start(bus: &PrivateBus, arguments: &[&str]) -> Self {
        let (mut command, directory) = command(bus, arguments);
        Self { daemon: Daemon::launch(&mut command), _directory: directory }
    }
}

/// How it ends, which it must do by itself, and what it says.
#[track_caller]
fn failure(bus: &PrivateBus, arguments: &[&str]) -> String {
    let (mut command, _directory) = command(bus, arguments);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!child.wait().unwrap().success(), "{said}");
    said
}

#[test]
fn a_page_is_shown_looked_at_and_taken_off_by_busctl() {
    let bus = PrivateBus::session();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let program = Program::start(&bus, &["--session"]);
    let started = bus.ask(&format!(
        "busctl --user call org.dashboardcast1 /org/dashboardcast1 org.dashboardcast1.Manager \
         StartCast 'sa{{sv}}' '{}' 2 quality s 720p device s none",
        pages.url("board?token=secret")
    ));
    let path = started.split('"').nth(1).unwrap();
    let property = |name: &str| {
        bus.ask(&format!(
            "busctl --user get-property org.dashboardcast1 {path} org.dashboardcast1.Session {name}"
        ))
    };
    wait_for("a live page", PATIENCE, || (property("State") == "s \"live\"").then_some(()));
    assert_eq!(property("PageTitle"), "s \"One colour\"");
    assert_eq!(property("PageStatus Width BitRate Device"), "q 200\nu 1280\nt 2500000\no \"/\"");
    assert!(!property("Url").contains("secret"));

    // The same as HTTP says.
    let view = program.daemon.get("status").unwrap()["stream"].clone();
    assert_eq!(path, session_path(view["session_id"].as_str().unwrap()));
    assert_eq!(property("Encoder"), format!("s {}", view["video"]["encoder"]));

    let media = bus.ask(&format!(
        "busctl --user --json=short call org.dashboardcast1 {path} org.dashboardcast1.Session \
         GetMedia"
    ));
    let media: Value = serde_json::from_str(&media).unwrap();
    assert_eq!(media["data"][0]["hls"], view["media"]["hls"]);
    let playlist = ureq::get(media["data"][0]["hls"].as_str().unwrap()).call().unwrap();
    assert_eq!(playlist.status(), 200);

    let stop =
        format!("busctl --user call org.dashboardcast1 {path} org.dashboardcast1.Session Stop");
    assert_eq!(bus.ask(&stop), "");
    assert_eq!(bus.ask(LIST), "a(osss) 0");
    let mut daemon = program.daemon;
    assert!(daemon.end(rustix::process::Signal::TERM).success());
    assert!(!bus.run(LIST).status.success());
}

#[test]
fn a_program_of_others_starts_reads_and_stops() {
    let bus = PrivateBus::session();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let _program = Program::start(&bus, &["--session"]);
    // Debian's own Python is the one that has its packages.
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dbus/client.py");
    let output = bus.run(&format!("/usr/bin/python3 {script} '{}'", pages.url("board")));
    assert!(output.status.success(), "run .ci/setup test? {output:?}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["seen"]["State"], "live", "{seen}");
    assert_eq!(seen["seen"]["PageTitle"], "One colour");
    assert_eq!(seen["seen"]["PageStatus"], 200);
    assert_eq!(seen["seen"]["Width"], 1280);
    assert_eq!(seen["png"], "89504e47");
    assert!(seen["media"]["hls"].as_str().unwrap().ends_with("/master.m3u8"));
    assert_eq!(seen["left"], Value::Array(Vec::new()));
}

#[test]
fn a_second_daemon_on_the_bus_says_that_there_is_a_first() {
    let bus = PrivateBus::session();
    let _first = Program::start(&bus, &["--session"]);
    let said = failure(&bus, &["--session"]);
    assert!(said.contains("another dashboard-cast is on the session bus"), "{said}");
    assert!(said.contains("Stop the other one first"), "{said}");
    bus.ask(LIST);
}

#[test]
fn a_session_outlives_the_bus() {
    let mut bus = PrivateBus::session();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let program = Program::start(&bus, &["--session"]);
    let request = serde_json::json!({ "url": pages.url("board"), "quality": "720p" });
    let session = program.daemon.post("start", &request).unwrap()["session_id"].clone();
    wait_for("the session on the bus", PATIENCE, || {
        bus.ask(LIST).contains(session.as_str().unwrap()).then_some(())
    });
    bus.kill();
    assert_eq!(program.daemon.get("status").unwrap()["stream"]["session_id"], session);
    bus.start_again();
    wait_for("the service on the new bus", PATIENCE, || {
        let list = bus.run(LIST);
        String::from_utf8_lossy(&list.stdout).contains(session.as_str().unwrap()).then_some(())
    });
    let log = program.daemon.log();
    assert_eq!(log.matches("the session bus is lost").count(), 1, "{log}");
    assert_eq!(log.matches("on the session bus again").count(), 1, "{log}");
}

/// They come faster than they are answered, and wait where they come from.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_calls_takes_no_memory() {
    let bus = PrivateBus::session();
    let program = Program::start(&bus, &["--session"]);
    let client = Client::of(&bus).await;
    let manager = "org.freedesktop.DBus.ObjectManager";
    let flood = async |calls: usize| {
        for _ in 0..calls {
            client.shout(ROOT, manager, "GetManagedObjects", &()).await;
        }
        client.objects().await;
    };
    flood(1000).await;
    let (_, before) = holdings(program.daemon.id());
    flood(30_000).await;
    let (_, after) = holdings(program.daemon.id());
    assert!(after < before + 16 * 1024, "{before} kB became {after} kB");
}

#[test]
fn without_a_system_bus_or_a_place_on_it_there_is_still_http() {
    let mut gone = PrivateBus::bare();
    gone.kill();
    let bare = PrivateBus::bare();
    for bus in [&gone, &bare] {
        let program = Program::start(bus, &[]);
        assert_eq!(program.daemon.get("status").unwrap()["status"], "idle");
        let log = program.daemon.log();
        assert_eq!(log.matches("going on without D-Bus").count(), 1, "{log}");
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    }
    let bus = PrivateBus::system();
    let _program = Program::start(&bus, &[]);
    assert!(bus.ask(&LIST.replace("--user ", "")).contains("a(osss) 0"));
}

#[test]
fn a_bus_that_learns_of_us_later_is_joined_then() {
    let bus = PrivateBus::bare();
    let program = Program::start(&bus, &[]);
    bus.learn();
    let list = LIST.replace("--user ", "");
    wait_for("a name on the bus", PATIENCE, || bus.run(&list).status.success().then_some(()));
    let log = program.daemon.log();
    assert!(log.contains("on the system bus now") && !log.contains("WARN"), "{log}");
}

#[test]
fn a_session_bus_that_is_asked_for_must_be_there() {
    let mut bus = PrivateBus::session();
    bus.kill();
    let said = failure(&bus, &["--session"]);
    assert!(said.contains("connecting to the session bus"), "{said}");
}
