//! The program under test, in our namespace.

use std::{
    fs,
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    network::Namespace,
    support::{daemon::Daemon, wait::wait_for},
};

/// For what takes a second or two on a machine that has nothing else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const PROGRAM: &str = env!("CARGO_BIN_EXE_dashboard-cast");

/// A daemon in a namespace.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    namespace: &'a Namespace,
    // Dropped in this order: the daemon ends before its directory goes.
    pub(crate) daemon: Daemon,
    _directory: TempDir,
}

impl<'a> Program<'a> {
    #[track_caller]
    pub(crate) fn start(namespace: &'a Namespace, config: &str) -> Self {
        Self::start_on(namespace, "127.0.0.1:0", config)
    }

    #[track_caller]
    pub(crate) fn start_on(namespace: &'a Namespace, listen: &str, config: &str) -> Self {
        let directory = tempfile::tempdir().expect("making a directory");
        let file = directory.path().join("test.toml");
        fs::write(&file, config).expect("writing a configuration");
        let mut command = Command::new(PROGRAM);
        command
            .args(["daemon", "--listen", listen, "--config"])
            .arg(&file)
            .env("RUNTIME_DIRECTORY", directory.path().join("run"))
            .env("STATE_DIRECTORY", directory.path().join("state"));
        let daemon = namespace.within(|| Daemon::launch(&mut command));
        Self { namespace, daemon, _directory: directory }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.namespace.within(|| self.daemon.get(path));
        answer.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.namespace.within(|| self.daemon.post(path, body));
        answer.unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// The answer to `GET /devices`.
    #[track_caller]
    pub(crate) fn devices(&self) -> Vec<Value> {
        list(self.get("devices"))
    }

    /// Waits until the list of devices is as it should be.
    #[track_caller]
    pub(crate) fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&[Value]) -> Option<T>) -> T {
        wait_for(what, PATIENCE, || look(&self.devices()))
    }

    /// Waits until the names of the devices are these.
    #[track_caller]
    pub(crate) fn wait_for_names(&self, names: &[&str]) {
        self.wait_for(&format!("list of {names:?}"), |devices| {
            devices.iter().map(|device| &device["name"]).eq(names).then_some(())
        });
    }
}

/// Runs `dashboard-cast devices --search` with more arguments.
#[track_caller]
pub(crate) fn look(namespace: &Namespace, arguments: &[&str]) -> Output {
    let empty = tempfile::NamedTempFile::new().expect("an empty configuration");
    let mut command = Command::new(PROGRAM);
    command.args(["devices", "--search"]);
    if !arguments.contains(&"--config") {
        command.arg("--config").arg(empty.path());
    }
    command.args(arguments);
    namespace.within(|| command.output().expect("running dashboard-cast"))
}

/// The devices that `dashboard-cast devices --search --json` prints.
#[track_caller]
pub(crate) fn look_json(namespace: &Namespace) -> Vec<Value> {
    let output = look(namespace, &["--json"]);
    assert!(output.status.success(), "{output:?}");
    list(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[track_caller]
fn list(mut answer: Value) -> Vec<Value> {
    match answer["devices"].take() {
        Value::Array(devices) => devices,
        other => panic!("devices is {other}"),
    }
}
