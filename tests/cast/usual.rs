//! What happens when all goes well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dashboard_cast::{
    cast::google,
    session::tv::{PlayerState, TvCommand, TvEvent},
};
use serde_json::json;

use crate::{
    core::{Core, PATIENCE, URL, app, load, timing, wait_for},
    scripted::{
        Faults, ScriptedTv,
        wire::{CONNECTION, HEARTBEAT, IDLE_SCREEN, PLAYER, RECEIVER},
    },
};

#[tokio::test]
async fn a_tv_says_first_what_runs_on_it() {
    let tv = ScriptedTv::start();
    let mut core = Core::connect(&tv).await;
    assert_eq!(core.connection.local, IpAddr::V4(Ipv4Addr::LOCALHOST));
    let Some(TvEvent::Receiver(view)) = core.next().await else { panic!("not what runs") };
    assert!(app(&view).is_some_and(|app| app.is_idle_screen && !app.is_player));
    assert_eq!((view.volume, view.muted), (Some(0.5), Some(false)));
    assert_eq!((view.standby, view.active_input), (Some(false), Some(true)));

    let calls = tv.calls();
    assert_eq!((calls[0].kind(), &*calls[0].namespace), ("CONNECT", CONNECTION));
    assert_eq!(calls[0].destination, "receiver-0");
    assert_eq!((calls[1].kind(), &*calls[1].namespace), ("GET_STATUS", RECEIVER));
    assert_eq!(calls.len(), 2, "nothing is started by itself: {calls:?}");
}

#[tokio::test]
async fn a_stream_is_played_from_the_live_edge() {
    let tv = ScriptedTv::start();
    let mut core = Core::connect(&tv).await;
    let view = core.launch().await;
    assert_eq!(app(&view).map(|app| &app.name[..]), Some("Default Media Receiver"));
    core.tell(TvCommand::Load(load())).await;
    let view = core.media("our stream", |media| media.state == PlayerState::Playing).await;
    assert_eq!(view.content.as_deref(), Some(URL));

    let running = tv.state().app.expect("an app");
    let calls = tv.calls();
    let to_player: Vec<_> =
        calls.iter().filter(|call| call.destination == running.transport).collect();
    assert_eq!(to_player[0].kind(), "CONNECT");
    let asked = &tv.calls_of("LAUNCH")[0];
    assert_eq!(asked.body["appId"], PLAYER);
    let asked = tv.calls_of("LOAD").remove(0);
    assert!(asked.body["requestId"].as_u64().is_some_and(|id| id > 0));
    assert_eq!(asked.body["sessionId"], running.session);
    assert_eq!(asked.body["autoplay"], true);
    assert!(asked.body.get("currentTime").is_none(), "{asked:?}");
    assert_eq!(
        asked.body["media"],
        json!({
            "contentId": URL, "contentUrl": URL, "contentType": "application/vnd.apple.mpegurl",
            "streamType": "LIVE", "hlsSegmentFormat": "fmp4", "hlsVideoSegmentFormat": "fmp4",
            "metadata": {"metadataType": 0, "title": "Board", "images": []},
        })
    );
}

#[tokio::test]
async fn the_kind_of_segments_is_stated_only_when_wanted() {
    let tv = ScriptedTv::start();
    let mut core = Core::connect(&tv).await;
    core.launch().await;
    let mut plain = load();
    plain.state_segment_format = false;
    core.tell(TvCommand::Load(plain)).await;
    core.media("our stream", |media| media.state == PlayerState::Playing).await;
    let media = tv.calls_of("LOAD").remove(0).body["media"].clone();
    assert!(
        media.get("hlsSegmentFormat").is_none() && media.get("hlsVideoSegmentFormat").is_none()
    );
}

#[tokio::test]
async fn while_it_plays_the_position_comes_again_and_again() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    let mut last = 0.0;
    for _ in 0..4 {
        let view = core.media("a later position", |media| media.position > last).await;
        // The TV has told what it plays once only.
        assert_eq!(view.content.as_deref(), Some(URL));
        last = view.position;
    }
}

#[tokio::test]
async fn a_player_that_loads_is_not_taken_for_one_that_ended() {
    let tv = ScriptedTv::start_with(Faults { loads_first: true, ..Faults::default() });
    let mut core = Core::connect(&tv).await;
    core.launch().await;
    core.tell(TvCommand::Load(load())).await;
    let mut states = Vec::new();
    while states.last() != Some(&PlayerState::Playing) {
        if let Some(TvEvent::Media(Some(media))) = core.next().await {
            states.push(media.state);
        }
    }
    states.dedup();
    assert_eq!(states, [PlayerState::Loading, PlayerState::Buffering, PlayerState::Playing]);
}

