//! A bus of a test's own, and the program on it.

use std::{
    fs,
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::{PROGRAM, support::bus::launch};

/// Like a session bus, and nothing on it can be started by a call.
const CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=@PATH@</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    @MORE@
  </policy>
</busconfig>"#;

/// A `dbus-daemon`, which ends with the test.
#[derive(Debug)]
pub(crate) struct Bus {
    daemon: Child,
    pub(crate) address: String,
    pub(crate) directory: TempDir,
}

impl Bus {
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with_policy("")
    }

    /// With more rules, after those that let everybody do everything.
    #[track_caller]
    pub(crate) fn with_policy(more: &str) -> Self {
        let directory = tempfile::tempdir().expect("making a directory");
        let [config, socket] = ["bus.conf", "socket"].map(|name| directory.path().join(name));
        let text = CONFIG.replace("@PATH@", socket.to_str().unwrap()).replace("@MORE@", more);
        fs::write(&config, text).expect("writing the configuration of a bus");
        let (daemon, address) = launch(&config);
        Self { daemon, address, directory }
    }

    /// The program with these arguments, asking a service on this bus as the session bus.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.address);
        command.arg("--session").args(arguments);
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        drop(self.daemon.kill());
        drop(self.daemon.wait());
    }
}

/// The program where both buses have this address.
pub(crate) fn program(address: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env("DBUS_SESSION_BUS_ADDRESS", address)
        .env("DBUS_SYSTEM_BUS_ADDRESS", address)
        .env_remove("DASHBOARD_CAST_LOG")
        .stdin(Stdio::null());
    command
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) words: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("running the program");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: status.code(), out: text(stdout), words: text(stderr) }
    }

    /// What it printed, once it is certain that it did what it should.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Checks the code and that all of this was said.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, said: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        for said in said {
            assert!(self.words.contains(said), "{said}\n{self:?}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
