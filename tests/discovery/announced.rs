//! TVs that announce themselves.

use std::{sync::Arc, time::Duration};

use dashboard_cast::{
    cast::{Devices, Discovery},
    config,
    ids::DeviceId,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    network::{House, OTHER_TV_ADDRESS, TV_ADDRESS},
    program::{PATIENCE, Program, look, look_json},
    tv::{Announcer, TV, TV_ID, Words},
};

#[test]
fn a_tv_is_found_followed_and_dropped_and_what_is_no_tv_is_not_listed() {
    let house = House::connected();
    let program = Program::start(&house.ours, "[devices]\ndefault = \"Living room\"\n");
    assert_eq!(program.devices(), [json!(null); 0]);

    let speaker = Words {
        id: "11111111111111111111111111111111",
        name: "Speaker",
        model: "Google Home",
        capabilities: "2052",
        ..TV
    };
    let group = Words {
        id: "22222222222222222222222222222222",
        name: "Everywhere",
        model: "Google Cast Group",
        capabilities: "2085",
        port: 32187,
        ..TV
    };
    let others = [speaker, group].map(|words| Announcer::start(&house.tvs, &words));
    // Announced last, so that the others have been heard when it is.
    let tv = Announcer::start(&house.tvs, &TV);
    program.wait_for_names(&["Living room"]);
    let mut device = program.devices().remove(0);
    let seen = device["last_seen"].take();
    seen.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(
        device,
        json!({
            "id": TV_ID,
            "uuid": TV_ID,
            "name": "Living room",
            "model": "Chromecast Ultra",
            "addresses": [TV_ADDRESS],
            "port": 8009,
            "found": "announced",
            "last_seen": null,
            "status": null,
            "power": null,
            "problem": null,
            "default": true,
        })
    );

    tv.say(&Words { name: "Bedroom", status: "Casting: News", ..TV });
    let device = program.wait_for("new name", |devices| {
        devices.iter().find(|device| device["name"] == "Bedroom").cloned()
    });
    assert_eq!((&device["status"], &device["default"]), (&json!("Casting: News"), &json!(false)));
    assert_eq!(device["uuid"], TV_ID);

    // The command looks by itself, beside the daemon, which has the port too.
    let found = look_json(&house.ours);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["uuid"], &found[0]["name"]), (&json!(TV_ID), &json!("Bedroom")));
    let table = String::from_utf8(look(&house.ours, &[]).stdout).unwrap();
    let line = table.lines().nth(1).unwrap_or_default();
    let words: Vec<&str> = line.split("  ").map(str::trim).collect();
    assert_eq!(words, ["Bedroom", "Chromecast Ultra", TV_ADDRESS, TV_ID], "{table}");

    // The command has taken seconds: an address that was announced within the last one would be
    // left beside the new one (RFC 6762, section 10.2).
    tv.say(&Words { name: "Bedroom", address: Some(OTHER_TV_ADDRESS), ..TV });
    program.wait_for("new address alone", |devices| {
        (devices[0]["addresses"] == json!([OTHER_TV_ADDRESS])).then_some(())
    });
    assert_eq!(program.devices()[0]["uuid"], TV_ID);

    tv.leave();
    program.wait_for_names(&[]);
    for other in others {
        other.leave();
    }

    let mut program = program;
    let ended = program.daemon.end(Signal::TERM);
    assert!(ended.success(), "{ended}");
    let log = program.daemon.log();
    for words in ["searching for TVs", "found a TV", "new name or address", "a TV is gone"] {
        assert!(log.contains(words), "{words} is not in the log:\n{log}");
    }
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[test]
fn a_tv_that_vanished_is_dropped_when_doubted_and_its_return_is_told() {
    let house = House::connected();
    let _tv = Announcer::start(&house.tvs, &Words { address: None, ..TV });
    let id = DeviceId::new(TV_ID);
    let settings = config::Devices::default();
    house.ours.within(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let devices = Arc::new(Devices::new(&settings));
            let mut signs = devices.watch(&id);
            let discovery = Discovery::start(&devices);
            timeout(PATIENCE, signs.announcement()).await.expect("an announcement");
            assert_eq!(devices.get(&id).unwrap().name, "Living room");

            // It answers when it is doubted without reason, which takes no longer than 10 s.
            devices.doubt(&id);
            sleep(Duration::from_secs(12)).await;
            assert!(devices.get(&id).is_some(), "it was there");

            house.silence_tvs();
            devices.doubt(&id);
            let gone = async {
                // Nobody tells of those who go.
                while devices.get(&id).is_some() {
                    sleep(Duration::from_millis(100)).await;
                }
            };
            timeout(Duration::from_secs(20), gone).await.expect("it to be dropped");

            let mut signs = devices.watch(&id);
            house.let_tvs_speak();
            timeout(PATIENCE, signs.announcement()).await.expect("its return");
            assert!(devices.get(&id).is_some());
            discovery.stop().await;
        });
    });
}

#[test]
fn the_search_ends_and_begins_again_with_the_configuration() {
    let house = House::connected();
    let _tv = Announcer::start(&house.tvs, &Words { address: None, ..TV });
    let id = DeviceId::new(TV_ID);
    let on = config::Devices::default();
    let off = config::Devices { discover: false, ..on.clone() };
    house.ours.within(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let devices = Arc::new(Devices::new(&off));
            let mut signs = devices.watch(&id);
            let discovery = Discovery::start(&devices);
            for _ in 0..2 {
                devices.configure(&on);
                timeout(PATIENCE, signs.announcement()).await.expect("an announcement");
                let mut changes = devices.changes();
                devices.configure(&off);
                let gone = async {
                    while devices.get(&id).is_some() {
                        changes.changed().await.unwrap();
                    }
                };
                timeout(PATIENCE, gone).await.expect("nothing to be listed that is not looked for");
            }
            discovery.stop().await;
        });
    });
}

#[test]
fn two_tvs_of_one_name_are_two() {
    let house = House::connected();
    let program = Program::start(&house.ours, "");
    let twin =
        Words { id: "33333333333333333333333333333333", address: Some(OTHER_TV_ADDRESS), ..TV };
    let _twins = [TV, twin].map(|words| Announcer::start(&house.tvs, &words));
    program.wait_for_names(&["Living room", "Living room"]);
    let addresses: Vec<Value> =
        program.devices().iter().map(|device| device["addresses"][0].clone()).collect();
    assert_eq!(addresses, [TV_ADDRESS, OTHER_TV_ADDRESS]);
}
