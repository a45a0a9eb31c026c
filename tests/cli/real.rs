//! The command line and the service that it is for: they agree with each other, and with HTTP.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{
    PROGRAM,
    bus::Bus,
    support::{
        daemon::Daemon,
        pages::{Pages, plain},
    },
};

/// Nothing listens where its TV is.
const CONFIG: &str = "[devices]\ndiscover = false\nstatic = [\"kitchen=127.0.0.1:9\"]\n";

#[track_caller]
pub(crate) fn daemon(bus: &Bus) -> Daemon {
    daemon_with(bus, CONFIG)
}

#[track_caller]
pub(crate) fn daemon_with(bus: &Bus, text: &str) -> Daemon {
    let config = bus.directory.path().join("test.toml");
    fs::write(&config, text).expect("writing a configuration");
    let mut command = Command::new(PROGRAM);
    command
        .args(["daemon", "--session", "--listen", "127.0.0.1:0", "--config"])
        .arg(config)
        .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
        .env("RUNTIME_DIRECTORY", bus.directory.path().join("run"))
        .env("STATE_DIRECTORY", bus.directory.path().join("state"));
    Daemon::launch(&mut command)
}

/// Without what goes on while two are asked one after the other.
fn without_counters(mut session: Value) -> Value {
    session["video"]["segments"].take();
    session
}

#[test]
fn a_page_is_shown_looked_at_and_taken_away() {
    let (bus, pages) = (Bus::start(), Pages::serve());
    pages.put_page("board", plain(""));
    let daemon = daemon(&bus);
    let url = pages.url("board");

    let started = bus.run(&["start", &url, "--device", "none", "--quality", "720p", "--wait"]);
    let started = started.succeeded();
    let id = started.out.trim().to_owned();
    assert_eq!(id.len(), 8, "{started:?}");

    let told = |arguments: &[&str]| bus.run(arguments).succeeded().json();
    let ours = told(&["status", &id[..3], "--json"]);
    let theirs = daemon.get(&format!("sessions/{id}")).expect("GET /sessions/ID");
    assert_eq!(ours["events"], json!([]), "{ours}");
    let mut ours = without_counters(ours);
    ours.as_object_mut().unwrap().remove("events");
    // D-Bus has microseconds.
    let time = |session: &Value| session["started_at"].as_str().unwrap()[..23].to_owned();
    assert_eq!(time(&ours), time(&theirs));
    ours["started_at"] = theirs["started_at"].clone();
    assert_eq!(ours, without_counters(theirs));

    let [ours, theirs] = [told(&["status", "--json"]), daemon.get("status").expect("GET /status")]
        .map(|mut status| {
            for session in ["/stream", "/sessions/0"] {
                let session = status.pointer_mut(session).expect("a session");
                session["started_at"].take();
                session["video"]["segments"].take();
            }
            status
        });
    assert_eq!(ours, theirs);
    let health = daemon.get("health").expect("GET /health");
    assert_eq!(bus.run(&["health", "--json"]).json(), health);
    let mut devices = told(&["devices", "--json"]);
    assert_eq!(devices["devices"][0]["name"], "kitchen");
    for device in devices["devices"].as_array_mut().unwrap() {
        assert_eq!(device.as_object_mut().unwrap().remove("session_id"), Some(Value::Null));
        device["problem"].take();
    }
    let mut theirs = daemon.get("devices").expect("GET /devices");
    theirs["devices"][0]["problem"].take();
    assert_eq!(devices, theirs);

    let picture = bus.directory.path().join("picture.png");
    bus.run(&["snapshot", "-o", picture.to_str().unwrap()]).succeeded();
    assert!(fs::read(picture).expect("a picture").starts_with(b"\x89PNG\r\n\x1a\n"));

    pages.put_page("other", plain(""));
    bus.run(&["navigate", &pages.url("other")]).succeeded();
    assert_eq!(told(&["status", "--json"])["stream"]["url"], pages.url("other").as_str());
    bus.run(&["navigate", "ftp://host/"]).failed(1, &["ftp"]);
    bus.run(&["reload-page"]).succeeded();
    let nothing = bus.run(&["reload"]).succeeded();
    assert_eq!((nothing.out.as_str(), nothing.words.as_str()), ("", "Nothing has changed.\n"));
    let config = bus.directory.path().join("test.toml");
    fs::write(&config, format!("{CONFIG}[sessions]\nmost = 2\n")).expect("changing it");
    let changed = bus.run(&["reload"]).succeeded();
    assert!(changed.out.contains("sessions.most"), "{changed:?}");
    fs::write(&config, "[sessions]\nmost = 0\n").expect("breaking it");
    let place = format!("\n  {}:2:8: ", config.display());
    bus.run(&["reload"]).failed(1, &["cannot be used", &place, "correct it and reload again"]);

    let refused = bus.run(&["start", &url, "--device", "Hall"]);
    refused.failed(1, &["there is no TV \"Hall\"", "kitchen", "Name one of them"]);
    let secret = bus.directory.path().join("auth.json");
    fs::write(
        &secret,
        r#"{"localStorage": {"a": "b"}, "basic": {"username": "u", "password": "p"}}"#,
    )
    .expect("writing secrets");
    let with_secret = bus.run(&[
        "start",
        &url,
        "--device",
        "none",
        "--auth",
        secret.to_str().unwrap(),
        "--target",
        "two",
        "--duration",
        "1h",
        "--frame-rate",
        "10",
        "--zoom",
        "1.5",
    ]);
    with_secret.succeeded();
    bus.run(&["stop"]).failed(1, &["several sessions are running", &id]);
    bus.run(&["start", &url, "--device", "none", "--target", "three"]).failed(1, &["pages"]);
    let stopped = told(&["stop", "--all", "--json"]);
    assert_eq!(stopped, json!({"status": "success", "message": "Stopped 2 sessions."}));
    assert_eq!(told(&["status", "--json"])["status"], "idle");
}

#[test]
fn a_cast_that_cannot_reach_its_tv_fails_while_it_is_waited_for() {
    let (bus, pages) = (Bus::start(), Pages::serve());
    pages.put_page("board", plain(""));
    let daemon = daemon(&bus);
    // It is tried again and again, and broken all the while.
    let failed = bus.run(&["start", &pages.url("board"), "--device", "kitchen", "--wait"]);
    let failed = failed.failed(1, &["cannot be reached", "dashboard-cast stop "]);
    let id = failed.out.trim();
    let status = bus.run(&["status", id]).succeeded().out;
    assert!(status.contains("Verdict  broken (tv): ") && status.contains("Events "), "{status}");
    let ours = bus.run(&["status", id, "--json"]).json();
    let theirs = daemon.get(&format!("sessions/{id}")).expect("GET /sessions/ID");
    for key in ["verdict", "link"] {
        assert_eq!(ours["cast"][key], theirs["cast"][key], "{key}");
    }
    assert_eq!(ours["device"], theirs["device"]);
    let timeline = daemon.get(&format!("sessions/{id}/timeline")).expect("the timeline");
    assert_eq!(ours["events"][0]["event"], timeline["events"][0]["event"]);
    bus.run(&["stop", "kitchen"]).succeeded();
}
