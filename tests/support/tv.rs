//! A TV that speaks CASTV2 and really plays what it is told to: `tests/tv`, in Node and Chromium.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Seek as _},
    net::{Ipv4Addr, SocketAddrV4},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU8, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::{clock::Picture, packages, players::Player, wait::wait_for};

/// The most that a TV may take to start; two busy cores do it in a few seconds.
const START: Duration = Duration::from_secs(60);
/// The most that a TV may take to do what a test waits for.
const REACT: Duration = Duration::from_secs(30);
/// Where senders look for a TV unless they were told otherwise.
const PORT: u16 = 8009;

/// Which TV is to be started.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) player: Player,
    /// Where it listens: for CASTV2 on `port`, for its description on 8008 and 8443.
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u16,
    pub(crate) name: String,
    /// The device's UUID.
    pub(crate) id: String,
}

impl Options {
    /// A TV at an address of the loopback that no other of this machine's tests has.
    pub(crate) fn new(player: Player) -> Self {
        static TVS: AtomicU8 = AtomicU8::new(0);
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 64 + TVS.fetch_add(1, Ordering::Relaxed) % 64, high, low);
        Self {
            player,
            address,
            port: PORT,
            name: "Test TV".to_owned(),
            id: format!("7e57ab1e-0000-4000-8000-{:012x}", u32::from(address)),
        }
    }
}

/// What people and the world do to a TV.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Play,
    Pause,
    Stop,
    /// Somebody leaves the app for the idle screen.
    Home,
    /// Somebody casts with another app.
    TakeOver,
    Standby,
    Wake,
    OtherInput,
    ThisInput,
    Unplug,
    PlugIn,
    /// Without power for three seconds; does not wait until it is back.
    Reboot,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Play => "play",
            Self::Pause => "pause",
            Self::Stop => "stop",
            Self::Home => "home",
            Self::TakeOver => "take-over",
            Self::Standby => "standby",
            Self::Wake => "wake",
            Self::OtherInput => "other-input",
            Self::ThisInput => "this-input",
            Self::Unplug => "unplug",
            Self::PlugIn => "plug-in",
            Self::Reboot => "reboot",
        }
    }
}

/// The app in which senders play media.
pub(crate) const DEFAULT_MEDIA_RECEIVER: &str = "CC1AD845";
/// The idle screen.
pub(crate) const BACKDROP: &str = "E8C28D3C";
/// The app of [`Action::TakeOver`].
pub(crate) const YOUTUBE: &str = "233637DE";

/// How a TV is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Stats {
    /// Whether it has power and can be reached.
    pub(crate) on: bool,
    pub(crate) standby: bool,
    pub(crate) active_input: bool,
    /// The id of the app that runs.
    pub(crate) app: Option<String>,
    pub(crate) volume: f64,
    pub(crate) muted: bool,
    /// How many senders are connected.
    pub(crate) senders: usize,
    /// How often it was told to load something, and the last such request.
    pub(crate) loads: u32,
    pub(crate) load: Option<Value>,
    /// `None` while another app runs than the player.
    pub(crate) player: Option<PlayerStats>,
}

/// How a TV's player is, from its `<video>`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PlayerStats {
    /// IDLE, LOADING, BUFFERING, PLAYING, PAUSED or ENDED.
    pub(crate) state: String,
    /// In seconds.
    pub(crate) position: f64,
    pub(crate) decoded: u64,
    pub(crate) dropped: u64,
    /// Seconds between the picture's EXT-X-PROGRAM-DATE-TIME and now.
    pub(crate) lag: Option<f64>,
    /// Seconds that can still be played without another byte.
    pub(crate) buffer: f64,
    /// How long the picture stood for want of data, each time, in seconds; the last fifty.
    pub(crate) stalls: Vec<f64>,
    /// The last fifty.
    pub(crate) errors: Vec<String>,
    /// Status and address of what was answered with an error; the last fifty.
    pub(crate) refusals: Vec<String>,
}

