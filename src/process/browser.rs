//! The browser worker: Chromium with one session's page.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::getppid;
use tokio::time::{interval, timeout};

use crate::{
    render::browser::{self, BrowserOptions},
    session::ports::{BrowserCommand, BrowserEvent, BrowserSettings, Link},
    systemd::{self, Watchdog},
    worker::{self, Tasks},
};

/// For the first command; the daemon sends it at once.
const CONFIGURE_LIMIT: Duration = Duration::from_secs(10);

/// Runs until the daemon closes the connection or Chromium ends. `directory` is made for this browser
/// alone and removed with it; its parent must exist.
///
/// # Errors
/// There is no connection, or it broke.
pub fn run(directory: PathBuf) -> io::Result<()> {
    let daemon = getppid();
    let socket = super::connection()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut link, Tasks { closing: sent, .. }): (Link<BrowserEvent, BrowserCommand>, _) =
            worker::serve(socket, "daemon")?;
        systemd::ready();
        if let Some(watchdog) = Watchdog::of_this_process() {
            tokio::spawn(feed(watchdog));
        }
        let Some(BrowserSettings { program, load_timeout }) = settings(&mut link).await? else {
            return Ok(());
        };
        let session = directory.parent().map(Path::to_owned);
        let options = BrowserOptions { directory, program, load_timeout };
        // Why it ended, the daemon has been told; what was said last must still go out.
        drop(browser::run(options, link.from_worker, link.to_worker).await);
        sent.await.map_err(io::Error::other)?;
        if getppid() != daemon {
            // The daemon died and cannot remove what it made for its sessions. The first of these
            // that is still in use stays, and with it those above.
            for directory in session.iter().flat_map(|session| session.ancestors().take(3)) {
                if fs::remove_dir(directory).is_err() {
                    break;
                }
            }
        }
        Ok(())
    })
}

/// The first command; `None` when the daemon has gone.
async fn settings(
    link: &mut Link<BrowserEvent, BrowserCommand>,
) -> io::Result<Option<BrowserSettings>> {
    match timeout(CONFIGURE_LIMIT, link.from_worker.recv()).await? {
        Some(BrowserCommand::Configure(settings)) => Ok(Some(settings)),
        Some(other) => Err(io::Error::other(format!("{other:?} came first"))),
        None => Ok(None),
    }
}

/// On the one thread on which all of this process happens: when that is stuck, nobody is fed.
async fn feed(watchdog: Watchdog) {
    let mut ticks = interval(watchdog.interval());
    loop {
        ticks.tick().await;
        watchdog.feed();
    }
}
