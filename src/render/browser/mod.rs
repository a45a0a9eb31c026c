//! A real Chromium that draws one page on our display, and what it is known to do.
//!
//! It is started with a private directory, driven over two pipes ([`cdp`]) and never over a port,
//! and gone with everything it made when its commands end. What it tells is small: [`facts`] turns
//! Chromium's events into those of [`ports`](crate::session::ports).

mod answers;
mod auth;
mod cdp;
mod directory;
mod facts;
mod flags;
mod launch;
mod look;
mod page;
mod profile;

use std::{io, os::fd::OwnedFd, path::PathBuf, pin::pin, time::Duration};

use thiserror::Error;
use tokio::sync::mpsc;

use self::{
    auth::Credentials,
    directory::PrivateDirectory,
    launch::Chromium,
    page::{Closed, Page},
};
pub use self::{cdp::CdpError, directory::DirectoryError, launch::LaunchError, page::PageError};
pub(crate) use self::{flags::SMALL_SHM, launch::PROGRAMS};
use crate::{
    error::sentence,
    session::ports::{BrowserCommand, BrowserEvent, PageSpec},
};

/// How one browser is run.
#[derive(Clone, Debug)]
pub struct BrowserOptions {
    /// Made for this browser alone and removed with it. Its parent must exist; its path must be
    /// short enough for sockets inside it.
    pub directory: PathBuf,
    /// The browser to start; without it, the machine's Chromium.
    pub program: Option<PathBuf>,
    /// A page that is not there by then has failed.
    pub load_timeout: Duration,
}

/// Why a browser could not be started or ended by itself.
#[derive(Debug, Error)]
pub enum BrowserError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The page cannot be driven although Chromium ran.
    #[error("{}{}", sentence(.source), said(.words))]
    Page { source: PageError, words: String },
    /// The kernel or a container lets no ordinary user make a user namespace.
    #[error(
        "Chromium cannot make its sandbox, because user namespaces are forbidden here; in a Proxmox \
         container, which needs \"features: nesting=1\", on its host: dashboard-cast proxmox lxc CTID \
         --apply, and start it again; elsewhere: \
         sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000"
    )]
    NoSandbox,
    /// Chromium is gone: crashed, killed, or out of memory.
    #[error("Chromium ended ({status}){}", said(.words))]
    Ended { status: String, words: String },
    #[error("waiting for Chromium")]
    Wait(#[source] io::Error),
}

/// Runs one browser: hands out its display, opens the page of the first command, follows it.
///
/// Returns when the commands end, and only after Chromium is gone and its directory removed. A full
/// `events` holds the browser back.
///
/// # Errors
/// Chromium could not be started, or ended by itself; [`BrowserEvent::BrowserEnded`] says the same.
pub async fn run(
    options: BrowserOptions,
    mut commands: mpsc::Receiver<BrowserCommand>,
    events: mpsc::Sender<BrowserEvent>,
) -> Result<(), BrowserError> {
    let outcome = serve(&options, &mut commands, &events).await;
    if let Err(error) = &outcome
        && events.send(BrowserEvent::BrowserEnded(sentence(error))).await.is_err()
    {
        tracing::debug!("nobody is left to hear why the browser ended");
    }
    outcome
}

async fn serve(
    options: &BrowserOptions,
    commands: &mut mpsc::Receiver<BrowserCommand>,
    events: &mpsc::Sender<BrowserEvent>,
) -> Result<(), BrowserError> {
    let directory = PrivateDirectory::create(&options.directory)?;
    let display = OwnedFd::from(directory.listen()?);
    // Before Chromium starts: whoever serves the display can be ready when it comes.
    if events.send(BrowserEvent::Display(Some(display))).await.is_err() {
        return Ok(());
    }
    let Some(spec) = first_page(commands).await else {
        return Ok(());
    };
    let outcome = browse(options, &directory, spec, commands, events).await;
    directory.remove().await;
    outcome
}

async fn first_page(commands: &mut mpsc::Receiver<BrowserCommand>) -> Option<PageSpec> {
    loop {
        match commands.recv().await? {
            BrowserCommand::Open(spec) => return Some(spec),
            other => tracing::debug!(?other, "command before Open, ignored"),
        }
    }
}

