//! From `POST /start` with a TV to its end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    house::{Guest, PATIENCE, config},
    scripted::wire::{IDLE_SCREEN, PLAYER},
    support::{stage::Stage, wait::wait_for},
};

/// The TVs that announce themselves get a moment to do so.
const CHOICE_LIMIT: Duration = Duration::from_secs(5);

#[test]
fn a_page_plays_on_a_tv_until_it_is_stopped() {
    let guest = Guest::new();
    let tv = guest.tv();
    let began = Instant::now();
    let cast = guest.start(json!({}));
    cast.expect("confirmed", began, "a start");

    let view = cast.view();
    let address = tv.address().to_string();
    assert_eq!(view["device"], json!({"id": address, "name": guest.name()}));
    assert_eq!(view["cast"]["state"], json!({"name": "playing"}));
    assert!(view["cast"].get("link").is_none_or(Value::is_null), "{view:#}");
    let since = view["cast"]["since"].as_str().expect("since when");
    since.parse::<jiff::Timestamp>().expect("a time");
    let status = guest.stage().get("status").json();
    let sessions = status["sessions"].as_array().expect("sessions");
    let listed = sessions.iter().find(|session| session["session_id"] == cast.id.as_str());
    let listed = listed.unwrap_or_else(|| panic!("it is not listed: {status:#}"));
    assert_eq!(listed["device"], view["device"]);
    assert_eq!(listed["cast"]["verdict"], "confirmed");
    assert_eq!(guest.stage().get("health").json()["cast_device"], "available");

    let content = tv.content();
    let base = guest.stage().daemon.url("media/");
    assert!(content.starts_with(base.as_str()), "{content} is not below {base}");
    assert!(content.ends_with("/master.m3u8"), "{content}");
    assert_ne!(Value::from(content), view["media"]["hls"], "only the TV gets its address");
    tv.check_sound();
    for event in ["connected", "launching", "loading", "playing", "verdict"] {
        assert!(cast.count(event) > 0, "{event}: {:#?}", cast.timeline());
    }

    guest.stop(&cast);
    tv.wait_commands(&["LAUNCH", "LOAD", "STOP"]);
    assert_eq!(tv.state().app.map(|app| app.id).as_deref(), Some(IDLE_SCREEN));
    let gone = guest.stage().get(&format!("sessions/{}/timeline", cast.id));
    assert_eq!((gone.status, &*gone.kind), (404, "application/problem+json"), "{gone:?}");
}

#[test]
fn a_second_start_on_a_tv_replaces_the_first_and_the_player_stays() {
    let guest = Guest::new();
    let first = guest.confirmed(json!({}));
    let before = guest.tv().content();
    let began = Instant::now();
    let second = guest.start(json!({}));
    second.expect("confirmed", began, "a start in the place of another");
    assert_ne!(first.id, second.id);
    let gone = format!("sessions/{}", first.id);
    wait_for("end of the first session", PATIENCE, || {
        (guest.stage().get(&gone).status == 404).then_some(())
    });
    assert_ne!(guest.tv().content(), before);
    assert_eq!(guest.tv().commands(), ["LAUNCH", "LOAD", "LOAD"]);
    assert_eq!(guest.tv().state().app.map(|app| app.id).as_deref(), Some(PLAYER));
}

#[test]
fn a_deleted_session_ends_its_player() {
    let guest = Guest::new();
    let cast = guest.confirmed(json!({}));
    let answer = guest.stage().delete(&format!("sessions/{}", cast.id));
    assert!((200..300).contains(&answer.status), "{answer:?}");
    guest.tv().wait_commands(&["LAUNCH", "LOAD", "STOP"]);
}

#[test]
fn a_session_for_a_while_ends_its_player() {
    let guest = Guest::new();
    let cast = guest.start(json!({"duration": 8}));
    cast.wait_confirmed();
    guest.tv().wait_commands(&["LAUNCH", "LOAD", "STOP"]);
    // Its TV hears of the end before its last file is gone.
    let address = format!("sessions/{}", cast.id);
    wait_for("end of the session", PATIENCE, || {
        (guest.stage().get(&address).status == 404).then_some(())
    });
}

#[test]
fn a_start_that_names_no_tv_is_for_the_default_one() {
    let guest = Guest::of_default();
    let cast = guest.start_anywhere(json!({}));
    cast.wait_confirmed();
    assert_eq!(cast.view()["device"]["name"], guest.name());
    // Its address names it as well, and it is the same TV.
    let again = guest.start_anywhere(json!({"device": guest.tv().address().to_string()}));
    again.wait_confirmed();
    assert_eq!(guest.tv().commands(), ["LAUNCH", "LOAD", "LOAD"]);
}

#[test]
fn a_start_may_want_no_tv() {
    let guest = Guest::new();
    let cast = guest.start_anywhere(json!({"device": "none", "target": "nowhere"}));
    cast.session().wait_live();
    let view = cast.view();
    assert_eq!((&view["device"], &view["cast"]), (&Value::Null, &Value::Null));
    let timeline = guest.stage().get(&format!("sessions/{}/timeline", cast.id));
    assert_eq!((timeline.status, timeline.json()), (200, json!({"events": []})));
    assert_eq!(guest.stage().get("sessions/nothing/timeline").status, 404);
}

#[test]
fn an_unknown_tv_is_an_error_that_names_the_known_ones() {
    let stage = Stage::set(&config(&["kitchen=127.0.0.1:9".to_owned()], ""));
    let began = Instant::now();
    let request = json!({"url": "http://127.0.0.1:1/", "device": "cellar"}).to_string();
    let answer = stage.post("start", &request);
    let took = began.elapsed();
    assert_eq!((answer.status, &*answer.kind), (404, "application/problem+json"), "{answer:?}");
    let problem = answer.json();
    for word in ["cellar", "kitchen"] {
        assert!(problem["detail"].as_str().is_some_and(|said| said.contains(word)), "{problem}");
    }
    assert!(problem["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{problem}");
    assert!(took < CHOICE_LIMIT, "{took:?}");
    eprintln!("an unknown TV: 404 after {:.1} s", took.as_secs_f64());
    assert_eq!(stage.get("sessions").json(), json!({"sessions": []}));
    stage.check_bare();
}

#[test]
fn what_a_start_says_of_its_tv_must_make_sense() {
    let stage = Stage::set("");
    assert_eq!(stage.get("health").json()["cast_device"], "unavailable");
    for (field, value, words) in [
        ("on_busy", json!("fight"), &["on_busy", "preempt-and-return"][..]),
        ("resume_after", json!(-1), &["resume_after"]),
        ("resume_after", json!("soon"), &["resume_after"]),
        ("volume", json!(11), &["volume", "11"]),
        ("device", json!(7), &["device"]),
    ] {
        let request = json!({"url": "http://127.0.0.1:1/", field: value}).to_string();
        let answer = stage.post("start", &request);
        assert_eq!((answer.status, &*answer.kind), (400, "application/problem+json"), "{answer:?}");
        let problem = answer.json();
        for word in words {
            assert!(
                problem["detail"].as_str().is_some_and(|said| said.contains(word)),
                "{problem}"
            );
        }
    }
    stage.check_bare();
}
