//! From `POST /start` to the last trace.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    pages::{COLOUR, Pages, coloured, plain},
    stage::{PATIENCE, Stage, files, turn},
    support::wait::wait_for,
};

#[test]
fn a_page_becomes_a_stream_that_is_the_page_to_the_last_pixel() {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let stage = Stage::set("");
    assert_eq!(
        stage.get("status").json(),
        json!({"status": "idle", "stream": null, "sessions": []})
    );
    let url = pages.url("board?token=secret&view=all#corner");
    let session = stage.start(json!({ "url": url, "quality": "1080p" }));
    session.wait_live();

    let status = stage.get("status").json();
    assert_eq!(status["status"], "casting");
    let stream = &status["stream"];
    assert_eq!(stream, &session.view());
    assert_eq!(stream, &status["sessions"][0]);
    assert_eq!(stream["session_id"], session.id.as_str());
    assert_eq!(stream["url"], pages.url("board?token&view"), "values may be secrets");
    for (field, value) in
        [("quality", "1080p"), ("mode", "hls"), ("audio", "silent"), ("state", "live")]
    {
        assert_eq!(stream[field], value, "{field}");
    }
    assert_eq!(stream["playlist_url"], stream["media"]["hls"]);
    stream["started_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(
        stream["page"],
        json!({"title": "One colour", "http_status": 200, "problem": null, "reloads": 0})
    );
    let video = &stream["video"];
    assert_eq!(video["encoder"], "libx264");
    assert_eq!(video["size"], json!({"width": 1920, "height": 1080}));
    assert_eq!((&video["frame_rate"], &video["bit_rate"]), (&json!(30), &json!(5_000_000)));
    assert_eq!(video["discontinuities"], 0);
    let health = stage.get("health").json();
    assert_eq!((&health["status"], &health["active_streams"]), (&json!("healthy"), &json!(1)));

    // No bar, no border, no cursor, no bubble: there is nothing but the page.
    let picture = session.picture();
    assert_eq!((picture.width, picture.height), (1920, 1080));
    assert_eq!(picture.stain(COLOUR), None);
    session.check_running();

    let family = stage.family();
    assert!(family.len() > 5, "a session is several processes: {family:?}");
    assert!(!files(&stage.runtime()).is_empty());
    stage.stop();
    assert_eq!(stage.get("status").json()["status"], "idle");
    assert_eq!(session.get().status, 404);
    for file in ["master.m3u8", "media.m3u8", "init-0.mp4", "0.m4s", "stream.mp4"] {
        assert_eq!(session.media(file).status, 404, "{file}");
    }
    for process in family {
        assert!(!process.is_alive(), "{process:?}");
    }
    stage.check_bare();
}

#[test]
fn targets_run_side_by_side_and_within_one_the_newest_wins() {
    let _turn = turn();
    let pages = Pages::serve();
    let second = [0x80, 0x20, 0xc0];
    pages.put_page("first", plain(""));
    pages.put_page("second", coloured(second, ""));
    let stage = Stage::set("[sessions]\nmost = 2\n");

    let replaced = stage.open(&pages.url("first"));
    replaced.wait_live();
    let hall = stage.open(&pages.url("second"));
    wait_for("end of the replaced session", PATIENCE, || {
        (replaced.get().status == 404 && replaced.media("master.m3u8").status == 404).then_some(())
    });
    hall.wait_live();
    assert_eq!(hall.picture().stain(second), None);

    let started = Instant::now();
    let kitchen = stage.start(json!({
        "url": pages.url("first"), "target": "kitchen", "duration": 8,
    }));
    let refused =
        stage.post("start", &json!({"url": pages.url("first"), "target": "loft"}).to_string());
    let problem = refused.json();
    assert_eq!((refused.status, &*refused.kind), (503, "application/problem+json"), "{refused:?}");
    assert!(problem["detail"].as_str().unwrap().contains("2 pages"), "{problem}");
    kitchen.wait_live();
    assert_eq!(kitchen.picture().stain(COLOUR), None);
    assert_eq!(hall.picture().stain(second), None);
    let ids: Vec<Value> = sessions(&stage.get("sessions").json());
    assert_eq!(ids, [hall.id.as_str(), kitchen.id.as_str()]);

    wait_for("end of what was started for 8 s", PATIENCE, || {
        (kitchen.get().status == 404).then_some(())
    });
    assert!(started.elapsed() >= Duration::from_secs(8), "it ended early");
    assert_eq!(kitchen.media("master.m3u8").status, 404);
    assert_eq!(hall.state(), "live");
    hall.check_running();
    let answer = stage.post("stop", &json!({"session_id": hall.id}).to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    stage.check_bare();
}

fn sessions(list: &Value) -> Vec<Value> {
    let sessions = list["sessions"].as_array().expect("a list");
    sessions.iter().map(|session| session["session_id"].clone()).collect()
}

#[test]
fn a_daemon_that_can_keep_nothing_works_and_says_what_that_costs() {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let directory = tempfile::tempdir().unwrap();
    // Not even root makes a directory of a file.
    std::fs::write(directory.path().join("state"), "").unwrap();
    let stage = Stage::set_in(directory, "");
    let problem = || stage.get("health").json()["problems"][0].as_str().map(str::to_owned);
    let health = stage.get("health").json();
    assert_eq!(health["status"], "degraded", "{health}");
    let said = problem().unwrap();
    let state = stage.directory.path().join("state");
    assert!(said.starts_with(&format!("{}: ", state.display())), "{said}");
    let log = stage.daemon.log();
    assert_eq!(log.matches("end with this daemon").count(), 1, "{log}");
    assert!(log.contains(&said), "{log}");
    stage.open(&pages.url("board")).wait_live();
    assert_eq!(problem(), Some(said));

    let stage = {
        std::fs::remove_file(&state).unwrap();
        stage.again()
    };
    assert_eq!(stage.get("health").json()["status"], "healthy");
}
