//! The control API's JSON. Fields may be added, none renamed: webhooks and scripts of the service
//! that this one replaces read them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::connection::BaseUrl;
use crate::{
    cast::Device,
    ids::SessionId,
    session::{
        Audio, Mode, PageView, Quality, Snapshot, StreamView,
        cast::{CastView, Entry},
        tv::TvChoice,
    },
};

/// The word that every successful command answers with.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Success {
    Success,
}

#[derive(Debug, Serialize)]
pub(super) struct Started {
    pub(super) status: Success,
    #[serde(flatten)]
    pub(super) session: SessionView,
}

#[derive(Debug, Serialize)]
pub(super) struct Done {
    pub(super) status: Success,
    pub(super) message: &'static str,
}

/// Body of `POST /sessions/ID/navigate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NavigateRequest {
    pub(super) url: String,
}

/// Body of `POST /stop`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StopRequest {
    pub(super) session_id: Option<SessionId>,
}

#[derive(Debug, Serialize)]
pub(super) struct Sessions {
    pub(super) sessions: Vec<SessionView>,
}

#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    pub(super) events: Vec<Entry>,
}

#[derive(Debug, Serialize)]
pub(super) struct Devices {
    pub(super) devices: Vec<Device>,
}

#[derive(Debug, Serialize)]
pub(super) struct Status {
    status: Activity,
    /// The session started last.
    stream: Option<SessionView>,
    sessions: Vec<SessionView>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Activity {
    Idle,
    Casting,
}

impl Status {
    pub(super) fn new(sessions: Vec<SessionView>) -> Self {
        let stream = sessions.iter().rfind(|session| session.is_running());
        Self {
            status: match stream {
                Some(_) => Activity::Casting,
                None => Activity::Idle,
            },
            stream: stream.cloned(),
            sessions,
        }
    }
}

/// One session.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SessionView {
    session_id: SessionId,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_detail: Option<String>,
    started_at: Timestamp,
    /// What it is for.
    target: String,
    url: String,
    quality: Quality,
    mode: Mode,
    audio: Audio,
    /// What the session's mode asks for.
    playlist_url: String,
    media: MediaUrls,
    page: PageView,
    /// `None` until an encoder is open.
    video: Option<StreamView>,
    /// The TV that it is for; `None` when it is served only.
    device: Option<TvChoice>,
    cast: Option<CastView>,
}

#[derive(Clone, Debug, Serialize)]
struct MediaUrls {
    hls: String,
    fmp4: String,
}

impl SessionView {
    pub(super) fn new(snapshot: Snapshot, base: &BaseUrl) -> Self {
        let media = MediaUrls {
            hls: base.join(&snapshot.token.hls_path()),
            fmp4: base.join(&snapshot.token.fmp4_path()),
        };
        let playlist_url = match snapshot.mode {
            Mode::Hls => media.hls.clone(),
            Mode::Fmp4 => media.fmp4.clone(),
        };
        Self {
            session_id: snapshot.id,
            state: snapshot.state.name,
            state_detail: snapshot.state.detail,
            started_at: snapshot.started_at,
            target: snapshot.target,
            url: snapshot.url,
            quality: snapshot.quality,
            mode: snapshot.mode,
            audio: snapshot.audio,
            playlist_url,
            media,
            page: snapshot.page,
            video: snapshot.stream,
            device: snapshot.tv,
            cast: snapshot.cast,
        }
    }

    fn is_running(&self) -> bool {
        self.state != "ended"
    }
}
