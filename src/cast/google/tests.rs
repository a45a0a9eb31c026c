//! The conversation without sockets: exact times, and rubbish in amounts.

use std::{collections::VecDeque, time::Duration};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    Lost, Timing,
    actor::Actor,
    conversation::Conversation,
    framing::{self, Frames},
    media,
    message::{CONNECTION, CastMessage, HEARTBEAT, MEDIA, PLATFORM, RECEIVER},
    platform,
};
use crate::session::tv::{Load, TvCommand, TvEvent};

fn load() -> Load {
    Load {
        url: "http://192.0.2.1:8000/m/x/master.m3u8".parse().unwrap(),
        state_segment_format: true,
        title: "Board".to_owned(),
    }
}

fn said_by(source: &str, namespace: &str, body: &Value) -> Bytes {
    let mut message = CastMessage::new("*", namespace, body);
    message.source_id = source.to_owned();
    message.encode_to_vec().into()
}

fn player_runs(request: u32) -> Value {
    json!({"type": "RECEIVER_STATUS", "requestId": request, "status": {"applications": [{
        "appId": platform::PLAYER, "displayName": "Player", "sessionId": "s", "transportId": "t",
    }]}})
}

fn idle() -> Value {
    json!({"type": "RECEIVER_STATUS", "status": {}})
}

fn plays(position: f64) -> Value {
    json!({"type": "MEDIA_STATUS", "status": [{
        "mediaSessionId": 1, "playerState": "PLAYING", "currentTime": position,
        "media": {"contentId": load().url},
    }]})
}

/// A conversation and the hands of a clock.
struct Talk {
    conversation: Conversation,
    now: Instant,
}

impl Talk {
    fn begin(status: &Value) -> Self {
        let now = Instant::now();
        let mut talk = Self { conversation: Conversation::new(Timing::default(), now), now };
        talk.hear(PLATFORM, RECEIVER, status);
        talk.said();
        talk.events();
        talk
    }

    fn hear(&mut self, source: &str, namespace: &str, body: &Value) {
        self.conversation.heard(self.now);
        self.conversation.frame(self.now, said_by(source, namespace, body)).unwrap();
    }

    fn tell(&mut self, command: TvCommand) {
        self.conversation.command(self.now, command).unwrap();
    }

    /// Lets time pass, with a TV that is alive and says nothing of interest.
    fn wait(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.conversation.deadline() <= end {
            self.now = self.conversation.deadline();
            self.conversation.heard(self.now);
            self.conversation.tick(self.now).unwrap();
        }
        self.now = end;
        self.conversation.heard(self.now);
    }

    /// What was said to the TV: the type, the number, to whom.
    fn said(&mut self) -> Vec<(String, u32, String)> {
        let mut frames = Frames::default();
        frames.buffer().extend(self.conversation.outgoing.split());
        let mut said = Vec::new();
        while let Some(frame) = frames.next().unwrap() {
            let message = CastMessage::parse(frame).unwrap();
            let body: Value = serde_json::from_str(message.text().unwrap()).unwrap();
            let kind = platform::kind(&body).unwrap().to_owned();
            if message.namespace != HEARTBEAT {
                let id = platform::request(&body).unwrap_or_default();
                said.push((kind, id, message.destination_id.clone()));
            }
        }
        said
    }

    fn kinds(&mut self) -> Vec<String> {
        self.said().into_iter().map(|(kind, ..)| kind).collect()
    }

    fn events(&mut self) -> Vec<TvEvent> {
        std::iter::from_fn(|| self.conversation.outbox.pop()).collect()
    }
}

fn failure(events: &[TvEvent]) -> Option<&str> {
    match events {
        [TvEvent::LaunchFailed(why) | TvEvent::LoadFailed(why)] => Some(why),
        _ => None,
    }
}

#[test]
fn a_launch_has_30_seconds() {
    let mut talk = Talk::begin(&idle());
    talk.tell(TvCommand::Launch);
    talk.wait(29);
    assert_eq!(talk.events(), []);
    talk.wait(1);
    assert_eq!(failure(&talk.events()), Some("the TV did not start the player within 30s"));
}

#[test]
fn a_launch_waits_for_a_person_as_long_as_it_takes() {
    let mut talk = Talk::begin(&idle());
    talk.tell(TvCommand::Launch);
    let launch = talk.said()[0].1;
    let status =
        |word: &str| json!({"type": "LAUNCH_STATUS", "launchRequestId": launch, "status": word});
    talk.hear(PLATFORM, RECEIVER, &status("USER_PENDING_AUTHORIZATION"));
    assert_eq!(talk.events(), [TvEvent::LaunchPending]);
    talk.wait(3600);
    assert_eq!(talk.events(), []);
    talk.hear(PLATFORM, RECEIVER, &status("USER_ALLOWED"));
    talk.wait(29);
    assert_eq!(talk.events(), []);
    talk.wait(1);
    assert_eq!(failure(&talk.events()), Some("the TV did not start the player within 30s"));
}

