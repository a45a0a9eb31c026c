//! One session, as the service shows it on the bus and as it is printed.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zbus::OwnedObjectPath;

use super::ServiceError;
use crate::{cli::screen::plain, dbus::proxy::TimelineEntry};

/// The properties of `org.dashboardcast1.Session`. "", 0 and -1 mean: not known, or none. One that is not
/// there is of another version of the service, and means the same.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Properties {
    id: String,
    started_at: u64,
    target: String,
    url: String,
    state: String,
    state_detail: String,
    quality: String,
    mode: String,
    audio: String,
    device: String,
    device_name: String,
    verdict: String,
    verdict_link: String,
    verdict_reason: String,
    verdict_since: u64,
    cast_state: String,
    cast_detail: String,
    lag: Option<f64>,
    page_title: String,
    page_status: u16,
    page_problem: String,
    page_reloads: u32,
    encoder: String,
    width: u32,
    height: u32,
    frame_rate: u32,
    bit_rate: u64,
    sent_frame_rate: u32,
    sent_bit_rate: u64,
    discontinuities: u32,
    segments: u64,
}

/// One session. As JSON it has the keys of `GET /sessions/ID`.
#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct Session {
    #[serde(skip)]
    pub(in crate::cli) path: OwnedObjectPath,
    #[serde(rename = "session_id")]
    pub(in crate::cli) id: String,
    pub(in crate::cli) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) state_detail: Option<String>,
    pub(in crate::cli) started_at: Option<Timestamp>,
    /// What it is for, such as a cast of the configuration.
    pub(in crate::cli) target: String,
    pub(in crate::cli) url: String,
    pub(in crate::cli) quality: String,
    pub(in crate::cli) mode: String,
    pub(in crate::cli) audio: String,
    pub(in crate::cli) page: Page,
    /// `None` until an encoder is open.
    pub(in crate::cli) video: Option<Video>,
    /// `None` when it is served only.
    pub(in crate::cli) device: Option<Tv>,
    pub(in crate::cli) cast: Option<Cast>,
}

#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct Page {
    pub(in crate::cli) title: Option<String>,
    pub(in crate::cli) http_status: Option<u16>,
    pub(in crate::cli) problem: Option<String>,
    pub(in crate::cli) reloads: u32,
}

#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct Video {
    pub(in crate::cli) encoder: String,
    pub(in crate::cli) size: Size,
    pub(in crate::cli) frame_rate: u32,
    pub(in crate::cli) bit_rate: u64,
    /// `None` before the first segment.
    pub(in crate::cli) sent: Option<Sent>,
    pub(in crate::cli) segments: u64,
    pub(in crate::cli) discontinuities: u32,
}

/// What the last second had.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::cli) struct Sent {
    pub(in crate::cli) frame_rate: u32,
    pub(in crate::cli) bit_rate: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::cli) struct Size {
    pub(in crate::cli) width: u32,
    pub(in crate::cli) height: u32,
}

#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct Tv {
    pub(in crate::cli) id: String,
    pub(in crate::cli) name: String,
}

/// How it does on its TV.
#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct Cast {
    pub(in crate::cli) state: CastState,
    pub(in crate::cli) verdict: String,
    /// What is broken, when the verdict is `broken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) link: Option<String>,
    pub(in crate::cli) why: String,
    pub(in crate::cli) since: Option<Timestamp>,
    /// In seconds.
    pub(in crate::cli) lag: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct CastState {
    pub(in crate::cli) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) detail: Option<String>,
}

/// Where a session can be watched from this machine.
#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct Media {
    pub(in crate::cli) hls: String,
    pub(in crate::cli) fmp4: String,
}

/// Something that happened to a cast.
#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct Event {
    pub(in crate::cli) at: Option<Timestamp>,
    pub(in crate::cli) event: String,
    pub(in crate::cli) detail: String,
    /// How often the same came in a row.
    pub(in crate::cli) times: u32,
}

impl Session {
    /// Whether its cast waits for people, who have the screen.
    pub(in crate::cli) fn is_left_to_people(&self) -> bool {
        let state = self.cast.as_ref().map(|cast| cast.state.name.as_str());
        matches!(state, Some("paused" | "stood-down" | "yielded"))
    }

    pub(super) fn read(
        path: OwnedObjectPath,
        properties: Map<String, Value>,
    ) -> Result<Self, ServiceError> {
        let properties: Properties = serde_json::from_value(Value::Object(properties))
            .map_err(|cause| ServiceError::Unreadable { what: "a session", cause })?;
        Ok(Self::new(path, properties))
    }

