//! Every verb: what it asks of the service, what it prints, how it ends, and what it hints at.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use zbus::fdo;

use crate::{
    bus::{Bus, Ran, program},
    fake::{Facts, Fake, UUID},
    support::wait::wait_for,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn kitchen() -> Facts {
    Facts::live("1a2b3c4d", "http://dash.lan/1").on("Kitchen", "confirmed", "it plays")
}

fn two() -> [Facts; 2] {
    [kitchen(), Facts::live("1a9f0000", "http://dash.lan/2")]
}

#[test]
fn nobody_there_is_code_1_and_says_how_to_start_it() {
    let nowhere = "unix:path=/nowhere/bus";
    for verb in [&["status"][..], &["devices"], &["watch"], &["stop"], &["start", "http://x/"]] {
        let no_bus = Ran::of(program(nowhere).args(verb));
        no_bus.failed(1, &["connecting to the system bus", "dbus-run-session"]);
    }
    let bus = Bus::start();
    bus.run(&["status"]).failed(1, &["not running", "dashboard-cast daemon --session"]);
    let system = Ran::of(program(&bus.address).arg("health"));
    system.failed(1, &["not running", "systemctl start dashboard-cast"]);
    let devices = bus.run(&["devices"]);
    assert_eq!(devices.out, "");
}

#[test]
fn what_the_bus_does_not_allow_says_which_group_may() {
    let rule = r#"<deny send_destination="org.dashboardcast1" send_interface="org.dashboardcast1.Manager" send_member="StopCast"/>"#;
    let bus = Bus::with_policy(rule);
    let fake = Fake::start(&bus, &two());
    let refused = bus.run(&["stop", "1a2"]);
    refused.failed(1, &["you may not do that", "group dashboard-cast", "sudo"]);
    assert_eq!(fake.calls(), [""; 0]);
}

#[test]
fn the_bus_can_be_named_before_and_after_the_verb() {
    let bus = Bus::start();
    let _fake = Fake::start(&bus, &two());
    let before = Ran::of(program(&bus.address).args(["--session", "status"])).succeeded();
    let after = Ran::of(program(&bus.address).args(["status", "--session"])).succeeded();
    assert_eq!(before.out, after.out);
}

#[test]
fn status_lists_and_tells_all_of_one() {
    let bus = Bus::start();
    let _fake = Fake::start(&bus, &two());
    let expected = "\
SESSION   PAGE               STATE  TV       VERDICT
1a2b3c4d  http://dash.lan/1  live   Kitchen  confirmed
1a9f0000  http://dash.lan/2  live   -        -
";
    assert_eq!(bus.run(&["status"]).succeeded().out, expected);
    for name in ["1a2b3c4d", "1a2", "kitchen", UUID] {
        let one = bus.run(&["status", name]).succeeded().out;
        assert!(one.contains("Verdict  confirmed: it plays"), "{one}");
        assert!(one.contains("HLS      http://127.0.0.1:8000/h"), "{one}");
    }
    bus.run(&["status", "1a"]).failed(1, &["several sessions are \"1a\"", "1a9f0000", "Name one"]);
    bus.run(&["status", "no"]).failed(1, &["no session \"no\"", "1a2b3c4d  http://dash.lan/1 on"]);
}

#[test]
fn status_as_json_has_the_keys_of_http() {
    let bus = Bus::start();
    let _fake = Fake::start(&bus, &two());
    let status = bus.run(&["status", "--json"]).succeeded().json();
    assert_eq!(status["status"], "casting");
    assert_eq!(status["stream"]["session_id"], "1a9f0000");
    let first = json!({
        "session_id": "1a2b3c4d", "state": "live", "started_at": "2023-11-14T22:20:39.0414Z",
        "target": "default", "url": "http://dash.lan/1", "quality": "720p", "mode": "hls", "audio": "silent",
        "playlist_url": "http://127.0.0.1:8000/h",
        "media": {"hls": "http://127.0.0.1:8000/h", "fmp4": "http://127.0.0.1:8000/f"},
        "page": {"title": "Load", "http_status": 200, "problem": null, "reloads": 0},
        "video": {
            "encoder": "libx264", "size": {"width": 1280, "height": 720}, "frame_rate": 30,
            "bit_rate": 2_500_000, "sent": null, "segments": 12, "discontinuities": 0
        },
        "device": {"id": UUID, "name": "Kitchen"},
        "cast": {
            "state": {"name": "playing"}, "verdict": "confirmed", "why": "it plays", "since": null,
            "lag": null
        },
    });
    let mut session = status["sessions"][0].clone();
    session["started_at"] = first["started_at"].clone();
    assert_eq!(session, first);
    let one = bus.run(&["status", "Kitchen", "--json"]).succeeded().json();
    assert_eq!(one["session_id"], "1a2b3c4d");
    assert_eq!(one["playlist_url"], first["playlist_url"]);
    let event =
        json!({"at": "2023-11-14T22:13:20Z", "event": "playing", "detail": "it plays", "times": 2});
    assert_eq!(one["events"], json!([event]));
    let idle = Bus::start();
    let _fake = Fake::start(&idle, &[]);
    let nothing = idle.run(&["status"]).succeeded();
    assert_eq!((nothing.out.as_str(), nothing.words.as_str()), ("", "Nothing is running.\n"));
}

#[test]
fn start_sends_what_was_given_and_prints_the_id() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[]);
    fake.will_start(kitchen());
    let started = bus.run(&["start", "http://dash.lan/1"]).succeeded();
    assert_eq!(started.out, "1a2b3c4d\n");
    assert!(started.words.contains("Showing http://dash.lan/1 on Kitchen."), "{started:?}");
    assert_eq!(fake.calls(), ["StartCast http://dash.lan/1 "]);
    bus.run(&["stop"]).succeeded();
    fake.calls();

    fake.will_start(kitchen());
    let all = "start http://x/ --device Kitchen --quality 720p --duration 1h --mode fmp4 --audio \
               none --target wall --zoom 1.5 --scale 2 --frame-rate 25 --on-busy preempt \
               --resume-after 90s --volume 0.5 --json";
    let started = bus.run(&all.split_whitespace().collect::<Vec<_>>()).succeeded().json();
    assert_eq!(started["status"], "success");
    assert_eq!(started["session_id"], "1a2b3c4d");
    let calls = fake.calls();
    let expected = "StartCast http://x/ audio=\"none\" device=\"Kitchen\" duration=3600. \
                    frame-rate=uint32 25 mode=\"fmp4\" on-busy=\"preempt\" quality=\"720p\" \
                    resume-after=90. scale=2. target=\"wall\" volume=0.5 zoom=1.5";
    assert_eq!(calls, [expected]);
}

