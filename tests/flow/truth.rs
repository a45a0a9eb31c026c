//! What a decoder finds in a stream that lost its encoder and its browser on the way.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde::Deserialize;

use crate::{
    pages::{Pages, coloured},
    playlist::{Entry, gap},
    stage::{PATIENCE, Session, Stage, turn},
    support::wait::wait_for,
};

/// The page's colour while something moves on it, and afterwards.
const MOVING: [u8; 3] = [0x20, 0x22, 0x30];
const STILL: [u8; 3] = [0x28, 0x22, 0x30];
/// The longest that a player may be without news when a part is killed.
const LONGEST_GAP: f64 = 3.0;

#[test]
fn a_stream_is_sound_across_killed_encoders_and_browsers() {
    check_sound(4);
}

#[test]
#[ignore = "takes ten minutes: make soak"]
fn a_stream_is_sound_for_ten_minutes() {
    check_sound(150);
}

/// `calm`: how many segments come before each of three kills, and after the last one.
#[track_caller]
fn check_sound(calm: u64) {
    let _turn = turn();
    let pages = Pages::serve();
    // Something that is large enough for many pictures a second moves for two seconds, then nothing does.
    pages.put_page(
        "board",
        coloured(
            MOVING,
            "document.body.innerHTML = '<div id=mover style=\"position:absolute;width:240px;' +
                 'height:240px;background:linear-gradient(red,blue)\"></div>' +
                 '<p style=\"color:#dde;font:26px sans-serif;padding:120px\">' +
                 'The quick brown fox jumps over the lazy dog, 0123456789. '.repeat(40);
             let begin;
             const move = now => {
                 begin ??= now;
                 mover.style.left = now / 4 % 1000 + 'px';
                 if (now - begin < 2000) requestAnimationFrame(move);
                 else document.body.style.background = '#282230';
             };
             requestAnimationFrame(move);",
        ),
    );
    let stage = Stage::set("");
    let session = stage.open(&pages.url("board"));
    let directory = tempfile::tempdir().expect("making a directory");
    let recorder = Recorder::start(&stage, &session, directory.path());
    wait_still(&session, calm);
    check_endless_file(&stage, &session, directory.path());

    let family = stage.family();
    stage.process(&["worker encoder"], &[]).kill();
    wait_for("another encoder", PATIENCE, || {
        (session.view()["video"]["discontinuities"] == 1).then_some(())
    });
    session.wait_live();
    // An encoder is the browser's display: both are new.
    for process in family {
        assert!(!process.is_alive(), "{process:?} outlived the encoder");
    }
    wait_for_segments(&session, calm);

    for words in [&["--remote-debugging-pipe"][..], &["worker browser"]] {
        let family = stage.family();
        let victim = stage.process(words, &["--type="]);
        victim.kill();
        wait_for("new browser", PATIENCE, || {
            let new = stage.family();
            let mut browsers = new.iter().filter(|process| {
                process.command.contains("--remote-debugging-pipe")
                    && !process.command.contains("--type=")
            });
            browsers.any(|process| !family.contains(process)).then_some(())
        });
        session.wait_live();
        let left = || {
            family
                .iter()
                .find(|process| process.is_alive() && !process.command.contains("worker encoder"))
        };
        wait_for("end of the killed browser's family", PATIENCE, || left().is_none().then_some(()));
        wait_still(&session, calm);
    }
    let snapshot = directory.path().join("snapshot.png");
    fs::write(&snapshot, session.snapshot()).expect("writing a picture");
    let entries = recorder.finish();
    assert_eq!(session.view()["video"]["discontinuities"], 1);
    stage.stop();
    stage.check_bare();

    assert!(entries.len() as u64 >= 4 * calm, "too few: {entries:#?}");
    check_playlist(&entries);
    check_pictures(&entries, directory.path());
    check_likeness(entries.last().unwrap(), directory.path(), &snapshot);
}

#[track_caller]
fn wait_for_segments(session: &Session<'_>, count: u64) {
    let published = || session.view()["video"]["segments"].as_u64();
    let before = published();
    let patience = PATIENCE + Duration::from_secs(count);
    wait_for("segments", patience, || (published() >= before.map(|n| n + count)).then_some(()));
}

