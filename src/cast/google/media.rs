//! The player's side: what it is told to play, and what it says it does.

use serde_json::{Value, json};

use super::json::{clip, integer, number, text, word};
use crate::session::tv::{IdleReason, Load, MediaView, PlayerState};

const HLS: &str = "application/vnd.apple.mpegurl";
const GENERIC_METADATA: u32 = 0;

/// No `currentTime`: any number, even 0, starts a live stream at its oldest segment; without it the
/// player starts at the live edge.
pub(super) fn load(request: u32, session: &str, load: &Load) -> Value {
    let url = load.url.as_str();
    let mut media = json!({
        "contentId": url,
        "contentUrl": url,
        "contentType": HLS,
        "streamType": "LIVE",
        // Titles come from pages, whose authors need not know a limit.
        "metadata": {"metadataType": GENERIC_METADATA, "title": clip(&load.title), "images": []},
    });
    if load.state_segment_format {
        media["hlsSegmentFormat"] = json!("fmp4");
        media["hlsVideoSegmentFormat"] = json!("fmp4");
    }
    json!({
        "type": "LOAD", "requestId": request, "sessionId": session, "autoplay": true, "media": media,
    })
}

pub(super) fn play(request: u32, media_session: i64) -> Value {
    json!({"type": "PLAY", "requestId": request, "mediaSessionId": media_session})
}

/// One thing that a player has loaded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Status {
    pub(super) media_session: Option<i64>,
    /// Said only when it changes.
    pub(super) content: Option<String>,
    pub(super) state: PlayerState,
    position: f64,
}

/// Reads a MEDIA_STATUS: `None` when it has no status, `Some(None)` when nothing is loaded.
pub(super) fn status(body: &Value) -> Option<Option<Status>> {
    let list = body.get("status")?.as_array()?;
    let mut statuses = list.iter().filter(|status| status.is_object()).map(read).peekable();
    let first = statuses.peek().cloned();
    // What has ended may stand beside what plays.
    let active = statuses.find(|status| !matches!(status.state, PlayerState::Idle(_)));
    Some(active.or(first))
}

fn read(status: &Value) -> Status {
    let extended = status.get("extendedStatus").unwrap_or(&Value::Null);
    // What is being loaded stands in the extension only.
    let media = status.get("media").or_else(|| extended.get("media")).unwrap_or(&Value::Null);
    let state = match word(status, "playerState") {
        // A player that fetches its first segments calls itself idle, and adds this.
        Some("IDLE") if word(extended, "playerState") == Some("LOADING") => PlayerState::Loading,
        Some("IDLE") => PlayerState::Idle(word(status, "idleReason").map(idle_reason)),
        Some("LOADING") => PlayerState::Loading,
        Some("BUFFERING") => PlayerState::Buffering,
        Some("PLAYING") => PlayerState::Playing,
        Some("PAUSED") => PlayerState::Paused,
        _ => PlayerState::Unknown,
    };
    Status {
        media_session: integer(status, "mediaSessionId"),
        content: text(media, "contentId").or_else(|| text(media, "contentUrl")),
        state,
        position: number(status, "currentTime").unwrap_or_default(),
    }
}

fn idle_reason(word: &str) -> IdleReason {
    match word {
        "FINISHED" => IdleReason::Finished,
        "CANCELLED" => IdleReason::Cancelled,
        "INTERRUPTED" => IdleReason::Interrupted,
        "ERROR" => IdleReason::Error,
        _ => IdleReason::Unknown,
    }
}

/// What is loaded, over several messages: only the first of them says what it is.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) media_session: Option<i64>,
    content: Option<String>,
    /// Worth asking about: it plays, or might.
    pub(super) active: bool,
}