#[test]
fn secrets_come_from_a_file_or_stdin_and_are_never_said() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[]);
    fake.will_start(kitchen());
    let mut child = bus
        .command(&["start", "http://x/", "--auth", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("running the program");
    let secret = br#"{"headers": {"X-Key": "hunter2"}, "localStorage": {"token": "hunter3"}}"#;
    child.stdin.take().unwrap().write_all(secret).expect("telling the secrets");
    assert!(child.wait().unwrap().success());
    let call = fake.calls().remove(0);
    assert!(call.contains("\"headers\": <{\"X-Key\": <\"hunter2\">}>"), "{call}");
    assert!(call.contains("\"local-storage\": <{\"token\": <\"hunter3\">}>"), "{call}");

    let file = bus.directory.path().join("auth.json");
    fs::write(&file, "{\"headers\":\n {\"hunter2\": 5}}").expect("writing secrets");
    let refused = bus.run(&["start", "http://x/", "--auth", file.to_str().unwrap()]);
    let refused = refused.failed(1, &["line 2 column", "JSON object such as"]);
    assert!(!refused.words.contains("hunter2"), "{refused:?}");
    bus.run(&["start", "http://x/", "--auth", "/nowhere"]).failed(1, &["/nowhere"]);
    assert_eq!(fake.calls(), [""; 0]);
}

#[test]
fn a_refused_start_says_why_and_what_to_do_in_the_services_words() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[]);
    let message = "there is no TV \"Hall\"; known are \"Kitchen\"\x1b[2J\nName one of them.";
    fake.will_refuse(fdo::Error::InvalidArgs(message.to_owned()));
    let refused = bus.run(&["start", "http://x/", "--device", "Hall"]).failed(1, &[]);
    let expected = "dashboard-cast: there is no TV \"Hall\"; known are \"Kitchen\"[2J\n\
                    Name one of them.\n";
    assert_eq!(refused.words, expected);
    fake.will_refuse(fdo::Error::Failed("oops".to_owned()));
    bus.run(&["start", "http://x/"]).failed(70, &["oops", "journalctl"]);
}

#[test]
fn waiting_ends_when_the_tv_shows_it_and_says_nothing_when_nobody_looks_on() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[]);
    let opening = Facts { state: "starting", ..kitchen() }.on("Kitchen", "unknown", "on its way");
    fake.will_start(opening);
    let mut child = bus
        .command(&["start", "http://dash.lan/1", "--wait"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("running the program");
    let mut id = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut id).expect("its result, before it waits");
    assert_eq!((id.as_str(), child.try_wait().unwrap()), ("1a2b3c4d\n", None));
    fake.change(kitchen());
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success());
    let words = String::from_utf8(ended.stderr).unwrap();
    let said = "Showing http://dash.lan/1 on Kitchen.\nWatch it at http://127.0.0.1:8000/h\n";
    assert_eq!(words, said);
}