#[test]
fn a_launch_is_answered_when_the_player_is_there_not_before() {
    let mut talk = Talk::begin(&idle());
    talk.tell(TvCommand::Launch);
    let launch = talk.said()[0].1;
    let mut early = idle();
    early["requestId"] = json!(launch);
    talk.hear(PLATFORM, RECEIVER, &early);
    assert_eq!(talk.events(), []);
    talk.hear(PLATFORM, RECEIVER, &player_runs(0));
    assert!(matches!(talk.events()[..], [TvEvent::Receiver(_)]));
    talk.wait(60);
    assert_eq!(talk.events(), []);
}

#[test]
fn a_load_has_10_seconds_and_a_late_answer_is_news() {
    let mut talk = Talk::begin(&player_runs(0));
    talk.tell(TvCommand::Load(load()));
    let (kind, _, to) = talk.said().pop().unwrap();
    assert_eq!((&kind[..], &to[..]), ("LOAD", "t"));
    talk.wait(10);
    assert_eq!(failure(&talk.events()), Some("the TV did not load the stream within 10s"));
    talk.hear("t", MEDIA, &plays(0.0));
    assert!(matches!(talk.events()[..], [TvEvent::Media(Some(_))]));
}

#[test]
fn a_load_without_an_answer_of_its_own_is_known_by_what_plays() {
    let mut talk = Talk::begin(&player_runs(0));
    talk.tell(TvCommand::Load(load()));
    talk.hear("t", MEDIA, &plays(0.0));
    talk.events();
    talk.wait(60);
    assert_eq!(talk.events(), []);
}

#[test]
fn what_plays_is_looked_at_every_two_seconds_and_what_does_not_is_left_alone() {
    let mut talk = Talk::begin(&player_runs(0));
    talk.hear("t", MEDIA, &plays(0.0));
    for _ in 0..3 {
        talk.wait(1);
        assert_eq!(talk.kinds(), [""; 0]);
        talk.wait(1);
        assert_eq!(talk.kinds(), ["GET_STATUS"]);
        talk.hear("t", MEDIA, &plays(0.0));
    }
    let ended = json!({"type": "MEDIA_STATUS", "status": [
        {"mediaSessionId": 1, "playerState": "IDLE", "idleReason": "CANCELLED"},
    ]});
    talk.hear("t", MEDIA, &ended);
    talk.wait(600);
    assert_eq!(talk.kinds(), [""; 0]);
}

#[test]
fn a_player_that_does_not_answer_is_not_asked_faster() {
    let mut talk = Talk::begin(&player_runs(0));
    talk.hear("t", MEDIA, &plays(0.0));
    talk.wait(60);
    assert_eq!(talk.kinds().len(), 5);
}

#[test]
fn many_commands_to_a_tv_that_answers_none_keep_one_request_of_each_kind() {
    let mut talk = Talk::begin(&player_runs(0));
    for _ in 0..1000 {
        talk.tell(TvCommand::SetVolume(0.5));
        talk.tell(TvCommand::Load(load()));
        talk.conversation.outgoing.clear();
    }
    talk.wait(10);
    assert!(failure(&talk.events()).is_some(), "one failure for the load that counts");
}

#[test]
fn commands_to_a_tv_that_reads_nothing_end_it() {
    let mut talk = Talk::begin(&player_runs(0));
    let told = (0..100_000).map(|_| talk.conversation.command(talk.now, TvCommand::Launch));
    assert!(matches!(told.into_iter().find_map(Result::err), Some(Lost::Deaf)));
    assert!(talk.conversation.outgoing.len() < 200_000);
}

/// The far end of an actor's connection.
struct Tv {
    socket: DuplexStream,
    commands: mpsc::Sender<TvCommand>,
    events: mpsc::Receiver<TvEvent>,
    end: JoinHandle<Result<(), Lost>>,
}

impl Tv {
    fn connect() -> Self {
        let (socket, far) = duplex(4096);
        let (commands, from_core) = mpsc::channel(16);
        let (to_core, events) = mpsc::channel(8);
        let standby = watch::Sender::new(None);
        let actor = Actor::new(far, Timing::default(), from_core, to_core, standby);
        Self { socket, commands, events, end: tokio::spawn(actor.run()) }
    }

    /// Says what runs on it.
    async fn begin(mut self) -> Self {
        self.say(RECEIVER, &idle()).await;
        assert!(matches!(self.events.recv().await, Some(TvEvent::Receiver(_))));
        self
    }

