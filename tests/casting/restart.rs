//! A daemon that ends, is killed and is started again, while TVs play.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::json;

use crate::{
    house::{House, PATIENCE, turn},
    support::{playlist::Playlist, wait::wait_for},
};

#[test]
fn a_stopped_daemon_leaves_the_tv_playing_and_goes_on_where_it_was() {
    restart(Signal::TERM);
}

#[test]
fn a_killed_daemon_leaves_the_tv_playing_and_goes_on_where_it_was() {
    restart(Signal::KILL);
}

#[track_caller]
fn restart(signal: Signal) {
    let _turn = turn();
    let mut house = House::with(1);
    let cast = house.start(0, json!({}));
    cast.wait_confirmed();
    let kept = cast.id;
    let of_no_tv = house.start_anywhere(json!({"device": "none"})).id;
    let content = house.tvs[0].content();
    let before = house.tvs[0].viewer.seen(&content);

    let ended = Instant::now();
    house.stage.daemon.end(signal);
    let media = house.tvs[0].state().media.expect("media");
    assert_eq!((media.state, &media.content), ("PLAYING", &content));
    let house = house.again();
    let down = ended.elapsed().as_secs_f64();
    let cast = house.cast(&kept);
    cast.wait_confirmed();
    eprintln!(
        "{signal:?}: down for {down:.1} s, confirmed again after {:.1} s",
        ended.elapsed().as_secs_f64()
    );

    let tv = &house.tvs[0];
    tv.check_left_alone();
    assert_eq!(tv.commands(), ["LAUNCH", "LOAD"]);
    cast.wait_confirmed();
    let seen = tv.viewer.seen(&content);
    assert!(seen.complaints.is_empty(), "{seen:?}");
    assert!(seen.last > before.last, "{seen:?} after {before:?}");
    assert!(seen.discontinuities > before.discontinuities, "{seen:?} after {before:?}");
    assert_eq!(house.stage.get(&format!("sessions/{of_no_tv}")).status, 404);

    house.stage.stop();
    tv.wait_commands(&["LAUNCH", "LOAD", "STOP"]);
}

/// How many discontinuities there are up to a segment, its own included.
fn discontinuities(list: &Playlist, sequence: u64) -> u64 {
    let later = list.entries.iter().skip(1).take_while(|entry| entry.sequence <= sequence);
    list.discontinuity_sequence + later.filter(|entry| entry.discontinuity).count() as u64
}

/// A player fetches a segment some time after it was announced; a refusal is an error on the screen.
#[test]
fn what_was_announced_before_a_restart_is_not_refused_after_it() {
    let _turn = turn();
    let mut house = House::with(1);
    house.start(0, json!({})).wait_confirmed();
    let playlist = house.tvs[0].content().replace("master.m3u8", "media.m3u8");
    let list = |house: &House| {
        let answer = house.stage.get(&playlist);
        assert_eq!(answer.status, 200, "{answer:?}");
        Playlist::parse(&String::from_utf8_lossy(&answer.body))
    };
    let announced = list(&house);
    let newest = announced.entries.last().expect("a segment");
    house.stage.daemon.end(Signal::KILL);
    let house = house.again();
    let mut now = list(&house);
    for entry in &announced.entries {
        for file in [&entry.uri, &entry.init] {
            let file = playlist.replace("media.m3u8", file);
            let answer = house.stage.get(&file);
            assert_eq!(answer.status, 200, "{file}: {answer:?}");
        }
    }
    // Nor does the stream begin again: it goes on by one.
    let mut seen = newest.clone();
    wait_for("a new segment", PATIENCE, || {
        let Some(next) = now.entries.iter().find(|entry| entry.sequence > seen.sequence) else {
            now = list(&house);
            return None;
        };
        assert_eq!(next.sequence, seen.sequence + 1);
        if next.init != seen.init {
            let [before, after] = [(&announced, newest), (&now, next)]
                .map(|(list, entry)| discontinuities(list, entry.sequence));
            assert_eq!(after, before + 1, "{now:?} after {announced:?}");
            return Some(());
        }
        seen = next.clone();
        None
    });
}

#[test]
fn a_tv_that_was_taken_while_the_daemon_was_away_is_left_alone() {
    let _turn = turn();
    let mut house = House::with(1);
    let cast = house.start(0, json!({"on_busy": "preempt"}));
    cast.wait_confirmed();
    let id = cast.id;
    house.stage.daemon.end(Signal::TERM);
    house.tvs[0].open_app("Films");
    let house = house.again();
    let cast = house.cast(&id);
    assert_eq!(cast.wait_state("yielded"), "Films");
    house.tvs[0].check_left_alone();
    assert_eq!(house.tvs[0].commands(), ["LAUNCH", "LOAD"]);
    assert_eq!(cast.view()["cast"]["verdict"], "taken-over");
}

#[test]
fn who_said_stop_is_still_obeyed_by_the_next_daemon() {
    let _turn = turn();
    let mut house = House::with(1);
    let cast = house.start(0, json!({}));
    cast.wait_confirmed();
    house.tvs[0].press_stop();
    cast.wait_state("stood-down");
    let id = cast.id;
    house.stage.daemon.end(Signal::KILL);
    let house = house.again();
    house.cast(&id).wait_state("stood-down");
    house.tvs[0].check_left_alone();
    assert_eq!(house.tvs[0].commands(), ["LAUNCH", "LOAD"]);
}

#[test]
fn what_a_player_takes_is_remembered_when_nothing_is_cast_any_more() {
    let _turn = turn();
    let mut house = House::with(1);
    house.tvs[0].set_faults(|faults| faults.fails_when_format_is_stated = true);
    house.start(0, json!({})).wait_confirmed();
    house.stage.stop();
    house.tvs[0].wait_commands(&["LAUNCH", "LOAD", "LOAD", "STOP"]);
    house.stage.daemon.end(Signal::TERM);
    let house = house.again();
    assert_eq!(house.stage.get("sessions").json(), json!({"sessions": []}));
    house.start(0, json!({})).wait_confirmed();
    assert_eq!(house.tvs[0].commands()[4..], ["LAUNCH", "LOAD"]);
}