/// Waits until the page has nothing more to show, and until the stream has had as many segments of that.
#[track_caller]
fn wait_still(session: &Session<'_>, segments: u64) {
    session.wait_live();
    wait_for("still page", PATIENCE, || (session.picture().pixel(0, 0) == STILL).then_some(()));
    wait_for_segments(session, segments);
}

/// Keeps everything that a media playlist ever named.
struct Recorder {
    stop: Arc<AtomicBool>,
    running: thread::JoinHandle<Vec<Entry>>,
}

impl Recorder {
    fn start(stage: &Stage, session: &Session<'_>, directory: &Path) -> Self {
        let base = stage.daemon.url(&session.media_url("media.m3u8"));
        let directory = directory.to_owned();
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let running = thread::spawn(move || {
            let mut entries: Vec<Entry> = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                record(&base, &mut entries, &directory);
                // As often as players look.
                thread::sleep(Duration::from_millis(500));
            }
            record(&base, &mut entries, &directory);
            entries
        });
        Self { stop, running }
    }

    #[track_caller]
    fn finish(self) -> Vec<Entry> {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join().expect("the recording")
    }
}

fn record(playlist: &url::Url, entries: &mut Vec<Entry>, directory: &Path) {
    let fetch = |url: &url::Url| {
        let mut answer = ureq::get(url.as_str()).call().expect("an answer");
        answer.body_mut().read_to_vec().expect("a body")
    };
    let text = String::from_utf8(fetch(playlist)).expect("a playlist is text");
    let listed = crate::playlist::Playlist::parse(&text);
    let newest = entries.last().map(|entry| entry.sequence);
    assert!(listed.entries.last().map(|entry| entry.sequence) >= newest, "it went back: {text}");
    for entry in listed.entries {
        if newest.is_some_and(|newest| entry.sequence <= newest) {
            continue;
        }
        for name in [&entry.uri, &entry.init] {
            let file = directory.join(name);
            if !file.exists() {
                let url = playlist.join(name).expect("an address");
                fs::write(file, fetch(&url)).expect("keeping a segment");
            }
        }
        entries.push(entry);
    }
}

#[track_caller]
fn check_playlist(entries: &[Entry]) {
    for (entry, sequence) in entries.iter().zip(0..) {
        assert_eq!(entry.sequence, sequence, "{entries:#?}");
    }
    for pair in entries.windows(2) {
        let gap = gap(&pair[0], &pair[1]);
        assert_eq!(pair[1].discontinuity, pair[0].init != pair[1].init, "{pair:#?}");
        if pair[1].discontinuity {
            assert!((-0.01..=LONGEST_GAP).contains(&gap), "{gap} s are missing: {pair:#?}");
        } else {
            assert!(gap.abs() < 0.01, "{gap} s are missing: {pair:#?}");
        }
        // An encoder that is killed early in a segment, and replaced at once, leaves a short one.
        let least = if pair[1].discontinuity { 0.0 } else { 0.5 };
        assert!((least..1.5).contains(&pair[0].seconds), "{pair:#?}");
    }
    let discontinuities = entries.iter().filter(|entry| entry.discontinuity).count();
    assert_eq!(discontinuities, 1, "one encoder was killed: {entries:#?}");
}

