//! The sample dashboard, cast by the built program, plays in the players that receivers are made of.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what is shared serves several tests, and a failed test panics"
)]

mod support;

use std::sync::{Mutex, PoisonError};

use support::{
    daemon::Daemon,
    players::{Player, Report, play},
};

const SECONDS: u64 = 60;
/// What the promise allows between the page and the player's picture.
const MOST_BEHIND: f64 = 5.0;
/// Players buffer before they start: up to there, no picture is expected.
const START_UP: f64 = 10.0;

/// Two browsers that decode in software, beside two that render, starve each other on two cores.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn the_sample_dashboard_plays_for_a_minute_in_hls_js() {
    plays_for_a_minute(Player::HlsJs);
}

#[test]
fn the_sample_dashboard_plays_for_a_minute_in_shaka() {
    plays_for_a_minute(Player::Shaka52);
}

#[track_caller]
fn plays_for_a_minute(player: Player) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut daemon = Daemon::start(env!("CARGO_BIN_EXE_dashboard-cast"), "demo");
    let master = daemon.wait_for_stream();
    let report = play(player, master.as_str(), SECONDS);
    check(&report);
}

#[track_caller]
fn check(report: &Report) {
    let seen = &report.seen;
    assert_eq!(seen.errors, [""; 0], "{seen:#?}");
    assert!(seen.stalls.iter().all(|&at| at <= START_UP), "{seen:#?}");
    let playing: Vec<_> = seen.samples.iter().filter(|s| s.at > START_UP).collect();
    let expected = SECONDS - START_UP as u64;
    assert!(playing.len() as u64 + 3 >= expected, "{} samples in {expected} s", playing.len());
    for (before, after) in playing.iter().zip(playing.iter().skip(2)) {
        assert!(after.media > before.media, "the player stood: {after:?}");
        assert!(after.decoded > before.decoded, "no new frames: {after:?}");
    }
    for sample in &playing {
        let lag = sample.lag.unwrap_or_else(|| panic!("no date: {sample:?}"));
        assert!((0.0..=MOST_BEHIND).contains(&lag), "{sample:?}");
    }
    let clocks: Vec<_> = report.clocks.iter().filter(|c| c.at > START_UP).collect();
    assert!(clocks.len() >= 3, "too few looks: {clocks:?}");
    for clock in clocks {
        let behind = clock.behind.unwrap_or_else(|| panic!("{clock:?}"));
        assert!((0..=MOST_BEHIND as i64).contains(&behind), "{clock:?}");
    }
}
