//! `dashboard-cast doctor` on the machine that runs the tests, whatever is the matter with that.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{bus::Bus, real::daemon};

/// Whether the report is as the schema describes it, by a validator that is not ours.
#[track_caller]
fn check(report: &str) {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctor/report.schema.json");
    let program = "import json, jsonschema, sys; \
                   jsonschema.validate(json.load(sys.stdin), json.load(open(sys.argv[1])))";
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", program, schema])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("running python3");
    python.stdin.take().unwrap().write_all(report.as_bytes()).expect("writing to python3");
    let output = python.wait_with_output().expect("waiting for python3");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "is python3-jsonschema installed? {words}\n{report}");
}

#[test]
fn a_report_is_as_the_schema_says_and_ends_as_its_verdict_says() {
    let ran = Bus::start().run(&["doctor", "--quick", "--json"]);
    check(&ran.out);
    let code = ran.code;
    let report = ran.json();
    let causes = report["causes"].as_array().unwrap();
    let verdict = report["verdict"].as_str().unwrap();
    assert_eq!(code, Some(i32::from(verdict == "fail")), "{report}");
    assert_eq!(causes.is_empty(), matches!(verdict, "pass" | "skipped"), "{report}");
    // Nothing is on this bus.
    let service =
        report["checks"].as_array().unwrap().iter().find(|check| check["id"] == "service");
    assert_ne!(service.unwrap()["verdict"], "pass");
}

#[test]
fn one_check_can_be_asked_for_and_only_one_that_there_is() {
    let bus = Bus::start();
    let report = bus.run(&["doctor", "--quick", "--json", "--check", "environment"]).json();
    let ids: Vec<&Value> =
        report["checks"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, ["environment"]);
    bus.run(&["doctor", "--check", "weather"]).failed(2, &["environment", "render-node"]);
}

#[test]
fn a_bundle_is_for_its_owner_and_overwrites_nothing() {
    let bus = Bus::start();
    let file = bus.directory.path().join("bundle.txt");
    let path = file.to_str().unwrap();
    let ran = bus.run(&["doctor", "--quick", "--bundle", path]);
    assert!(ran.words.contains("Read it before"), "{ran:?}");
    let text = fs::read_to_string(&file).unwrap();
    for part in [
        "==== doctor ====",
        "==== doctor --json ====",
        "==== config show ====",
        "==== ls -l /dev/dri",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    bus.run(&["doctor", "--quick", "--bundle", path]).failed(1, &["exists"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn the_service_has_itself_examined_for_whoever_asks() {
    let bus = Bus::start();
    let daemon = daemon(&bus);
    let report = daemon.get("doctor").expect("GET /doctor");
    check(&report.to_string());
    let checks = report["checks"].as_array().unwrap();
    let service = checks.iter().find(|check| check["id"] == "service").unwrap();
    assert_ne!(service["says"], Value::Null, "it asked the service that had asked it");
    let busctl = "busctl --user --json=short call org.dashboardcast1 /org/dashboardcast1 \
                  org.dashboardcast1.Health Diagnose";
    let mut command = Command::new("sh");
    command.args(["-c", busctl]).env("DBUS_SESSION_BUS_ADDRESS", &bus.address);
    let output = command.output().expect("running busctl");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("the answer of busctl");
    assert_eq!(answer["data"][0]["version"]["data"], report["version"]);
}
