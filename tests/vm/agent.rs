//! QEMU's agent in a machine, which runs what it is asked to: JSON, a line each, over a serial line that is
//! a socket here.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::support::{booted::Said, wait::wait_for};

/// It answers at once; a busy machine, later.
const SOON: Duration = Duration::from_secs(120);
/// What was said to one that was not there is said again.
const AGAIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Agent {
    lines: BufReader<UnixStream>,
    questions: u64,
}

impl Agent {
    /// Waits for the agent of a machine that boots.
    #[track_caller]
    pub(crate) fn connect(socket: &Path, limit: Duration) -> Self {
        let stream = wait_for("QEMU's socket", SOON, || UnixStream::connect(socket).ok());
        let mut agent = Self { lines: BufReader::new(stream), questions: 0 };
        agent.sync(limit);
        agent
    }

    /// Waits until it answers, and to nothing that was asked before: a machine that boots again has lost
    /// some of that.
    #[track_caller]
    pub(crate) fn sync(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while !self.is_there() {
            assert!(Instant::now() < deadline, "no word of the machine in {limit:?}");
        }
    }

    fn is_there(&mut self) -> bool {
        self.questions += 1;
        let id = self.questions;
        if self.write("guest-sync", &json!({ "id": id })).is_err() {
            return false;
        }
        let deadline = Instant::now() + AGAIN;
        loop {
            match self.read(deadline) {
                Ok(answer) if answer["return"] == id => return true,
                // An answer to something else.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => panic!("{error}"),
                Err(_) => return false,
            }
        }
    }

    /// Runs a command as root.
    ///
    /// # Errors
    /// There is no answer, or none that belongs to it: the machine has booted again meanwhile.
    pub(crate) fn run(&mut self, command: &str, input: &str, limit: Duration) -> io::Result<Said> {
        let started = self.ask(
            "guest-exec",
            &json!({
                "path": "/bin/sh",
                "arg": ["-c", command],
                "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"],
                "input-data": BASE64_STANDARD.encode(input),
                "capture-output": true,
            }),
        )?;
        let status = wait_for(command, limit, || {
            let status = self.ask("guest-exec-status", &json!({ "pid": started["pid"] }));
            match status {
                Ok(status) if status["exited"] == false => None,
                ended => Some(ended),
            }
        })?;
        let text = |name: &str| {
            let data = status[name].as_str().unwrap_or_default();
            let bytes = BASE64_STANDARD.decode(data).expect("base64");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (out, err) = (text("out-data"), text("err-data"));
        Ok(Said { success: status["exitcode"] == 0, out, err })
    }

    fn ask(&mut self, command: &str, arguments: &Value) -> io::Result<Value> {
        self.write(command, arguments)?;
        let answer = self.read(Instant::now() + SOON)?;
        match answer.get("return") {
            Some(value) => Ok(value.clone()),
            None => Err(io::Error::other(format!("{command} {arguments}: {answer}"))),
        }
    }

    fn write(&mut self, command: &str, arguments: &Value) -> io::Result<()> {
        let line = json!({ "execute": command, "arguments": arguments });
        writeln!(self.lines.get_mut(), "{line}")
    }

    fn read(&mut self, deadline: Instant) -> io::Result<Value> {
        let left = deadline.saturating_duration_since(Instant::now());
        // Zero would be no limit at all.
        self.lines.get_ref().set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "QEMU has ended"));
        }
        serde_json::from_str(&line)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
