//! The browser worker: Chromium with one session's page.

use std::{fs, io, path::Path};

use rustix::process::getppid;

use crate::{
    render::browser::{self, BrowserOptions},
    session::ports::{BrowserCommand, BrowserEvent, Link},
    worker::{self, Tasks},
};

/// Runs until the daemon closes the connection or Chromium ends.
///
/// # Errors
/// There is no connection, or it broke.
pub fn run(options: BrowserOptions) -> io::Result<()> {
    let daemon = getppid();
    let socket = super::connection()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (link, Tasks { closing: sent, .. }): (Link<BrowserEvent, BrowserCommand>, _) =
            worker::serve(socket, "daemon")?;
        let session = options.directory.parent().map(Path::to_owned);
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
