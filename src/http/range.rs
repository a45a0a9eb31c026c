//! `Range` requests for bytes that are all in memory (RFC 9110, section 14).

use std::ops;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;

use super::problem::Problem;

/// Answers with the bytes, or with the part of them that is asked for.
pub(super) fn respond(
    method: &Method,
    request: &HeaderMap,
    content_type: &'static str,
    cache_control: &'static str,
    bytes: Bytes,
) -> Response {
    let length = bytes.len();
    let (status, body, content_range) = match wanted(method, request, length) {
        Wanted::All => (StatusCode::OK, bytes, None),
        Wanted::Part(part) => {
            let content_range = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            let body = bytes.slice(part);
            (StatusCode::PARTIAL_CONTENT, body, Some(content_range))
        }
        Wanted::Outside => {
            let mut response = Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("the range begins behind the end of the {length} bytes"),
            )
            .into_response();
            set_content_range(&mut response, &format!("bytes */{length}"));
            return response;
        }
    };
    let mut response = (
        status,
        [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, cache_control),
            (header::ACCEPT_RANGES, "bytes"),
        ],
        Body::from(body),
    )
        .into_response();
    if let Some(content_range) = content_range {
        set_content_range(&mut response, &content_range);
    }
    response
}

fn set_content_range(response: &mut Response, content_range: &str) {
    // Digits and punctuation are always a header's value.
    if let Ok(value) = HeaderValue::from_str(content_range) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// Not empty and within the bytes.
    Part(ops::Range<usize>),
    Outside,
}

/// A range that is malformed, several at once, or tied to a version (`If-Range`; we name none) may
/// be ignored by a server, and is.
fn wanted(method: &Method, request: &HeaderMap, length: usize) -> Wanted {
    if method != Method::GET || request.contains_key(header::IF_RANGE) {
        return Wanted::All;
    }
    request
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok())
        .and_then(|range| parse(range, length))
        .unwrap_or(Wanted::All)
}

fn parse(range: &str, length: usize) -> Option<Wanted> {
    let (unit, range) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let part = match (position(first)?, position(last)?) {
        (None, None) => return None,
        (None, Some(suffix)) => length.saturating_sub(suffix)..length,
        (Some(first), None) => first..length,
        (Some(first), Some(last)) if last < first => return None,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(length),
    };
    Some(if part.start < part.end { Wanted::Part(part) } else { Wanted::Outside })
}

/// `Some(None)` for an empty text, `None` for what is no number. A number too large to count with
/// lies behind every end.
fn position(text: &str) -> Option<Option<usize>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|b| b.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges_are_cut_out() {
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=4-", 4..10),
            ("bytes=4-99999999999999999999999", 4..10),
            ("bytes=-3", 7..10),
            ("bytes=-30", 0..10),
            ("Bytes= 0-9", 0..10),
        ] {
            assert_eq!(parse(range, 10), Some(Wanted::Part(part)), "{range}");
        }
    }

    #[test]
    fn a_range_behind_the_end_is_told_so() {
        for range in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(parse(range, 10), Some(Wanted::Outside), "{range}");
        }
        assert_eq!(parse("bytes=0-", 0), Some(Wanted::Outside));
    }

    #[test]
    fn what_is_no_single_range_gets_everything() {
        for range in
            ["bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "bytes=+1-2", "lines=1-2", "0-1"]
        {
            assert_eq!(parse(range, 10), None, "{range}");
        }
    }

    #[test]
    fn a_range_is_for_get_and_for_the_version_one_has() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, "bytes=0-1".parse().unwrap());
        assert_eq!(wanted(&Method::GET, &headers, 9), Wanted::Part(0..2));
        assert_eq!(wanted(&Method::HEAD, &headers, 9), Wanted::All);
        headers.insert(header::IF_RANGE, "\"v1\"".parse().unwrap());
        assert_eq!(wanted(&Method::GET, &headers, 9), Wanted::All);
    }
}