#[derive(Debug, Deserialize)]
struct Probe {
    streams: Vec<Video>,
    packets: Vec<Packet>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Video {
    codec_name: String,
    profile: String,
    level: u32,
    pix_fmt: String,
    color_range: String,
    color_space: String,
    color_transfer: String,
    color_primaries: String,
    has_b_frames: u32,
    width: u32,
    height: u32,
}

#[derive(Debug, Deserialize)]
struct Packet {
    pts_time: String,
    dts_time: String,
    flags: String,
    /// Where it begins in the file.
    pos: String,
}

impl Packet {
    fn time(&self) -> f64 {
        self.pts_time.parse().expect("a time")
    }
}

/// All segments of each init segment, as one file each.
#[track_caller]
fn check_pictures(entries: &[Entry], directory: &Path) {
    let mut last_time = f64::NEG_INFINITY;
    for part in entries.chunk_by(|before, after| before.init == after.init) {
        let file = directory.join(format!("part-{}", part[0].init));
        let mut bytes = fs::read(directory.join(&part[0].init)).unwrap();
        let mut begins = Vec::new();
        for entry in part {
            begins.push(bytes.len());
            bytes.extend(fs::read(directory.join(&entry.uri)).unwrap());
        }
        fs::write(&file, bytes).unwrap();
        let decoded = run("ffmpeg", &["-v", "error", "-xerror", "-i"], &file, &["-f", "null", "-"]);
        assert_eq!(decoded, "", "decoding says something");

        let probe = probe(&file);
        let video = Video {
            codec_name: "h264".into(),
            profile: "High".into(),
            level: probe.streams[0].level,
            pix_fmt: "yuv420p".into(),
            color_range: "tv".into(),
            color_space: "bt709".into(),
            color_transfer: "bt709".into(),
            color_primaries: "bt709".into(),
            has_b_frames: 0,
            width: 1280,
            height: 720,
        };
        assert_eq!(probe.streams, [video]);
        assert!(probe.streams[0].level <= 41, "level {}", probe.streams[0].level);
        assert_eq!(sound(&file), "aac,LC,48000,2");

        let pictures = slices(&file);
        assert_eq!(pictures.len(), probe.packets.len(), "one picture a packet");
        let mut counts = vec![0; part.len()];
        let mut last_id = None;
        for (packet, picture) in probe.packets.iter().zip(&pictures) {
            assert!(packet.time() > last_time, "{packet:?} is not after {last_time}");
            last_time = packet.time();
            assert_eq!(packet.pts_time, packet.dts_time, "pictures are out of order");
            let position = packet.pos.parse().expect("a position");
            let segment = begins.partition_point(|&begin| begin <= position) - 1;
            let first = counts[segment] == 0;
            assert_eq!(packet.flags.starts_with('K'), first, "{packet:?} in {:?}", part[segment]);
            assert_eq!(picture.idr, first, "{picture:?} in {:?}", part[segment]);
            assert!(matches!(picture.kind % 5, 0 | 2), "a B slice: {picture:?}");
            if picture.idr {
                assert_ne!(Some(picture.id), last_id, "two IDR pictures in a row have one id");
                last_id = Some(picture.id);
            } else {
                last_id = None;
            }
            counts[segment] += 1;
        }
        assert!(counts.iter().all(|&count| count > 0), "a segment without a picture: {counts:?}");
        assert!(counts.iter().any(|&count| count > 5), "nothing moved: {counts:?}");
        assert!(counts.ends_with(&[1, 1]), "a still page costs one picture a segment: {counts:?}");
    }
}

/// What a picture's slice header says.
#[derive(Debug)]
struct Slice {
    idr: bool,
    kind: u32,
    id: u32,
}

/// The first slice of each picture.
#[track_caller]
fn slices(file: &Path) -> Vec<Slice> {
    let trace = run(
        "ffmpeg",
        &["-i"],
        file,
        &["-map", "0:v", "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"],
    );
    let mut pictures: Vec<Slice> = Vec::new();
    let (mut unit, mut in_first_slice) = (0, false);
    for line in trace.lines().filter(|line| line.contains("trace_headers")) {
        // [trace_headers @ 0x1] 8           slice_type                    00111 = 6
        let Some((front, value)) = line.rsplit_once(" = ") else { continue };
        let (Some(name), Ok(value)) = (front.split_whitespace().nth(4), value.trim().parse())
        else {
            continue;
        };
        match name {
            "nal_unit_type" => unit = value,
            "first_mb_in_slice" => {
                in_first_slice = value == 0;
                if in_first_slice {
                    pictures.push(Slice { idr: unit == 5, kind: 0, id: 0 });
                }
            }
            "slice_type" if in_first_slice => pictures.last_mut().unwrap().kind = value,
            "idr_pic_id" if in_first_slice => pictures.last_mut().unwrap().id = value,
            _ => {}
        }
    }
    pictures
}

#[track_caller]
fn probe(file: &Path) -> Probe {
    let json = run(
        "ffprobe",
        &["-v", "error", "-select_streams", "v", "-show_streams", "-show_packets", "-of", "json"],
        file,
        &[],
    );
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// Codec, profile, samples a second and channels; empty where there is none.
#[track_caller]
fn sound(file: &Path) -> String {
    let entries = "stream=codec_name,profile,sample_rate,channels";
    let asked = ["-v", "error", "-select_streams", "a", "-show_entries", entries, "-of", "csv=p=0"];
    run("ffprobe", &asked, file, &[]).trim().to_owned()
}

#[test]
fn a_stream_without_sound_has_none() {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put_page("board", coloured(STILL, ""));
    let stage = Stage::set("[sessions]\naudio = \"none\"\n");
    let session = stage.open(&pages.url("board"));
    session.wait_live();
    let directory = tempfile::tempdir().expect("making a directory");
    let entries = Recorder::start(&stage, &session, directory.path()).finish();
    let entry = entries.last().expect("a segment");
    let part = [&entry.init, &entry.uri].map(|name| fs::read(directory.path().join(name)).unwrap());
    let file = directory.path().join("part");
    fs::write(&file, part.concat()).unwrap();
    assert_eq!((sound(&file).as_str(), probe(&file).streams.len()), ("", 1));
    let master = stage.daemon.url(&session.media_url("master.m3u8"));
    let master = ureq::get(master.as_str()).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(master.contains("CODECS=\"avc1.") && !master.contains("mp4a"), "{master}");
}

/// The endless file is a sound one wherever it is cut.
#[track_caller]
fn check_endless_file(stage: &Stage, session: &Session<'_>, directory: &Path) {
    let url = stage.daemon.url(&session.media_url("stream.mp4"));
    let mut body = ureq::get(url.as_str()).call().expect("an answer").into_body().into_reader();
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; 16 * 1024]);
    let fragments = |bytes: &[u8]| bytes.windows(4).filter(|word| word == b"moof").count();
    while fragments(&bytes) < 4 {
        let read = body.read(&mut chunk).expect("more of the stream");
        assert!(read > 0, "the endless file has an end");
        bytes.extend_from_slice(&chunk[..read]);
    }
    // The fourth fragment has only begun.
    let cut = bytes.windows(4).rposition(|word| word == b"moof").expect("a fragment") - 4;
    let file = directory.join("stream.mp4");
    fs::write(&file, &bytes[..cut]).expect("keeping the file");
    let decoded = run("ffmpeg", &["-v", "error", "-xerror", "-i"], &file, &["-f", "null", "-"]);
    assert_eq!(decoded, "", "decoding says something");
    assert!(probe(&file).packets.len() >= 3);
}

