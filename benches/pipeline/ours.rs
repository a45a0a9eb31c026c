//! dashboard-cast, as it is built for release.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;
use url::Url;

use crate::{PATIENCE, support::daemon::Daemon, tree, video::Playlist};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dashboard-cast");
/// How often a playlist is asked for; the error of every time measured here.
const POLL: Duration = Duration::from_millis(10);

/// A daemon, without a session yet.
#[derive(Debug)]
pub(crate) struct Ours {
    daemon: Daemon,
    agent: Agent,
    directory: TempDir,
}

/// A running session of it.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    ours: &'a Ours,
    id: String,
    media: Url,
    /// From the request to the first whole segment.
    pub(crate) start: Duration,
}

impl Ours {
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with_tvs(&[])
    }

    #[track_caller]
    pub(crate) fn with_tvs(tvs: &[SocketAddr]) -> Self {
        let directory = tempfile::tempdir().expect("making a directory");
        let file = directory.path().join("bench.toml");
        // The network that it happens to run in is not asked around in.
        let tvs: Vec<_> = tvs.iter().map(|tv| format!("{}={tv}", name(*tv))).collect();
        let config = format!("[devices]\ndiscover = false\nstatic = {}\n", json!(tvs));
        fs::write(&file, config).expect("writing a configuration");
        let daemon = Daemon::launch(
            Command::new(PROGRAM).args(["daemon", "--listen", "127.0.0.1:0", "--config"]).arg(file),
        );
        Self { daemon, agent: Agent::new_with_defaults(), directory }
    }

    /// Starts a session and waits for its first segment.
    #[track_caller]
    pub(crate) fn cast(&self, url: &str) -> Session<'_> {
        self.begin(&json!({ "url": url }))
    }

    /// On this TV as well.
    #[track_caller]
    pub(crate) fn cast_to(&self, url: &str, tv: SocketAddr) -> Session<'_> {
        self.begin(&json!({ "url": url, "device": name(tv) }))
    }

    #[track_caller]
    fn begin(&self, wanted: &Value) -> Session<'_> {
        let asked = Instant::now();
        let answer = self.daemon.post("start", wanted).expect("POST /start");
        let id = answer["session_id"].as_str().expect("a session's id").into();
        let master = answer["playlist_url"].as_str().expect("a playlist_url");
        let master = self.daemon.url(master);
        let media = self.wait(|| {
            let variants = Playlist::parse(&self.text(&master)?);
            master.join(variants.segments.first()?).ok()
        });
        self.wait(|| {
            let playlist = Playlist::parse(&self.text(&media)?);
            self.bytes(&media.join(playlist.segments.first()?).ok()?)
        });
        Session { ours: self, id, media, start: asked.elapsed() }
    }

    /// PSS and RSS in MiB of all our processes, which are not Chromium's.
    pub(crate) fn memory(&self) -> (f64, f64) {
        tree::memory(Path::new(PROGRAM))
    }

    /// CPU seconds that the daemon alone has used so far.
    pub(crate) fn cpu(&self) -> f64 {
        tree::cpu(self.daemon.id())
    }

    #[track_caller]
    fn wait<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "no stream in {PATIENCE:?}");
            thread::sleep(POLL);
        }
    }

    fn text(&self, url: &Url) -> Option<String> {
        let mut answer = self.agent.get(url.as_str()).call().ok()?;
        answer.body_mut().read_to_string().ok()
    }

    fn bytes(&self, url: &Url) -> Option<Vec<u8>> {
        let mut answer = self.agent.get(url.as_str()).call().ok()?;
        answer.body_mut().read_to_vec().ok()
    }
}

impl Session<'_> {
    /// The page as it is on the stream, lossless.
    #[track_caller]
    pub(crate) fn picture(&self) -> PathBuf {
        let path = format!("sessions/{}/snapshot.png", self.id);
        let bytes = self.ours.bytes(&self.ours.daemon.url(&path)).expect("GET snapshot.png");
        let picture = self.ours.directory.path().join("snapshot.png");
        std::fs::write(&picture, bytes).expect("writing the snapshot");
        picture
    }

    /// The newest segment's name.
    #[track_caller]
    pub(crate) fn newest(&self) -> String {
        self.playlist().segments.pop().expect("a segment")
    }

    /// Waits for the segment after `name`; returns its name and when it was wholly here, with its
    /// initialization in front.
    #[track_caller]
    pub(crate) fn next(&self, name: &str) -> (String, Instant, PathBuf) {
        let next = self.ours.wait(|| {
            let segments = self.playlist().segments;
            let behind = segments.iter().position(|known| known == name)? + 1;
            segments.into_iter().nth(behind)
        });
        let bytes = self.fetch(&next);
        let at = Instant::now();
        (next, at, self.playable(&bytes))
    }

    /// The newest segment with its initialization in front.
    #[track_caller]
    pub(crate) fn newest_segment(&self) -> PathBuf {
        self.playable(&self.fetch(&self.newest()))
    }

    #[track_caller]
    fn playable(&self, segment: &[u8]) -> PathBuf {
        let init = self.playlist().init.expect("an EXT-X-MAP");
        let mut bytes = self.fetch(&init);
        bytes.extend_from_slice(segment);
        let path = self.ours.directory.path().join("segment.mp4");
        std::fs::write(&path, bytes).expect("writing a segment");
        path
    }

    #[track_caller]
    fn fetch(&self, name: &str) -> Vec<u8> {
        let url = self.media.join(name).expect("a segment's address");
        self.ours.bytes(&url).unwrap_or_else(|| panic!("GET {url}"))
    }

    #[track_caller]
    fn playlist(&self) -> Playlist {
        let text = self.ours.text(&self.media).expect("the media playlist");
        Playlist::parse(&text)
    }
}

/// What a TV is called.
fn name(tv: SocketAddr) -> String {
    format!("tv-{}", tv.port())
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.ours.daemon.post("stop", &json!({})) {
            eprintln!("POST /stop: {error}");
        }
    }
}
