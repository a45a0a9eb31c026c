//! Starting and stopping, again and again.

use crate::{
    pages::{Pages, plain},
    stage::{PATIENCE, Session, Stage, turn},
    support::{processes::holdings, wait::wait_for},
};

/// How far a session comes before it is stopped.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Start,
    Workers,
    Chromium,
    Segment,
}

#[test]
fn a_hundred_sessions_leave_nothing() {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let stage = Stage::set("");
    let url = pages.url("board");
    // What is allocated once and kept is there after a few.
    let (warm_up, all) = (20, 100);
    for round in 0..warm_up {
        start_and_stop(&stage, &url, round);
    }
    let before = holdings(stage.daemon.id());
    for round in warm_up..all {
        start_and_stop(&stage, &url, round);
    }
    stage.check_bare();
    // Connections of this test's own come and go.
    let (descriptors, memory) = wait_for("closed descriptors", PATIENCE, || {
        let now = holdings(stage.daemon.id());
        (now.0 <= before.0 + 2).then_some(now)
    });
    assert!(memory <= before.1 + 8 * 1024, "{before:?} before, {descriptors}, {memory} after");
    assert_eq!(stage.get("health").json()["status"], "healthy");
    assert!(!stage.daemon.log().contains("killing it"), "a worker had to be killed");
}

#[track_caller]
fn start_and_stop(stage: &Stage, url: &str, round: u32) {
    let moment = match round % 20 {
        19 => Moment::Segment,
        n => [Moment::Start, Moment::Workers, Moment::Chromium][n as usize % 3],
    };
    let session = stage.open(url);
    let seen = |word: &str| stage.family().iter().any(|process| process.command.contains(word));
    wait_for(&format!("{moment:?}"), PATIENCE, || {
        let reached = match moment {
            Moment::Start => true,
            Moment::Workers => seen("worker encoder") && seen("worker browser"),
            Moment::Chromium => seen("--type=renderer"),
            Moment::Segment => has_segment(&session),
        };
        reached.then_some(())
    });
    stage.stop();
    assert_eq!(session.get().status, 404);
    assert_eq!(stage.family(), [], "processes are left after {moment:?}");
}

fn has_segment(session: &Session<'_>) -> bool {
    session.media("master.m3u8").status == 200
}
