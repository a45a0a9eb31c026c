//! Runs the built program and asks it things.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use url::Url;

/// The most that a first picture may take on a busy machine; the bench holds the real limit.
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

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
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let log = tempfile::tempfile().expect("making a file for the log");
        let to_log = log.try_clone().expect("sharing the log");
        let child = Command::new(program)
            .args([verb, "--listen", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(to_log)
            .spawn()
            .expect("starting dashboard-cast");
        let mut daemon = Self {
            child,
            base: Url::parse(&format!("http://127.0.0.1:{port}/")).expect("an address"),
            log,
        };
        daemon.wait_for("an answer from GET /status", |daemon| {
            daemon.get("status").is_ok().then_some(())
        });
        daemon
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

    #[track_caller]
    fn wait_for<T>(&mut self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
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
        if let Some(pid) =
            i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        drop(self.child.wait());
        if thread::panicking() {
            let mut said = String::new();
            if self.log.rewind().is_ok() && self.log.read_to_string(&mut said).is_ok() {
                eprintln!("dashboard-cast said:\n{said}");
            }
        }
    }
}
