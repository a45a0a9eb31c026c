//! TVs of the configuration.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::{
    network::{House, OTHER_TV_ADDRESS, TV_ADDRESS},
    program::{Program, look},
    tv::{Announcer, TV, TV_ID},
};

#[track_caller]
fn named<'a>(devices: &'a [Value], name: &str) -> &'a Value {
    devices
        .iter()
        .find(|device| device["name"] == name)
        .unwrap_or_else(|| panic!("{name} is not in {devices:?}"))
}

#[test]
fn configured_tvs_are_listed_with_why_they_cannot_be_reached_and_are_one_with_what_is_announced() {
    let house = House::connected();
    let listener = (OTHER_TV_ADDRESS, 8010);
    let _listener = house.tvs.within(|| TcpListener::bind(listener).expect("listening"));
    let config = format!(
        "[devices]\nstatic = [\"kitchen={TV_ADDRESS}\", \"hall={OTHER_TV_ADDRESS}:8010\", \
         \"attic=10.77.0.99\", \"loft=nowhere.invalid\"]\ndefault = \"kitchen\"\n"
    );
    let program = Program::start(&house.ours, &config);
    let devices = program.devices();
    let names: Vec<&Value> = devices.iter().map(|device| &device["name"]).collect();
    assert_eq!(names, ["attic", "hall", "kitchen", "loft"], "from the first moment on");

    let devices = program.wait_for("problem with each TV that is not there", |devices| {
        let tried = |device: &Value| !device["problem"].is_null() || !device["last_seen"].is_null();
        devices.iter().all(tried).then(|| devices.to_vec())
    });
    for (name, problem) in [
        ("kitchen", "connecting to 10.77.0.2:8009: Connection refused"),
        ("attic", "connecting to 10.77.0.99:8009: "),
        ("loft", "looking up nowhere.invalid: "),
    ] {
        let device = named(&devices, name);
        let said = device["problem"].as_str().unwrap_or_default();
        assert!(said.starts_with(problem), "{device}");
        assert_eq!((&device["uuid"], &device["found"]), (&json!(null), &json!("configured")));
    }
    let hall = named(&devices, "hall");
    assert_eq!(hall["problem"], json!(null), "{hall}");
    assert_eq!(hall["id"], "10.77.0.3:8010");
    assert_eq!(named(&devices, "loft")["addresses"], json!([]));
    assert_eq!(named(&devices, "kitchen")["default"], true);

    let tv = Announcer::start(&house.tvs, &TV);
    let kitchen = program.wait_for("kitchen that announces itself", |devices| {
        assert_eq!(devices.len(), 4, "{devices:?}");
        let kitchen = named(devices, "kitchen");
        (kitchen["found"] == "both").then(|| kitchen.clone())
    });
    assert_eq!((&kitchen["uuid"], &kitchen["id"]), (&json!(TV_ID), &json!(TV_ID)));
    assert_eq!((&kitchen["problem"], &kitchen["default"]), (&json!(null), &json!(true)));
    assert_eq!(kitchen["model"], "Chromecast Ultra");

    tv.leave();
    program.wait_for("kitchen on its own again", |devices| {
        assert_eq!(devices.len(), 4, "{devices:?}");
        let kitchen = named(devices, "kitchen");
        (kitchen["found"] == "configured" && kitchen["id"] == "10.77.0.2:8009").then_some(())
    });
}

#[test]
fn with_discovery_switched_off_only_configured_tvs_are_listed_and_the_command_looks_nevertheless() {
    let house = House::connected();
    let _tv = Announcer::start(&house.tvs, &TV);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.toml");
    let config = "[devices]\ndiscover = false\nstatic = [\"attic=10.77.0.99\"]\n";
    std::fs::write(&file, config).unwrap();
    let program = Program::start(&house.ours, config);
    let output = look(&house.ours, &["--config", file.to_str().unwrap()]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("attic") && table.contains(TV_ID), "{table}");
    // By now a daemon that listens would have heard it too.
    program.wait_for_names(&["attic"]);
    assert!(!program.daemon.log().contains("searching"), "{}", program.daemon.log());
}