    async fn say(&mut self, namespace: &str, body: &Value) {
        let mut bytes = BytesMut::new();
        framing::append(&said_by(PLATFORM, namespace, body), &mut bytes).unwrap();
        self.socket.write_all(&bytes).await.unwrap();
    }

    async fn end(self) -> (Result<(), Lost>, Duration) {
        let begin = Instant::now();
        let end = self.end.await.unwrap();
        (end, begin.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn silence_of_15_seconds_is_the_end() {
    let mut tv = Tv::connect().begin().await;
    sleep(Duration::from_secs(7)).await;
    tv.say(HEARTBEAT, &json!({"type": "PONG"})).await;
    let mut heard = Vec::new();
    let pings = async { while tv.socket.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {} };
    let begin = Instant::now();
    pings.await;
    assert_eq!(begin.elapsed().as_secs(), 15);
    let (end, _) = tv.end().await;
    assert!(matches!(end, Err(Lost::Silent(_))), "{end:?}");
    let pings = String::from_utf8_lossy(&heard).matches("PING").count();
    assert_eq!(pings, 4, "at 5, 10, 15 and 20 s");
}

#[tokio::test(start_paused = true)]
async fn a_tv_that_reads_nothing_is_not_read_for_ever_either() {
    let mut tv = Tv::connect().begin().await;
    // Each PING wants a PONG, and none fits through.
    let flood = async {
        loop {
            tv.say(HEARTBEAT, &json!({"type": "PING"})).await;
        }
    };
    assert!(timeout(Duration::from_secs(10), flood).await.is_err(), "it must be held back");
    let (end, after) = tv.end().await;
    assert!(matches!(end, Err(Lost::Silent(_))), "{end:?}");
    assert!(after <= Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_core_that_closes_does_not_wait_long_for_a_tv_that_does_not_answer() {
    let mut tv = Tv::connect();
    tv.say(RECEIVER, &player_runs(0)).await;
    assert!(matches!(tv.events.recv().await, Some(TvEvent::Receiver(_))));
    tv.commands.send(TvCommand::Stop).await.unwrap();
    let Tv { commands, end, mut socket, .. } = tv;
    drop(commands);
    let begin = Instant::now();
    end.await.unwrap().unwrap();
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
    let mut told = Vec::new();
    socket.read_to_end(&mut told).await.unwrap();
    assert!(String::from_utf8_lossy(&told).contains(r#""type":"STOP""#));
}

#[test]
fn a_player_that_comes_when_nobody_wants_it_any_more_is_ended() {
    let mut talk = Talk::begin(&idle());
    talk.tell(TvCommand::Launch);
    talk.said();
    talk.tell(TvCommand::Stop);
    assert_eq!(talk.kinds(), [] as [&str; 0], "there is no run to end yet");
    assert!(talk.conversation.is_acting(), "so it is waited for");
    talk.hear(PLATFORM, RECEIVER, &player_runs(0));
    assert!(talk.kinds().contains(&"STOP".to_owned()));
    let mut talk = Talk::begin(&idle());
    talk.tell(TvCommand::Launch);
    talk.tell(TvCommand::Stop);
    talk.said();
    talk.hear(PLATFORM, RECEIVER, &json!({"type": "LAUNCH_ERROR", "reason": "CANCELLED"}));
    assert_eq!(talk.kinds(), [] as [&str; 0], "it is not asked for once more");
    assert!(!talk.conversation.is_acting());
}

#[tokio::test(start_paused = true)]
async fn a_core_that_drops_the_events_ends_it() {
    let mut tv = Tv::connect();
    tv.events.close();
    tv.say(RECEIVER, &idle()).await;
    let Tv { end, commands, socket, .. } = tv;
    end.await.unwrap().unwrap();
    drop((commands, socket));
}

/// JSON with the words of the protocol in the wrong places.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "IDLE",
        "PLAYING",
        "LOADING",
        "CANCELLED",
        "CC1AD845",
        "E8C28D3C",
        "t",
        "s",
        "",
        "USER_PENDING_AUTHORIZATION",
        "USER_NOT_ALLOWED",
        "MEDIA_STATUS",
        "RECEIVER_STATUS",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..5_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "type",
        "responseType",
        "requestId",
        "status",
        "applications",
        "appId",
        "sessionId",
        "transportId",
        "displayName",
        "isIdleScreen",
        "volume",
        "level",
        "muted",
        "isStandBy",
        "isActiveInput",
        "mediaSessionId",
        "playerState",
        "extendedStatus",
        "idleReason",
        "currentTime",
        "media",
        "contentId",
        "launchRequestId",
        "reason",
        "detailedErrorCode",
    ]);
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..12).prop_map(|fields| {
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_looked_at_without_panic(body in any_json()) {
        drop(platform::status(&body));
        platform::permission(&body);
        drop(media::status(&body));
    }

    #[test]
    fn any_message_is_heard_without_panic(
        mut bodies in prop::collection::vec((any_json(), 0..12_usize, any::<bool>()), 1..20),
    ) {
        let kinds = [
            "RECEIVER_STATUS", "LAUNCH_STATUS", "LAUNCH_ERROR", "INVALID_REQUEST", "MEDIA_STATUS",
            "ERROR", "LOAD_FAILED", "LOAD_CANCELLED", "INVALID_PLAYER_STATE", "CLOSE", "PING",
        ];
        let mut talk = Talk::begin(&player_runs(0));
        talk.tell(TvCommand::Launch);
        talk.tell(TvCommand::Load(load()));
        for (body, kind, of_player) in &mut bodies {
            if let (Some(kind), true) = (kinds.get(*kind), body.is_object()) {
                body["type"] = json!(kind);
            }
            let (source, namespace) = if *of_player { ("t", MEDIA) } else { (PLATFORM, RECEIVER) };
            drop(talk.conversation.frame(talk.now, said_by(source, namespace, body)));
            talk.wait(1);
        }
    }
}

/// A small generator of its own: the frames of a run are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// What a TV says on a good day, to be spoilt.
fn seeds() -> Vec<Bytes> {
    let error = json!({"type": "ERROR", "detailedErrorCode": 312, "itemId": 1});
    vec![
        said_by(PLATFORM, RECEIVER, &player_runs(3)),
        said_by(PLATFORM, RECEIVER, &idle()),
        said_by("t", MEDIA, &plays(12.5)),
        said_by("t", MEDIA, &json!({"type": "MEDIA_STATUS", "status": [], "requestId": 4})),
        said_by("t", MEDIA, &json!({"type": "LOAD_FAILED", "requestId": 5})),
        said_by("t", MEDIA, &error),
        said_by("t", CONNECTION, &json!({"type": "CLOSE"})),
        said_by(PLATFORM, HEARTBEAT, &json!({"type": "PING"})),
        said_by(
            PLATFORM,
            RECEIVER,
            &json!({
                "type": "LAUNCH_STATUS", "launchRequestId": 6, "status": "USER_PENDING_AUTHORIZATION",
            }),
        ),
        said_by(
            PLATFORM,
            RECEIVER,
            &json!({
                "type": "LAUNCH_ERROR", "requestId": 7, "reason": "CANCELLED",
            }),
        ),
    ]
}

/// Frames that are spoilt in up to three places, sometimes in their length, as one stream through
/// framing, envelope, JSON and conversation, with commands in between.
#[test]
fn a_million_spoilt_frames_are_survived() {
    const FRAMES: usize = 1_000_000;
    let seeds = seeds();
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let fresh = || Talk::begin(&player_runs(0));
    let mut talk = fresh();
    let mut wire = Frames::default();
    let (mut heard, mut lost, mut told) = (0, 0, 0);
    let mut spoilt = VecDeque::new();
    for number in 0..FRAMES {
        let mut frame = BytesMut::new();
        framing::append(&seeds[chance.below(seeds.len())], &mut frame).unwrap();
        // The length is spared mostly: behind a wrong one nothing is understood.
        let from = if chance.below(500) == 0 { 0 } else { 4 };
        for _ in 0..chance.below(4) {
            let at = from + chance.below(frame.len() - from);
            match chance.below(3) {
                0 => frame[at] = u8::try_from(chance.below(256)).unwrap(),
                1 => frame[at] ^= 1 << chance.below(8),
                _ => frame[at] = b"0{}[]\":,\\"[chance.below(9)],
            }
        }
        spoilt.extend(frame);
        let piece = 1 + chance.below(spoilt.len());
        wire.buffer().extend(spoilt.drain(..piece));
        let end = loop {
            match wire.next() {
                Ok(Some(frame)) => {
                    heard += 1;
                    if talk.conversation.frame(talk.now, frame).is_err() {
                        break true;
                    }
                }
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        if number % 64 == 0 {
            talk.tell(TvCommand::Launch);
            talk.tell(TvCommand::Load(load()));
        }
        if number % 1000 == 0 {
            talk.wait(1);
        }
        told += talk.events().len();
        assert!(talk.conversation.outgoing.len() < 4 * 64 * 1024);
        talk.conversation.outgoing.clear();
        if end {
            lost += 1;
            (talk, wire) = (fresh(), Frames::default());
            spoilt.clear();
        }
    }
    // A run in which nothing gets through would prove nothing.
    let through = heard > FRAMES / 2 && told > FRAMES / 20;
    assert!(through, "{heard} heard, {told} events, {lost} lost");
}
