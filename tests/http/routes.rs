use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode},
};
use dashboard_cast::{
    config::{ControlToken, PolicyError},
    http::{Access, App, Connection, router},
    session::{Mode, NavigateError, PictureError, Quality, Snapshot, StartErrorKind},
};
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tower::ServiceExt;
use url::Host;

use crate::fake::{
    FakeCore, FakeLive, FakeMedia, INIT, PICTURE, SEGMENT, app, app_with, cast, device, gpu,
    snapshot,
};

type Fake = App<FakeCore, FakeMedia>;

const TOKEN: &str = "a-long-control-token";
const LAN: &str = "192.168.1.20:50000";

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The document of an error, checked for its form.
    #[track_caller]
    fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let document = self.json();
        assert_eq!(document["type"], "about:blank");
        assert_eq!(document["status"], status);
        assert_eq!(document["title"], self.status.canonical_reason().unwrap());
        assert_ne!(document["detail"], "");
        document
    }
}

async fn send(app: &Fake, request: Request<Body>) -> Answer {
    let response = router(app.clone()).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    }
}

fn request_from(
    peer: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Body> {
    let connection = Connection {
        peer: peer.parse().unwrap(),
        local: "10.0.0.7:8000".parse::<SocketAddr>().unwrap(),
    };
    let mut request =
        Request::builder().method(method).uri(path).extension(ConnectInfo(connection));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn call(app: &Fake, method: &str, path: &str, body: &str) -> Answer {
    let headers = [("host", "127.0.0.1:8000")];
    send(app, request_from("127.0.0.1:50000", method, path, &headers, body)).await
}

async fn get(app: &Fake, path: &str) -> Answer {
    call(app, "GET", path, "").await
}

// ---- Control

#[tokio::test]
async fn start_answers_as_the_old_service_did_and_more() {
    let app = app();
    let answer =
        call(&app, "POST", "/start", r#"{"url": "http://dash:3000/", "quality": "720p"}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["status"], "success");
    assert_eq!(json["session_id"], "5e551011");
    assert_eq!(json["playlist_url"], "http://127.0.0.1:8000/media/token-of-5e551011/master.m3u8");
    assert_eq!(json["state"], "live");
    let requests = app.core.requests.lock().unwrap();
    assert_eq!(requests[0].url, "http://dash:3000/");
    assert_eq!(requests[0].quality, Some(Quality::Hd720));
}

#[tokio::test]
async fn a_cast_of_the_configuration_is_started_and_ended_by_its_name() {
    let app = app();
    let answer = call(&app, "POST", "/casts/kitchen/start", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    assert_eq!((&json["status"], &json["target"]), (&json!("success"), &json!("kitchen")));
    assert_eq!(json["playlist_url"], "http://127.0.0.1:8000/media/token-of-5e551011/master.m3u8");
    let again = call(&app, "POST", "/casts/kitchen/start", "").await.json();
    assert_eq!(again["session_id"], json["session_id"]);
    assert_eq!(app.core.requests.lock().unwrap().len(), 1, "it was running");
    call(&app, "GET", "/casts/kitchen/start", "").await.problem(405);
    app.core.sessions.lock().unwrap().push(snapshot("aa"));
    let ended = call(&app, "POST", "/casts/kitchen/stop", "").await.json();
    assert_eq!(ended, json!({"status": "success", "message": "The cast was stopped."}));
    let ended = call(&app, "POST", "/casts/kitchen/stop", "").await.json();
    assert_eq!(ended, json!({"status": "success", "message": "The cast was not running."}));
    assert_eq!(app.core.sessions.lock().unwrap().len(), 1, "others go on");
    *app.core.refusal.lock().unwrap() = Some(StartErrorKind::NoCast);
    let problem = call(&app, "POST", "/casts/hall/start", "").await.problem(404);
    assert_eq!(problem["detail"], "the core said no");
}

#[tokio::test]
async fn the_endless_file_is_handed_out_to_who_asks_for_it() {
    let app = app();
    let answer = call(&app, "POST", "/start", r#"{"url": "http://d/", "mode": "fmp4"}"#).await;
    let url = answer.json()["playlist_url"].as_str().unwrap().to_owned();
    assert!(url.ends_with("/token-of-5e551011/stream.mp4"), "{url}");
    assert_eq!(app.core.requests.lock().unwrap()[0].mode, Mode::Fmp4);
}

#[tokio::test]
async fn a_session_goes_to_another_page_and_loads_it_again() {
    let app = app();
    app.core.sessions.lock().unwrap().push(snapshot("aa"));
    let answer = call(&app, "POST", "/sessions/aa/navigate", r#"{"url": "http://b/"}"#).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &json!("success")));
    assert_eq!(get(&app, "/sessions/aa").await.json()["url"], "http://b/");
    let answer = call(&app, "POST", "/sessions/aa/reload", "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &json!("success")));
    assert_eq!(get(&app, "/sessions/aa").await.json()["page"]["reloads"], 1);

    for (path, body, status) in [
        ("/sessions/aa/navigate", "", 400),
        ("/sessions/aa/navigate", r#"{"page": "http://b/"}"#, 400),
        ("/sessions/bb/navigate", r#"{"url": "http://b/"}"#, 404),
        ("/sessions/bb/reload", "", 404),
    ] {
        call(&app, "POST", path, body).await.problem(status);
    }
    let forbidden = PolicyError::LinkLocal(Host::parse("169.254.1.1").unwrap());
    for (error, status) in [
        (NavigateError::Credentials, 400),
        (NavigateError::Forbidden(forbidden), 403),
        (NavigateError::Shared { others: 2 }, 409),
        (NavigateError::Busy, 503),
    ] {
        *app.core.refused_page.lock().unwrap() = Some(error.clone());
        let answer = call(&app, "POST", "/sessions/aa/navigate", r#"{"url": "http://b/"}"#).await;
        let problem = answer.problem(status);
        assert_eq!(problem["detail"], error.to_string());
        assert_eq!(problem["hint"].as_str(), error.hint());
        assert_eq!(answer.header("retry-after"), if status == 503 { "1" } else { "" });
    }
}

#[tokio::test]
async fn addresses_are_those_that_the_caller_can_use() {
    let app = app_with(FakeLive::default(), Access::new(token(), false, []));
    app.core.sessions.lock().unwrap().push(snapshot("aa"));
    let bearer = format!("Bearer {TOKEN}");
    for (host, expected) in [
        (Some("dashboard-cast.lan:8000"), "http://dashboard-cast.lan:8000/media/"),
        (Some("[fe80::1]:8000"), "http://[fe80::1]:8000/media/"),
        (Some("evil\"host"), "http://10.0.0.7:8000/media/"),
        (None, "http://10.0.0.7:8000/media/"),
    ] {
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(host.map(|host| ("host", host)));
        let answer = send(&app, request_from(LAN, "GET", "/sessions/aa", &headers, "")).await;
        let json = answer.json();
        let url = json["playlist_url"].as_str().unwrap();
        assert!(url.starts_with(expected), "{host:?}: {url}");
    }
}

#[tokio::test]
async fn the_cores_refusals_keep_their_words() {
    let app = app();
    for (kind, status) in [
        (StartErrorKind::Invalid, 400),
        (StartErrorKind::NoDevice, 404),
        (StartErrorKind::Forbidden, 403),
        (StartErrorKind::Busy, 503),
        (StartErrorKind::Internal, 500),
    ] {
        *app.core.refusal.lock().unwrap() = Some(kind);
        let problem = call(&app, "POST", "/start", r#"{"url": "http://d/"}"#).await.problem(status);
        assert_eq!(problem["detail"], "the core said no");
        assert_eq!(problem["hint"], "Ask otherwise.");
    }
}

#[tokio::test]
async fn bad_bodies_are_told_what_is_bad() {
    let app = app();
    for (body, expected) in [
        ("", "empty"),
        ("{", "line 1 column 1"),
        ("[]", "invalid"),
        ("{}", "url"),
        (r#"{"url": 5}"#, "url: "),
        (r#"{"url": "http://d/", "quality": "8k"}"#, "quality: "),
        (r#"{"url": "http://d/", "duration": "1h"}"#, "duration: "),
        (r#"{"url": "http://d/", "auth": {"cookies": {"a": 1}}}"#, "auth.cookies.a: "),
        (r#"{"url": "http://d/", "colour": 1}"#, "colour"),
    ] {
        let problem = call(&app, "POST", "/start", body).await.problem(400);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{body}: {detail}");
    }
    assert!(app.core.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn large_bodies_and_foreign_types_are_refused() {
    let app = app();
    let large = format!(r#"{{"url": "http://d/{}"}}"#, "x".repeat(64 * 1024));
    call(&app, "POST", "/start", &large).await.problem(413);
    let headers = [("host", "localhost"), ("content-type", "multipart/form-data; boundary=x")];
    let request = request_from("127.0.0.1:1", "POST", "/start", &headers, "--x--");
    send(&app, request).await.problem(415);
}

#[tokio::test]
async fn a_caller_who_hangs_up_still_gets_the_session() {
    let app = app();
    let hold = Arc::new(Notify::new());
    *app.core.hold.lock().unwrap() = Some(Arc::clone(&hold));
    let body = r#"{"url": "http://d/"}"#;
    let mut answer = Box::pin(call(&app, "POST", "/start", body));
    // Polled until the core holds it, then dropped, as when the connection closes.
    assert!(timeout(Duration::ZERO, &mut answer).await.is_err());
    tokio::task::yield_now().await;
    drop(answer);
    hold.notify_one();
    while app.core.sessions.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_core_that_does_not_answer_is_waited_for_half_a_minute() {
    let app = app();
    *app.core.hold.lock().unwrap() = Some(Arc::new(Notify::new()));
    let begun = Instant::now();
    call(&app, "POST", "/start", r#"{"url": "http://d/"}"#).await.problem(504);
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn stop_succeeds_also_when_nothing_runs() {
    let app = app();
    for (running, body, message) in [
        (vec![], "", "Nothing was running."),
        (vec!["aa", "bb"], "", "Casting stopped."),
        (vec!["aa", "bb"], "{}", "Casting stopped."),
        (vec!["aa", "bb"], r#"{"session_id": "bb"}"#, "The session was stopped."),
        (vec!["aa"], r#"{"session_id": "bb"}"#, "No such session was running."),
    ] {
        *app.core.sessions.lock().unwrap() = running.into_iter().map(snapshot).collect();
        let answer = call(&app, "POST", "/stop", body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), json!({"status": "success", "message": message}));
    }
    assert_eq!(app.core.sessions.lock().unwrap().len(), 1, "the last one was not meant");
    let problem = call(&app, "POST", "/stop", r#"{"session": "aa"}"#).await.problem(400);
    assert!(problem["detail"].as_str().unwrap().contains("session_id"));
    assert_eq!(app.core.sessions.lock().unwrap().len(), 1, "a slip stops nothing");
}

#[tokio::test]
async fn status_shows_the_session_started_last() {
    let app = app();
    assert_eq!(
        get(&app, "/status").await.json(),
        json!({"status": "idle", "stream": null, "sessions": []})
    );
    let mut ended = snapshot("cc");
    ended.state.name = "ended";
    *app.core.sessions.lock().unwrap() = vec![snapshot("aa"), snapshot("bb"), ended.clone()];
    let json = get(&app, "/status").await.json();
    assert_eq!(json["status"], "casting");
    assert_eq!(json["stream"]["session_id"], "bb");
    assert_eq!(json["stream"]["started_at"], "2026-03-01T10:00:00Z");
    assert_eq!(json["stream"]["url"], "http://dash:3000/");
    assert_eq!(json["stream"]["quality"], "1080p");
    assert_eq!(json["sessions"].as_array().unwrap().len(), 3);
    *app.core.sessions.lock().unwrap() = vec![ended];
    assert_eq!(get(&app, "/status").await.json()["status"], "idle");
}

#[tokio::test]
async fn health_names_the_encoder_and_what_is_wrong() {
    let app = app();
    app.core.sessions.lock().unwrap().push(snapshot("aa"));
    let json = get(&app, "/health").await.json();
    assert_eq!(json["status"], "healthy");
    assert_eq!(json["active_streams"], 1);
    assert_eq!(json["cast_device"], "unavailable");
    assert_eq!(
        json["hardware_acceleration"],
        json!({"quicksync_available": false, "encoder": "libx264", "reason": "There is no GPU."})
    );
    assert_eq!(json["gpus"], json!([]));
    let held = json["capabilities"].as_array().expect("the kernel says");
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let permitted = status.lines().find_map(|line| line.strip_prefix("CapPrm:")).unwrap();
    assert_eq!(held.is_empty(), permitted.trim().bytes().all(|digit| digit == b'0'), "{held:?}");
    app.core.problems.lock().unwrap().push("No browser is installed.".to_owned());
    app.core.gpus.lock().unwrap().push(gpu());
    let json = get(&app, "/health").await.json();
    assert_eq!(json["gpus"][0]["name"], "Intel Coffee Lake");
    assert_eq!(json["gpus"][0]["encoders"]["h264_vaapi"]["works"], true);
    assert_eq!(
        json["gpus"][0]["encoders"]["h264_qsv"],
        json!({
            "works": false,
            "reason": "no-runtime",
            "problem": "no QuickSync runtime for this GPU: -9",
            "remedy": "apt install libmfx-gen1.2",
        })
    );
    assert_eq!(json["status"], "degraded");
    assert_eq!(json["problems"], json!(["No browser is installed."]));
}

#[tokio::test]
async fn a_session_is_seen_and_deleted_under_its_name() {
    let app = app();
    app.core.sessions.lock().unwrap().push(snapshot("aa"));
    let one = get(&app, "/sessions/aa").await.json();
    assert_eq!(one["page"]["title"], "A dashboard");
    assert_eq!(one["video"]["encoder"], "libx264");
    assert_eq!(one["video"]["size"], json!({"width": 1920, "height": 1080}));
    assert_eq!(get(&app, "/sessions").await.json(), json!({"sessions": [one]}));
    assert_eq!(call(&app, "DELETE", "/sessions/aa", "").await.status, 200);
    call(&app, "DELETE", "/sessions/aa", "").await.problem(404);
    get(&app, "/sessions/aa").await.problem(404);
    get(&app, "/sessions/%ff").await;
}

#[tokio::test]
async fn a_session_tells_how_it_does_on_its_tv() {
    let app = app();
    app.core.sessions.lock().unwrap().push(Snapshot { cast: Some(cast()), ..snapshot("aa") });
    let mut expected = json!({
        "state": {"name": "playing"},
        "verdict": "confirmed",
        "why": "it plays",
        "since": "2026-03-01T10:00:00Z",
        "lag": 2.0,
    });
    assert_eq!(get(&app, "/sessions/aa").await.json()["cast"], expected);
    app.core.sessions.lock().unwrap()[0].cast.as_mut().unwrap().lag = None;
    expected["lag"] = json!(null);
    assert_eq!(get(&app, "/status").await.json()["stream"]["cast"], expected);
}

#[tokio::test]
async fn devices_are_listed_with_all_that_is_known() {
    let app = app();
    assert_eq!(get(&app, "/devices").await.json(), json!({"devices": []}));
    *app.core.devices.lock().unwrap() = vec![device()];
    assert_eq!(
        get(&app, "/devices").await.json(),
        json!({"devices": [{
            "id": "0123456789abcdef0123456789abcdef",
            "uuid": "0123456789abcdef0123456789abcdef",
            "name": "Living room",
            "model": "Chromecast",
            "addresses": ["192.168.1.20", "fe80::1%2"],
            "port": 8009,
            "found": "both",
            "last_seen": "2026-03-01T10:00:00Z",
            "status": "Casting: News",
            "power": "on",
            "problem": null,
            "default": true,
        }]})
    );
}

#[tokio::test]
async fn control_answers_are_not_stored_nor_shared() {
    let app = app();
    let answer = get(&app, "/status").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn a_picture_is_a_png_or_a_reason() {
    let app = app();
    app.core.sessions.lock().unwrap().push(snapshot("aa"));
    let answer = get(&app, "/sessions/aa/snapshot.png").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/png"));
    assert_eq!(answer.body, PICTURE);
    assert_eq!(answer.header("cache-control"), "no-store");
    get(&app, "/sessions/bb/snapshot.png").await.problem(404);
    *app.core.picture.lock().unwrap() = Some(PictureError::NotYet);
    let answer = get(&app, "/sessions/aa/snapshot.png").await;
    answer.problem(503);
    assert_eq!(answer.header("retry-after"), "1");
    *app.core.picture.lock().unwrap() = Some(PictureError::Failed("it is gone".to_owned()));
    let problem = get(&app, "/sessions/aa/snapshot.png").await.problem(500);
    assert!(problem["detail"].as_str().unwrap().contains("it is gone"));
}

// ---- Who may

fn token() -> Option<ControlToken> {
    Some(ControlToken::new(TOKEN.to_owned()).unwrap())
}

#[tokio::test]
async fn every_control_route_is_guarded() {
    let guarded = app_with(FakeLive::default(), Access::new(token(), false, []));
    guarded.core.sessions.lock().unwrap().push(snapshot("aa"));
    let bearer = format!("Bearer {TOKEN}");
    for (method, path) in [
        ("POST", "/start"),
        ("POST", "/stop"),
        ("GET", "/status"),
        ("HEAD", "/status"),
        ("GET", "/health"),
        ("GET", "/doctor"),
        ("GET", "/devices"),
        ("GET", "/sessions"),
        ("GET", "/sessions/aa"),
        ("GET", "/sessions/aa/snapshot.png"),
        ("DELETE", "/sessions/aa"),
    ] {
        let stranger = send(&guarded, request_from(LAN, method, path, &[], "")).await;
        assert_eq!(stranger.status, 401, "{method} {path}");
        assert!(stranger.header("www-authenticate").starts_with("Bearer"));
        let headers = [("authorization", "Bearer not-the-token-at-all")];
        let liar = send(&guarded, request_from(LAN, method, path, &headers, "")).await;
        assert_eq!(liar.status, 401, "{method} {path}");
        assert!(liar.header("www-authenticate").contains("invalid_token"));
        let headers = [("authorization", bearer.as_str()), ("host", "dashboard-cast.lan:8000")];
        let friend = send(&guarded, request_from(LAN, method, path, &headers, "{}")).await;
        assert!(friend.status != 401 && friend.status != 403, "{method} {path}: {friend:?}");
    }
    let unconfigured = app();
    let problem =
        send(&unconfigured, request_from(LAN, "GET", "/status", &[], "")).await.problem(403);
    assert!(problem["hint"].as_str().unwrap().contains("token"));
}

#[tokio::test]
async fn a_foreign_page_on_this_machine_is_refused() {
    let app = app();
    app.core.sessions.lock().unwrap().push(snapshot("aa"));
    let from_evil = [("host", "127.0.0.1:8000"), ("origin", "http://evil.example")];
    send(&app, request_from("127.0.0.1:1", "POST", "/stop", &from_evil, "")).await.problem(403);
    let rebound = [("host", "evil.example:8000"), ("origin", "http://evil.example:8000")];
    send(&app, request_from("127.0.0.1:1", "POST", "/stop", &rebound, "")).await.problem(403);
    send(&app, request_from("127.0.0.1:1", "GET", "/status", &rebound, "")).await.problem(403);
    assert_eq!(app.core.sessions.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_examination_is_answered_as_the_program_prints_it() {
    let json = get(&app(), "/doctor").await.json();
    assert_eq!(json["causes"], json!(["render-node"]));
    assert_eq!(json["checks"][0]["fixes"][0]["commands"], json!(["pct reboot CTID"]));
}

#[tokio::test]
async fn the_page_and_the_media_need_no_token() {
    let app = app_with(FakeLive::default(), Access::new(token(), true, []));
    for path in [
        "/",
        "/page/style.css",
        "/page/session.css",
        "/page/api.js",
        "/page/session.js",
        "/page/doctor.css",
        "/page/doctor.js",
        "/page/page.js",
        "/page/icon.svg",
        "/media/t0k3n/media.m3u8",
    ] {
        let answer = send(&app, request_from(LAN, "GET", path, &[("host", "any.name")], "")).await;
        assert_eq!(answer.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_page_runs_nothing_but_its_own_files() {
    let answer = get(&app(), "/").await;
    let policy = answer.header("content-security-policy").to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"));
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let html = String::from_utf8(answer.body).unwrap();
    assert!(!html.contains("http://") || html.matches("http://").count() == 1, "only the example");
    assert!(!html.contains("<script>") && !html.contains(" style=") && !html.contains(" onclick="));
}

#[tokio::test]
async fn the_page_names_only_files_that_are_there() {
    let app = app();
    let mut files = 0;
    let html = String::from_utf8(get(&app, "/").await.body).unwrap();
    for name in html.split('"').filter(|text| text.starts_with("/page/")) {
        let answer = get(&app, name).await;
        assert_eq!(answer.status, 200, "{name}");
        files += 1;
        let text = String::from_utf8(answer.body).unwrap();
        for import in text.split("from \"./").skip(1) {
            let import = format!("/page/{}", import.split('"').next().unwrap());
            assert_eq!(get(&app, &import).await.status, 200, "{import}");
            files += 1;
        }
    }
    assert!(files >= 7, "only {files} were looked for");
}

// ---- Wrong addresses

#[tokio::test]
async fn wrong_paths_and_methods_are_problems() {
    let app = app();
    let problem = get(&app, "/nowhere").await.problem(404);
    assert!(problem["detail"].as_str().unwrap().contains("/nowhere"));
    for (method, path, allowed) in [
        ("GET", "/start", "POST"),
        ("PUT", "/status", "GET,HEAD"),
        ("POST", "/", "GET,HEAD"),
        ("POST", "/media/t0k3n/media.m3u8", "GET,HEAD,OPTIONS"),
        ("DELETE", "/nowhere/at/all", ""),
    ] {
        let answer = call(&app, method, path, "").await;
        answer.problem(if allowed.is_empty() { 404 } else { 405 });
        assert_eq!(answer.header("allow"), allowed, "{path}");
    }
}

// ---- Media

#[tokio::test]
async fn media_has_its_types_and_lifetimes() {
    let app = app();
    for (file, content_type, cache, body) in [
        ("master.m3u8", "application/vnd.apple.mpegurl", "no-store", &b"#EXTM3U\n"[..]),
        ("media.m3u8", "application/vnd.apple.mpegurl", "no-store", b"#EXTM3U\n"),
        ("init-0.mp4", "video/mp4", "max-age=60", INIT),
        ("7.m4s", "video/iso.segment", "max-age=60", SEGMENT),
    ] {
        let path = format!("/media/t0k3n/{file}");
        let answer = get(&app, &path).await;
        assert_eq!(answer.status, 200, "{file}");
        assert_eq!(answer.header("content-type"), content_type, "{file}");
        assert_eq!(answer.header("cache-control"), cache, "{file}");
        assert_eq!(answer.header("content-length"), body.len().to_string(), "{file}");
        assert_eq!(answer.body, body, "{file}");
        let head = call(&app, "HEAD", &path, "").await;
        assert_eq!(head.header("content-length"), body.len().to_string(), "{file}");
        assert!(head.body.is_empty(), "{file}");
    }
}

#[tokio::test]
async fn the_head_of_the_endless_file_has_no_length() {
    let head = call(&app(), "HEAD", "/media/t0k3n/stream.mp4", "").await;
    assert_eq!((head.status.as_u16(), head.header("content-type")), (200, "video/mp4"));
    assert_eq!(head.header("content-length"), "");
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn other_origins_may_read_media_and_its_errors() {
    let app = app();
    for (method, path, status) in [
        ("GET", "/media/t0k3n/media.m3u8", 200),
        ("GET", "/media/t0k3n/8.m4s", 404),
        ("GET", "/media/wrong/media.m3u8", 404),
        ("OPTIONS", "/media/t0k3n/media.m3u8", 204),
        ("OPTIONS", "/media/wrong/media.m3u8", 204),
    ] {
        let answer = call(&app, method, path, "").await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD, OPTIONS");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "Content-Type, Accept-Encoding, Range"
        );
        assert_eq!(
            answer.header("access-control-expose-headers"),
            "Content-Length, Content-Range, Date"
        );
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
    }
}

#[tokio::test]
async fn a_wrong_token_looks_like_a_wrong_file() {
    let app = app();
    let wrong_file = get(&app, "/media/t0k3n/8.m4s").await;
    for path in
        ["/media/wrong/7.m4s", "/media/t0k3n/secret", "/media/%ff/7.m4s", "/media/t0k3n/07.m4s"]
    {
        let answer = get(&app, path).await;
        answer.problem(404);
        assert_eq!(answer.body, wrong_file.body, "{path}");
    }
}

#[tokio::test]
async fn parts_of_media_can_be_fetched() {
    let app = app();
    app.core.sessions.lock().unwrap().push(snapshot("aa"));
    for (path, whole) in [
        ("/media/t0k3n/7.m4s", SEGMENT),
        ("/media/t0k3n/init-0.mp4", INIT),
        ("/sessions/aa/snapshot.png", PICTURE),
    ] {
        let fetch = async |range: &str| {
            let headers = [("host", "localhost"), ("range", range)];
            send(&app, request_from("127.0.0.1:1", "GET", path, &headers, "")).await
        };
        let part = fetch("bytes=2-4").await;
        assert_eq!(part.status, 206, "{path}");
        assert_eq!(part.body, whole[2..5], "{path}");
        assert_eq!(part.header("content-range"), format!("bytes 2-4/{}", whole.len()));
        assert_eq!(part.header("content-length"), "3");
        let outside = fetch("bytes=999-").await;
        outside.problem(416);
        assert_eq!(outside.header("content-range"), format!("bytes */{}", whole.len()));
        let several = fetch("bytes=0-1,3-4").await;
        assert_eq!((several.status.as_u16(), several.body.as_slice()), (200, whole));
        assert_eq!(several.header("accept-ranges"), "bytes");
    }
}

#[tokio::test]
async fn a_media_playlist_has_the_segment_that_comes_soon() {
    let mut app = app();
    let due = Some("#EXTM3U\n# with the next\n".to_owned());
    let live = Arc::new(FakeLive { due: due.clone(), ..FakeLive::default() });
    app.media = Arc::new(FakeMedia([("t0k3n".to_owned(), live)].into()));
    assert_eq!(get(&app, "/media/t0k3n/master.m3u8").await.body, b"#EXTM3U\n"[..]);
    let answer = get(&app, "/media/t0k3n/media.m3u8").await;
    assert_eq!(Some(String::from_utf8(answer.body.to_vec()).unwrap()), due);
}

#[tokio::test(start_paused = true)]
async fn players_wait_for_the_first_segment_but_not_for_ever() {
    let app = app();
    let live = &app.media.0["t0k3n"];
    live.playlist.send_replace(None);
    for file in ["master.m3u8", "media.m3u8", "stream.mp4"] {
        let begun = Instant::now();
        let answer = get(&app, &format!("/media/t0k3n/{file}")).await;
        answer.problem(503);
        assert_eq!(answer.header("retry-after"), "1", "{file}");
        assert_eq!(begun.elapsed().as_secs(), 10, "{file}");
    }
    let begun = Instant::now();
    let publish = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        live.playlist.send_replace(Some("#EXTM3U\n".to_owned()));
    };
    let (answer, ()) = tokio::join!(get(&app, "/media/t0k3n/master.m3u8"), publish);
    assert_eq!(answer.status, 200);
    assert_eq!(begun.elapsed().as_secs(), 3);
}
