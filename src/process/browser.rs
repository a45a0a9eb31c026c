//! The browser worker: Chromium with one session's page.

use std::io;

use crate::{
    render::browser::{self, BrowserOptions},
    session::ports::{BrowserCommand, BrowserEvent, Link},
    worker,
};

/// Runs until the daemon closes the connection or Chromium ends.
///
/// # Errors
/// There is no connection, or the browser's directory cannot be used.
pub fn run(options: BrowserOptions) -> io::Result<()> {
    let socket = super::connection()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (link, sent): (Link<BrowserEvent, BrowserCommand>, _) =
            worker::serve(socket, "daemon")?;
        browser::run(options, link.from_worker, link.to_worker).await.map_err(io::Error::other)?;
        // What was said last must still go out.
        sent.await.map_err(io::Error::other)
    })
}