#[test]
fn waiting_fails_when_people_have_the_tv_and_ctrl_c_ends_the_waiting_only() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[]);
    fake.will_start(kitchen().on("Kitchen", "taken-over", "Netflix is on"));
    let failed = bus.run(&["start", "http://x/", "--wait"]);
    let failed = failed.failed(1, &["not on the TV: Netflix is on", "stop 1a2b3c4d"]);
    assert_eq!(failed.out, "1a2b3c4d\n", "it goes on, so its id is told");
    bus.run(&["stop"]).succeeded();
    fake.calls();

    fake.will_start(kitchen().on("Kitchen", "unknown", "on its way"));
    let mut child = bus
        .command(&["start", "http://x/", "--wait", "--json"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("running the program");
    let mut answer = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    while answer.lines().last() != Some("}") {
        out.read_line(&mut answer).expect("its result, before it waits");
    }
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["session_id"], "1a2b3c4d");
    kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let words = String::from_utf8(ended.stderr).unwrap();
    let last = words.lines().last();
    assert_eq!(last, Some("The session goes on: dashboard-cast status 1a2b3c4d"));
    assert_eq!(fake.calls().len(), 1, "nothing but the start");
}

#[test]
fn stop_ends_what_is_meant_and_asks_when_it_is_not_clear() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &two());
    bus.run(&["stop"]).failed(1, &["several sessions are running", "1a9f0000  http://dash.lan/2"]);
    bus.run(&["stop", "Kitchen", "no"]).failed(1, &["no session \"no\""]);
    assert_eq!(fake.calls(), [""; 0], "all or none");
    let stopped = bus.run(&["stop", "kitchen", "1a2b"]).succeeded();
    assert_eq!(stopped.words, "Stopped 1a2b3c4d, http://dash.lan/1 on Kitchen.\n");
    assert_eq!(fake.calls(), ["StopCast /org/dashboardcast1/session/1a2b3c4d"]);
    let stopped = bus.run(&["stop", "--json"]).succeeded().json();
    let message = "Stopped 1a9f0000, http://dash.lan/2.";
    assert_eq!(stopped, json!({"status": "success", "message": message}));
    for arguments in [&["stop"][..], &["stop", "--all"]] {
        let nothing = bus.run(arguments).succeeded();
        assert_eq!(nothing.words, "Nothing was running.\n");
    }
    drop(fake);
    let fake = Fake::start(&bus, &[kitchen(), two()[1].clone().named("wall")]);
    let stopped = bus.run(&["stop", "Wall"]).succeeded();
    assert_eq!(stopped.words, "Stopped 1a9f0000, http://dash.lan/2.\n", "by its target");
    drop(fake);
    let _fake = Fake::start(&bus, &two());
    let all = bus.run(&["stop", "--all"]).succeeded();
    assert_eq!((all.out.as_str(), all.words.as_str()), ("", "Stopped 2 sessions.\n"));
    bus.run(&["stop", "1a"]).failed(1, &["no session is running", "dashboard-cast start URL"]);
}

#[test]
fn pages_pictures_and_configuration_are_passed_on() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[kitchen()]);
    bus.run(&["navigate", "http://dash.lan/9"]).succeeded();
    bus.run(&["navigate", "Kitchen", "http://dash.lan/8"]).succeeded();
    let done = bus.run(&["reload-page", "--json"]).succeeded().json();
    assert_eq!(done["status"], "success");
    let expected = [
        "Navigate 1a2b3c4d http://dash.lan/9",
        "Navigate 1a2b3c4d http://dash.lan/8",
        "Reload 1a2b3c4d",
    ];
    assert_eq!(fake.calls(), expected);

    let file = bus.directory.path().join("picture.png");
    let file = file.to_str().unwrap();
    let saved = bus.run(&["snapshot", "-o", file, "--json"]).succeeded().json();
    let expected = json!({"status": "success", "session_id": "1a2b3c4d", "file": file});
    assert_eq!(saved, expected);
    assert_eq!(fs::read(file).unwrap(), b"\x89PNG\r\n");
    let piped = bus.command(&["snapshot", "Kitchen", "-o", "-"]).output().unwrap();
    assert_eq!(piped.stdout, b"\x89PNG\r\n");
    bus.run(&["snapshot", "-o", "/nowhere/x.png"]).failed(1, &["writing /nowhere/x.png"]);
    bus.run(&["snapshot", "-o", "-", "--json"]).failed(1, &["both a PNG and JSON", "--output"]);

    let changes = bus.run(&["reload"]).succeeded().out;
    assert_eq!(changes, "sessions.most is 8 now.\nhttp.listen: after a restart.\n");
    let changes = bus.run(&["reload", "--json"]).succeeded().json();
    assert_eq!(changes["changes"][0], "sessions.most is 8 now.");
}