    fn new(path: OwnedObjectPath, facts: Properties) -> Self {
        let device = (!facts.device_name.is_empty())
            .then(|| Tv { id: id_of(&facts.device), name: facts.device_name });
        let cast = (!facts.verdict.is_empty()).then(|| Cast {
            state: CastState { name: facts.cast_state, detail: known(facts.cast_detail) },
            verdict: facts.verdict,
            link: known(facts.verdict_link),
            why: facts.verdict_reason,
            since: time(facts.verdict_since),
            lag: facts.lag.filter(|lag| *lag >= 0.0),
        });
        let video = (!facts.encoder.is_empty()).then_some(Video {
            encoder: facts.encoder,
            size: Size { width: facts.width, height: facts.height },
            frame_rate: facts.frame_rate,
            bit_rate: facts.bit_rate,
            sent: (facts.sent_bit_rate > 0).then_some(Sent {
                frame_rate: facts.sent_frame_rate,
                bit_rate: facts.sent_bit_rate,
            }),
            segments: facts.segments,
            discontinuities: facts.discontinuities,
        });
        Self {
            path,
            id: facts.id,
            state: facts.state,
            state_detail: known(facts.state_detail),
            started_at: time(facts.started_at),
            target: facts.target,
            url: facts.url,
            quality: facts.quality,
            mode: facts.mode,
            audio: facts.audio,
            page: Page {
                title: known(facts.page_title),
                http_status: Some(facts.page_status).filter(|status| *status != 0),
                problem: known(facts.page_problem),
                reloads: facts.page_reloads,
            },
            video,
            device,
            cast,
        }
    }

    /// The oldest session first.
    pub(super) fn order(&self) -> (Option<Timestamp>, &str) {
        (self.started_at, &self.id)
    }

    /// The state with what is in its brackets.
    pub(in crate::cli) fn state_words(&self) -> String {
        match &self.state_detail {
            Some(detail) => format!("{} ({detail})", self.state),
            None => self.state.clone(),
        }
    }

    /// The page and the TV, for a sentence.
    pub(in crate::cli) fn title(&self) -> String {
        match &self.device {
            Some(tv) => format!("{} on {}", self.url, tv.name),
            None => self.url.clone(),
        }
    }

    /// As `GET /sessions/ID` answers; without the addresses of its media when the caller may not know
    /// them.
    pub(in crate::cli) fn view(&self, media: Option<&Media>) -> Value {
        let mut view = json!(self);
        if let Some(media) = media {
            view["media"] = json!(media);
            view["playlist_url"] = json!(media.of_mode(&self.mode));
        }
        view
    }
}

impl Cast {
    /// The verdict with the link that is broken.
    pub(in crate::cli) fn verdict_words(&self) -> String {
        match &self.link {
            Some(link) => format!("{} ({link})", self.verdict),
            None => self.verdict.clone(),
        }
    }

    /// The lag, with its unit.
    pub(in crate::cli) fn lag_words(&self) -> Option<String> {
        self.lag.map(|lag| format!("{lag:.1} s"))
    }
}

impl Media {
    pub(super) fn read(media: &HashMap<String, String>) -> Option<Self> {
        Some(Self { hls: plain(media.get("hls")?), fmp4: plain(media.get("fmp4")?) })
    }

    /// What a session of this mode is fetched from.
    pub(in crate::cli) fn of_mode(&self, mode: &str) -> &str {
        if mode == "fmp4" { &self.fmp4 } else { &self.hls }
    }
}

impl From<TimelineEntry> for Event {
    fn from((at, event, detail, times): TimelineEntry) -> Self {
        Self { at: time(at), event: plain(&event), detail: plain(&detail), times }
    }
}

