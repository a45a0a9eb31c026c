//! A daemon of a test's own, and its sessions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::{Agent, Body, http::Response};
use url::Url;

use super::{
    clock::Picture,
    daemon::Daemon,
    playlist::{Playlist, gap},
    processes::{Process, family},
    wait::wait_for,
};

/// For what takes a second or two on a machine that has nothing else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG: &str = "test.toml";

/// One Chromium is all that two cores can draw and encode in time.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A daemon with directories of its own.
#[derive(Debug)]
pub(crate) struct Stage {
    // Fields are dropped in this order: the daemon ends before its directory goes.
    pub(crate) daemon: Daemon,
    pub(crate) directory: TempDir,
    config: String,
    agent: Agent,
}

/// What a request brought.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    fn read(url: &Url, answer: Result<Response<Body>, ureq::Error>) -> Self {
        let mut response = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
        let kind = response.headers().get("content-type");
        Self {
            status: response.status().as_u16(),
            kind: kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned(),
            body: response.body_mut().read_to_vec().expect("a body"),
        }
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Stage {
    /// Starts a daemon with this configuration.
    #[track_caller]
    pub(crate) fn set(config: &str) -> Self {
        let directory = tempfile::tempdir().expect("making a directory");
        Self::set_in(directory, config)
    }

    #[track_caller]
    pub(crate) fn set_in(directory: TempDir, config: &str) -> Self {
        Self::set_on(0, directory, alone(config))
    }

    #[track_caller]
    fn set_on(port: u16, directory: TempDir, config: String) -> Self {
        let file = directory.path().join(CONFIG);
        fs::write(&file, &config).expect("writing a configuration");
        let daemon = Daemon::launch(
            Command::new(env!("CARGO_BIN_EXE_dashboard-cast"))
                .args(["daemon", "--listen", &format!("127.0.0.1:{port}"), "--config"])
                .arg(&file)
                .env("RUNTIME_DIRECTORY", directory.path().join("run"))
                .env("STATE_DIRECTORY", directory.path().join("state")),
        );
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        Self { daemon, directory, config, agent }
    }

    /// Has the daemon read this configuration, and returns what it says of it.
    #[track_caller]
    pub(crate) fn reconfigure(&self, config: &str) -> String {
        fs::write(self.directory.path().join(CONFIG), alone(config)).expect("a configuration");
        let before = self.daemon.log().len();
        self.daemon.signal(Signal::HUP);
        wait_for("word of the configuration", PATIENCE, || {
            let said = self.daemon.log().split_off(before);
            let ends = ["the configuration was read again", "the configuration is not used"];
            ends.iter().any(|end| said.contains(end)).then_some(said)
        })
    }

    /// Another daemon in the place of one that has ended, at the same address.
    #[track_caller]
    pub(crate) fn again(self) -> Self {
        let port = self.daemon.url("").port().expect("a port");
        drop(self.daemon);
        Self::set_on(port, self.directory, self.config)
    }

    /// Where the daemon keeps what belongs to running sessions.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    /// All processes that the daemon has started, with those whose parents have died.
    pub(crate) fn family(&self) -> Vec<Process> {
        family(self.daemon.id(), &self.runtime().display().to_string())
    }

    /// The process of the family whose command line has all these words and none of those.
    #[track_caller]
    pub(crate) fn process(&self, words: &[&str], without: &[&str]) -> Process {
        wait_for(&format!("process {words:?}"), PATIENCE, || {
            self.family().into_iter().find(|process| {
                words.iter().all(|word| process.command.contains(word))
                    && !without.iter().any(|word| process.command.contains(word))
            })
        })
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        let url = self.daemon.url(path);
        Answer::read(&url, self.agent.get(url.as_str()).call())
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Answer {
        let url = self.daemon.url(path);
        Answer::read(&url, self.agent.delete(url.as_str()).call())
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        let url = self.daemon.url(path);
        let request = self.agent.post(url.as_str()).content_type("application/json");
        Answer::read(&url, request.send(body))
    }

    /// Starts a session as small as they come, unless `request` says otherwise.
    #[track_caller]
    pub(crate) fn start(&self, mut request: Value) -> Session<'_> {
        let fields = request.as_object_mut().expect("an object");
        fields.entry("quality").or_insert(json!("720p"));
        let answer = self.post("start", &request.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        Session::new(self, &answer.json())
    }

    #[track_caller]
    pub(crate) fn open(&self, url: &str) -> Session<'_> {
        self.start(json!({ "url": url }))
    }

    /// One that was started before.
    #[track_caller]
    pub(crate) fn session(&self, id: &str) -> Session<'_> {
        let answer = self.get(&format!("sessions/{id}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        Session::new(self, &answer.json())
    }

    #[track_caller]
    pub(crate) fn stop(&self) {
        let answer = self.post("stop", "");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["status"], "success");
    }

    /// Checks that nothing of any session is left, while the daemon runs.
    #[track_caller]
    pub(crate) fn check_bare(&self) {
        assert_eq!(self.family(), [], "processes are left");
        assert_eq!(files(&self.runtime().join(self.daemon.id().to_string())), [""; 0]);
    }
}

