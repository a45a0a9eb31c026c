//! What is on the wire: cut up, lumped together, too large, senseless, too much.

use dashboard_cast::{
    cast::google::{FrameError, Lost},
    session::tv::{PlayerState, TvEvent},
};
use serde_json::json;

use crate::{
    core::{Core, wait_for},
    scripted::{
        Faults, ScriptedTv,
        wire::{CONNECTION, Envelope, HEARTBEAT, MEDIA, RECEIVER, frame},
    },
};

const LONGEST: usize = 64 * 1024;

/// The link still works both ways.
async fn check_alive(tv: &ScriptedTv, core: &mut Core) {
    let volume = if tv.state().volume == 0.5 { 0.75 } else { 0.5 };
    tv.set_volume(volume, false);
    core.receiver("a volume", |view| view.volume == Some(volume)).await;
    let pongs = tv.calls_of("PONG").len();
    tv.broadcast("receiver-0", HEARTBEAT, &json!({"type": "PING"}));
    wait_for("PONG", || tv.calls_of("PONG").len() > pongs).await;
}

#[tokio::test]
async fn frames_come_byte_by_byte() {
    let tv = ScriptedTv::start_with(Faults { splits_frames: true, ..Faults::default() });
    let mut core = Core::playing(&tv).await;
    check_alive(&tv, &mut core).await;
}

#[tokio::test]
async fn frames_come_together() {
    let tv = ScriptedTv::start_with(Faults { coalesces: true, ..Faults::default() });
    let mut core = Core::playing(&tv).await;
    check_alive(&tv, &mut core).await;
    assert!(tv.calls_of("PONG").len() > 4);
}

#[tokio::test]
async fn the_longest_frame_is_read() {
    let tv = ScriptedTv::start();
    let mut core = Core::connect(&tv).await;
    let padded = |padding: usize| {
        let status = json!({"type": "RECEIVER_STATUS", "padding": "x".repeat(padding), "status": {
            "applications": [], "volume": {"level": 0.25},
        }});
        Envelope::new("receiver-0", "*", RECEIVER, &status).frame()
    };
    // From half the length on, all lengths inside are written with as many bytes.
    let missing = 4 + LONGEST - padded(LONGEST / 2).len();
    let longest = padded(LONGEST / 2 + missing);
    assert_eq!(longest.len(), 4 + LONGEST);
    tv.send_raw(longest);
    core.receiver("a volume", |view| view.volume == Some(0.25)).await;
    check_alive(&tv, &mut core).await;
}

#[tokio::test]
async fn a_frame_that_is_too_long_ends_the_link() {
    let tv = ScriptedTv::start();
    let core = Core::playing(&tv).await;
    tv.send_raw(frame(&vec![0; LONGEST + 1]));
    let lost = core.lost().await;
    assert!(matches!(lost, Lost::Frame(FrameError::TooLong(65_537))), "{lost:?}");
}

#[tokio::test]
async fn an_empty_frame_ends_the_link() {
    let tv = ScriptedTv::start();
    let core = Core::playing(&tv).await;
    tv.send_raw(frame(&[]));
    let lost = core.lost().await;
    assert!(matches!(lost, Lost::Frame(FrameError::Empty)), "{lost:?}");
}

#[tokio::test]
async fn rubbish_in_frames_is_passed_over() {
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    let transport = tv.state().app.expect("an app").transport;
    tv.send_raw(frame(b"\xff\xff\xff\xff not protobuf"));
    let say = |source: &str, namespace: &str, text: &str| {
        let mut envelope = Envelope::new(source, "*", namespace, &json!({}));
        envelope.text = Some(text.to_owned());
        tv.send_raw(envelope.frame());
    };
    for namespace in [RECEIVER, MEDIA, HEARTBEAT, CONNECTION, "urn:x-cast:com.example.new"] {
        for source in ["receiver-0", &transport, "", "*", "somebody"] {
            for text in ["", "{", "null", "[]", "17", "{\"type\": 3}", "{\"type\": \"NEW\"}"] {
                say(source, namespace, text);
            }
        }
        let mut envelope = Envelope::new(&transport, "*", namespace, &json!({}));
        (envelope.kind, envelope.text, envelope.binary) = (1, None, Some(vec![0; 100]));
        tv.send_raw(envelope.frame());
    }
    for text in [
        r#"{"type": "RECEIVER_STATUS"}"#,
        r#"{"type": "RECEIVER_STATUS", "status": []}"#,
        r#"{"type": "LAUNCH_ERROR", "requestId": "x"}"#,
        r#"{"type": "LAUNCH_STATUS", "status": "USER_ALLOWED"}"#,
        r#"{"responseType": "GET_APP_AVAILABILITY", "requestId": 3, "availability": {}}"#,
    ] {
        say("receiver-0", RECEIVER, text);
    }
    for text in [
        r#"{"type": "MEDIA_STATUS"}"#,
        r#"{"type": "MEDIA_STATUS", "status": {}}"#,
        r#"{"type": "LOAD_FAILED", "requestId": 99999}"#,
        r#"{"type": "ERROR"}"#,
    ] {
        say(&transport, MEDIA, text);
    }
    // Whoever is not the player has no say about it.
    say("somebody", MEDIA, r#"{"type": "MEDIA_STATUS", "status": []}"#);
    say("somebody", CONNECTION, r#"{"type": "CLOSE"}"#);
    tv.set_volume(0.875, false);
    core.until("a volume", |event| match event {
        TvEvent::Receiver(view) => {
            assert!(view.app.is_some_and(|app| app.is_player));
            Some(())
        }
        TvEvent::Media(Some(media)) => {
            assert_eq!(media.state, PlayerState::Playing);
            None
        }
        other => panic!("{other:?}"),
    })
    .await;
    check_alive(&tv, &mut core).await;
}

#[tokio::test]
async fn a_flood_to_a_core_that_reads_nothing_is_survived_and_its_newest_news_arrives() {
    const MESSAGES: u32 = 10_000;
    let tv = ScriptedTv::start();
    let mut core = Core::playing(&tv).await;
    let transport = tv.state().app.expect("an app").transport;
    let mut flood = Vec::new();
    for number in 1..=MESSAGES {
        let media = json!({"type": "MEDIA_STATUS", "requestId": 0, "status": [
            {"mediaSessionId": 1, "playerState": "PLAYING", "currentTime": 1_000_000 + number},
        ]});
        flood.extend(Envelope::new(&transport, "*", MEDIA, &media).frame());
        if number % 2 == 0 {
            let ping = json!({"type": "PING"});
            flood.extend(Envelope::new("receiver-0", "*", HEARTBEAT, &ping).frame());
        }
    }
    tv.send_raw(flood);
    // The TV is heard to the end, though the core takes nothing.
    let pongs = usize::try_from(MESSAGES / 2).expect("a number");
    wait_for("all PONGs", || tv.calls_of("PONG").len() >= pongs).await;

    let mut events = 0;
    let last = 1_000_000 + MESSAGES;
    loop {
        events += 1;
        if let Some(TvEvent::Media(Some(media))) = core.next().await
            && media.position == f64::from(last)
        {
            break;
        }
    }
    assert!(events < 60, "{events} events were kept");
    check_alive(&tv, &mut core).await;
}
