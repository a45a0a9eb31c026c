//! Workers as children of the daemon: for development, the demo and tests, without systemd.

use std::{
    ffi::OsStr,
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use super::{
    Browsers,
    link::{Inbound, Outbound, Tasks, serve},
    wire,
};
use crate::{
    ids::SessionId,
    session::ports::{
        BrowserCommand, BrowserEvent, EncoderCommand, EncoderEvent, Link, Starting, Workers,
    },
};

/// Where a worker finds its connection, as with systemd's `Accept=yes` sockets.
pub const CONNECTION: i32 = 3;

/// A worker that was told to end gets this long, which is more than Chromium ever needed.
const PATIENCE: Duration = Duration::from_secs(6);

/// Starts this program again for each worker.
#[derive(Debug)]
pub struct Children {
    program: PathBuf,
    /// Has one directory for each session; gone with the sessions.
    runtime: PathBuf,
    browsers: Browsers,
    /// How many browsers there have been.
    number: AtomicU32,
}

impl Children {
    /// Workers are `program worker …`; sessions get their directories in `runtime`.
    pub fn new(program: PathBuf, runtime: PathBuf, browsers: Browsers) -> Self {
        Self { program, runtime, browsers, number: AtomicU32::new(0) }
    }

    fn directory(&self, session: &SessionId) -> PathBuf {
        self.runtime.join(session.as_str())
    }

    fn start<Out, In>(&self, arguments: &[&OsStr], what: &'static str) -> io::Result<Link<Out, In>>
    where
        Out: Outbound + Send + Sync + 'static,
        In: Inbound + Send + 'static,
    {
        let (ours, theirs) = wire::pair()?;
        let mut command = Command::new(&self.program);
        command.arg("worker").args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        // A terminal sends Ctrl-C to a whole process group; workers end when the daemon says so.
        command.process_group(0);
        give(&mut command, theirs);
        let mut child = command.spawn()?;
        let (link, Tasks { closing, mut hearing }) = serve(ours, what)?;
        tokio::spawn(async move {
            let mut open = None;
            let ended = tokio::select! {
                ended = child.wait() => Some(ended),
                _ = closing => timeout(PATIENCE, child.wait()).await.ok(),
                sender = &mut hearing => {
                    open = sender.ok();
                    timeout(PATIENCE, child.wait()).await.ok()
                }
            };
            match ended {
                Some(Ok(status)) if status.success() => tracing::debug!("the {what} ended"),
                Some(Ok(status)) => tracing::warn!(%status, "the {what} ended"),
                Some(Err(error)) => tracing::warn!(%error, "waiting for the {what}"),
                None => {
                    tracing::warn!("the {what} does not end, killing it");
                    // It can only fail when it has ended just now.
                    drop(child.kill().await);
                }
            }
            // Whoever hears that no more comes may count on the worker being gone.
            drop((open, hearing));
        });
        Ok(link)
    }
}

/// Makes `socket` the child's descriptor [`CONNECTION`].
fn give(command: &mut Command, socket: OwnedFd) {
    let place = move || {
        let raw = socket.as_raw_fd();
        if raw == CONNECTION {
            // It only must not be closed at exec.
            rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty())?;
        } else {
            let mut target = borrowed_connection();
            rustix::io::dup2(&socket, &mut target)?;
            // Descriptor 3 must stay open; the child is about to become another program.
            std::mem::forget(target);
        }
        Ok(())
    };
    // SAFETY: between fork and exec only `dup2` and `fcntl` are called, which are signal-safe.
    unsafe { command.pre_exec(place) };
}

/// Descriptor 3 as a target for `dup2`, whatever it is now.
fn borrowed_connection() -> OwnedFd {
    // SAFETY: nothing in the forked child uses its descriptor 3 otherwise.
    unsafe { std::os::fd::FromRawFd::from_raw_fd(CONNECTION) }
}

impl Workers for Children {
    fn start_encoder(&self) -> Starting<'_, EncoderCommand, EncoderEvent> {
        Box::pin(async { self.start(&["encoder".as_ref()], "encoder worker") })
    }

    fn start_browser<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> Starting<'a, BrowserCommand, BrowserEvent> {
        Box::pin(async {
            // The browser before may still be on its way out of a directory of its own.
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let parent = self.directory(session);
            fs::create_dir_all(&parent)?;
            let directory = parent.join(format!("browser-{number}"));
            let arguments = ["browser".as_ref(), "--directory".as_ref(), directory.as_os_str()];
            let link = self.start(&arguments, "browser worker")?;
            self.browsers.configure(link).await
        })
    }

    fn clean_up(&self, session: &SessionId) {
        if let Err(error) = clear(&self.directory(session)) {
            tracing::warn!(%error, %session, "removing the session's directory, ignoring");
        }
    }
}

fn clear(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
