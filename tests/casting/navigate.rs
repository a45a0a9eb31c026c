//! Another page in a running stream, and what its TV notices of that: another picture.

use rustix::process::Signal;
use serde_json::json;

use crate::{
    house::{House, PATIENCE, turn},
    support::{
        pages::{COLOUR, coloured},
        playlist::Playlist,
        stage::{Answer, Session},
        wait::wait_for,
    },
};

const OTHER: [u8; 3] = [0x80, 0x20, 0xc0];

#[test]
fn the_tv_plays_on_while_the_page_becomes_another_one() {
    let _turn = turn();
    let mut house = House::with(1);
    house.pages.put_page("other", coloured(OTHER, ""));
    let cast = house.start(0, json!({}));
    cast.wait_confirmed();
    wait_picture(&cast.session(), COLOUR);
    let before = newest(&cast.session().playlist());

    let other = house.pages.url("other?key=secret");
    let answer = navigate(&house, &cast.id, &other);
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("success")));
    let shown = house.pages.url("other?key");
    assert_eq!(cast.view()["url"], shown.as_str());
    wait_picture(&cast.session(), OTHER);
    cast.session().wait_live();
    let view = cast.view();
    assert_eq!(view["page"]["http_status"], 200);
    assert_eq!(view["video"]["discontinuities"], 0, "{view:#}");
    cast.session().check_running();
    assert!(newest(&cast.session().playlist()) > before, "its numbers go on");
    cast.wait_confirmed();
    assert_eq!(house.tvs[0].commands(), ["LAUNCH", "LOAD"]);

    // Whatever has to open it again opens where it went.
    house.stage.process(&["worker browser"], &[]).kill();
    wait_for("end of the browser", PATIENCE, || (cast.view()["state"] != "live").then_some(()));
    wait_picture(&cast.session(), OTHER);
    let id = cast.id;
    house.stage.daemon.end(Signal::KILL);
    let house = house.again();
    let cast = house.cast(&id);
    cast.wait_confirmed();
    wait_picture(&cast.session(), OTHER);
    assert_eq!(cast.view()["url"], shown.as_str());
    assert_eq!(house.tvs[0].commands(), ["LAUNCH", "LOAD"]);

    // From a page that is not there, too, and at once.
    assert_eq!(navigate(&house, &id, &house.pages.url("nothing")).status, 200);
    cast.session().wait_problem("404");
    assert_eq!(navigate(&house, &id, &house.pages.url("board")).status, 200);
    wait_picture(&cast.session(), COLOUR);
    assert_eq!(navigate(&house, &id, "file:///etc/passwd").status, 403);

    house.pages.put_page("board", coloured(OTHER, ""));
    let answer = house.stage.post(&format!("sessions/{id}/reload"), "");
    assert_eq!(answer.status, 200, "{answer:?}");
    wait_picture(&cast.session(), OTHER);
    assert_eq!(house.tvs[0].commands(), ["LAUNCH", "LOAD"]);
}

#[test]
fn tvs_that_share_a_page_stay_where_they_are() {
    let _turn = turn();
    let house = House::with(2);
    let (one, other) = (house.start(0, json!({})), house.start(1, json!({})));
    one.wait_confirmed();
    other.wait_confirmed();
    let answer = navigate(&house, &one.id, &house.pages.url("other"));
    assert_eq!((answer.status, &*answer.kind), (409, "application/problem+json"), "{answer:?}");
    let problem = answer.json();
    assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains("Start")), "{problem}");
    for cast in [&one, &other] {
        assert_eq!(cast.view()["url"], house.pages.url("board"));
        wait_picture(&cast.session(), COLOUR);
    }
}

#[track_caller]
fn navigate(house: &House, id: &str, url: &str) -> Answer {
    house.stage.post(&format!("sessions/{id}/navigate"), &json!({ "url": url }).to_string())
}

#[track_caller]
fn wait_picture(session: &Session<'_>, colour: [u8; 3]) {
    wait_for("picture of the page", PATIENCE, || {
        session.picture().stain(colour).is_none().then_some(())
    });
}

#[track_caller]
fn newest(playlist: &Playlist) -> u64 {
    playlist.entries.last().map(|entry| entry.sequence).expect("a segment")
}