/// No test asks around in the network that it happens to run in.
fn alone(config: &str) -> String {
    match config.contains("[devices]") {
        true => config.to_owned(),
        false => format!("{config}\n[devices]\ndiscover = false\n"),
    }
}

/// One session of a [`Stage`].
#[derive(Clone, Debug)]
pub(crate) struct Session<'a> {
    stage: &'a Stage,
    pub(crate) id: String,
    /// The directory of its media.
    media: String,
}

impl<'a> Session<'a> {
    #[track_caller]
    fn new(stage: &'a Stage, started: &Value) -> Self {
        let master = started["media"]["hls"].as_str().expect("a playlist");
        Self {
            stage,
            id: started["session_id"].as_str().expect("an id").to_owned(),
            media: master.trim_end_matches("master.m3u8").to_owned(),
        }
    }

    pub(crate) fn get(&self) -> Answer {
        self.stage.get(&format!("sessions/{}", self.id))
    }

    #[track_caller]
    pub(crate) fn view(&self) -> Value {
        let answer = self.get();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    #[track_caller]
    pub(crate) fn state(&self) -> String {
        self.view()["state"].as_str().expect("a state").to_owned()
    }

    #[track_caller]
    pub(crate) fn wait_live(&self) {
        wait_for("live page", PATIENCE, || (self.state() == "live").then_some(()));
    }

    /// Waits for a problem with this in it, and checks that it shows.
    #[track_caller]
    pub(crate) fn wait_problem(&self, words: &str) {
        wait_for(&format!("problem with {words:?}"), PATIENCE, || {
            let view = self.view();
            let problem = view["page"]["problem"].as_str()?;
            if !problem.contains(words) {
                return None;
            }
            assert_eq!(view["state"], "recovering", "{view}");
            Some(())
        });
        wait_for("slate", PATIENCE, || self.picture().is_slate().then_some(()));
    }

    pub(crate) fn snapshot(&self) -> Vec<u8> {
        wait_for("snapshot", PATIENCE, || {
            let answer = self.stage.get(&format!("sessions/{}/snapshot.png", self.id));
            // There is no encoder while a killed one is replaced.
            (answer.status != 503).then(|| {
                assert_eq!((answer.status, &*answer.kind), (200, "image/png"), "{answer:?}");
                answer.body
            })
        })
    }

    /// What is on the stream now.
    pub(crate) fn picture(&self) -> Picture {
        Picture::from_png(&self.snapshot())
    }

    /// A file of its media.
    #[track_caller]
    pub(crate) fn media(&self, file: &str) -> Answer {
        self.stage.get(&self.media_url(file))
    }

    pub(crate) fn media_url(&self, file: &str) -> String {
        format!("{}{file}", self.media)
    }

    #[track_caller]
    pub(crate) fn playlist(&self) -> Playlist {
        let answer = self.media("media.m3u8");
        assert_eq!(answer.status, 200, "{answer:?}");
        Playlist::parse(&String::from_utf8(answer.body).expect("a playlist is text"))
    }

    /// Checks that a segment comes out each second, without a break, while something is wrong.
    #[track_caller]
    pub(crate) fn check_running(&self) {
        let newest = |playlist: &Playlist| playlist.entries.last().map(|entry| entry.sequence);
        let before = newest(&self.playlist());
        let playlist = wait_for("further segments", PATIENCE, || {
            let playlist = self.playlist();
            (newest(&playlist) >= before.map(|before| before + 2)).then_some(playlist)
        });
        for pair in playlist.entries.windows(2) {
            assert!(gap(&pair[0], &pair[1]).abs() < 0.01, "the stream has a hole: {pair:?}");
            assert!((0.5..1.5).contains(&pair[0].seconds), "{pair:?}");
        }
    }
}

/// Everything in a directory, as paths in it; nothing when it does not exist.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            found.push(path.strip_prefix(directory).unwrap_or(&path).display().to_string());
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            }
        }
    }
    found
}
