//! Runs the built program and asks it things.

use std::{
    fs::File,
    net::TcpListener,
    os::unix::fs::FileExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use url::Url;

/// The most that a first picture may take on a busy machine; the bench holds the real limit.
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// The most that stopping may take, with sessions running.
const STOP: Duration = Duration::from_secs(30);

const SYSTEM_BUS: &str = "DBUS_SYSTEM_BUS_ADDRESS";

/// A running `dashboard-cast`; stopped as an operator would, with SIGTERM, when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    base: Url,
    /// What it says; shown when the test fails.
    log: File,
}

impl Daemon {
    /// Starts `program VERB --listen 127.0.0.1:PORT` and waits until it answers.
    #[track_caller]
    pub(crate) fn start(program: &str, verb: &str) -> Self {
        Self::start_with(Command::new(program).arg(verb))
    }

    /// As [`Daemon::start`], with `command` as it would be without `--listen`.
    #[track_caller]
    pub(crate) fn start_with(command: &mut Command) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let mut daemon = Self::spawn(command.args(["--listen", &format!("127.0.0.1:{port}")]));
        daemon.move_to(&format!("127.0.0.1:{port}"));
        daemon.wait_for("an answer from GET /status", |daemon| {
            daemon.get("status").is_ok().then_some(())
        });
        daemon
    }

    /// Starts `command`, which must be `dashboard-cast daemon`, and learns from its log where it
    /// listens.
    #[track_caller]
    pub(crate) fn launch(command: &mut Command) -> Self {
        let mut daemon = Self::spawn(command);
        let address = daemon.wait_for("a log line with an address", |daemon| {
            let log = daemon.log();
            let (_, rest) = log.split_once("ready address=")?;
            // A line that is still being written has no end yet.
            Some(rest.split_once('\n')?.0.trim().to_owned())
        });
        daemon.move_to(&address);
        daemon
    }

    #[track_caller]
    fn spawn(command: &mut Command) -> Self {
        // A daemon that is installed here is on the bus of this machine, and the test's has no place
        // there.
        if !command.get_envs().any(|(name, _)| name == SYSTEM_BUS) {
            command.env(SYSTEM_BUS, "unix:path=/nonexistent");
        }
        let log = tempfile::tempfile().expect("making a file for the log");
        let to_log = log.try_clone().expect("sharing the log");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(to_log)
            .spawn()
            .expect("starting dashboard-cast");
        Self { child, base: Url::parse("http://localhost/").expect("an address"), log }
    }

    #[track_caller]
    fn move_to(&mut self, address: &str) {
        self.base = Url::parse(&format!("http://{address}/")).expect("an address");
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        let length = self.log.metadata().map_or(0, |log| log.len());
        let mut said = vec![0; usize::try_from(length).unwrap_or(0)];
        // The place to read is the place to write for whoever shares the file; it must not move.
        match self.log.read_exact_at(&mut said, 0) {
            Ok(()) => String::from_utf8_lossy(&said).into_owned(),
            Err(error) => format!("its log cannot be read: {error}"),
        }
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("an id");
        kill_process(id, signal).expect("sending a signal");
    }

    /// Sends `signal` and waits for the end, which must come.
    #[track_caller]
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        self.try_end(signal).unwrap_or_else(|| panic!("dashboard-cast has not ended in {STOP:?}"))
    }

    fn try_end(&mut self, signal: Signal) -> Option<ExitStatus> {
        let deadline = Instant::now() + STOP;
        // As long as it was not waited for, its id is nobody else's.
        let mut id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if let Some(id) = id.take() {
                // It can only fail when it has ended just now.
                let _ = kill_process(id, signal);
            }
            if Instant::now() >= deadline {
                return None;
            }
            thread::sleep(POLL);
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Any path of the API or address in its answers as a whole URL.
    #[track_caller]
    pub(crate) fn url(&self, path: &str) -> Url {
        self.base.join(path).expect("an address of the daemon")
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Result<Value, ureq::Error> {
        ureq::get(self.url(path).as_str()).call()?.body_mut().read_json()
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, ureq::Error> {
        ureq::post(self.url(path).as_str()).send_json(body)?.body_mut().read_json()
    }

    /// Waits until the session's master playlist can be had, and returns its address.
    #[track_caller]
    pub(crate) fn wait_for_stream(&mut self) -> Url {
        self.wait_for("a stream", |daemon| {
            let status = daemon.get("status").ok()?;
            let master = daemon.url(status["stream"]["playlist_url"].as_str()?);
            ureq::get(master.as_str()).call().ok()?;
            Some(master)
        })
    }

    /// Waits until `look` finds something. `what` says what is missing when it does not.
    #[track_caller]
    pub(crate) fn wait_for<T>(&mut self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + START;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if let Some(status) = self.child.try_wait().expect("the state of dashboard-cast") {
                panic!("dashboard-cast ended before there was {what}: {status}");
            }
            assert!(Instant::now() < deadline, "no {what} in {START:?}");
            // There is nothing to wait on: the other side is a process that may not listen yet.
            thread::sleep(POLL);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.try_end(Signal::TERM).is_none() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
        if thread::panicking() {
            eprintln!("dashboard-cast said:\n{}", self.log());
        }
    }
}
