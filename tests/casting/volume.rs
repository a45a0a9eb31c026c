//! The loudness of a TV is borrowed at most.

use rustix::process::Signal;
use serde_json::json;

use crate::{
    house::{Guest, House, PATIENCE, turn},
    support::wait::wait_for,
    tv::Tv,
};

#[track_caller]
fn wait_volume(tv: &Tv, volume: f64) {
    wait_for(&format!("volume {volume}"), PATIENCE, || {
        ((tv.state().volume - volume).abs() < 0.001).then_some(())
    });
}

#[test]
fn the_volume_is_borrowed_and_given_back() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({"volume": 0.2}));
    wait_volume(tv, 0.2);
    guest.stop(&cast);
    wait_volume(tv, 0.5);
    assert_eq!(tv.calls_of("SET_VOLUME").len(), 2);
    assert!(tv.calls_of("SET_VOLUME").iter().all(|call| call.body["volume"]["muted"].is_null()));
}

#[test]
fn who_takes_the_screen_gets_the_volume_back() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({"volume": 0.2}));
    wait_volume(tv, 0.2);
    tv.open_app("Films");
    wait_volume(tv, 0.5);
    cast.wait_state("yielded");
}

#[test]
fn what_a_person_made_of_the_volume_stays() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({"volume": 0.2}));
    wait_volume(tv, 0.2);
    tv.set_volume(0.75, false);
    tv.wait_heard();
    guest.stop(&cast);
    tv.wait_commands(&["LAUNCH", "LOAD", "SET_VOLUME", "STOP"]);
    assert_eq!(tv.state().volume, 0.75);
}

#[test]
fn a_muted_tv_stays_muted() {
    let guest = Guest::new();
    let tv = guest.tv();
    tv.set_volume(0.5, true);
    let cast = guest.confirmed(json!({"volume": 0.2}));
    guest.stop(&cast);
    tv.wait_commands(&["LAUNCH", "LOAD", "STOP"]);
    assert!(tv.state().muted);
}

#[test]
fn the_volume_is_given_back_even_after_a_crash() {
    let _turn = turn();
    let mut house = House::with(1);
    let cast = house.start(0, json!({"volume": 0.2}));
    cast.wait_confirmed();
    wait_volume(&house.tvs[0], 0.2);
    let id = cast.id;
    house.stage.daemon.end(Signal::KILL);
    let house = house.again();
    let cast = house.cast(&id);
    cast.wait_confirmed();
    assert_eq!(house.tvs[0].calls_of("SET_VOLUME").len(), 1);
    house.stage.stop();
    wait_volume(&house.tvs[0], 0.5);
    house.tvs[0].wait_commands(&["LAUNCH", "LOAD", "SET_VOLUME", "SET_VOLUME", "STOP"]);
}
