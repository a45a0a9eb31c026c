//! How long a session has no pictures when its encoder fails, hangs, or takes the process with it.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{PROGRAM, daemon::Daemon, files::Files, report::Report, rig::Rig, summary};

/// Seconds until there are pictures again.
const GAP: f64 = 3.0;

/// When in its second the trouble begins, in milliseconds: a segment is as long.
const MOMENTS: [u64; 3] = [100, 500, 900];
/// How often it is asked; the error of every time measured here.
const POLL: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn measure(rig: &Rig, report: &mut Report) {
    let pages = Files::serve(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pages"));
    let state = tempfile::tempdir().expect("making a directory");
    let config = state.path().join("bench.toml");
    // The network that it happens to run in is not asked around in.
    fs::write(&config, "[devices]\ndiscover = false\n").expect("writing a configuration");
    for (word, next, title) in [
        ("qsv:fail", "h264_vaapi", "QuickSync fails"),
        ("hang", "libx264", "the GPU hangs"),
        ("qsv:crash", "h264_vaapi", "QuickSync takes the process with it"),
    ] {
        eprintln!("bench: {title}");
        let (mut pictures, mut segments) = (Vec::new(), Vec::new());
        for moment in MOMENTS {
            let mut command = Command::new(PROGRAM);
            command.args(["daemon", "--listen", "127.0.0.1:0", "--config"]).arg(&config);
            rig.carry(command.env("STATE_DIRECTORY", state.path().join("state")));
            let daemon = Daemon::launch(&mut command);
            wait(|| {
                let health = daemon.get("health").ok()?;
                let known = !health.to_string().contains("being tried");
                known.then_some(())
            });
            let page = json!({ "url": pages.url("animation.html"), "device": "none" });
            daemon.post("start", &page).expect("POST /start");
            let gap = gap(rig, &daemon, word, next, Duration::from_millis(moment));
            pictures.push(gap.0.as_secs_f64());
            segments.push(gap.1.as_secs_f64());
            rig.set("");
        }
        let worst = format!("worst of {}", MOMENTS.len());
        let (_, pictures) = summary(pictures);
        report.floor(&format!("{title} → the next one's picture, s ({worst})"), pictures, GAP);
        let (_, segments) = summary(segments);
        report.floor(&format!("{title}: from segment to segment, s ({worst})"), segments, GAP);
    }
}

/// From the trouble to the first picture of the next encoder, and the longest time from one segment to the
/// next until its first is there.
fn gap(
    rig: &Rig,
    daemon: &Daemon,
    word: &str,
    next: &str,
    moment: Duration,
) -> (Duration, Duration) {
    let is_steady = |(encoder, count): &(String, u64)| encoder == "h264_qsv" && *count >= 3;
    let (_, before) = wait(|| seen(daemon).filter(is_steady));
    let (_, mut count) = wait(|| seen(daemon).filter(|(_, count)| *count > before));
    let mut newest = Instant::now();
    thread::sleep(moment);
    rig.set(word);
    let began = Instant::now();
    let (mut picture, mut longest) = (None, Duration::ZERO);
    wait(|| {
        let (encoder, now) = seen(daemon)?;
        if picture.is_none() && encoder == next {
            picture = Some((began.elapsed(), now));
        }
        if now > count {
            longest = longest.max(newest.elapsed());
            (count, newest) = (now, Instant::now());
        }
        // The picture also ends what the one before it had begun.
        let (taken, last) = picture?;
        (now > last + 1).then_some((taken, longest))
    })
}

/// What encodes, and how many segments there are.
fn seen(daemon: &Daemon) -> Option<(String, u64)> {
    let status: Value = daemon.get("status").ok()?;
    let video = &status["stream"]["video"];
    Some((video["encoder"].as_str()?.to_owned(), video["segments"].as_u64()?))
}

#[track_caller]
fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "nothing in {PATIENCE:?}");
        thread::sleep(POLL);
    }
}
