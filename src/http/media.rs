//! The media routes: what a player fetches. Players send no token; knowing the address is enough.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::{Live, Media, problem::Problem, range};

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const MP4: &str = "video/mp4";
/// A segment alone is no MP4 file, and this is its registered name.
const SEGMENT: &str = "video/iso.segment";

/// What is behind one name never changes, but is soon of no use to anyone.
const UNCHANGING: &str = "max-age=60";
const CHANGING: &str = "no-store";

/// A TV's player is a web page of another origin, and fetches with scripts.
const CORS: [(HeaderName, &str); 4] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Accept-Encoding, Range"),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Content-Length, Content-Range, Date"),
];

/// What the media routes share.
#[derive(Debug)]
pub(super) struct Playback<M> {
    pub(super) media: Arc<M>,
    /// How long a player waits for the first segment.
    pub(super) first_segment: Duration,
}

/// A file of a stream, by its name in the playlists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Master,
    Media,
    Init(u32),
    Segment(u64),
    Progressive,
}

impl File {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "master.m3u8" => Some(Self::Master),
            "media.m3u8" => Some(Self::Media),
            "stream.mp4" => Some(Self::Progressive),
            _ => {
                if let Some(number) = name.strip_suffix(".m4s") {
                    return Some(Self::Segment(decimal(number)?.parse().ok()?));
                }
                let number = name.strip_prefix("init-")?.strip_suffix(".mp4")?;
                Some(Self::Init(decimal(number)?.parse().ok()?))
            }
        }
    }
}

/// The text, if it is a number the only way it can be written.
fn decimal(text: &str) -> Option<&str> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then_some(text)
}

pub(super) async fn get<M: Media>(
    State(playback): State<Arc<Playback<M>>>,
    method: Method,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path((token, file)) = path.map_err(|_| not_found())?;
    let live = playback.media.get(&token).ok_or_else(not_found)?;
    match File::parse(&file).ok_or_else(not_found)? {
        File::Master => {
            wait(&*live, playback.first_segment).await;
            playlist(live.master_playlist())
        }
        File::Media => {
            wait(&*live, playback.first_segment).await;
            live.fresh().await;
            playlist(live.media_playlist())
        }
        File::Init(number) => {
            let bytes = live.init(number).ok_or_else(not_found)?;
            Ok(range::respond(&method, &headers, MP4, UNCHANGING, bytes))
        }
        File::Segment(sequence) => {
            let bytes = live.segment(sequence).ok_or_else(not_found)?;
            Ok(range::respond(&method, &headers, SEGMENT, UNCHANGING, bytes))
        }
        File::Progressive => {
            wait(&*live, playback.first_segment).await;
            progressive(&live, &method)
        }
    }
}

pub(super) async fn options() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Lets pages of every origin read the answer, errors too.
pub(super) async fn add_cors(mut response: Response) -> Response {
    for (name, value) in CORS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

async fn wait(live: &impl Live, limit: Duration) {
    // Whether there is something now is asked of the stream itself.
    let _: Result<(), _> = timeout(limit, live.ready()).await;
}

fn playlist(text: Option<String>) -> Result<Response, Problem> {
    let text = text.ok_or_else(not_yet)?;
    Ok(([(header::CONTENT_TYPE, PLAYLIST), (header::CACHE_CONTROL, CHANGING)], text)
        .into_response())
}

fn progressive(live: &Arc<impl Live>, method: &Method) -> Result<Response, Problem> {
    if live.master_playlist().is_none() {
        return Err(not_yet());
    }
    let body = if method == Method::HEAD {
        // Nobody reads it: it only must not have a length, for that would become the answer's.
        Body::from_stream(stream::empty::<Result<bytes::Bytes, std::convert::Infallible>>())
    } else {
        Body::from_stream(live.progressive().map(Ok::<_, std::convert::Infallible>))
    };
    Ok((
        [
            (header::CONTENT_TYPE, MP4),
            (header::CACHE_CONTROL, CHANGING),
            (header::ACCEPT_RANGES, "none"),
        ],
        body,
    )
        .into_response())
}

/// The same for a wrong token and a wrong file: nothing is to be learned by trying.
fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing here")
}

fn not_yet() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the stream has no picture yet")
        .retry_after_a_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_read_one_way() {
        for (name, file) in [
            ("master.m3u8", File::Master),
            ("media.m3u8", File::Media),
            ("stream.mp4", File::Progressive),
            ("init-0.mp4", File::Init(0)),
            ("init-12.mp4", File::Init(12)),
            ("0.m4s", File::Segment(0)),
            ("18446744073709551615.m4s", File::Segment(u64::MAX)),
        ] {
            assert_eq!(File::parse(name), Some(file), "{name}");
        }
        for name in [
            "",
            ".m4s",
            "+1.m4s",
            "01.m4s",
            "1.mp4",
            "-1.m4s",
            "1.m4s.m4s",
            "init-.mp4",
            "init-4294967296.mp4",
            "18446744073709551616.m4s",
            "init-1.m4s",
            "Master.m3u8",
        ] {
            assert_eq!(File::parse(name), None, "{name}");
        }
    }
}
