//! What is between the page and the TVs: one for all of them, and replaced when it dies.

use std::time::Instant;

use serde_json::json;

use crate::{
    cast::Cast,
    house::{House, turn},
    support::processes::{Process, own_memory},
};

/// Browsers and encoders of a house.
fn producers(house: &House) -> (usize, usize) {
    let family = house.stage.family();
    let is_browser = |process: &&Process| {
        process.command.contains("--remote-debugging-pipe") && !process.command.contains("--type=")
    };
    let is_encoder = |process: &&Process| process.command.contains("worker encoder");
    (family.iter().filter(is_browser).count(), family.iter().filter(is_encoder).count())
}

#[test]
fn two_tvs_with_one_page_share_browser_and_encoder() {
    let _turn = turn();
    let house = House::with(2);
    let first = house.start(0, json!({}));
    first.wait_confirmed();
    assert_eq!(producers(&house), (1, 1));
    let began = Instant::now();
    let second = house.start(1, json!({}));
    second.expect("confirmed", began, "the same page on a second TV");
    assert_eq!(producers(&house), (1, 1));
    assert_ne!(house.tvs[0].content(), house.tvs[1].content());
    let sessions = house.stage.get("sessions").json();
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(2), "{sessions:#}");

    let stop = json!({"session_id": first.id}).to_string();
    assert_eq!(house.stage.post("stop", &stop).status, 200);
    house.tvs[0].wait_commands(&["LAUNCH", "LOAD", "STOP"]);
    assert_eq!(producers(&house), (1, 1));
    second.session().check_running();
    second.wait_confirmed();
    house.stage.stop();
    house.tvs[1].wait_commands(&["LAUNCH", "LOAD", "STOP"]);
    house.tvs[1].check_sound();
    house.stage.check_bare();
}

#[test]
fn ten_tvs_are_little_for_the_daemon() {
    const TVS: usize = 10;
    let _turn = turn();
    let house = House::with(TVS);
    let casts: Vec<_> = (0..TVS).map(|tv| house.start(tv, json!({}))).collect();
    casts.iter().for_each(Cast::wait_confirmed);
    assert_eq!(producers(&house), (1, 1));
    let own = own_memory(house.stage.daemon.id());
    eprintln!("{TVS} TVs: the daemon has {own} kB for itself");
    assert!(own <= 30 * 1024, "{own} kB");
}

#[test]
fn other_wishes_for_a_page_are_another_stream() {
    let _turn = turn();
    let house = House::with(2);
    let first = house.start(0, json!({}));
    first.session().wait_live();
    let second = house.start(1, json!({"zoom": 2}));
    second.session().wait_live();
    assert_eq!(producers(&house), (2, 2));
}

#[test]
fn a_killed_encoder_and_a_killed_browser_are_named_and_the_tv_plays_on() {
    let _turn = turn();
    let house = House::with(1);
    let tv = &house.tvs[0];
    let cast = house.start(0, json!({}));
    cast.wait_confirmed();
    for (words, verdict) in [
        (&["worker encoder"][..], "broken(encoder)"),
        (&["--remote-debugging-pipe"][..], "broken(page)"),
    ] {
        let before = cast.times(verdict);
        let began = Instant::now();
        house.stage.process(words, &["--type="]).kill();
        cast.wait_times(verdict, before);
        eprintln!("a killed {words:?}: {verdict} after {:.1} s", began.elapsed().as_secs_f64());
        cast.wait_confirmed();
        eprintln!("a killed {words:?}: confirmed after {:.1} s", began.elapsed().as_secs_f64());
    }
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD"]);
    tv.check_sound();
}
