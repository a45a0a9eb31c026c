//! What the outside is shown of a session: plain values, no secrets.

use jiff::Timestamp;
use serde::Serialize;

use super::{Audio, Mode, Quality, cast::CastView, tv::TvChoice};
use crate::{
    ids::{MediaToken, SessionId},
    units::{BitRate, FrameRate, Size},
};

/// One session at one moment. D-Bus, HTTP and the log speak in these words.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub id: SessionId,
    /// The way to the media; for the place that builds addresses, never for display.
    pub token: MediaToken,
    pub state: StateView,
    pub started_at: Timestamp,
    /// What it is for: a name from its start, or that of the cast that it is in the configuration.
    pub target: String,
    /// Without user name, password, query values that look like secrets, and fragment.
    pub url: String,
    pub quality: Quality,
    pub mode: Mode,
    pub audio: Audio,
    pub page: PageView,
    /// `None` until an encoder is open.
    pub stream: Option<StreamView>,
    /// `None`: it is served only.
    pub tv: Option<TvChoice>,
    /// How it does on its TV.
    pub cast: Option<CastView>,
}

/// `starting(step)`, `live`, `recovering(cause)`, `stopping`, `ended(reason)`: the word and what
/// stands in the brackets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateView {
    pub name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PageView {
    pub title: Option<String>,
    pub http_status: Option<u16>,
    /// Why the slate is shown instead of the page.
    pub problem: Option<String>,
    /// How often the page was loaded again because something was wrong.
    pub reloads: u32,
}

/// What a second of the stream has, by its newest segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Pictures.
    pub frame_rate: u32,
    pub bit_rate: BitRate,
}

/// The rates are the most, unless they are [`sent`](Self::sent).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamView {
    pub encoder: String,
    pub size: Size,
    pub frame_rate: FrameRate,
    pub bit_rate: BitRate,
    /// `None` before the first segment.
    pub sent: Option<Sent>,
    pub segments: u64,
    /// How often the encoder had to be started again.
    pub discontinuities: u32,
}