/// "" means that it is not known, or that there is none.
pub(super) fn known(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The id that the last element of an object's path stands for: bytes that may not stand in a path are
/// written as `_` and two hexadecimal digits. Empty for `/`, which is no object.
pub(super) fn id_of(path: &str) -> String {
    let mut rest = path.rsplit('/').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((head, tail)) = rest.split_once('_') {
        bytes.extend_from_slice(head.as_bytes());
        let digits = tail.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match digits {
            Some(byte) => {
                bytes.push(byte);
                tail.get(2..).unwrap_or_default()
            }
            // Not ours, so it stands for itself.
            None => {
                bytes.push(b'_');
                tail
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    plain(&String::from_utf8_lossy(&bytes))
}

/// Microseconds since 1970; 0 is never.
pub(super) fn time(micros: u64) -> Option<Timestamp> {
    let micros = i64::try_from(micros).ok().filter(|micros| *micros > 0)?;
    Timestamp::from_microsecond(micros).ok()
}

/// From then to now; nothing for what a clock that was set back has in its future.
pub(in crate::cli) fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

#[cfg(test)]
pub(in crate::cli) mod tests {
    use super::*;

    /// A session with these properties.
    #[track_caller]
    pub(in crate::cli) fn session(properties: Value) -> Session {
        let Value::Object(properties) = properties else { panic!("{properties} is no object") };
        let path = format!("/org/dashboardcast1/session/{}", properties["Id"].as_str().unwrap());
        Session::read(path.try_into().unwrap(), properties).unwrap()
    }

    #[test]
    fn what_is_printed_has_the_keys_of_http() {
        let session = session(json!({
            "Id": "1a2b3c4d", "StartedAt": 1_700_000_000_000_000_u64, "Target": "wall",
            "Url": "http://dash.lan/", "State": "live", "StateDetail": "", "Quality": "720p", "Mode": "hls", "Audio": "none",
            "Device": "/org/dashboardcast1/device/00112233445566778899aabbccddeeff",
            "DeviceName": "Kitchen", "Verdict": "broken", "VerdictLink": "network",
            "VerdictSince": 1_700_000_000_000_000_u64, "VerdictReason": "the TV has stopped fetching the stream", "CastState": "playing",
            "CastDetail": "", "Lag": 2.3, "PageTitle": "Load", "PageStatus": 200, "PageReloads": 1,
            "Encoder": "libx264", "Width": 1280, "Height": 720, "FrameRate": 30,
            "BitRate": 2_500_000, "SentFrameRate": 4, "SentBitRate": 800_000, "Discontinuities": 0,
            "Segments": 7, "New": [1, 2]
        }));
        let expected = json!({
            "session_id": "1a2b3c4d", "state": "live", "started_at": "2023-11-14T22:13:20Z",
            "target": "wall", "url": "http://dash.lan/", "quality": "720p", "mode": "hls", "audio": "none",
            "page": {"title": "Load", "http_status": 200, "problem": null, "reloads": 1},
            "video": {
                "encoder": "libx264", "size": {"width": 1280, "height": 720}, "frame_rate": 30,
                "bit_rate": 2_500_000, "sent": {"frame_rate": 4, "bit_rate": 800_000},
                "segments": 7, "discontinuities": 0
            },
            "device": {"id": "00112233445566778899aabbccddeeff", "name": "Kitchen"},
            "cast": {
                "state": {"name": "playing"}, "verdict": "broken", "link": "network",
                "why": "the TV has stopped fetching the stream", "since": "2023-11-14T22:13:20Z",
                "lag": 2.3
            },
        });
        assert_eq!(serde_json::to_value(session).unwrap(), expected);
    }

    #[test]
    fn a_session_without_a_tv_and_an_encoder_says_so() {
        let session = session(json!({"Id": "1a", "Device": "/", "StateDetail": "page"}));
        assert!(session.device.is_none() && session.cast.is_none() && session.video.is_none());
        assert_eq!(session.started_at, None);
        assert_eq!(session.state_detail.as_deref(), Some("page"));
    }

    #[test]
    fn a_property_of_another_type_is_an_error_and_no_panic() {
        let properties = Map::from_iter([("Width".to_owned(), json!("wide"))]);
        let path = "/org/dashboardcast1/session/1a".try_into().unwrap();
        let error = Session::read(path, properties).unwrap_err();
        assert!(matches!(error, ServiceError::Unreadable { .. }), "{error}");
    }

    #[test]
    fn ids_are_read_from_paths() {
        for (path, id) in [
            ("/", ""),
            ("/a/b/00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff"),
            ("/a/192_2e168_2e1_2e20_3a8009", "192.168.1.20:8009"),
            ("/a/K_c3_bcche_1b_5b31m", "Küche[31m"),
            ("/a/tv_", "tv_"),
            ("/a/_zz_5", "_zz_5"),
            ("/a/_ff", "\u{fffd}"),
        ] {
            assert_eq!(id_of(path), id, "{path}");
        }
    }

    #[test]
    fn times_beyond_all_measure_are_none() {
        for micros in [0, u64::MAX, i64::MAX.unsigned_abs()] {
            assert_eq!(time(micros), None, "{micros}");
        }
    }
}