/// The page on the stream looks like the page.
#[track_caller]
fn check_likeness(last: &Entry, directory: &Path, snapshot: &Path) {
    let file = directory.join("last.mp4");
    let parts = [&last.init, &last.uri].map(|name| fs::read(directory.join(name)).unwrap());
    fs::write(&file, parts.concat()).unwrap();
    let filter = "[0:v]scale=in_color_matrix=bt709:in_range=tv:out_range=pc\
                  :flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp,format=gbrp[a];\
                  [1:v]format=gbrp[b];[a][b]ssim";
    let snapshot = snapshot.to_str().expect("a path");
    let said =
        run("ffmpeg", &["-i"], &file, &["-i", snapshot, "-lavfi", filter, "-f", "null", "-"]);
    let likeness: f64 = said
        .rsplit_once(" All:")
        .and_then(|(_, value)| value.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("no SSIM in what ffmpeg said: {said}"));
    assert!(likeness >= 0.98, "SSIM {likeness}");
}

/// Everything that a program says, and it must succeed.
#[track_caller]
fn run(program: &str, before: &[&str], file: &Path, after: &[&str]) -> String {
    let output = Command::new(program)
        .args(["-hide_banner"])
        .args((program == "ffmpeg").then_some("-nostdin"))
        .args(before)
        .arg(file)
        .args(after)
        .output()
        .unwrap_or_else(|error| panic!("running {program}: {error}: apt install ffmpeg"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{program} {before:?} {file:?} {after:?}: {said}");
    said
}