#[test]
fn health_is_code_1_unless_all_is_well() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[]);
    let degraded = bus.run(&["health"]).failed(1, &[]);
    let first = "status                 degraded\nproblems\n  TV Hall: it is off\n";
    assert!(degraded.out.starts_with(first), "{degraded:?}");
    let expected = json!({
        "status": "degraded", "active_streams": 1, "problems": ["TV Hall: it is off"],
        "hardware_acceleration": {"encoder": "libx264"}
    });
    assert_eq!(bus.run(&["health", "--json"]).failed(1, &[]).json(), expected);
    drop(fake);
    let _fake = Fake::start_as(&bus, &[], "healthy");
    bus.run(&["health"]).succeeded();
}

#[test]
fn devices_are_what_the_service_knows() {
    let bus = Bus::start();
    let _fake = Fake::start(&bus, &[kitchen()]);
    let expected = format!(
        "NAME               MODEL           ADDRESS       UUID\n\
         Kitchen (default)  Chromecast[31m  192.168.1.20  {UUID}\n"
    );
    assert_eq!(bus.run(&["devices"]).succeeded().out, expected);
    let devices = bus.run(&["devices", "--json"]).succeeded().json();
    let device = json!({
        "id": UUID, "uuid": UUID, "name": "Kitchen", "model": "Chromecast[31m",
        "addresses": ["192.168.1.20"], "port": 8009, "found": "announced", "last_seen": null,
        "status": null, "power": null, "problem": null, "default": true,
        "session_id": "1a2b3c4d"
    });
    assert_eq!(devices, json!({"devices": [device]}));
}

#[test]
fn watch_in_a_pipe_is_a_line_for_each_change() {
    let bus = Bus::start();
    let mut fake = Fake::start(&bus, &[kitchen()]);
    let mut child = bus
        .command(&["watch", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("running the program");
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let mut next = || lines.next().expect("a line");
    assert_eq!(next()["cast"]["verdict"], "confirmed");
    fake.change(kitchen().on("Kitchen", "broken", "it stands still"));
    assert_eq!(next()["cast"]["why"], "it stands still");
    fake.add(Facts::live("1a9f0000", "http://dash.lan/2"));
    assert_eq!(next()["session_id"], "1a9f0000");
    // A service that restarts is waited for.
    drop(fake);
    let gone = [next(), next()].map(|line| line["state"].clone());
    assert_eq!(gone, ["ended", "ended"]);
    fake = Fake::start(&bus, &[kitchen()]);
    assert_eq!(next()["session_id"], "1a2b3c4d");
    kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
    let status = wait_for("end", PATIENCE, || child.try_wait().unwrap());
    assert!(status.success());
    drop(fake);
}

#[test]
fn who_reads_no_more_is_not_an_error_to_talk_about() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[kitchen()]);
    let mut child = bus
        .command(&["watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("running the program");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).expect("a line");
    fake.change(kitchen().on("Kitchen", "broken", "it stands still"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr, b"");
}

#[test]
fn a_configuration_is_checked_and_shown_without_a_service() {
    let directory = tempfile::tempdir().expect("making a directory");
    let file = directory.path().join("test.toml");
    let file = file.to_str().unwrap();
    let config = |what, more: &[&str]| {
        let mut command = program("unix:path=/nowhere/bus");
        Ran::of(command.args(["config", what, "--config", file]).args(more))
    };
    fs::write(file, "[sessions]\nmost = 7\nmust = 1\n").expect("writing a configuration");
    let checked = config("check", &[]).succeeded();
    assert!(checked.out.ends_with("The configuration can be used.\n"), "{checked:?}");
    let checked = config("check", &["--json"]).succeeded().json();
    assert_eq!((&checked["usable"], &checked["files"]), (&json!(true), &json!([file])));
    assert_eq!(checked["warnings"].as_array().map(Vec::len), Some(1), "{checked}");
    assert_eq!(checked["problems"], json!([]));
    assert!(config("show", &[]).succeeded().out.contains("most = 7 # from "));
    let shown = config("show", &["--json"]).succeeded().json();
    let most = json!({"value": 7, "from": format!("{file}:2")});
    assert_eq!(shown["sessions"]["most"], most);
    assert_eq!(shown["http"]["listen"], json!({"value": "127.0.0.1:8000", "from": null}));

    fs::write(file, "[sessions]\nmost = 0\n").expect("writing a configuration");
    let place = format!("{file}:2:8");
    assert!(config("check", &[]).failed(78, &[]).out.contains(&place));
    let checked = config("check", &["--json"]).failed(78, &[]).json();
    assert_eq!(checked["usable"], false);
    assert!(checked["problems"][0].as_str().unwrap().starts_with(&place), "{checked}");
    assert!(config("show", &[]).failed(78, &[]).out.contains(&place));
    config("show", &["--json"]).failed(78, &[&place, "config check"]);
}