async fn browse(
    options: &BrowserOptions,
    directory: &PrivateDirectory,
    spec: PageSpec,
    commands: &mut mpsc::Receiver<BrowserCommand>,
    events: &mpsc::Sender<BrowserEvent>,
) -> Result<(), BrowserError> {
    let program = launch::find(options.program.as_deref())?;
    let credentials = Credentials::new(&spec);
    profile::write(directory, &spec, &credentials)?;
    let (mut chromium, cdp) = Chromium::start(&program, directory, spec.size)?;

    let driving = async {
        let mut early = None;
        let mut setting_up = pin!(Page::set_up(cdp, &spec, credentials, options.load_timeout));
        let mut page = loop {
            tokio::select! {
                page = &mut setting_up => break page?,
                command = commands.recv() => match command {
                    None => return Ok(Closed),
                    Some(BrowserCommand::Navigate(url)) => early = Some(url),
                    // The page is about to be loaded anyway.
                    Some(
                        BrowserCommand::Configure(_)
                        | BrowserCommand::Open(_)
                        | BrowserCommand::Reload,
                    ) => {}
                },
            }
        };
        let closed = page.drive(early, commands, events).await;
        page.close().await;
        closed
    };
    let outcome = tokio::select! {
        outcome = driving => outcome,
        status = chromium.ended() => {
            chromium.end().await;
            let status = status.map_err(BrowserError::Wait)?.to_string();
            return Err(ended(status, chromium.last_words()));
        }
    };
    let status = chromium.end().await;
    match outcome {
        Ok(Closed) => Ok(()),
        Err(PageError::Cdp(CdpError::Closed)) => Err(ended(status, chromium.last_words())),
        Err(source) => Err(BrowserError::Page { source, words: chromium.last_words() }),
    }
}

/// What Chromium says before it ends for want of a sandbox, by its version.
const SANDBOX_WORDS: [&str; 2] = ["No usable sandbox!", "Failed to move to new namespace"];

fn ended(status: String, words: String) -> BrowserError {
    if SANDBOX_WORDS.iter().any(|complaint| words.contains(complaint)) {
        return BrowserError::NoSandbox;
    }
    BrowserError::Ended { status, words }
}

fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!("; its last words: {words}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{session::Auth, units::Size};

    pub(super) fn page(url: &str) -> PageSpec {
        PageSpec {
            url: url.parse().unwrap(),
            size: Size::new(1280, 720),
            scale: 1.0,
            zoom: 1.0,
            auth: Auth::default(),
            first: None,
            accept_certificates_of: Vec::new(),
        }
    }

    #[tokio::test]
    async fn the_display_comes_first_and_ending_early_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("b");
        let options = BrowserOptions {
            directory: directory.clone(),
            program: None,
            load_timeout: Duration::from_secs(30),
        };
        let (to_browser, commands) = mpsc::channel(1);
        let (events, mut from_browser) = mpsc::channel(1);
        let running = tokio::spawn(run(options, commands, events));
        let first = from_browser.recv().await.unwrap();
        assert!(matches!(first, BrowserEvent::Display(Some(_))), "{first:?}");
        assert!(directory.join("wayland").exists());
        drop(to_browser);
        running.await.unwrap().unwrap();
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn a_browser_that_cannot_be_started_says_why() {
        let parent = tempfile::tempdir().unwrap();
        let options = BrowserOptions {
            directory: parent.path().join("b"),
            program: Some("/nowhere/chromium".into()),
            load_timeout: Duration::from_secs(30),
        };
        let (to_browser, commands) = mpsc::channel(1);
        let (events, mut from_browser) = mpsc::channel(2);
        to_browser.send(BrowserCommand::Open(page("http://host/"))).await.unwrap();
        run(options, commands, events).await.unwrap_err();
        from_browser.recv().await.unwrap();
        let told = from_browser.recv().await.unwrap();
        assert!(
            matches!(&told, BrowserEvent::BrowserEnded(why) if why.contains("/nowhere/chromium")),
            "{told:?}"
        );
    }
}
