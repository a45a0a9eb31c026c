//! What only shows when it goes on: `make soak`.

use std::{
    mem, thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    cast::Cast,
    house::turn,
    playing::{MOST_BEHIND, Scene},
    support::{processes::own_memory, tv::PlayerStats, wait::wait_for},
};

const MINUTE: Duration = Duration::from_secs(60);
const SAMPLE: Duration = Duration::from_secs(5);

/// What is done to it, and after how many minutes.
const EVENTS: [(u32, Event); 3] =
    [(5, Event::EncoderDies), (10, Event::BrowserDies), (15, Event::DaemonRestarts)];
/// From here on memory must not grow: what is bounded is full by then.
const SETTLED: u32 = 20;
const END: u32 = 30;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    EncoderDies,
    BrowserDies,
    DaemonRestarts,
}

// Asked for here and not in every test, because who runs this leaves the machine alone.
/// Seconds from the request to a picture on the TV.
const START: f64 = 4.0;
/// How many seconds old the picture is, half of the time.
const USUAL_LAG: f64 = 3.5;

/// kB of memory that the daemon and the encoder have for themselves.
type Memory = (usize, usize);

#[test]
#[ignore = "takes half an hour: make soak"]
fn half_an_hour_on_a_tv_with_all_that_dies_in_it() {
    let _turn = turn();
    let mut scene = Scene::set();
    let (cast, plays) = scene.start_timed();
    assert!(plays <= START, "a picture after {plays:.1} s");
    let id = cast.id.clone();
    let began = Instant::now();
    let mut lags = Vec::new();
    let mut settled = None;
    let mut player = scene.player();
    for minute in 0..END {
        let event = EVENTS.iter().find(|(at, _)| *at == minute).map(|(_, event)| *event);
        if let Some(event) = event {
            scene = happen(event, scene);
        }
        let cast = Cast::new(&scene.stage, &id);
        let seen = watch(&scene, &cast, began + MINUTE * (minute + 1));
        let memory = memory(&scene);
        let before = mem::replace(&mut player, scene.player());
        eprintln!(
            "minute {}: {event:?}, confirmed at {} of {} looks, daemon and encoder hold {memory:?} kB, a lag of \
             {:.1?} s, {} pictures, stalls of {:.1?} s",
            minute + 1,
            seen.confirmed,
            seen.looks,
            player.lag,
            player.decoded,
            player.stalls,
        );
        assert!(event.is_some() || seen.confirmed == seen.looks, "{:#?}", cast.timeline());
        check_plays(&before, &player);
        lags.extend(player.lag);
        if minute + 1 == SETTLED {
            settled = Some(memory);
        }
    }
    assert!(lags.len() > 10, "known in {} minutes", lags.len());
    lags.sort_by(f64::total_cmp);
    let lag = lags[lags.len() / 2];
    assert!(lag <= USUAL_LAG, "{lags:.1?}");
    let (daemon, encoder) = settled.expect("a figure of the middle");
    let now = memory(&scene);
    let flat = |before: usize, now: usize| now * 20 <= before * 21;
    assert!(flat(daemon, now.0) && flat(encoder, now.1), "{settled:?} kB have become {now:?}");
    assert_eq!(scene.tv.stats().loads, 1, "the TV was told again");
}

#[track_caller]
fn happen(event: Event, mut scene: Scene) -> Scene {
    let worker = match event {
        Event::EncoderDies => "worker encoder",
        Event::BrowserDies => "--remote-debugging-pipe",
        Event::DaemonRestarts => {
            scene.stage.daemon.end(Signal::TERM);
            let Scene { stage, tv } = scene;
            return Scene { stage: stage.again(), tv };
        }
    };
    scene.stage.process(&[worker], &["--type="]).kill();
    scene
}

/// Checks a minute of it.
#[track_caller]
fn check_plays(before: &PlayerStats, now: &PlayerStats) {
    assert!(now.errors.is_empty() && now.refusals.is_empty(), "{now:?}");
    // The sample page's clock changes each second. Something may have died in this minute.
    assert!(now.decoded >= before.decoded + 45, "{now:?} after {before:?}");
    assert!(now.position >= before.position + 45.0, "{now:?} after {before:?}");
    // After a restart it cannot be told.
    assert!(now.lag.is_none_or(|lag| lag <= MOST_BEHIND), "{now:?}");
}

/// How often its verdict was looked at, and how often that was `confirmed`.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    looks: u32,
    confirmed: u32,
}

/// Watches it until `end`; then it is confirmed.
#[track_caller]
fn watch(scene: &Scene, cast: &Cast<'_>, end: Instant) -> Seen {
    let path = format!("sessions/{}", cast.id);
    wait_for("the session", MINUTE, || (scene.stage.get(&path).status == 200).then_some(()));
    let mut seen = Seen::default();
    while Instant::now() < end {
        seen.looks += 1;
        seen.confirmed += u32::from(cast.view()["cast"]["verdict"] == "confirmed");
        thread::sleep(SAMPLE.min(end.saturating_duration_since(Instant::now())));
    }
    cast.wait_confirmed();
    seen
}

#[track_caller]
fn memory(scene: &Scene) -> Memory {
    let encoder = scene.stage.process(&["worker encoder"], &[]);
    (own_memory(scene.stage.daemon.id()), own_memory(encoder.id))
}
