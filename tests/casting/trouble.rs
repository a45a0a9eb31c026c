//! What happens to TVs, to their players and to the network, and that the page comes back.

use std::time::Instant;

use serde_json::json;

use crate::{
    house::{Guest, PATIENCE},
    scripted::wire::PLAYER,
    support::wait::wait_for,
};

#[test]
fn a_cut_connection_is_made_again_and_nothing_is_told() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    let connected = cast.count("connected");
    let began = Instant::now();
    tv.cut();
    wait_for("another connection", PATIENCE, || {
        (cast.count("connected") > connected).then_some(())
    });
    cast.expect("confirmed", began, "a cut connection");
    tv.check_left_alone();
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD"]);
    tv.check_sound();
}

#[test]
fn a_tv_without_power_is_awaited_and_plays_when_it_is_back() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    let began = Instant::now();
    tv.power_off();
    cast.expect("broken(tv)", began, "a pulled plug");
    cast.wait_state("connecting");
    tv.power_on(tv.address());
    cast.wait_confirmed();
    eprintln!("a pulled plug: confirmed again after {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD", "LAUNCH", "LOAD"]);
}

#[test]
fn a_tv_that_reboots_plays_again() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    let began = Instant::now();
    tv.reboot();
    tv.wait_commands(&["LAUNCH", "LOAD", "LAUNCH", "LOAD"]);
    cast.wait_confirmed();
    eprintln!("a reboot: confirmed again after {:.1} s", began.elapsed().as_secs_f64());
}

#[test]
fn a_player_that_is_gone_without_a_word_is_started_again() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    let began = Instant::now();
    tv.press_home();
    cast.expect("broken(player)", began, "a player that is gone");
    tv.wait_commands(&["LAUNCH", "LOAD", "LAUNCH", "LOAD"]);
    cast.wait_confirmed();
}

#[test]
fn a_player_that_fails_is_told_again() {
    let guest = Guest::new();
    let tv = guest.tv();
    tv.set_faults(|faults| faults.loads_first = true);
    let cast = guest.confirmed(json!({}));
    let began = Instant::now();
    tv.player_error(315);
    wait_for("a new LOAD", PATIENCE, || (tv.calls_of("LOAD").len() == 2).then_some(()));
    cast.wait_confirmed();
    eprintln!("a player's error: confirmed again after {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(cast.times("broken(player)"), 1, "{:#?}", cast.timeline());
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD", "LOAD"]);
    // A player that does not say yet what it loads loads what it was told.
    assert_eq!(cast.times("taken-over"), 0, "{:#?}", cast.timeline());
}

#[test]
fn a_tv_that_stops_fetching_is_found_out() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    let began = Instant::now();
    tv.viewer.pause();
    cast.expect("broken(network)", began, "a TV that stops fetching");
    let health = guest.stage().get("health").json();
    assert_eq!(health["status"], "degraded", "{health:#}");
    let problems = health["problems"].as_array().expect("problems");
    let named = |problem: &serde_json::Value| {
        problem.as_str().is_some_and(|said| said.contains(&guest.name()))
    };
    assert!(problems.iter().any(named), "{health:#}");
    let began = Instant::now();
    tv.viewer.go_on();
    cast.expect("confirmed", began, "a TV that fetches again");
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD"]);
}

#[test]
fn a_player_that_hangs_is_told_again() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    tv.viewer.pause();
    tv.wait_commands(&["LAUNCH", "LOAD", "LOAD"]);
    tv.viewer.go_on();
    cast.wait_confirmed();
    assert_eq!(cast.count("player-hangs"), 1);
    assert_eq!(tv.state().app.map(|app| app.id).as_deref(), Some(PLAYER));
}

#[test]
fn what_a_player_does_not_take_is_told_another_way_and_remembered() {
    let guest = Guest::new();
    let tv = guest.tv();
    tv.set_faults(|faults| faults.fails_when_format_is_stated = true);
    let cast = guest.start(json!({}));
    cast.wait_confirmed();
    let stated = || -> Vec<bool> {
        let loads = tv.calls_of("LOAD");
        loads.iter().map(|call| call.body["media"].get("hlsSegmentFormat").is_some()).collect()
    };
    assert_eq!(stated(), [true, false]);
    let again = guest.start(json!({}));
    again.wait_confirmed();
    assert_eq!(stated(), [true, false, false]);
}
