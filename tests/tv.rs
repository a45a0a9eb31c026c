//! The playing TV is a fair one: senders that know nothing of it drive it, and what it says it plays
//! is on its screen.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::print_stderr,
    reason = "what is shared serves several tests, and a failed test panics"
)]

mod support;

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use serde_json::{Value, json};
use support::{
    daemon::Daemon,
    packages,
    players::Player,
    processes::{Process, family},
    tv::{Action, BACKDROP, DEFAULT_MEDIA_RECEIVER, Options, PlayingTv, YOUTUBE},
    wait::wait_for,
};

/// How long each player plays.
const SECONDS: u64 = 20;
/// What the page shows may be so much older than the wall clock, in seconds.
const MOST_BEHIND: f64 = 5.0;
/// The most that a sender's request may take to be done.
const REACT: Duration = Duration::from_secs(30);
/// A sender that lost its TV tries again every few seconds.
const RECONNECT: Duration = Duration::from_secs(60);

/// Two browsers that decode in software, beside two that render, starve each other on two cores.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn demo() -> (Daemon, String) {
    let mut daemon = Daemon::start(env!("CARGO_BIN_EXE_dashboard-cast"), "demo");
    let master = daemon.wait_for_stream();
    (daemon, master.into())
}

/// PyChromecast, driven by `tests/tv/sender.py`.
#[derive(Debug)]
struct Sender {
    child: Child,
    verbs: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// All that it has seen the player do: a state, with the reason when it is IDLE or the code when
    /// loading has failed.
    states: Vec<(String, Value)>,
}

/// What PyChromecast knows of the TV.
#[derive(Debug, Deserialize)]
struct Known {
    connected: bool,
    name: String,
    app: Option<String>,
    volume: Option<f64>,
    standby: Option<bool>,
    state: String,
    position: f64,
    /// Since the last answer.
    states: Vec<(String, Value)>,
}

