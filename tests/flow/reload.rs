//! A configuration that changes while the program runs.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    pages::{Pages, plain},
    stage::{PATIENCE, Stage, turn},
    support::wait::wait_for,
};

const BUSY: u16 = 503;

#[test]
fn a_bad_file_changes_nothing_and_a_good_one_what_it_can() {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let stage = Stage::set("[sessions]\nmost = 1\n");
    let first = stage.open(&pages.url("board"));
    first.wait_live();
    let start = |page: &str| {
        let request = json!({"url": pages.url(page), "target": page});
        stage.post("start", &request.to_string())
    };

    let said = stage.reconfigure("[sessions]\nmost = 99\nquality = \"8k\"\n");
    for words in
        ["test.toml:2:8: sessions.most must be", "test.toml:3:11: sessions.quality must be"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(said.contains("what held before goes on to hold"), "{said}");
    assert_eq!(start("kitchen").status, BUSY);

    // It was said on the command line where to listen.
    let good = "[http]\nlisten = \"127.0.0.1:1\"\n\
                [sessions]\nmost = 2\nquality = \"low-latency\"\n\
                [pages]\nallow = [\"127.0.0.1\"]\n";
    let said = stage.reconfigure(good);
    for words in [
        "sessions.most has changed and counts now.",
        "sessions.quality has changed and counts for new sessions.",
        "pages.allow has changed and counts for pages that are opened from now on.",
        "changes=3",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let answer = start("kitchen");
    assert_eq!(
        (answer.status, &answer.json()["quality"]),
        (200, &json!("low-latency")),
        "{answer:?}"
    );
    assert_eq!(start("loft").status, BUSY);
    let elsewhere = json!({"url": "http://elsewhere.invalid/"}).to_string();
    assert_eq!(stage.post(&format!("sessions/{}/navigate", first.id), &elsewhere).status, 403);
    let view = first.view();
    assert_eq!((&view["quality"], &view["video"]["discontinuities"]), (&json!("720p"), &json!(0)));
    first.check_running();
    assert!(stage.reconfigure(good).contains("changes=0"));

    // A browser that is started from now on is another one, also that of a session that runs.
    let said = stage.reconfigure("[browser]\nprogram = \"/nowhere/chromium\"\n");
    assert!(said.contains("browser.program has changed and counts for browsers"), "{said}");
    assert_eq!(first.state(), "live");
    stage.process(&["worker browser", &first.id], &[]).kill();
    first.wait_problem("/nowhere/chromium");
    let said = stage.reconfigure("");
    assert!(said.contains("browser.program has changed"), "{said}");
    first.wait_live();
}

#[test]
fn another_token_counts_at_once() {
    let stage = Stage::set("");
    let file = stage.directory.path().join("token");
    let config = format!("[http]\ntoken-file = {file:?}\nloopback-needs-token = true\n");
    let said = stage.reconfigure(&config);
    assert!(said.contains(&format!("reading the token file {}", file.display())), "{said}");
    assert_eq!(stage.get("status").status, 200);
    let said = stage.reconfigure("[http]\nloopback-needs-token = true\n");
    assert!(said.contains("http.token-file names no token"), "{said}");

    let by = |token: &str| {
        let request = ureq::get(stage.daemon.url("status").as_str());
        let answer = request.header("authorization", format!("Bearer {token}")).call();
        answer.map_or_else(|_| 401, |answer| answer.status().as_u16())
    };
    let (one, other) = ("0123456789abcdef", "fedcba9876543210");
    fs::write(&file, one).expect("a token");
    let said = stage.reconfigure(&config);
    for key in ["http.token-file", "http.loopback-needs-token"] {
        assert!(said.contains(&format!("{key} has changed and counts now.")), "{said}");
    }
    assert_eq!((stage.get("status").status, by(one), by(other)), (401, 200, 401));
    fs::write(&file, other).expect("a token");
    let said = stage.reconfigure(&config);
    assert!(said.contains("The token in http.token-file has changed and counts now."), "{said}");
    assert!(!said.contains(one) && !said.contains(other), "{said}");
    assert_eq!((by(one), by(other)), (401, 200));
    assert!(stage.reconfigure("").contains("changes=2"));
    assert_eq!(stage.get("status").status, 200);
}

#[test]
fn tvs_come_and_go_with_the_configuration() {
    let stage = Stage::set("");
    let names = || {
        let devices = stage.get("devices").json();
        let devices = devices["devices"].as_array().expect("TVs").clone();
        devices.iter().map(|tv| tv["name"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(names(), [""; 0]);
    // Nothing listens there, which is found out at once and not a minute later.
    stage.reconfigure("[devices]\ndiscover = false\nstatic = [\"hall=127.0.0.1:1\"]\n");
    assert_eq!(names(), ["hall"]);
    wait_for("problem of the TV", PATIENCE / 2, || {
        stage.get("devices").json()["devices"][0]["problem"].as_str().map(drop)
    });
    stage.reconfigure("");
    assert_eq!(names(), [""; 0]);
}

#[test]
fn a_terminal_that_is_gone_ends_what_has_no_configuration() {
    let mut demo =
        crate::support::daemon::Daemon::start(env!("CARGO_BIN_EXE_dashboard-cast"), "demo");
    assert!(demo.end(Signal::HUP).success());
}
