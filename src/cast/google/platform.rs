//! The TV's own side: what runs on it, how loud it is, and starting and ending apps.

use serde_json::{Value, json};

use super::json::{flag, integer, number, text, word};
use crate::session::tv::{AppView, ReceiverView};

/// The player that Google has on every TV.
pub(super) const PLAYER: &str = "CC1AD845";
/// The idle screen with the photographs.
const BACKDROP: &str = "E8C28D3C";
/// The namespace of connections takes any; the name is for people who read a TV's log.
const USER_AGENT: &str = concat!("dashboard-cast/", env!("CARGO_PKG_VERSION"));

pub(super) fn connect() -> Value {
    json!({"type": "CONNECT", "origin": {}, "userAgent": USER_AGENT})
}

pub(super) fn ping() -> Value {
    json!({"type": "PING"})
}

pub(super) fn pong() -> Value {
    json!({"type": "PONG"})
}

pub(super) fn get_status(request: u32) -> Value {
    json!({"type": "GET_STATUS", "requestId": request})
}

pub(super) fn launch(request: u32) -> Value {
    json!({"type": "LAUNCH", "requestId": request, "appId": PLAYER})
}

pub(super) fn stop(request: u32, session: &str) -> Value {
    json!({"type": "STOP", "requestId": request, "sessionId": session})
}

/// Only the level: a message with `muted` in it would lift a mute that somebody at the TV has set.
pub(super) fn set_volume(request: u32, level: f64) -> Value {
    json!({"type": "SET_VOLUME", "requestId": request, "volume": {"level": level}})
}

/// What a message answers; 0 answers nothing.
pub(super) fn request(body: &Value) -> Option<u32> {
    integer(body, "requestId").and_then(|id| u32::try_from(id).ok()).filter(|id| *id != 0)
}

/// What kind of message this is. Some answers carry it under another name.
pub(super) fn kind(body: &Value) -> Option<&str> {
    word(body, "type").or_else(|| word(body, "responseType"))
}

/// A RECEIVER_STATUS.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Status {
    pub(super) view: ReceiverView,
    /// Where to talk to the app that runs.
    pub(super) transport: Option<String>,
}

/// Reads a RECEIVER_STATUS; `None` when it has no status, which is not the same as nothing running.
pub(super) fn status(body: &Value) -> Option<Status> {
    let status = body.get("status").filter(|status| status.is_object())?;
    // There is one app or none; some TVs leave the list out when there is none.
    let app = status.get("applications").and_then(|apps| apps.get(0)).filter(|app| app.is_object());
    let volume = status.get("volume").unwrap_or(&Value::Null);
    let view = ReceiverView {
        app: app.map(app_view),
        standby: flag(status, "isStandBy"),
        active_input: flag(status, "isActiveInput"),
        volume: number(volume, "level").map(|level| level.clamp(0.0, 1.0)),
        muted: flag(volume, "muted"),
    };
    let transport = app.and_then(|app| text(app, "transportId").or_else(|| text(app, "sessionId")));
    Some(Status { view, transport })
}

fn app_view(app: &Value) -> AppView {
    let id = text(app, "appId").unwrap_or_default();
    AppView {
        is_player: id == PLAYER,
        is_idle_screen: id == BACKDROP || flag(app, "isIdleScreen") == Some(true),
        session: text(app, "sessionId").or_else(|| text(app, "transportId")).unwrap_or_default(),
        name: text(app, "displayName").filter(|name| !name.is_empty()).unwrap_or(id),
    }
}

/// What the people at a TV say to a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    Asked,
    Given,
    Refused,
}

/// Reads a LAUNCH_STATUS: which launch it is about, and what about it.
pub(super) fn permission(body: &Value) -> (Option<u32>, Option<Permission>) {
    let launch = integer(body, "launchRequestId").and_then(|id| u32::try_from(id).ok());
    let permission = match word(body, "status") {
        Some("USER_PENDING_AUTHORIZATION") => Some(Permission::Asked),
        Some("USER_ALLOWED") => Some(Permission::Given),
        Some("USER_NOT_ALLOWED") => Some(Permission::Refused),
        _ => None,
    };
    (launch.or_else(|| request(body)), permission)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_with_everything_is_read() {
        let status = status(&json!({"status": {
            "applications": [{
                "appId": PLAYER, "displayName": "Default Media Receiver", "isIdleScreen": false,
                "sessionId": "s-1", "transportId": "t-1",
            }],
            "volume": {"level": 0.5, "muted": true, "controlType": "attenuation"},
            "isActiveInput": true, "isStandBy": false,
        }}))
        .unwrap();
        let app = AppView {
            name: "Default Media Receiver".to_owned(),
            session: "s-1".to_owned(),
            is_player: true,
            is_idle_screen: false,
        };
        let view = ReceiverView {
            app: Some(app),
            standby: Some(false),
            active_input: Some(true),
            volume: Some(0.5),
            muted: Some(true),
        };
        assert_eq!(status, Status { view, transport: Some("t-1".to_owned()) });
    }

    #[test]
    fn a_status_without_anything_is_a_tv_on_which_nothing_runs() {
        let nothing = Some(Status { view: ReceiverView::default(), transport: None });
        assert_eq!(status(&json!({"status": {}})), nothing);
        assert_eq!(status(&json!({"status": {"applications": []}})), nothing);
        assert_eq!(status(&json!({"status": {"applications": "none", "volume": 3}})), nothing);
        // A tempting misspelling.
        assert_eq!(status(&json!({"status": {"isStandby": true}})), nothing);
    }

    #[test]
    fn a_message_without_status_says_nothing() {
        assert_eq!(status(&json!({"type": "RECEIVER_STATUS"})), None);
        assert_eq!(status(&json!({"type": "RECEIVER_STATUS", "status": "busy"})), None);
    }

    #[test]
    fn the_idle_screen_is_known_by_its_name_or_by_its_flag() {
        let idle = |app: Value| status(&json!({"status": {"applications": [app]}})).unwrap();
        assert!(idle(json!({"appId": BACKDROP})).view.app.unwrap().is_idle_screen);
        assert!(idle(json!({"appId": "X", "isIdleScreen": true})).view.app.unwrap().is_idle_screen);
        let app = idle(json!({"sessionId": "s-1"}));
        assert_eq!(app.transport.as_deref(), Some("s-1"));
        assert!(!app.view.app.unwrap().is_idle_screen);
    }
}
