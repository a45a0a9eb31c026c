//! Starts Chromium and ends it.

use std::{
    collections::VecDeque,
    env, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping, FdMappingCollision};
use rustix::{
    pipe::{PipeFlags, pipe_with},
    process::{Pid, Signal, kill_process_group},
};
use thiserror::Error;
use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStderr, Command},
    task::JoinHandle,
    time::timeout,
};

use super::{
    cdp::Cdp,
    directory::PrivateDirectory,
    flags::{self, Circumstances},
};
use crate::units::Size;

/// Where Debian and its relatives put it, best first.
pub(crate) const PROGRAMS: &[&str] =
    &["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// Of our environment Chromium gets what decides about language and time. Not `DISPLAY` nor
/// `DBUS_SESSION_BUS_ADDRESS`: it has no business in anybody's desktop.
const INHERITED: &[&str] =
    &["LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LC_NUMERIC", "LC_TIME", "TZ"];

/// Chromium writes its profile when it is asked to end; it is thrown away, so it gets little time.
const ENDING: Duration = Duration::from_secs(3);

/// Why there is no Chromium.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// None of the usual programs is there.
    #[error("there is no Chromium on this machine: apt install chromium")]
    NotInstalled,
    /// The configured program is not there.
    #[error("the configured browser {0} does not exist")]
    NoSuchProgram(PathBuf),
    #[error("making Chromium's control pipes")]
    Pipes(#[source] io::Error),
    #[error("arranging Chromium's control pipes")]
    Descriptors(#[from] FdMappingCollision),
    #[error("starting {program}")]
    Spawn { program: PathBuf, source: io::Error },
}

/// Finds the browser to start.
pub(super) fn find(configured: Option<&Path>) -> Result<PathBuf, LaunchError> {
    if let Some(program) = configured {
        return if program.is_file() {
            Ok(program.to_owned())
        } else {
            Err(LaunchError::NoSuchProgram(program.to_owned()))
        };
    }
    let mut programs = PROGRAMS.iter().map(PathBuf::from);
    programs.find(|program| program.is_file()).ok_or(LaunchError::NotInstalled)
}

/// A running Chromium. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Chromium {
    child: Child,
    /// All its processes are in the group of the first.
    group: Option<Pid>,
    words: Arc<Mutex<Tail>>,
    listening: Option<JoinHandle<()>>,
}

impl Chromium {
    pub(super) fn start(
        program: &Path,
        directory: &PrivateDirectory,
        size: Size,
    ) -> Result<(Self, Cdp), LaunchError> {
        let pipe =
            || pipe_with(PipeFlags::CLOEXEC).map_err(|cause| LaunchError::Pipes(cause.into()));
        let (commands, to_chromium) = pipe()?;
        let (from_chromium, answers) = pipe()?;
        let cdp = Cdp::new(to_chromium, from_chromium).map_err(LaunchError::Pipes)?;
        let mut child = command(program, directory, size, commands, answers)?
            .spawn()
            .map_err(|source| LaunchError::Spawn { program: program.to_owned(), source })?;
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let words = Arc::new(Mutex::new(Tail::default()));
        let stderr = child.stderr.take();
        let listening = stderr.map(|stderr| tokio::spawn(listen(stderr, words.clone())));
        let chromium = Self { child, group, words, listening };
        Ok((chromium, cdp))
    }

    /// Waits for Chromium's own end. Dropping the future loses nothing.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends Chromium, by force when it does not end by itself, which it was asked to or which the
    /// closed pipe asks it to. No process of it is left.
    pub(super) async fn end(&mut self) -> String {
        let ended = match timeout(ENDING, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                tracing::debug!("chromium did not end when asked to, killing it");
                self.kill_group();
                self.child.wait().await
            }
        };
        // The rest of the family goes by itself when the browser is gone; this is for certain.
        self.kill_group();
        if let Some(listening) = self.listening.take()
            && timeout(ENDING, listening).await.is_err()
        {
            tracing::debug!("chromium's error output stays open");
        }
        match ended {
            Ok(status) => status.to_string(),
            Err(cause) => cause.to_string(),
        }
    }

    /// Chromium's last words, empty when it had none.
    pub(super) fn last_words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.lines.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    fn kill_group(&self) {
        if let Some(group) = self.group
            && let Err(cause) = kill_process_group(group, Signal::KILL)
        {
            // Usually because nobody is left, as it should be.
            tracing::trace!(%cause, "killing chromium's process group");
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // `id` is there until the end was waited for; afterwards the number may be somebody else's.
        if self.child.id().is_some() {
            self.kill_group();
        }
    }
}

fn command(
    program: &Path,
    directory: &PrivateDirectory,
    size: Size,
    commands: OwnedFd,
    answers: OwnedFd,
) -> Result<Command, LaunchError> {
    let root = rustix::process::geteuid().is_root();
    if root {
        tracing::warn!("running as root: chromium has no sandbox; run as another user");
    }
    let circumstances = Circumstances { root, shm: shared_memory(), size };
    let home = directory.home();
    let mut profile = std::ffi::OsString::from("--user-data-dir=");
    profile.push(directory.profile());

    let mut command = std::process::Command::new(program);
    command
        .args(flags::all(&circumstances))
        .arg(profile)
        .arg("about:blank")
        .env_clear()
        .envs(INHERITED.iter().filter_map(|name| Some((name, env::var_os(name)?))))
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_CACHE_HOME", home.join("cache"))
        .env("XDG_DATA_HOME", home.join("data"))
        .env("XDG_RUNTIME_DIR", directory.runtime())
        .env("TMPDIR", directory.temporary())
        .env("WAYLAND_DISPLAY", directory.socket())
        .current_dir(&home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .fd_mappings(vec![
            FdMapping { parent_fd: commands, child_fd: 3 },
            FdMapping { parent_fd: answers, child_fd: 4 },
        ])?;
    let mut command = Command::from(command);
    command.process_group(0).kill_on_drop(true);
    Ok(command)
}

/// Size of `/dev/shm`; none at all counts as nothing.
fn shared_memory() -> u64 {
    rustix::fs::statvfs("/dev/shm").map_or(0, |found| found.f_blocks.saturating_mul(found.f_frsize))
}

async fn listen(mut stderr: ChildStderr, words: Arc<Mutex<Tail>>) {
    let mut chunk = [0; 4096];
    loop {
        let read = stderr.read(&mut chunk).await;
        let Some(bytes) = read.ok().and_then(|length| chunk.get(..length)) else {
            return;
        };
        if bytes.is_empty() {
            return;
        }
        words.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

/// The last lines of an output.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    line: Vec<u8>,
}

impl Tail {
    /// Enough for a reason; an older line goes for each new one.
    const LINES: usize = 8;
    /// What a line has beyond it is dropped.
    const LENGTH: usize = 300;

    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line();
            } else if self.line.len() < Self::LENGTH {
                self.line.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).trim().to_owned();
        self.line.clear();
        // It has no bus to talk to, which it repeats.
        if line.is_empty() || line.contains("dbus/") {
            return;
        }
        tracing::debug!(target: "chromium", "{line}");
        if self.lines.len() == Self::LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_browser_is_an_error_that_says_what_to_do() {
        let missing = find(Some(Path::new("/nowhere/chromium"))).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/chromium"));
        assert!(LaunchError::NotInstalled.to_string().contains("apt install"));
    }

    #[test]
    fn last_words_are_few_short_and_not_about_the_bus() {
        let mut tail = Tail::default();
        for n in 0..100 {
            tail.push(format!("[1:2:ERROR:dbus/bus.cc] no bus\n\nline {n} ").as_bytes());
            tail.push(&[b'x'; 1000]);
            tail.push(b"\r\n");
        }
        assert_eq!(tail.lines.len(), Tail::LINES);
        assert!(tail.lines.back().unwrap().starts_with("line 99 x"));
        assert!(tail.lines.iter().all(|line| line.len() <= Tail::LENGTH));
    }
}