/// A running TV. Ends with everything it started when dropped.
#[derive(Debug)]
pub(crate) struct PlayingTv {
    child: Child,
    control: Url,
    address: SocketAddrV4,
    /// What it says; shown when the test fails.
    log: File,
    _state: TempDir,
}

impl PlayingTv {
    /// Returns when senders can reach it.
    #[track_caller]
    pub(crate) fn start(options: &Options) -> Self {
        let players = packages::from_npm("players");
        let state = tempfile::tempdir().expect("making a directory for a TV");
        let log = tempfile::tempfile().expect("making a file for the log");
        let mut child = Command::new("node")
            .arg(packages::from_npm("tv").join("main.js"))
            .args(["--address", &options.address.to_string()])
            .args(["--port", &options.port.to_string()])
            .args(["--name", &options.name, "--id", &options.id])
            .args(["--player", options.player.name()])
            .arg("--players")
            .arg(players)
            .arg("--state")
            .arg(state.path())
            // It ends when this does, which is how it ends with a test that was killed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().expect("sharing the log"))
            .process_group(0)
            .spawn()
            .expect("starting node: run .ci/setup test");
        let mut lines = BufReader::new(child.stdout.take().expect("a TV's output")).lines();
        let mut tv = Self {
            child,
            control: Url::parse("http://localhost/").expect("an address"),
            address: SocketAddrV4::new(options.address, options.port),
            log,
            _state: state,
        };
        let (to_test, said) = mpsc::channel();
        thread::spawn(move || to_test.send(lines.next()));
        match said.recv_timeout(START) {
            Ok(Some(Ok(line))) => {
                let ready: Value = serde_json::from_str(&line).expect("a TV's first line");
                let control = ready["control"].as_str().expect("the address of its control");
                tv.control = Url::parse(control).expect("the address of its control");
            }
            other => panic!("the TV did not start: {other:?}"),
        }
        tv
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it speaks CASTV2.
    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    #[track_caller]
    pub(crate) fn stats(&self) -> Stats {
        ureq::get(self.at("stats").as_str())
            .call()
            .and_then(|mut answer| answer.body_mut().read_json())
            .expect("a TV's stats")
    }

    /// What it shows now.
    #[track_caller]
    pub(crate) fn screenshot(&self) -> Picture {
        let png = ureq::get(self.at("screenshot.png").as_str())
            .call()
            .and_then(|mut answer| answer.body_mut().read_to_vec())
            .expect("a TV's screenshot");
        Picture::from_png(&png)
    }

    /// Returns when it is done.
    #[track_caller]
    pub(crate) fn act(&self, action: Action) {
        ureq::post(self.at("act").as_str())
            .send_json(json!({ "action": action.name() }))
            .unwrap_or_else(|error| panic!("{action:?}: {error}"));
    }

    /// Waits until its stats are as they should be, and returns them.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, reached: impl Fn(&Stats) -> bool) -> Stats {
        wait_for(what, REACT, || Some(self.stats()).filter(&reached))
    }

    /// Waits until it plays, with a picture.
    #[track_caller]
    pub(crate) fn wait_until_playing(&self) -> PlayerStats {
        let stats = self.wait_until("a playing TV", |stats| {
            stats.player.as_ref().is_some_and(|p| p.state == "PLAYING" && p.decoded > 0)
        });
        stats.player.expect("a player that plays")
    }

    fn at(&self, path: &str) -> Url {
        self.control.join(path).expect("an address of the TV's control")
    }
}

impl Drop for PlayingTv {
    fn drop(&mut self) {
        // The group, because Chromium's own children outlive a killed parent for a while.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        drop(self.child.wait());
        if thread::panicking() {
            let mut said = String::new();
            if self.log.rewind().and_then(|()| self.log.read_to_string(&mut said)).is_ok() {
                eprintln!("the TV said:\n{said}");
            }
        }
    }
}