#[tokio::test]
async fn loading_again_does_not_report_the_end_of_what_it_replaces() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    let before = tv.state().media.expect("media").session;
    core.tell(TvCommand::Load(load())).await;
    wait_for("another load", || tv.state().media.is_some_and(|media| media.session > before)).await;
    for _ in 0..5 {
        match core.next().await {
            Some(TvEvent::Media(Some(media))) => assert_eq!(media.state, PlayerState::Playing),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_link_that_closes_leaves_the_tv_playing_and_the_next_one_finds_it() {
    let tv = ScriptedTv::start();
    let core = Core::playing(&tv).await;
    core.close().await;
    let before = tv.calls().len();

    let mut core = Core::connect(&tv).await;
    let first = core.next().await;
    assert!(matches!(&first, Some(TvEvent::Receiver(view))
        if app(view).is_some_and(|app| app.is_player)));
    let Some(TvEvent::Media(Some(media))) = core.next().await else { panic!("not what plays") };
    assert_eq!(media.content.as_deref(), Some(URL));
    assert_eq!(media.state, PlayerState::Playing);
    for call in &tv.calls()[before..] {
        assert!(matches!(call.kind(), "CONNECT" | "GET_STATUS"), "{call:?}");
    }
    assert!(tv.calls_of("CLOSE").is_empty());
}

#[tokio::test]
async fn an_empty_player_says_that_it_is_empty() {
    let tv = ScriptedTv::start();
    let mut core = Core::connect(&tv).await;
    core.launch().await;
    assert_eq!(core.next().await, Some(TvEvent::Media(None)));
}

#[tokio::test]
async fn stop_ends_our_player() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    core.tell(TvCommand::Stop).await;
    core.receiver("the idle screen", |view| app(view).is_some_and(|app| app.is_idle_screen)).await;
}

#[tokio::test]
async fn stop_does_not_end_what_others_started() {
    let tv = ScriptedTv::start();
    tv.open_app("Films");
    let core = Core::connect(&tv).await;
    core.tell(TvCommand::Stop).await;
    core.close().await;
    assert!(tv.calls_of("STOP").is_empty());
}

#[tokio::test]
async fn what_is_told_last_is_carried_out_before_the_link_is_gone() {
    let tv = ScriptedTv::start();
    let core = Core::playing(&tv).await;
    core.tell(TvCommand::SetVolume(0.25)).await;
    core.tell(TvCommand::Stop).await;
    core.close().await;
    let state = tv.state();
    assert_eq!(state.volume, 0.25);
    assert_eq!(state.app.map(|app| app.id).as_deref(), Some(IDLE_SCREEN));
}

#[tokio::test]
async fn volume_is_set_without_lifting_a_mute() {
    let tv = ScriptedTv::start();
    tv.set_volume(0.5, true);
    let mut core = Core::connect(&tv).await;
    core.tell(TvCommand::SetVolume(0.125)).await;
    let view = core.receiver("a volume", |view| view.volume == Some(0.125)).await;
    assert_eq!(view.muted, Some(true));
    assert_eq!(tv.calls_of("SET_VOLUME")[0].body["volume"], json!({"level": 0.125}));

    core.tell(TvCommand::SetVolume(7.0)).await;
    core.receiver("a volume", |view| view.volume == Some(1.0)).await;
    core.tell(TvCommand::SetVolume(f64::NAN)).await;
    core.close().await;
    assert_eq!(tv.calls_of("SET_VOLUME").len(), 2);
}

#[tokio::test]
async fn a_ping_is_answered_to_whoever_sent_it() {
    let tv = ScriptedTv::start();
    let _core = Core::playing(&tv).await;
    let transport = tv.state().app.expect("an app").transport;
    for source in ["receiver-0", &transport] {
        tv.broadcast(source, HEARTBEAT, &json!({"type": "PING"}));
        wait_for("PONG", || tv.calls_of("PONG").iter().any(|call| call.destination == source))
            .await;
    }
    wait_for("PINGs of ours", || tv.calls_of("PING").len() > 2).await;
    assert!(tv.calls_of("PING").iter().all(|call| call.destination == "receiver-0"));
}

#[tokio::test]
async fn a_status_that_tells_nothing_new_is_not_passed_on() {
    let tv = ScriptedTv::start();
    let mut core = Core::connect(&tv).await;
    core.next().await.expect("what runs");
    tv.set_volume(0.5, false);
    tv.set_volume(0.5, false);
    tv.set_volume(0.75, false);
    let Some(TvEvent::Receiver(view)) = core.next().await else { panic!("not a status") };
    assert_eq!(view.volume, Some(0.75));
}

#[tokio::test]
async fn a_launch_is_answered_even_when_the_player_is_there_already() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    let before = tv.state().app.expect("an app").session;
    core.tell(TvCommand::Launch).await;
    let view = core
        .receiver("another run", |view| app(view).is_some_and(|app| app.session != before))
        .await;
    assert!(app(&view).is_some_and(|app| app.is_player));
}

#[tokio::test]
async fn our_address_is_plain_ipv4_even_over_a_mapped_one() {
    let tv = ScriptedTv::start();
    let mapped = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());
    let address = SocketAddr::new(mapped, tv.address().port());
    let connecting = tokio::time::timeout(PATIENCE, google::connect(address, timing())).await;
    let connection = connecting.expect("in time").expect("a connection");
    assert_eq!(connection.local, IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_ne!(connection.local, IpAddr::V6(Ipv6Addr::LOCALHOST));
}
