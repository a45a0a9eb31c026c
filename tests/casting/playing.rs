//! The whole of it, up to a picture on a TV that really plays.

use std::{
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::process::Signal;
use serde_json::json;

use crate::{
    cast::Cast,
    house::{PATIENCE, config, turn},
    support::{
        daemon::Daemon,
        players::Player,
        stage::Stage,
        tv::{Action, BACKDROP, Options, PlayerStats, PlayingTv, YOUTUBE},
        wait::wait_for,
    },
};

/// What the TV shows may be so much older than the wall clock, in seconds.
pub(crate) const MOST_BEHIND: f64 = 5.0;

/// A daemon, and a TV that plays its sample page.
pub(crate) struct Scene {
    // The daemon ends before the TV does.
    pub(crate) stage: Stage,
    pub(crate) tv: PlayingTv,
}

impl Scene {
    pub(crate) fn set() -> Self {
        let tv = PlayingTv::start(&Options::new(Player::Shaka52));
        let stage = Stage::set(&config(&[format!("tv={}", tv.address())], ""));
        Self { stage, tv }
    }

    /// Returns when the TV shows it and the program knows that.
    #[track_caller]
    pub(crate) fn start(&self) -> Cast<'_> {
        self.start_timed().0
    }

    /// Tells as well after how many seconds there was a picture.
    #[track_caller]
    pub(crate) fn start_timed(&self) -> (Cast<'_>, f64) {
        let request = json!({"url": self.stage.daemon.url("sample"), "device": "tv"});
        let began = Instant::now();
        let cast = Cast::new(&self.stage, &self.stage.start(request).id);
        self.tv.wait_until_playing();
        let plays = began.elapsed().as_secs_f64();
        cast.wait_confirmed();
        let known = began.elapsed().as_secs_f64();
        eprintln!("a start: a picture after {plays:.1} s, confirmed after {known:.1} s");
        self.check_lag(&cast);
        (cast, plays)
    }

    /// Waits until the program knows as well as the player how old the picture is.
    #[track_caller]
    fn check_lag(&self, cast: &Cast<'_>) {
        let lag = wait_for("the player's lag", PATIENCE, || {
            let (known, own) = (cast.view()["cast"]["lag"].as_f64()?, self.player().lag?);
            ((known - own).abs() < 0.3).then_some(known)
        });
        eprintln!("a lag of {lag} s is known");
        assert!((0.5..=MOST_BEHIND).contains(&lag), "{lag} s");
    }

    /// Waits until new pictures come after those of `before`.
    #[track_caller]
    fn wait_further(&self, before: &PlayerStats) -> PlayerStats {
        let stats = self.tv.wait_until("further pictures", |stats| {
            stats.player.as_ref().is_some_and(|now| {
                now.state == "PLAYING"
                    && now.decoded > before.decoded + 2
                    && now.position > before.position + 2.0
            })
        });
        stats.player.expect("a player that plays")
    }

    #[track_caller]
    pub(crate) fn player(&self) -> PlayerStats {
        self.tv.stats().player.expect("a player")
    }
}

#[test]
fn the_demo_is_on_the_tv_until_ctrl_c() {
    let _turn = turn();
    let tv = PlayingTv::start(&Options::new(Player::Shaka52));
    let began = Instant::now();
    let mut demo = Daemon::start_with(Command::new(env!("CARGO_BIN_EXE_dashboard-cast")).args([
        "demo",
        "--device",
        &tv.address().ip().to_string(),
    ]));
    let first = tv.wait_until_playing();
    eprintln!("demo: a picture on the TV after {:.1} s", began.elapsed().as_secs_f64());
    tv.wait_until("pictures of the page", |stats| {
        stats.player.as_ref().is_some_and(|now| now.decoded > first.decoded + 5)
    });
    let (shown, at) = wait_for("the page's clock on the TV", PATIENCE, || {
        let shown = tv.screenshot().clock().ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        // What is dark all over reads as 0.
        (shown > 0).then_some((shown, now.as_secs_f64()))
    });
    let behind = at - f64::from(shown);
    eprintln!("demo: the clock on the TV is {behind:.1} s behind");
    // The page's clock only knows whole seconds.
    assert!((-0.5..=MOST_BEHIND + 1.0).contains(&behind), "{behind} s");
    let player = tv.stats().player.expect("a player");
    assert!(player.errors.is_empty(), "{player:?}");

    let status = demo.end(Signal::INT);
    assert!(status.success(), "{status}");
    tv.wait_until("the idle screen", |stats| stats.app.as_deref() == Some(BACKDROP));
}

