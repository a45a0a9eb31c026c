//! A bus of a test's own.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Starts a `dbus-daemon` with this configuration, and comes back with its address when it takes
/// connections.
#[track_caller]
pub(crate) fn launch(config: &Path) -> (Child, String) {
    let log = config.with_extension("log");
    let mut daemon = Command::new("dbus-daemon")
        .arg("--config-file")
        .arg(config)
        .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&log).expect("making a log"))
        .spawn()
        .unwrap_or_else(|error| panic!("dbus-daemon: {error}: run .ci/setup test"));
    let mut address = String::new();
    let said = daemon.stdout.take().expect("the bus's output");
    BufReader::new(said).read_line(&mut address).expect("the bus's address");
    let log = || fs::read_to_string(&log).unwrap_or_default();
    assert!(address.starts_with("unix:"), "the bus did not start: {address:?}\n{}", log());
    (daemon, address.trim().to_owned())
}
