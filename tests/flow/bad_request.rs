//! Requests that make no sense get an answer that says why, and start nothing.

use serde_json::Value;

use crate::stage::{Answer, Stage};

#[track_caller]
fn check(answer: &Answer, status: u16, words: &[&str]) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.kind, "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    let said = format!("{} {}", problem["detail"], problem["hint"]);
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
}

#[test]
fn a_request_that_makes_no_sense_is_refused_with_the_reason() {
    let stage = Stage::set("");
    let url = "http://127.0.0.1:1/";
    let with = |field: &str| format!(r#"{{"url": "{url}", {field}}}"#);
    for (body, words) in [
        ("", &["body is empty"][..]),
        ("{", &["not JSON", "line 1"]),
        (r#"{"url": "http://x/"} x"#, &["not JSON"]),
        ("[]", &["the body"]),
        ("{}", &["url"]),
        (r#"{"url": 7}"#, &["url", "7"]),
        (r#"{"url": "/d/1"}"#, &["/d/1", "http://host"]),
        (&with(r#""quality": "8k""#), &["quality", "8k", "720p"]),
        (&with(r#""duration": -1"#), &["duration", "-1", "above 0"]),
        (&with(r#""duration": "long""#), &["duration"]),
        (&with(r#""mode": "rtsp""#), &["mode", "rtsp", "hls"]),
        (&with(r#""zoom": 99"#), &["zoom", "99"]),
        (&with(r#""frame_rate": 0"#), &["frame_rate"]),
        (&with(r#""auth": {"cookies": []}"#), &["auth.cookies"]),
        (&with(r#""colour": "blue""#), &["colour"]),
    ] {
        check(&stage.post("start", body), 400, words);
    }
    for (page, words) in [
        ("file:///etc/passwd", &["http"][..]),
        ("chrome://crash", &["http"]),
        ("http://169.254.169.254/latest", &["169.254"]),
    ] {
        check(&stage.post("start", &format!(r#"{{"url": "{page}"}}"#)), 403, words);
    }
    let large = with(&format!(r#""target": "{}""#, "x".repeat(64 * 1024)));
    check(&stage.post("start", &large), 413, &["65536"]);
    check(&stage.post("stop", r#"{"session": 1}"#), 400, &["session"]);
    check(&stage.get("sessions/nothing/snapshot.png"), 404, &["no such session"]);
    assert_eq!(stage.get("status").json()["sessions"], Value::Array(Vec::new()));
    assert_eq!(stage.get("health").json()["status"], "healthy");
    stage.check_bare();
}
