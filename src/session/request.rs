//! What a caller may ask for, whichever way the request came in.

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use super::{
    auth::Auth,
    cast::Policy,
    ports::{EncoderSpec, PageSpec},
    tv::TvChoice,
};
use crate::{
    config::{Cast, OnBusy},
    ids::DeviceId,
    media::{Audio, Mode, Quality},
    units::FrameRate,
};

/// A request to show a page, as it comes in. JSON of `POST /start`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    pub url: String,
    #[serde(default)]
    pub quality: Option<Quality>,
    /// What the stream is for, a free name. A new session replaces the one of the same target.
    #[serde(default)]
    pub target: Option<String>,
    /// Seconds until the session ends by itself; without it, it stays.
    #[serde(default)]
    pub duration: Option<f64>,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub audio: Option<Audio>,
    /// The most frames in a second.
    #[serde(default)]
    pub frame_rate: Option<FrameRate>,
    #[serde(default)]
    pub zoom: Option<f64>,
    #[serde(default)]
    pub scale: Option<f64>,
    #[serde(default)]
    pub auth: Auth,
    /// The TV to show it on: its name, UUID or address, or [`StartRequest::NO_DEVICE`]. Without it, the
    /// configured one, if there is one.
    #[serde(default)]
    pub device: Option<String>,
    /// What to do when the TV's screen is in use.
    #[serde(default)]
    pub on_busy: OnBusy,
    /// Seconds that the screen must be idle before the cast comes back to it after people took it;
    /// without it, it does not.
    #[serde(default)]
    pub resume_after: Option<f64>,
    /// Loudness of the TV while it shows this, from 0 to 1; without it, it is left alone.
    #[serde(default)]
    pub volume: Option<f64>,
}

/// What holds where a request does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    pub quality: Quality,
    pub audio: Audio,
    pub frame_rate: FrameRate,
}

/// A request that makes sense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionSpec {
    pub target: String,
    pub page: PageSpec,
    pub encoder: EncoderSpec,
    pub quality: Quality,
    pub mode: Mode,
    pub audio: Audio,
    pub duration: Option<Duration>,
    /// `None`: it is served, and whoever likes may fetch it.
    pub cast: Option<CastSpec>,
}

impl SessionSpec {
    /// Whether both ask for the same. What is known of a TV changes while it is the same one: its name,
    /// its UUID once it announces itself, and its best picture, which says no more than `quality`.
    pub(super) fn is_as(
        &self,
        other: &Self,
        are_same: impl Fn(&DeviceId, &DeviceId) -> bool,
    ) -> bool {
        let mut own = self.clone();
        if let (Some(own), Some(cast)) = (&mut own.cast, &other.cast)
            && are_same(&own.tv.id, &cast.tv.id)
        {
            own.tv = cast.tv.clone();
        }
        own == *other
    }
}

/// Which TV, and how to behave there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CastSpec {
    pub tv: TvChoice,
    pub policy: Policy,
    pub volume: Option<f64>,
}

/// Why a request makes no sense. Each message says what to do.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum RequestError {
    #[error("\"{url}\" is not a URL: {cause}. Give a whole address such as http://host:3000/d/1")]
    Url { url: String, cause: String },
    #[error("duration is {0} but must be a number of seconds above 0 and at most 31536000")]
    Duration(f64),
    #[error("{name} is {value} but must be between {least} and {most}")]
    Range { name: &'static str, value: f64, least: f64, most: f64 },
    #[error("target is {0:?} but must be a name of 1 to 64 characters")]
    Target(String),
    /// H.264 level 4.1, the most that every Cast device plays, ends at 1080p30.
    #[error("frame_rate is {0} but 1080p ends at 30; ask for less, or for quality 720p")]
    FrameRate(u32),
    #[error("auth: {0}")]
    Auth(String),
}

/// Of requests that name none: they replace one another, as with one TV.
const DEFAULT_TARGET: &str = "default";

impl StartRequest {
    /// As `device`: it is served, and no TV is told.
    pub const NO_DEVICE: &str = "none";

    /// A request that leaves everything else as it is by default.
    pub fn new(url: String) -> Self {
        Self {
            url,
            quality: None,
            target: None,
            duration: None,
            mode: Mode::default(),
            audio: None,
            frame_rate: None,
            zoom: None,
            scale: None,
            auth: Auth::default(),
            device: None,
            on_busy: OnBusy::default(),
            resume_after: None,
            volume: None,
        }
    }

