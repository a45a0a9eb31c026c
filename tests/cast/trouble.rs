//! What goes wrong with a TV.

use std::time::Duration;

use dashboard_cast::{
    cast::google::{ConnectError, Lost, Timing},
    session::tv::{IdleReason, PlayerState, TvCommand, TvEvent},
};
use serde_json::json;

use crate::{
    core::{Core, URL, app, load, timing, wait_for},
    scripted::{Faults, ScriptedTv},
};

fn short_request() -> Timing {
    Timing { request: Duration::from_secs(1), ..timing() }
}

/// The player runs on a TV with these faults.
async fn launched(tv: &ScriptedTv, timing: Timing) -> Core {
    let mut core = Core::try_connect(tv, timing).await.expect("a connection");
    core.launch().await;
    core
}

async fn load_failure(faults: Faults) -> String {
    let tv = ScriptedTv::start_with(faults);
    let mut core = launched(&tv, short_request()).await;
    core.tell(TvCommand::Load(load())).await;
    core.load_failure().await
}

async fn launch_failure(faults: Faults) -> (String, usize) {
    let tv = ScriptedTv::start_with(faults);
    let timing = Timing { launch: Duration::from_millis(400), ..timing() };
    let mut core = Core::try_connect(&tv, timing).await.expect("a connection");
    core.tell(TvCommand::Launch).await;
    (core.launch_failure().await, tv.calls_of("LAUNCH").len())
}

#[tokio::test]
async fn a_tv_that_falls_silent_is_given_up() {
    let tv = ScriptedTv::start();
    let timing = Timing { silence: Duration::from_millis(600), ..timing() };
    let core = Core::try_connect(&tv, timing).await.expect("a connection");
    tv.set_faults(|faults| faults.silent = true);
    let lost = core.lost().await;
    assert!(matches!(lost, Lost::Silent(_)), "{lost:?}");
    assert_eq!(lost.to_string(), "the TV has said nothing for 600ms");
    assert!(tv.calls_of("PING").len() >= 3);
}

#[tokio::test]
async fn a_tv_that_answers_no_ping_but_talks_is_alive() {
    let tv = ScriptedTv::start_with(Faults { no_pong: true, ..Faults::default() });
    let silence = Duration::from_millis(600);
    let mut core = Core::try_connect(&tv, Timing { silence, ..timing() }).await.expect("one");
    // While it plays, it is asked for its position, and the answers are signs of life.
    core.launch().await;
    core.tell(TvCommand::Load(load())).await;
    let later = 3.0 * silence.as_secs_f64();
    core.media("a position after that time", |media| media.position > later).await;
    tv.press_stop();
    assert!(matches!(core.lost().await, Lost::Silent(_)));
}

#[tokio::test]
async fn a_player_that_closes_its_connection_and_runs_on_is_connected_to_again() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    let transport = tv.state().app.expect("an app").transport;
    let connects = || {
        let calls = tv.calls_of("CONNECT");
        calls.iter().filter(|call| call.destination == transport).count()
    };
    assert_eq!(connects(), 1);
    tv.close_channels();
    wait_for("another CONNECT", || connects() == 2).await;
    let position = core.media("a position", |_| true).await.position;
    let view = core.media("a later position", |media| media.position > position + 1.0).await;
    assert_eq!((view.state, view.content.as_deref()), (PlayerState::Playing, Some(URL)));
    assert_eq!(tv.calls_of("LOAD").len(), 1);
}

#[tokio::test]
async fn a_player_that_closes_every_connection_is_not_pestered() {
    let tv = ScriptedTv::start_with(Faults { closes_channels: true, ..Faults::default() });
    let mut core = launched(&tv, timing()).await;
    core.tell(TvCommand::Load(load())).await;
    let why = core.load_failure().await;
    assert!(why.contains("player"), "{why}");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let connects = tv.calls_of("CONNECT").len();
    assert!((3..=5).contains(&connects), "{connects} in 2.5 s");
}

#[tokio::test]
async fn a_tv_that_ends_the_conversation_is_lost() {
    let tv = ScriptedTv::start();
    let core = Core::playing(&tv).await;
    tv.dismiss();
    assert!(matches!(core.lost().await, Lost::Dismissed));
}

#[tokio::test]
async fn a_launch_that_is_cancelled_is_tried_once_more() {
    let errors = vec!["CANCELLED"];
    let tv = ScriptedTv::start_with(Faults { launch_errors: errors, ..Faults::default() });
    launched(&tv, timing()).await;
    assert_eq!(tv.calls_of("LAUNCH").len(), 2);
}

