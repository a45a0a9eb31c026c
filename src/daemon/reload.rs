//! Reads the configuration again while the daemon runs, and has it count.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, watch},
    task::spawn_blocking,
};

use crate::{
    cast::Devices,
    config::{Cast, Config, PagePolicy, Settings, Source},
    control::ReloadError,
    gpu::Gpus,
    http::Access,
    package::Library,
    session::{Defaults, Registry, Rules, ports::BrowserSettings},
    worker::Browsers,
};

/// Those whom a changed configuration is told. None of them makes anybody wait for it.
#[derive(Debug)]
pub(super) struct Concerned {
    pub(super) registry: Arc<Registry>,
    pub(super) devices: Arc<Devices>,
    pub(super) library: Arc<Library>,
    pub(super) access: Arc<Access>,
    pub(super) browsers: Browsers,
    pub(super) gpus: Arc<Gpus>,
    /// After which time of quiet the daemon ends.
    pub(super) idle_exit: watch::Sender<Option<Duration>>,
    /// Where the server listens, whatever is configured by now.
    pub(super) listen: SocketAddr,
}

/// Knows what holds and where to read what should.
#[derive(Debug)]
pub(super) struct Reloader {
    /// `None`: what holds did not come from files.
    source: Option<Source>,
    /// Also the turn of who reloads: nobody else waits for this, so it may be held while a disk takes
    /// its time.
    holds: Mutex<Settings>,
    concerned: Concerned,
}

impl Reloader {
    pub(super) fn new(source: Option<Source>, holds: Settings, concerned: Concerned) -> Self {
        Self { source, holds: Mutex::new(holds), concerned }
    }

    pub(super) const fn has_source(&self) -> bool {
        self.source.is_some()
    }

    /// The casts that hold.
    pub(super) async fn casts(&self) -> BTreeMap<String, Cast> {
        self.holds.lock().await.config.casts.clone()
    }

    /// Has the files count as they are now. Returns a sentence for each thing that has changed. All that
    /// it waits for comes before the first change: dropped, it has done nothing or everything.
    ///
    /// # Errors
    /// They cannot be used; what held goes on to hold.
    pub(super) async fn reload(&self) -> Result<Vec<String>, ReloadError> {
        let mut holds = self.holds.lock().await;
        let source = self.source.clone().ok_or(ReloadError::NoSource)?;
        let read = spawn_blocking(move || source.read()).await;
        let next = read.map_err(|error| ReloadError::Read(io::Error::other(error)))??;
        for warning in &next.warnings {
            tracing::warn!("{warning}");
        }
        let mut notes: Vec<_> =
            holds.config.differences(&next.config).iter().map(ToString::to_string).collect();
        let same_file = holds.config.http.token_file == next.config.http.token_file;
        if same_file && holds.token != next.token {
            notes.push("The token in http.token-file has changed and counts now.".to_owned());
        }
        self.concerned.tell(&next);
        // What needs a restart is said again until there was one.
        let listen = holds.config.http.listen;
        *holds = next;
        holds.config.http.listen = listen;
        Ok(notes)
    }
}

impl Concerned {
    fn tell(&self, settings: &Settings) {
        let Settings { config, token, .. } = settings;
        let needs_token = config.http.loopback_needs_token;
        self.access.admit(token.clone(), needs_token);
        self.registry.obey(rules(config, self.listen));
        self.library.set_room(config.stream.window, config.stream_memory());
        self.browsers.set(browser_settings(config));
        self.devices.configure(&config.devices);
        self.gpus.choose(config.encoder.gpu.clone());
        self.idle_exit.send_replace(config.service.idle_exit);
    }
}

/// What the configuration says to sessions.
pub(super) fn rules(config: &Config, listen: SocketAddr) -> Rules {
    Rules {
        defaults: Defaults {
            quality: config.sessions.quality,
            audio: config.sessions.audio,
            frame_rate: config.sessions.frame_rate,
        },
        most: config.sessions.most,
        pages: PagePolicy::from(&config.pages),
        accept_certificates_of: config.pages.accept_certificates_of.clone(),
        listen,
    }
}

/// What the configuration says to browser workers.
pub(super) fn browser_settings(config: &Config) -> BrowserSettings {
    BrowserSettings { program: config.browser.program.clone(), load_timeout: config.pages.timeout }
}