    /// What starts a cast of the configuration: its name is what it is for, so that there is one of it.
    /// `auth` is what is in its file.
    pub fn of_cast(name: String, cast: &Cast, auth: Auth) -> Self {
        Self {
            quality: cast.quality,
            target: Some(name),
            duration: cast.duration.map(|span| span.as_secs_f64()),
            audio: cast.audio,
            frame_rate: cast.frame_rate,
            zoom: cast.zoom,
            scale: cast.scale,
            auth,
            device: cast.device.clone(),
            on_busy: cast.on_busy,
            resume_after: cast.resume_after.map(|span| span.as_secs_f64()),
            volume: cast.volume,
            ..Self::new(cast.url.to_string())
        }
    }

    /// Checks everything that can be checked without looking at configuration. `tv` is what `device`
    /// means.
    ///
    /// # Errors
    /// The first thing that makes no sense.
    pub fn into_spec(
        self,
        defaults: &Defaults,
        tv: Option<TvChoice>,
    ) -> Result<SessionSpec, RequestError> {
        let url = parse_url(self.url)?;
        let duration = match self.duration {
            None => None,
            Some(seconds) if seconds > 0.0 && seconds <= Cast::LONGEST.as_secs_f64() => {
                Some(Duration::from_secs_f64(seconds))
            }
            Some(seconds) => return Err(RequestError::Duration(seconds)),
        };
        let zoom = within("zoom", self.zoom.unwrap_or(1.0), Cast::ZOOM)?;
        let scale = within("scale", self.scale.unwrap_or(1.0), Cast::SCALE)?;
        self.auth.check()?;
        let returns = 0.0..=Cast::LATEST_RETURN.as_secs_f64();
        let resume_after = self.resume_after.map(|span| within("resume_after", span, returns));
        let resume_after = resume_after.transpose()?.map(Duration::from_secs_f64);
        let volume = self.volume.map(|level| within("volume", level, Cast::VOLUME)).transpose()?;
        // What was asked for is what is made; a default gives way to what the TV is for.
        let quality = self.quality.unwrap_or_else(|| match &tv {
            Some(tv) if tv.best.size().pixels() < defaults.quality.size().pixels() => tv.best,
            _ => defaults.quality,
        });
        let size = quality.size();
        let target = match self.target {
            Some(name) if name.is_empty() || name.len() > 64 || name.contains(char::is_control) => {
                return Err(RequestError::Target(name));
            }
            Some(name) => name,
            None => tv.as_ref().map_or(DEFAULT_TARGET, |tv| tv.id.as_str()).to_owned(),
        };
        let highest =
            if quality == Quality::Hd1080 { FrameRate::DEFAULT } else { FrameRate::HIGHEST };
        let frame_rate = match self.frame_rate {
            Some(rate) if rate > highest => {
                return Err(RequestError::FrameRate(rate.per_second()));
            }
            Some(rate) => rate,
            // Configured for all qualities, it means: as far as this one goes.
            None => defaults.frame_rate.min(highest),
        };
        Ok(SessionSpec {
            target,
            page: PageSpec {
                url,
                size,
                scale,
                zoom,
                auth: self.auth,
                first: None,
                accept_certificates_of: Vec::new(),
            },
            encoder: EncoderSpec { size, frame_rate, bit_rate: quality.bit_rate() },
            quality,
            mode: self.mode,
            audio: self.audio.unwrap_or(defaults.audio),
            duration,
            cast: tv.map(|tv| CastSpec {
                tv,
                policy: Policy { on_busy: self.on_busy, resume_after },
                volume,
            }),
        })
    }
}

/// The address of a page, as people type it into a browser: `http://` may be left out.
pub(crate) fn parse_url(url: String) -> Result<Url, RequestError> {
    let parsed = match begins_with_host(&url) {
        true => Url::parse(&format!("http://{url}")),
        false => Url::parse(&url),
    };
    parsed.map_err(|cause| RequestError::Url { url, cause: cause.to_string() })
}

/// As `host/path`, `host:3000/path` and `me@[fd00::5]/path` do; `http://host` and `data:text/html` do not.
fn begins_with_host(url: &str) -> bool {
    let place = url.split(['/', '?', '#']).next().unwrap_or_default();
    let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
    // What colons an IPv6 address has are in its brackets.
    let end = host.rsplit_once(']').map_or(host, |(_, end)| end);
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    !place.is_empty() && end.rsplit_once(':').is_none_or(|(_, port)| is_port(port))
}