impl Loaded {
    /// Takes in a status; `told` is what it must be about when it does not say.
    pub(super) fn update(&mut self, status: Status, told: Option<&str>) -> MediaView {
        if status.media_session != self.media_session {
            *self = Self { media_session: status.media_session, ..Self::default() };
        }
        if let Some(content) = status.content.or_else(|| told.map(str::to_owned)) {
            self.content = Some(content);
        }
        self.active = !matches!(status.state, PlayerState::Idle(_));
        MediaView { content: self.content.clone(), state: status.state, position: status.position }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(status: Value) -> Status {
        super::status(&json!({"status": [status]})).unwrap().unwrap()
    }

    #[test]
    fn what_is_being_loaded_has_a_name() {
        let media = json!({"contentId": "http://x/m"});
        let loading = one(json!({
            "playerState": "IDLE", "extendedStatus": {"playerState": "LOADING", "media": media},
        }));
        assert_eq!(loading.state, PlayerState::Loading);
        assert_eq!(loading.content.as_deref(), Some("http://x/m"));
    }

    #[test]
    fn a_load_says_live_and_no_time() {
        let mut wanted = Load {
            url: "http://192.0.2.1:8000/m/x/master.m3u8".parse().unwrap(),
            state_segment_format: true,
            title: "Board".to_owned(),
        };
        let body = load(7, "s-1", &wanted);
        assert_eq!(
            body,
            json!({
                "type": "LOAD", "requestId": 7, "sessionId": "s-1", "autoplay": true,
                "media": {
                    "contentId": "http://192.0.2.1:8000/m/x/master.m3u8",
                    "contentUrl": "http://192.0.2.1:8000/m/x/master.m3u8",
                    "contentType": "application/vnd.apple.mpegurl",
                    "streamType": "LIVE",
                    "hlsSegmentFormat": "fmp4",
                    "hlsVideoSegmentFormat": "fmp4",
                    "metadata": {"metadataType": 0, "title": "Board", "images": []},
                },
            })
        );
        wanted.state_segment_format = false;
        let body = load(7, "s-1", &wanted);
        assert!(body["media"].get("hlsSegmentFormat").is_none());
        assert!(body["media"].get("hlsVideoSegmentFormat").is_none());
    }

    #[test]
    fn states_are_read_and_new_words_survive() {
        let state = |status: Value| one(status).state;
        assert_eq!(state(json!({"playerState": "PLAYING"})), PlayerState::Playing);
        assert_eq!(state(json!({"playerState": "IDLE"})), PlayerState::Idle(None));
        assert_eq!(
            state(json!({"playerState": "IDLE", "extendedStatus": {"playerState": "LOADING"}})),
            PlayerState::Loading
        );
        assert_eq!(
            state(json!({"playerState": "IDLE", "idleReason": "BORED"})),
            PlayerState::Idle(Some(IdleReason::Unknown))
        );
        assert_eq!(state(json!({"playerState": "DREAMING"})), PlayerState::Unknown);
        assert_eq!(state(json!({"playerState": 4})), PlayerState::Unknown);
    }

    #[test]
    fn nothing_loaded_is_not_the_same_as_nothing_said() {
        assert_eq!(status(&json!({"status": []})), Some(None));
        assert_eq!(status(&json!({"status": [3]})), Some(None));
        assert_eq!(status(&json!({})), None);
        assert_eq!(status(&json!({"status": 3})), None);
    }

    #[test]
    fn what_plays_goes_before_what_has_ended() {
        let both = json!({"status": [
            {"mediaSessionId": 1, "playerState": "IDLE", "idleReason": "INTERRUPTED"},
            {"mediaSessionId": 2, "playerState": "BUFFERING"},
        ]});
        assert_eq!(status(&both).unwrap().unwrap().media_session, Some(2));
    }

    #[test]
    fn what_was_loaded_is_remembered_until_something_else_is() {
        let mut loaded = Loaded::default();
        let first =
            json!({"mediaSessionId": 1, "playerState": "BUFFERING", "media": {"contentId": "a"}});
        assert_eq!(loaded.update(one(first), None).content.as_deref(), Some("a"));
        let second = json!({"mediaSessionId": 1, "playerState": "PLAYING", "currentTime": 2.5});
        let view = loaded.update(one(second), None);
        assert_eq!((view.content.as_deref(), view.position), (Some("a"), 2.5));
        let other = json!({"mediaSessionId": 2, "playerState": "PLAYING"});
        assert_eq!(loaded.update(one(other), None).content, None);
    }
}
