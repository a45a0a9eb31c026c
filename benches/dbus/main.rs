//! Measures what asking by D-Bus costs: on a bus of its own, with the daemon as it is built for release.
//!
//! What the bus and the library cost is measured as well, by `Ping`, which the library answers itself on
//! the same way; the rest is ours. Starts by D-Bus and by HTTP take turns on one daemon.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a bench prints, panics when it cannot measure, and shares modules with the tests"
)]

#[path = "../../tests/dbus/bus.rs"]
mod bus;
#[path = "../../tests/support/daemon.rs"]
mod daemon;
#[path = "../../tests/support/files.rs"]
mod files;
#[path = "../../tests/support/bus.rs"]
mod launcher;
/// The place where the tests have it.
mod support {
    pub(crate) use crate::launcher as bus;
}

use std::{
    collections::HashMap,
    fs,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use bus::PrivateBus;
use daemon::Daemon;
use files::Files;
use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};
use ureq::Agent;
use zbus::{Connection, DynamicType, Message, OwnedObjectPath, Variant};

const CALLS: usize = 10_000;
/// Milliseconds that a `GetAll` may take beyond a `Ping`, by the medians.
const OURS: f64 = 1.0;
const STARTS: usize = 10;
/// How much longer a start by D-Bus may take than one by HTTP until the page is live, by the medians.
/// Chromium needs a second for it, give or take a tenth.
const SLOWER: f64 = 1.1;
/// Milliseconds that a start by D-Bus may take to answer beyond one by HTTP, by the medians.
const LATER: f64 = 5.0;

const POLL: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(30);

const NAME: &str = "org.dashboardcast1";
const ROOT: &str = "/org/dashboardcast1";

struct Bench {
    // Fields are dropped in this order: the daemon ends before what it needs.
    connection: Connection,
    runtime: Runtime,
    agent: Agent,
    daemon: Daemon,
    _directory: TempDir,
    _bus: PrivateBus,
    pages: Files,
}

fn main() -> ExitCode {
    let bench = Bench::open();
    let [calls, starts] = [bench.calls(), bench.starts()];
    if calls && starts { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Bench {
    fn open() -> Self {
        let bus = PrivateBus::session();
        let directory = tempfile::tempdir().expect("making a directory");
        let config = directory.path().join("bench.toml");
        // The network that it happens to run in is not asked around in.
        fs::write(&config, "[devices]\ndiscover = false\n").expect("writing a configuration");
        let (variable, address) = bus.environment();
        let daemon = Daemon::launch(
            Command::new(env!("CARGO_BIN_EXE_dashboard-cast"))
                .args(["daemon", "--session", "--listen", "127.0.0.1:0", "--config"])
                .arg(config)
                .env("RUNTIME_DIRECTORY", directory.path().join("run"))
                .env("STATE_DIRECTORY", directory.path().join("state"))
                .env(variable, address),
        );
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("starting a runtime");
        let connection = runtime.block_on(bus.client());
        let pages = Files::serve(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pages"));
        let agent = Agent::new_with_defaults();
        Self { connection, runtime, agent, daemon, _directory: directory, _bus: bus, pages }
    }

    /// All properties of a live session, in turns with `Ping`.
    fn calls(&self) -> bool {
        let session = self.start_by_bus();
        self.wait_live();
        let mut taken: [Vec<Duration>; 2] = Default::default();
        for _ in 0..CALLS {
            for (number, interface) in ["Peer", "Properties"].into_iter().enumerate() {
                let interface = format!("org.freedesktop.DBus.{interface}");
                let asked = Instant::now();
                if number == 0 {
                    self.call(&session, &interface, "Ping", &());
                } else {
                    self.call(&session, &interface, "GetAll", &"org.dashboardcast1.Session");
                }
                taken[number].push(asked.elapsed());
            }
        }
        self.stop();
        for taken in &mut taken {
            taken.sort_unstable();
        }
        let [ping, all] =
            taken.map(|taken| [taken[CALLS / 2], taken[CALLS * 99 / 100]].map(millis));
        let ours = all[0] - ping[0];
        println!("{CALLS} calls          median, ms  99 %, ms");
        println!("Ping                 {:>10.3} {:>9.3}", ping[0], ping[1]);
        println!("GetAll of a session  {:>10.3} {:>9.3}", all[0], all[1]);
        println!("ours, difference     {ours:>10.3}            at most {OURS}");
        ours <= OURS
    }

    fn starts(&self) -> bool {
        // The first one finds files in no cache.
        self.start_by_bus();
        self.wait_live();
        self.stop();
        let mut taken: [[Vec<f64>; 2]; 2] = Default::default();
        for number in 0..2 * STARTS {
            let asked = Instant::now();
            if number % 2 == 0 {
                self.start_by_bus();
            } else {
                self.start_by_http();
            }
            let answered = asked.elapsed();
            self.wait_live();
            for (list, time) in taken[number % 2].iter_mut().zip([answered, asked.elapsed()]) {
                list.push(millis(time));
            }
            self.stop();
        }
        let [bus, http] = taken.map(|both| {
            both.map(|mut list| {
                list.sort_by(f64::total_cmp);
                f64::midpoint(list[(STARTS - 1) / 2], list[STARTS / 2])
            })
        });
        let (later, slower) = (bus[0] - http[0], bus[1] / http[1]);
        println!("\n{STARTS} starts each       answer, ms  live, ms");
        println!("StartCast            {:>10.2} {:>9.0}", bus[0], bus[1]);
        println!("POST /start          {:>10.2} {:>9.0}", http[0], http[1]);
        println!("difference           {later:>10.2}            at most {LATER}");
        println!("ratio                           {slower:>9.2} at most {SLOWER}");
        later <= LATER && slower <= SLOWER
    }

    fn page(&self) -> String {
        self.pages.url("static.html")
    }

    /// Returns the session's object.
    fn start_by_bus(&self) -> OwnedObjectPath {
        let options: HashMap<&str, Variant<'_>> = HashMap::from([("quality", "720p".into())]);
        let body = (self.page(), options);
        let answer = self.call(ROOT, "org.dashboardcast1.Manager", "StartCast", &body);
        answer.body().deserialize().expect("an object")
    }

    fn start_by_http(&self) {
        let request = json!({ "url": self.page(), "quality": "720p" });
        let url = self.daemon.url("start");
        self.agent.post(url.as_str()).send_json(request).expect("POST /start");
    }

    #[track_caller]
    fn call(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Message {
        let calling = self.connection.call_method(Some(NAME), path, Some(interface), method, body);
        self.runtime.block_on(calling).expect(method)
    }

    #[track_caller]
    fn wait_live(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.daemon.get("status").expect("GET /status")["stream"]["state"] != "live" {
            assert!(Instant::now() < deadline, "no live page in {PATIENCE:?}");
            thread::sleep(POLL);
        }
    }

    fn stop(&self) {
        self.daemon.post("stop", &json!({})).expect("POST /stop");
    }
}

fn millis(time: Duration) -> f64 {
    1000.0 * time.as_secs_f64()
}