fn within(
    name: &'static str,
    value: f64,
    limits: RangeInclusive<f64>,
) -> Result<f64, RequestError> {
    if limits.contains(&value) {
        Ok(value)
    } else {
        let (least, most) = limits.into_inner();
        Err(RequestError::Range { name, value, least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{BitRate, Size};

    fn parse(json: &str) -> Result<StartRequest, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn spec(json: &str) -> Result<SessionSpec, RequestError> {
        parse(json).unwrap().into_spec(&Defaults::default(), None)
    }

    #[test]
    fn a_url_alone_is_a_request() {
        let spec = spec(r#"{"url": "http://dash:3000/"}"#).unwrap();
        assert_eq!(spec.quality, Quality::Hd1080);
        assert_eq!(spec.encoder.size, Size::new(1920, 1080));
        assert_eq!(spec.encoder.bit_rate, BitRate::from_kbit(5000));
        assert_eq!((spec.mode, spec.audio, spec.duration), (Mode::Hls, Audio::Silent, None));
    }

    #[test]
    fn what_a_tv_is_for_bounds_the_default_and_not_what_was_asked_for() {
        let hub =
            || TvChoice { id: DeviceId::new("hub"), name: "Hub".to_owned(), best: Quality::Hd720 };
        for (asked, expected) in [
            (r#"{"url": "http://x/"}"#, Quality::Hd720),
            (r#"{"url": "http://x/", "quality": "1080p"}"#, Quality::Hd1080),
        ] {
            let spec = parse(asked).unwrap().into_spec(&Defaults::default(), Some(hub())).unwrap();
            assert_eq!((spec.quality, spec.encoder.size), (expected, expected.size()));
        }
        let low = Defaults { quality: Quality::LowLatency, ..Defaults::default() };
        let spec = parse(r#"{"url": "http://x/"}"#).unwrap().into_spec(&low, Some(hub())).unwrap();
        assert_eq!(spec.quality, Quality::LowLatency);
    }

    #[test]
    fn unknown_words_are_named() {
        let error = parse(r#"{"url": "http://x/", "quality": "8k"}"#).unwrap_err();
        assert!(error.contains("8k") && error.contains("720p"), "{error}");
        let error = parse(r#"{"url": "http://x/", "colour": 1}"#).unwrap_err();
        assert!(error.contains("colour"), "{error}");
    }

    #[test]
    fn durations_are_positive() {
        for bad in ["-1", "0", "1e12"] {
            let json = format!(r#"{{"url": "http://x/", "duration": {bad}}}"#);
            assert!(matches!(spec(&json), Err(RequestError::Duration(_))), "{bad}");
        }
        let spec = spec(r#"{"url": "http://x/", "duration": 90}"#).unwrap();
        assert_eq!(spec.duration, Some(Duration::from_secs(90)));
    }

    #[test]
    fn an_address_may_begin_with_its_host() {
        for (typed, meant) in [
            ("dash", "http://dash/"),
            ("dash.lan/d/1?to=a:b", "http://dash.lan/d/1?to=a:b"),
            ("dash:3000/d/1", "http://dash:3000/d/1"),
            ("[fd00::5]:80", "http://[fd00::5]/"),
            ("[fd00::beef]/d", "http://[fd00::beef]/d"),
            ("me:secret@dash:3000/d", "http://me:secret@dash:3000/d"),
            ("https://dash", "https://dash/"),
            // What may be opened is for the policy to judge.
            ("data:text/html,x", "data:text/html,x"),
            ("about:blank", "about:blank"),
        ] {
            let spec = spec(&serde_json::json!({"url": typed}).to_string()).unwrap();
            assert_eq!(spec.page.url.as_str(), meant);
        }
    }

    #[test]
    fn a_relative_url_is_refused_with_an_example() {
        let error = spec(r#"{"url": "/d/1"}"#).unwrap_err().to_string();
        assert!(error.contains("http://host:3000"), "{error}");
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let spec = spec(
            r#"{"url": "http://x/", "auth": {"cookies": {"sid": "c-secret"},
                "localStorage": {"hassTokens": "l-secret"}, "headers": {"X-Key": "h-secret"},
                "basic": {"username": "me", "password": "b-secret"}}}"#,
        )
        .unwrap();
        let shown = format!("{spec:?}");
        assert!(shown.contains("sid") && shown.contains("hassTokens"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn headers_cannot_smuggle_lines() {
        let json = r#"{"url": "http://x/", "auth": {"headers": {"A": "b\r\nC: d"}}}"#;
        assert!(matches!(spec(json), Err(RequestError::Auth(_))));
    }
}