#[test]
fn nobody_sees_an_error_when_encoder_browser_and_daemon_die() {
    let _turn = turn();
    let mut scene = Scene::set();
    let cast = scene.start();
    let id = cast.id.clone();
    for (words, verdict) in
        [("worker encoder", "broken(encoder)"), ("--remote-debugging-pipe", "broken(page)")]
    {
        let before = scene.player();
        let times = cast.times(verdict);
        scene.stage.process(&[words], &["--type="]).kill();
        let broken = Instant::now();
        cast.wait_times(verdict, times);
        let after = scene.wait_further(&before);
        cast.wait_confirmed();
        report(&format!("killed {words}"), broken, &before, &after);
    }

    // The last time while the player still knows of all that was before.
    for signal in [Signal::KILL, Signal::TERM, Signal::KILL] {
        let before = scene.player();
        let ended = Instant::now();
        scene.stage.daemon.end(signal);
        let Scene { stage, tv } = scene;
        scene = Scene { stage: stage.again(), tv };
        let down = ended.elapsed();
        assert!(down < Duration::from_secs(10), "{down:?}");
        let after = scene.wait_further(&before);
        Cast::new(&scene.stage, &id).wait_confirmed();
        report(&format!("daemon got {signal:?}"), ended, &before, &after);
    }

    let cast = Cast::new(&scene.stage, &id);
    let last = scene.wait_further(&scene.player());
    assert!(last.errors.is_empty(), "{last:?}");
    assert_eq!(scene.tv.stats().loads, 1, "the player was told again");
    // It counts from a list that the daemon before has handed out.
    assert_eq!(cast.view()["cast"]["lag"], json!(null));
}

fn report(what: &str, since: Instant, before: &PlayerStats, after: &PlayerStats) {
    let stalls = &after.stalls[before.stalls.len().min(after.stalls.len())..];
    eprintln!(
        "{what}: confirmed after {:.1} s, froze for {stalls:.1?} s",
        since.elapsed().as_secs_f64()
    );
    assert!(after.errors.is_empty(), "{after:?}");
}

#[test]
fn people_at_the_tv_have_the_last_word() {
    let _turn = turn();
    let scene = Scene::set();
    let cast = scene.start();
    let began = Instant::now();
    scene.tv.act(Action::TakeOver);
    cast.expect("taken-over", began, "another app on the playing TV");
    assert_eq!(cast.wait_state("yielded"), "YouTube");

    let cast = {
        scene.tv.act(Action::Home);
        scene.start()
    };
    let began = Instant::now();
    scene.tv.act(Action::Pause);
    cast.expect("taken-over", began, "a pause on the playing TV");
    assert_eq!(cast.view()["cast"]["lag"], json!(null));
    scene.tv.act(Action::Play);
    cast.wait_confirmed();
    scene.check_lag(&cast);
    let player = scene.player();
    assert!(player.errors.is_empty(), "{player:?}");

    let began = Instant::now();
    let loads = scene.tv.stats().loads;
    scene.tv.act(Action::Stop);
    cast.expect("taken-over", began, "a stop on the playing TV");
    assert_eq!(cast.state(), "stood-down");
    scene.stage.stop();
    let stats = scene.tv.stats();
    assert_eq!((stats.loads, stats.app.as_deref() == Some(YOUTUBE)), (loads, false));
}

#[test]
fn the_page_is_back_when_the_power_is() {
    let _turn = turn();
    let scene = Scene::set();
    let cast = scene.start();
    let began = Instant::now();
    scene.tv.act(Action::Unplug);
    cast.expect("broken(tv)", began, "an unplugged TV");
    scene.tv.act(Action::PlugIn);
    let plugged = Instant::now();
    let player = scene.tv.wait_until_playing();
    eprintln!("plugged in: a picture after {:.1} s", plugged.elapsed().as_secs_f64());
    cast.wait_confirmed();
    // By now the stream is older than any list of it.
    scene.check_lag(&cast);
    assert!(player.errors.is_empty(), "{player:?}");
    assert_eq!(scene.tv.stats().loads, 2);
}
