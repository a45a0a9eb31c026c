//! What people at the TV do, and that they have the last word.

use std::time::Instant;

use serde_json::json;

use crate::{
    cast::Cast,
    house::{Guest, House, config, turn},
    scripted::wire::PLAYER,
};

#[test]
fn a_screen_in_use_is_left_alone_until_it_is_idle() {
    let guest = Guest::new();
    let tv = guest.tv();
    tv.open_app("Films");
    let began = Instant::now();
    let cast = guest.start(json!({}));
    cast.expect("taken-over", began, "a start on a screen in use");
    assert_eq!(cast.wait_state("yielded"), "Films");
    tv.check_left_alone();
    assert_eq!(tv.commands(), [""; 0]);
    tv.press_home();
    cast.wait_confirmed();
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD"]);
}

#[test]
fn a_screen_in_use_is_taken_when_the_start_says_so() {
    let guest = Guest::new();
    guest.tv().open_app("Films");
    let began = Instant::now();
    let cast = guest.start(json!({"on_busy": "preempt"}));
    cast.expect("confirmed", began, "a start that takes the screen");
    assert_eq!(guest.tv().commands(), ["LAUNCH", "LOAD"]);
}

#[test]
fn who_is_to_return_comes_back_when_the_screen_is_idle() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({"on_busy": "preempt-and-return", "resume_after": 1}));
    tv.open_app("Films");
    cast.wait_state("yielded");
    tv.check_left_alone();
    tv.press_home();
    let began = Instant::now();
    cast.expect("confirmed", began, "an idle screen again");
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD", "LAUNCH", "LOAD"]);
}

#[test]
fn who_presses_stop_is_obeyed() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    let began = Instant::now();
    tv.press_stop();
    cast.expect("taken-over", began, "a person who presses stop");
    assert_eq!(cast.state(), "stood-down");
    assert_eq!(cast.count("stopped-by-person"), 1);
    tv.check_left_alone();
    assert_eq!(cast.state(), "stood-down");
    // Another start is another wish.
    let again = guest.start(json!({}));
    again.wait_confirmed();
}

#[test]
fn who_starts_another_app_keeps_the_screen() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    let began = Instant::now();
    tv.open_app("Films");
    cast.expect("taken-over", began, "a person who starts another app");
    assert_eq!(cast.wait_state("yielded"), "Films");
    tv.check_left_alone();
    // Not even the end of the session ends it.
    guest.stop(&cast);
    tv.check_left_alone();
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD"]);
    assert_eq!(tv.state().app.map(|app| app.name).as_deref(), Some("Films"));
}

#[test]
fn who_plays_something_else_in_our_player_keeps_it() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    let began = Instant::now();
    tv.load_other("http://192.0.2.9/film.mp4");
    cast.expect("taken-over", began, "another sender's film in our player");
    tv.check_left_alone();
    guest.stop(&cast);
    tv.check_left_alone();
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD"]);
    assert_eq!(tv.state().app.map(|app| app.id).as_deref(), Some(PLAYER));
}

#[test]
fn a_pause_is_left_alone_and_its_end_is_now() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    let began = Instant::now();
    tv.press_pause();
    cast.expect("taken-over", began, "a pause");
    assert_eq!(cast.state(), "paused");
    tv.check_left_alone();
    tv.press_play();
    cast.wait_confirmed();
    // What was on the page when it was paused is of no interest any more.
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD", "LOAD"]);
}

#[test]
fn a_tv_that_is_switched_off_stays_off() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    assert_eq!(cast.tv()["power"], "on");
    let began = Instant::now();
    tv.switch_to_standby();
    cast.expect("tv-off", began, "a TV in standby");
    assert_eq!((cast.state().as_str(), &cast.tv()["power"]), ("tv-off", &json!("standby")));
    tv.check_left_alone();
    tv.wake();
    let began = Instant::now();
    cast.expect("confirmed", began, "a TV that is on again");
    assert_eq!(cast.tv()["power"], "on");
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD"]);
}

#[test]
fn another_input_is_believed_when_the_tv_stops_fetching() {
    let guest = Guest::new();
    let tv = guest.tv();
    let cast = guest.confirmed(json!({}));
    let began = Instant::now();
    tv.switch_input(false);
    cast.expect("covered-suspected", began, "a TV that says it shows another input");
    let began = Instant::now();
    tv.viewer.pause();
    cast.expect("tv-off", began, "a TV that shows another input");
    tv.check_left_alone();
    tv.viewer.go_on();
    tv.switch_input(true);
    cast.wait_confirmed();
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD"]);
}

#[test]
fn who_is_asked_and_allows_it_gets_the_page() {
    let guest = Guest::new();
    let tv = guest.tv();
    tv.set_faults(|faults| faults.asks_permission = true);
    let cast = guest.start(json!({}));
    cast.wait_state("permission-asked");
    tv.answer_permission(true);
    cast.wait_confirmed();
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD"]);
}

#[test]
fn who_is_asked_and_refuses_is_not_asked_again() {
    let guest = Guest::new();
    let tv = guest.tv();
    tv.set_faults(|faults| faults.asks_permission = true);
    let cast = guest.start(json!({}));
    cast.wait_state("permission-asked");
    let began = Instant::now();
    tv.answer_permission(false);
    cast.expect("taken-over", began, "a person who does not allow it");
    assert_eq!(cast.state(), "stood-down");
    tv.check_left_alone();
    assert_eq!(tv.commands(), ["LAUNCH"]);
}

#[test]
fn a_cast_that_people_ended_is_back_when_it_is_started_by_its_name() {
    let _turn = turn();
    let house = House::with(1);
    let tv = &house.tvs[0];
    let cast = format!("[casts.wall]\nurl = \"{}\"\ndevice = \"tv-0\"", house.pages.url("board"));
    house.stage.reconfigure(&config(&[format!("tv-0={}", tv.address())], &cast));
    let start = || {
        let answer = house.stage.post("casts/wall/start", "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.json()["session_id"].as_str().expect("an id").to_owned();
        let cast = Cast::new(&house.stage, &id);
        cast.wait_confirmed();
        cast
    };
    let first = start();
    assert_eq!(start().id, first.id, "it runs already");
    tv.press_stop();
    first.wait_state("stood-down");
    assert_ne!(start().id, first.id);
    tv.switch_to_standby();
    let answer = house.stage.post("casts/wall/start", "");
    assert_eq!(answer.status, 200, "{answer:?}");
    tv.check_left_alone();
}
