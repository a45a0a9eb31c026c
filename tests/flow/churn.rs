//! Starting and stopping, again and again.

use crate::{
    pages::{Pages, plain},
    stage::{PATIENCE, Session, Stage, turn},
    support::{
        processes::{holdings, own_memory},
        wait::wait_for,
    },
};

/// How far a session comes before it is stopped.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Start,
    Workers,
    Chromium,
    Segment,
}

impl Moment {
    /// All of them in turn; the one that takes longest, seldom.
    fn of(round: u32) -> Self {
        match round % 20 {
            19 => Self::Segment,
            n => [Self::Start, Self::Workers, Self::Chromium][n as usize % 3],
        }
    }
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
        start_and_stop(&stage, &url, Moment::of(round));
    }
    let before = holdings(stage.daemon.id());
    for round in warm_up..all {
        start_and_stop(&stage, &url, Moment::of(round));
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

#[test]
fn what_a_stream_held_is_given_back() {
    /// kB.
    const MUCH: usize = 4 * 1024;
    let _turn = turn();
    let pages = Pages::serve();
    // As much as a stream may weigh.
    pages.put_page(
        "noise",
        plain(
            "const canvas = document.body.appendChild(document.createElement('canvas'));
             canvas.width = innerWidth;
             canvas.height = innerHeight;
             const context = canvas.getContext('2d');
             const image = context.createImageData(canvas.width, canvas.height);
             const pixels = new Uint32Array(image.data.buffer);
             const draw = () => {
                 for (let i = 0; i < pixels.length; i++)
                     pixels[i] = 0xff000000 | Math.random() * 0xffffff;
                 context.putImageData(image, 0, 0);
                 requestAnimationFrame(draw);
             };
             draw();",
        ),
    );
    let stage = Stage::set("");
    start_and_stop(&stage, &pages.url("noise"), Moment::Segment);
    let id = stage.daemon.id();
    let before = own_memory(id);
    stage.open(&pages.url("noise"));
    wait_for("a stream's memory", PATIENCE, || (own_memory(id) > before + MUCH).then_some(()));
    stage.stop();
    wait_for("memory given back", PATIENCE, || (own_memory(id) < before + MUCH / 2).then_some(()));
}

#[track_caller]
fn start_and_stop(stage: &Stage, url: &str, moment: Moment) {
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