#[tokio::test]
async fn a_launch_that_is_cancelled_twice_has_failed() {
    let launch_errors = vec!["CANCELLED", "CANCELLED"];
    let (why, launches) = launch_failure(Faults { launch_errors, ..Faults::default() }).await;
    assert_eq!(why, "the TV did not start the player: it gave up twice (CANCELLED)");
    assert_eq!(launches, 2);
}

#[tokio::test]
async fn a_launch_that_fails_says_why() {
    let launch_errors = vec!["NOT_FOUND"];
    let (why, launches) = launch_failure(Faults { launch_errors, ..Faults::default() }).await;
    assert!(why.contains("does not have the player") && why.contains("NOT_FOUND"), "{why}");
    assert_eq!(launches, 1);
    let refuses = Some("LAUNCH");
    let (why, _) = launch_failure(Faults { refuses, ..Faults::default() }).await;
    assert_eq!(why, "the TV did not start the player: INVALID_COMMAND");
}

#[tokio::test]
async fn a_launch_that_is_not_answered_has_failed() {
    let (why, _) = launch_failure(Faults { ignores: Some("LAUNCH"), ..Faults::default() }).await;
    assert_eq!(why, "the TV did not start the player within 400ms");
}

#[tokio::test]
async fn a_load_that_fails_says_why() {
    let load_answer = Some(json!({"type": "LOAD_FAILED"}));
    let why = load_failure(Faults { load_answer: load_answer.clone(), ..Faults::default() }).await;
    assert_eq!(why, "the TV could not load the stream and does not say why");
    for (code, expected) in [
        (315, "the TV could not load the stream: error 315 HLS_NETWORK_INVALID_SEGMENT"),
        (4711, "the TV could not load the stream: error 4711"),
    ] {
        let load_answer = load_answer.clone();
        let faults = Faults { load_answer, error_code: Some(code), ..Faults::default() };
        assert_eq!(load_failure(faults).await, expected);
    }
    let load_answer = Some(json!({"type": "LOAD_FAILED", "detailedErrorCode": 104}));
    let why = load_failure(Faults { load_answer, ..Faults::default() }).await;
    assert_eq!(why, "the TV could not load the stream: error 104 MEDIA_SRC_NOT_SUPPORTED");
}

#[tokio::test]
async fn a_load_that_is_refused_has_failed() {
    let why = load_failure(Faults { refuses: Some("LOAD"), ..Faults::default() }).await;
    assert_eq!(why, "the TV refused the stream: INVALID_COMMAND");
    let load_answer = Some(json!({"type": "LOAD_CANCELLED"}));
    let why = load_failure(Faults { load_answer, ..Faults::default() }).await;
    assert!(why.contains("something else"), "{why}");
    let load_answer = Some(json!({"type": "INVALID_PLAYER_STATE"}));
    let why = load_failure(Faults { load_answer, ..Faults::default() }).await;
    assert!(why.contains("not ready"), "{why}");
}

#[tokio::test]
async fn a_load_that_is_not_answered_has_failed() {
    let why = load_failure(Faults { ignores: Some("LOAD"), ..Faults::default() }).await;
    assert_eq!(why, "the TV did not load the stream within 1s");
}

#[tokio::test]
async fn a_load_that_is_answered_with_nothing_loaded_has_failed() {
    let why = load_failure(Faults { empty_media_status: true, ..Faults::default() }).await;
    assert_eq!(why, "the TV did not load the stream within 1s");
}

#[tokio::test]
async fn a_load_without_player_fails_at_once() {
    let tv = ScriptedTv::start();
    let mut core = Core::connect(&tv).await;
    core.tell(TvCommand::Load(load())).await;
    let why = core.load_failure().await;
    assert!(why.contains("does not run"), "{why}");
    assert!(tv.calls_of("LOAD").is_empty());
}

#[tokio::test]
async fn a_takeover_during_a_load_fails_it() {
    let tv = ScriptedTv::start_with(Faults { ignores: Some("LOAD"), ..Faults::default() });
    let mut core = launched(&tv, timing()).await;
    core.tell(TvCommand::Load(load())).await;
    wait_for("LOAD", || !tv.calls_of("LOAD").is_empty()).await;
    tv.open_app("Films");
    let why = core.load_failure().await;
    assert!(why.contains("the player closed the connection"), "{why}");
    core.receiver("another app", |view| app(view).is_some_and(|app| app.name == "Films")).await;
}