impl Sender {
    #[track_caller]
    fn connect(tv: &PlayingTv) -> Self {
        let address = tv.address();
        let mut child = Command::new(packages::from_pypi().join("python"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tv/sender.py"))
            .args([address.ip().to_string(), address.port().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting a sender");
        let verbs = child.stdin.take().expect("a sender's input");
        let answers = BufReader::new(child.stdout.take().expect("a sender's output")).lines();
        Self { child, verbs, answers, states: Vec::new() }
    }

    #[track_caller]
    fn ask(&mut self, verb: &str) -> Known {
        writeln!(self.verbs, "{verb}").expect("asking a sender");
        let answer = self.answers.next().expect("a sender that answers").expect("an answer");
        let mut known: Known = serde_json::from_str(&answer).expect("a sender's answer");
        self.states.append(&mut known.states);
        known
    }

    /// Waits until it knows something.
    #[track_caller]
    fn wait_until(&mut self, what: &str, limit: Duration, reached: impl Fn(&Known) -> bool) {
        wait_for(what, limit, || reached(&self.ask("status")).then_some(()));
    }

    #[track_caller]
    fn play(&mut self, url: &str) {
        self.ask("launch");
        self.ask(&format!("play {url}"));
        self.wait_until("a sender that sees it play", REACT, |k| k.state == "PLAYING");
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn pychromecast_drives_it() {
    let _turn = turn();
    let (_daemon, master) = demo();
    let tv = PlayingTv::start(&Options { port: 8109, ..Options::new(Player::Shaka415) });
    let mut sender = Sender::connect(&tv);

    let known = sender.ask("status");
    assert!(known.connected, "{known:?}");
    assert_eq!((&*known.name, known.app.as_deref()), ("Test TV", Some(BACKDROP)));

    let known = sender.ask("launch");
    assert_eq!(known.app.as_deref(), Some(DEFAULT_MEDIA_RECEIVER));
    sender.ask("volume 0.3");
    sender.wait_until("the new volume", REACT, |known| known.volume == Some(0.3));
    assert_eq!(tv.stats().volume, 0.3);

    sender.ask(&format!("play {master}"));
    sender.wait_until("a sender that sees it play", REACT, |known| known.state == "PLAYING");
    let before = tv.wait_until_playing();
    let load = tv.stats().load.expect("what it was told to load");
    assert_eq!(load["media"]["contentId"], *master);
    let at = sender.ask("status").position;
    wait_for("progress", REACT, || {
        // What is known only changes when the TV is asked.
        sender.ask("refresh");
        (sender.ask("status").position > at + 2.0).then_some(())
    });
    assert!(tv.wait_until_playing().decoded > before.decoded);

    sender.ask("pause");
    sender.wait_until("a pause", REACT, |known| known.state == "PAUSED");
    assert_eq!(tv.stats().player.expect("the player").state, "PAUSED");
    sender.ask("resume");
    tv.wait_until_playing();

    sender.ask("stop");
    sender.wait_until("an end", REACT, |known| known.state == "IDLE");
    assert_eq!(sender.states.last(), Some(&("IDLE".to_owned(), json!("CANCELLED"))));
    sender.ask("quit");
    sender.wait_until("the idle screen", REACT, |k| k.app.as_deref() == Some(BACKDROP));
    let stats = tv.stats();
    assert_eq!((stats.app.as_deref(), stats.loads), (Some(BACKDROP), 1));
}

#[test]
fn catt_drives_it() {
    let _turn = turn();
    let (_daemon, master) = demo();
    // It knows no other port than 8009.
    let tv = PlayingTv::start(&Options::new(Player::Shaka52));
    let home = tempfile::tempdir().expect("making a home for catt");
    let catt = |words: &[&str]| {
        let done = Command::new(packages::from_pypi().join("catt"))
            .args(["--device", &tv.address().ip().to_string()])
            .args(words)
            .env("HOME", home.path())
            .output()
            .expect("starting catt");
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "catt {words:?}: {said}{done:?}");
        said
    };

    catt(&["cast", &master]);
    let playing = tv.wait_until_playing();
    assert!(catt(&["status"]).contains("State: PLAYING"));
    assert!(catt(&["info"]).contains("app_id: CC1AD845"));
    catt(&["volume", "42"]);
    assert_eq!(tv.stats().volume, 0.42);
    assert!(tv.wait_until_playing().decoded > playing.decoded);
    catt(&["pause"]);
    assert_eq!(tv.stats().player.expect("the player").state, "PAUSED");
    catt(&["play"]);
    tv.wait_until_playing();
    catt(&["stop"]);
    tv.wait_until("the idle screen", |stats| stats.app.as_deref() == Some(BACKDROP));
}

#[test]
fn the_sample_dashboard_plays_in_hls_js() {
    plays(Player::HlsJs);
}

#[test]
fn the_sample_dashboard_plays_in_shaka_4_3() {
    plays(Player::Shaka43);
}

#[test]
fn the_sample_dashboard_plays_in_shaka_4_15() {
    plays(Player::Shaka415);
}

#[test]
fn the_sample_dashboard_plays_in_shaka_5_2() {
    plays(Player::Shaka52);
}

#[track_caller]
fn plays(player: Player) {
    let _turn = turn();
    let (_daemon, master) = demo();
    let tv = PlayingTv::start(&Options::new(player));
    let mut sender = Sender::connect(&tv);
    let began = Instant::now();
    sender.play(&master);
    let started = began.elapsed();
    let first = tv.wait_until_playing();
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let mut lags = Vec::new();
    let mut last = first.clone();
    while Instant::now() < end {
        // The page changes once a second.
        last = wait_for("new frames", REACT, || {
            tv.stats()
                .player
                .filter(|now| now.decoded > last.decoded && now.position > last.position)
        });
        lags.push(last.lag.unwrap_or_else(|| panic!("no date: {last:?}")));
    }

    let shown = tv.screenshot().clock().expect("the page's clock on the TV");
    let now =
        SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs_f64();
    let behind = now - f64::from(shown);
    lags.sort_by(f64::total_cmp);
    eprintln!(
        "{player:?}: playing after {started:.1?}, {} frames in {SECONDS} s, {} dropped, lag {:.1} to \
         {:.1} s, half of the time {:.1} s at most, the clock {behind:.1} s behind, stalls {:.1?}",
        last.decoded - first.decoded,
        last.dropped,
        lags[0],
        lags[lags.len() - 1],
        lags[lags.len() / 2],
        last.stalls,
    );
    assert!(last.errors.is_empty(), "{last:?}");
    assert!(lags.len() as u64 > SECONDS / 2, "new frames came {} times", lags.len());
    assert!(lags.iter().all(|lag| (0.0..=MOST_BEHIND).contains(lag)), "{lags:?}");
    // The page's clock only knows whole seconds.
    assert!((0.0..=MOST_BEHIND + 1.0).contains(&behind), "{behind} s");

    assert!(last.refusals.is_empty(), "{last:?}");
    let nothing = master.replace("master", "nothing");
    sender.ask(&format!("play {nothing}"));
    let refused = format!("404 {nothing}");
    tv.wait_until("a refusal", |stats| {
        stats.player.as_ref().is_some_and(|now| now.refusals.contains(&refused))
    });
}

#[test]
fn what_people_do_at_it_reaches_a_sender() {
    let _turn = turn();
    let (_daemon, master) = demo();
    let tv = PlayingTv::start(&Options::new(Player::Shaka52));
    let mut sender = Sender::connect(&tv);
    sender.play(&master);

    tv.act(Action::Pause);
    sender.wait_until("a pause", REACT, |known| known.state == "PAUSED");
    tv.act(Action::Play);
    sender.wait_until("an end of the pause", REACT, |known| known.state == "PLAYING");
    tv.act(Action::Standby);
    sender.wait_until("standby", REACT, |known| known.standby == Some(true));
    tv.act(Action::Wake);
    sender.wait_until("an end of standby", REACT, |known| known.standby == Some(false));
    tv.act(Action::Stop);
    sender.wait_until("a stop", REACT, |known| known.state == "IDLE");
    assert_eq!(sender.states.last(), Some(&("IDLE".to_owned(), json!("CANCELLED"))));

    tv.act(Action::TakeOver);
    sender.wait_until("a foreign app", REACT, |k| k.app.as_deref() == Some(YOUTUBE));
    tv.act(Action::Home);
    sender.wait_until("the idle screen", REACT, |k| k.app.as_deref() == Some(BACKDROP));

    sender.play(&master);
    tv.act(Action::Reboot);
    assert_eq!(tv.stats().senders, 0);
    sender.wait_until("a lost connection", REACT, |known| !known.connected);
    sender.wait_until("a TV that is back", RECONNECT, |known| {
        known.connected && known.app.as_deref() == Some(BACKDROP)
    });
}

#[test]
fn what_cannot_be_played_is_an_error_with_a_code() {
    let _turn = turn();
    let tv = PlayingTv::start(&Options::new(Player::Shaka52));
    let mut sender = Sender::connect(&tv);
    sender.ask("launch");
    // Nobody listens there: the discard port of the TV's own address.
    sender.ask(&format!("play http://{}:9/master.m3u8", tv.address().ip()));
    let failed = ("LOAD_FAILED".to_owned(), json!(311));
    wait_for("a failure", REACT, || {
        sender.ask("status");
        sender.states.contains(&failed).then_some(())
    });
    let states = &sender.states;
    assert!(states.contains(&("IDLE".to_owned(), json!("ERROR"))), "{states:?}");
    let errors = tv.stats().player.expect("the player").errors;
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn senders_must_connect_and_stay_alive() {
    let _turn = turn();
    let tv = PlayingTv::start(&Options::new(Player::HlsJs));
    let address = tv.address();
    let done = Command::new(packages::from_pypi().join("python"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tv/silent.py"))
        .args([address.ip().to_string(), address.port().to_string()])
        .output()
        .expect("starting a silent sender");
    assert!(done.status.success(), "{done:?}");
    let said: Value = serde_json::from_slice(&done.stdout).expect("what it has seen");
    assert_eq!(said["unconnected"], json!(["receiver-0", "CLOSE"]));
    assert_eq!(said["connected"], json!(["receiver-0", "RECEIVER_STATUS"]));
    assert_eq!(said["answer"], json!(["receiver-0", "PONG"]));
    // Asked twice whether it is still there, and then dropped.
    assert_eq!(said["silence"], json!([["Tr@n$p0rt-0", "PING"], ["Tr@n$p0rt-0", "PING"]]));
    let seconds = said["seconds"].as_f64().expect("how long it took");
    assert!((10.0..20.0).contains(&seconds), "{seconds} s");
    assert_eq!(tv.stats().senders, 0);
}

#[test]
fn a_crash_of_its_page_ends_the_app_and_its_end_leaves_nothing() {
    let _turn = turn();
    let tv = PlayingTv::start(&Options::new(Player::Shaka52));
    let mut sender = Sender::connect(&tv);
    sender.ask("launch");
    assert!(tv.stats().player.is_some());
    let renderers = |process: &&Process| process.command.contains("--type=renderer");
    // The mark is for orphans and must be found nowhere else.
    let mark = format!("orphan of {}", tv.id());
    family(tv.id(), &mark).iter().filter(renderers).for_each(Process::kill);
    sender.wait_until("the idle screen", REACT, |k| k.app.as_deref() == Some(BACKDROP));
    sender.ask("launch");
    assert!(tv.stats().player.is_some());

    let all = family(tv.id(), &mark);
    assert!(all.iter().any(|process| renderers(&process)), "{all:#?}");
    drop(sender);
    drop(tv);
    wait_for("an end of all processes", REACT, || {
        (!all.iter().any(Process::is_alive)).then_some(())
    });
}
