//! JSON bodies, taken from whoever means well.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::problem::Problem;

/// The largest body that is looked at.
const LARGEST: usize = 64 * 1024;
/// A larger one is read this far and thrown away: answering while the caller still writes would
/// reset the connection and lose the answer.
const DRAINED: usize = 1024 * 1024;

/// What senders that do not say JSON say instead: most webhooks, and `curl -d`.
const SLOPPY: [&str; 2] = ["text/plain", "application/x-www-form-urlencoded"];

/// Reads a JSON body; `None` when it is empty.
pub(super) async fn read_json<T: DeserializeOwned>(
    request: Request,
    limit: Duration,
) -> Result<Option<T>, Problem> {
    let (parts, body) = request.into_parts();
    let content_type = check_content_type(&parts.headers)?;
    let bytes = timeout(limit, read(body)).await.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {} s", limit.as_secs()),
        )
    })??;
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    serde_path_to_error::deserialize(&mut json)
        .map_err(|error| {
            // The path names the field; for a text that is no JSON at all there is none.
            let field = error.path().to_string();
            let field = if field == "." { "the body" } else { &field };
            (field.to_owned(), error.into_inner())
        })
        .and_then(|value| match json.end() {
            Ok(()) => Ok(value),
            Err(error) => Err(("the body".to_owned(), error)),
        })
        .map_err(|(field, error)| refused(&field, &error, content_type))
}

fn refused(field: &str, error: &serde_json::Error, content_type: Option<&str>) -> Problem {
    if error.is_data() {
        return Problem::new(StatusCode::BAD_REQUEST, format!("{field}: {error}"));
    }
    let problem = Problem::new(StatusCode::BAD_REQUEST, format!("{field} is not JSON: {error}"));
    match content_type {
        Some("application/x-www-form-urlencoded") => {
            problem.hint("The body must be JSON such as {\"url\": \"http://host/\"}, not a form.")
        }
        _ => problem,
    }
}

/// Returns the media type in lower case, without parameters.
fn check_content_type(headers: &HeaderMap) -> Result<Option<&'static str>, Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let essence = text.split(';').next().unwrap_or_default().trim();
    if let Some(known) = SLOPPY.iter().find(|known| **known == essence) {
        return Ok(Some(known));
    }
    if essence.is_empty() || essence == "application/json" || essence.ends_with("+json") {
        return Ok(None);
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("a body of type {essence:?} cannot be read"),
    )
    .hint("Send JSON, with \"Content-Type: application/json\"."))
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut seen = 0_usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "the body ended before it was whole")
        })?;
        seen = seen.saturating_add(chunk.len());
        if seen <= LARGEST {
            bytes.extend_from_slice(&chunk);
        } else if seen > DRAINED {
            break;
        }
    }
    if seen > LARGEST {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {LARGEST} bytes"),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wish {
        seconds: f64,
    }

    async fn read_wish(
        content_type: Option<&'static str>,
        body: impl Into<Body>,
    ) -> Result<Option<Wish>, String> {
        let mut request = Request::new(body.into());
        if let Some(content_type) = content_type {
            let value = HeaderValue::from_static(content_type);
            request.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        read_json(request, Duration::from_secs(1)).await.map_err(|problem| format!("{problem:?}"))
    }

    #[tokio::test]
    async fn json_is_json_whatever_the_sender_calls_it() {
        for content_type in [
            None,
            Some(""),
            Some("application/json"),
            Some("Application/JSON; charset=utf-8"),
            Some("application/vnd.api+json"),
            Some("text/plain; charset=utf-8"),
            Some("application/x-www-form-urlencoded"),
        ] {
            let wish = read_wish(content_type, "{\"seconds\": 2}").await;
            assert_eq!(wish, Ok(Some(Wish { seconds: 2.0 })), "{content_type:?}");
        }
        for content_type in ["multipart/form-data; boundary=x", "application/xml", "json"] {
            let problem = read_wish(Some(content_type), "{}").await.unwrap_err();
            assert!(problem.contains("415"), "{problem}");
        }
    }

    #[tokio::test]
    async fn errors_say_where() {
        for (body, expected) in [
            (
                "{\"seconds\": \"two\"}",
                "seconds: invalid type: string \\\"two\\\", expected f64 at line 1 column 17",
            ),
            ("{\n  \"seconds\": 2,\n}", "line 3 column 1"),
            ("{}", "missing field `seconds`"),
            ("[1", "line 1 column"),
            ("{\"seconds\": 2} {}", "trailing characters at line 1 column 16"),
            ("url=http://x/", "the body is not JSON"),
        ] {
            let problem = read_wish(None, body).await.unwrap_err();
            assert!(problem.contains("400") && problem.contains(expected), "{problem}");
        }
    }

    #[tokio::test]
    async fn a_form_is_told_what_to_be() {
        let form = Some("application/x-www-form-urlencoded");
        let problem = read_wish(form, "url=http://x/").await.unwrap_err();
        assert!(problem.contains("not a form"), "{problem}");
    }

    #[tokio::test]
    async fn nothing_and_white_space_are_no_body() {
        assert_eq!(read_wish(None, "").await, Ok(None));
        assert_eq!(read_wish(None, " \r\n").await, Ok(None));
    }

    #[tokio::test]
    async fn the_limit_is_64_kib() {
        let mut body = "{\"seconds\": 2}".to_owned();
        body.push_str(&" ".repeat(LARGEST - body.len()));
        assert!(read_wish(None, body.clone()).await.is_ok());
        body.push(' ');
        let problem = read_wish(None, body).await.unwrap_err();
        assert!(problem.contains("413"), "{problem}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = futures_util::stream::pending::<Result<String, std::io::Error>>();
        let problem = read_wish(None, Body::from_stream(never)).await.unwrap_err();
        assert!(problem.contains("408"), "{problem}");
    }
}