#[tokio::test]
async fn a_stream_that_breaks_or_ends_says_which() {
    for (reason, expected) in [
        ("ERROR", IdleReason::Error),
        ("FINISHED", IdleReason::Finished),
        ("A_NEW_WORD", IdleReason::Unknown),
    ] {
        let tv = ScriptedTv::start();
        let mut core = Core::playing(&tv).await;
        tv.media_ends(reason);
        let view = core.media("the end", |media| media.state != PlayerState::Playing).await;
        assert_eq!(view.state, PlayerState::Idle(Some(expected)));
    }
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    tv.player_error(4711);
    let view = core.media("the end", |media| media.state != PlayerState::Playing).await;
    assert_eq!(view.state, PlayerState::Idle(Some(IdleReason::Error)));
}

#[tokio::test]
async fn a_tv_without_a_list_of_apps_runs_nothing() {
    let tv = ScriptedTv::start_with(Faults { no_list: true, ..Faults::default() });
    tv.reboot();
    tv.clear_screen();
    let mut core = Core::connect(&tv).await;
    let Some(TvEvent::Receiver(view)) = core.next().await else { panic!("not what runs") };
    assert_eq!(view.app, None);
    core.launch().await;
}

#[tokio::test]
async fn a_tv_that_forgets_what_it_plays_is_believed() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    tv.set_faults(|faults| faults.empty_media_status = true);
    core.until("empty player", |event| (event == TvEvent::Media(None)).then_some(())).await;
}

#[tokio::test]
async fn a_player_that_answers_nothing_is_asked_again_and_reports_when_it_does() {
    let tv = ScriptedTv::start();
    let timing = Timing { request: Duration::from_millis(200), ..timing() };
    let mut core = launched(&tv, timing).await;
    core.tell(TvCommand::Load(load())).await;
    core.media("our stream", |media| media.state == PlayerState::Playing).await;
    tv.set_faults(|faults| faults.ignores = Some("GET_STATUS"));
    let asked = tv.calls_of("GET_STATUS").len();
    wait_for("more questions", || tv.calls_of("GET_STATUS").len() > asked + 2).await;
    let position = tv.state().media.expect("media").position();
    tv.set_faults(|faults| faults.ignores = None);
    core.media("a later position", |media| media.position > position).await;
}

#[tokio::test]
async fn a_reboot_ends_the_link_and_the_next_one_finds_the_idle_screen() {
    let tv = ScriptedTv::start();
    let core = Core::playing(&tv).await;
    tv.power_off();
    let lost = core.lost().await;
    assert!(matches!(lost, Lost::Closed | Lost::Reading(_) | Lost::Writing(_)), "{lost:?}");
    let refused = Core::try_connect(&tv, timing()).await.err();
    assert!(matches!(refused, Some(ConnectError::Tcp { .. })), "{refused:?}");

    tv.power_on(tv.address());
    let mut core = Core::connect(&tv).await;
    core.receiver("the idle screen", |view| app(view).is_some_and(|app| app.is_idle_screen)).await;
}

#[tokio::test]
async fn a_tv_comes_back_at_another_address() {
    let tv = ScriptedTv::start();
    let core = Core::playing(&tv).await;
    tv.power_off();
    core.lost().await;
    let mut elsewhere = tv.address();
    elsewhere.set_ip([127, 0, 0, 2].into());
    tv.power_on(elsewhere);
    let core = Core::connect(&tv).await;
    assert_eq!(core.connection.local.to_string(), "127.0.0.1");
}

#[tokio::test]
async fn a_cut_connection_leaves_the_tv_playing_and_the_next_one_finds_it() {
    let tv = ScriptedTv::start();
    let core = Core::playing(&tv).await;
    let position = tv.state().media.expect("media").position();
    tv.cut();
    core.lost().await;
    let mut core = Core::connect(&tv).await;
    let view = core.media("our stream", |_| true).await;
    assert_eq!((view.state, view.content.as_deref()), (PlayerState::Playing, Some(URL)));
    assert!(view.position > position);
    assert_eq!((tv.calls_of("LOAD").len(), tv.calls_of("LAUNCH").len()), (1, 1));
    assert_eq!(tv.connections(), 2);
    assert_eq!(tv.calls().last().map(|call| call.connection), Some(2));
}
