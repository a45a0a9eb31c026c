//! What people at the TV do.

use std::time::Duration;

use dashboard_cast::{
    cast::google::Timing,
    session::tv::{IdleReason, PlayerState, TvCommand, TvEvent},
};

use crate::{
    core::{Core, URL, app, timing},
    scripted::{Faults, ScriptedTv},
};

#[tokio::test]
async fn a_person_presses_stop() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    tv.press_stop();
    let ended = PlayerState::Idle(Some(IdleReason::Cancelled));
    let view = core.media("the end", |media| media.state != PlayerState::Playing).await;
    assert_eq!((view.state, view.content.as_deref()), (ended, Some(URL)));
    assert!(tv.calls_of("STOP").is_empty());
}

#[tokio::test]
async fn a_person_pauses_and_we_may_go_on() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    tv.press_pause();
    let paused = core.media("a pause", |media| media.state == PlayerState::Paused).await;
    assert_eq!(paused.content.as_deref(), Some(URL));
    let session = tv.state().media.expect("media").session;
    core.tell(TvCommand::Play).await;
    core.media("the picture again", |media| media.state == PlayerState::Playing).await;
    assert_eq!(tv.calls_of("PLAY")[0].body["mediaSessionId"], session);
}

#[tokio::test]
async fn a_person_pauses_and_goes_on() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    tv.press_pause();
    core.media("a pause", |media| media.state == PlayerState::Paused).await;
    tv.press_play();
    core.media("the picture again", |media| media.state == PlayerState::Playing).await;
    assert!(tv.calls_of("PLAY").is_empty());
}

#[tokio::test]
async fn a_person_opens_another_app() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    tv.open_app("Films");
    let view =
        core.receiver("another app", |view| app(view).is_some_and(|app| !app.is_player)).await;
    assert!(app(&view).is_some_and(|app| app.name == "Films" && !app.is_idle_screen));
    let films = tv.state().app.expect("an app");
    core.close().await;
    let calls = tv.calls();
    assert!(calls.iter().all(|call| call.destination != films.transport), "{calls:?}");
}

#[tokio::test]
async fn a_person_goes_to_the_idle_screen() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    tv.press_home();
    core.receiver("the idle screen", |view| app(view).is_some_and(|app| app.is_idle_screen)).await;
}

#[tokio::test]
async fn another_sender_uses_our_player() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    tv.load_other("http://192.0.2.9/film.mp4");
    let ended = core.media("the end of ours", |media| media.state != PlayerState::Playing).await;
    assert_eq!(ended.state, PlayerState::Idle(Some(IdleReason::Interrupted)));
    assert_eq!(ended.content.as_deref(), Some(URL));
    let other = core.media("the other", |media| media.state == PlayerState::Playing).await;
    assert_eq!(other.content.as_deref(), Some("http://192.0.2.9/film.mp4"));
}

#[tokio::test]
async fn a_person_switches_the_tv_to_standby() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    tv.switch_to_standby();
    let view = core.receiver("standby", |view| view.standby == Some(true)).await;
    assert_eq!(view.active_input, Some(false));
    assert!(app(&view).is_some_and(|app| app.is_player));
    tv.wake();
    core.receiver("an end of standby", |view| view.standby == Some(false)).await;
}

#[tokio::test]
async fn a_person_looks_at_another_input() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    for to_us in [false, true] {
        tv.switch_input(to_us);
        let view = core.receiver("input", |view| view.active_input == Some(to_us)).await;
        assert_eq!(view.standby, Some(false));
    }
}

#[tokio::test]
async fn a_person_changes_the_volume() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    tv.set_volume(0.875, true);
    let view = core.receiver("a volume", |view| view.volume == Some(0.875)).await;
    assert_eq!(view.muted, Some(true));
}

/// Whoever asks people must not be in a hurry: the time for a launch is far shorter here than the
/// person takes.
fn short_launch() -> Timing {
    Timing { launch: Duration::from_millis(300), ..timing() }
}

async fn asked(tv: &ScriptedTv) -> Core {
    let mut core = Core::try_connect(tv, short_launch()).await.expect("a connection");
    core.tell(TvCommand::Launch).await;
    core.until("question", |event| (event == TvEvent::LaunchPending).then_some(())).await;
    tokio::time::sleep(2 * short_launch().launch).await;
    core
}

#[tokio::test]
async fn a_person_is_asked_and_allows_it_after_a_while() {
    let tv = ScriptedTv::start_with(Faults { asks_permission: true, ..Faults::default() });
    let mut core = asked(&tv).await;
    tv.answer_permission(true);
    let view = match core.next().await {
        Some(TvEvent::Receiver(view)) => view,
        other => panic!("{other:?}"),
    };
    assert!(app(&view).is_some_and(|app| app.is_player));
    assert_eq!(tv.calls_of("LAUNCH").len(), 1);
}

#[tokio::test]
async fn a_person_is_asked_and_refuses() {
    let tv = ScriptedTv::start_with(Faults { asks_permission: true, ..Faults::default() });
    let mut core = asked(&tv).await;
    tv.answer_permission(false);
    core.until("refusal", |event| (event == TvEvent::LaunchDenied).then_some(())).await;
    assert_eq!(tv.calls_of("LAUNCH").len(), 1);
}
