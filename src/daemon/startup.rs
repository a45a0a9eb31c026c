//! How the daemon comes up and goes down, top to bottom.

use std::{env, ffi::OsString, io, net::SocketAddr, sync::Arc};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{parts::Parts, runtime::RuntimeDirectory};
use crate::{
    cast::{Devices, Discovery},
    config::{Config, PagePolicy},
    http::{self, Access, App, ControlToken, Limits, TokenError},
    package::Library,
    session::{Defaults, Registry, Rules, Snapshot, StartError, StartRequest},
    worker::Children,
};

/// Why the daemon did not start.
#[derive(Debug, Error)]
pub enum StartupError {
    #[error("finding this program's own file")]
    Program(#[source] io::Error),
    #[error("making the runtime directory")]
    Runtime(#[source] io::Error),
    /// Usually another program, or another daemon, has the port.
    #[error("listening on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
    #[error("watching for signals")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Nobody could control anything.
    #[error("http.loopback-needs-token is set, but http.token-file names no token")]
    NoToken,
}

/// A daemon that listens and is ready for sessions.
#[derive(Debug)]
pub struct Daemon {
    listener: TcpListener,
    registry: Arc<Registry>,
    library: Arc<Library>,
    access: Arc<Access>,
    devices: Arc<Devices>,
    discovery: Discovery,
    runtime: RuntimeDirectory,
}

impl Daemon {
    /// Prepares everything and listens. `token` is what callers from other machines must know.
    ///
    /// # Errors
    /// The port is taken, or the machine refuses something else.
    pub async fn prepare(config: &Config, token: Option<String>) -> Result<Self, StartupError> {
        let program = env::current_exe().map_err(StartupError::Program)?;
        let token = token.map(ControlToken::new).transpose()?;
        if token.is_none() && config.http.loopback_needs_token {
            return Err(StartupError::NoToken);
        }
        let access = Access::new(token, config.http.loopback_needs_token, Vec::new());
        // Listening comes first: a second daemon must not touch what belongs to the first.
        let address = config.http.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|cause| StartupError::Listen { address, cause })?;
        let runtime = RuntimeDirectory::create().map_err(StartupError::Runtime)?;
        let workers = Children::new(program, runtime.path().to_owned(), browser_arguments(config));
        let library = Arc::new(Library::new(config.stream.window, config.stream.memory));
        let rules = Rules {
            defaults: Defaults {
                quality: config.sessions.quality,
                audio: config.sessions.audio,
                frame_rate: config.sessions.frame_rate,
            },
            most: config.sessions.most,
            pages: PagePolicy::from(&config.pages),
            accept_certificates_of: config.pages.accept_certificates_of.clone(),
        };
        let registry = Arc::new(Registry::new(rules, Arc::new(workers), Arc::clone(&library) as _));
        // It goes on by itself: what it finds, and whether it can, is nothing to wait for.
        let devices = Arc::new(Devices::new(&config.devices));
        let discovery = Discovery::start(&devices, config.devices.discover);
        let access = Arc::new(access);
        Ok(Self { listener, registry, library, access, devices, discovery, runtime })
    }

    /// Where it listens: the configured address, with the real port.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// All sessions.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// Starts a session as `POST /start` does.
    ///
    /// # Errors
    /// The request makes no sense or is not allowed.
    pub async fn start(&self, request: StartRequest) -> Result<Snapshot, StartError> {
        self.registry.start(request).await
    }

    /// Serves until SIGTERM or SIGINT, then ends every session and leaves nothing behind.
    ///
    /// # Errors
    /// Signals cannot be watched.
    pub async fn run(self) -> Result<(), StartupError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(StartupError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(StartupError::Signals)?;
        let Self { listener, registry, library, access, devices, discovery, runtime } = self;
        let app = App {
            core: Arc::new(Parts { registry: Arc::clone(&registry), devices }),
            media: library,
            access,
            limits: Limits::default(),
        };
        let stopping = {
            let registry = Arc::clone(&registry);
            async move {
                tokio::select! {
                    _ = terminate.recv() => tracing::info!("SIGTERM, stopping"),
                    _ = interrupt.recv() => tracing::info!("SIGINT, stopping"),
                }
                // Sessions first: their players get the end of the stream, and the server then has
                // only answers to finish.
                registry.shut_down().await;
            }
        };
        http::serve(listener, app, stopping).await;
        discovery.stop().await;
        drop(runtime);
        Ok(())
    }
}

fn browser_arguments(config: &Config) -> Vec<OsString> {
    let timeout = config.pages.timeout.as_millis().to_string();
    let mut arguments = vec!["--load-timeout-ms".into(), timeout.into()];
    if let Some(program) = &config.browser.program {
        arguments.extend(["--program".into(), program.into()]);
    }
    arguments
}
