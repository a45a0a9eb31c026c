//! How the daemon comes up and goes down, top to bottom.

use std::{env, io, net::SocketAddr, os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{
    doctor::Doctor,
    parts::Parts,
    reload::{Concerned, Reloader, browser_settings, rules},
    runtime::{RuntimeDirectory, trail_directory},
    service,
    state::State,
};
use crate::{
    activity::Activity,
    cast::{Devices, Discovery, Receivers},
    config::{Settings, Source},
    control::Core,
    dbus::{Bus, BusError, Seat, Service},
    encode,
    error::sentence,
    gpu::Gpus,
    http::{self, Access, App, Limits},
    package::Library,
    session::{Outside, Registry, Snapshot, StartError, StartRequest, ports::Workers},
    systemd::{self, Inherited},
    worker::{Browsers, Children, Units},
};

/// Why the daemon did not start.
#[derive(Debug, Error)]
pub enum StartupError {
    #[error("finding this program's own file")]
    Program(#[source] io::Error),
    /// systemd has handed over something else than a listening socket.
    #[error("taking over the socket {SOCKET} of systemd")]
    Inherit(#[source] io::Error),
    #[error("making the runtime directory")]
    Runtime(#[source] io::Error),
    /// Usually another program, or another daemon, has the port.
    #[error("listening on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
    /// Another daemon keeps its sessions there; without any such place a daemon goes on.
    #[error("reading what was kept in {directory}")]
    State {
        directory: String,
        #[source]
        cause: io::Error,
    },
    #[error("watching for signals")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// What a daemon finds itself in.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Where the settings are read again; without it they stay.
    pub source: Option<Source>,
    /// Where is kept what the next daemon goes on with; without it, TVs are left when this one ends.
    pub state: Option<PathBuf>,
    /// On which it can be found; on none without it.
    pub bus: Option<Bus>,
    /// Of systemd. The one named `http` is listened on in place of the configured address.
    pub sockets: Inherited,
    /// The directory of the sockets behind which systemd starts workers. Without it they are children.
    pub worker_sockets: Option<PathBuf>,
}

/// The name of the socket that systemd listens on for HTTP.
const SOCKET: &str = "http";

/// A daemon that listens and is ready for sessions.
#[derive(Debug)]
pub struct Daemon {
    listener: TcpListener,
    parts: Arc<Parts>,
    library: Arc<Library>,
    access: Arc<Access>,
    discovery: Discovery,
    bus: Option<Service>,
    runtime: RuntimeDirectory,
    activity: Activity,
    /// After which time of quiet to end; only where systemd starts it again.
    idle_exit: Option<watch::Receiver<Option<Duration>>>,
}

impl Daemon {
    /// Prepares everything and listens. It does without the system bus when there is none or none for
    /// it, and not without a session bus.
    ///
    /// # Errors
    /// The port or the name on the bus is taken, or the machine refuses something else.
    pub async fn prepare(
        settings: Settings,
        surroundings: Surroundings,
    ) -> Result<Self, StartupError> {
        let Surroundings { source, state, bus, mut sockets, worker_sockets } = surroundings;
        let Settings { config, token, .. } = &settings;
        let access =
            Arc::new(Access::new(token.clone(), config.http.loopback_needs_token, Vec::new()));
        // Listening comes first: a second daemon must not touch what belongs to the first.
        let address = config.http.listen;
        let socket = sockets.remove(SOCKET);
        let idle_exit = watch::Sender::new(config.service.idle_exit);
        let idle = socket.is_some().then(|| idle_exit.subscribe());
        let listener = match socket {
            Some(socket) => inherit(socket).map_err(StartupError::Inherit)?,
            None => TcpListener::bind(address)
                .await
                .map_err(|cause| StartupError::Listen { address, cause })?,
        };
        let listen =
            listener.local_addr().map_err(|cause| StartupError::Listen { address, cause })?;
        let seat = match bus {
            Some(bus) => unless_dispensable(Seat::find(bus).await)?,
            None => None,
        };
        let state = State::open(state)?;
        let keeper = state.keeper();
        let runtime = RuntimeDirectory::create().map_err(StartupError::Runtime)?;
        let browsers = Browsers::default();
        browsers.set(browser_settings(config));
        let doctor = Doctor::new(worker_sockets.clone(), bus);
        let workers: Arc<dyn Workers> = match worker_sockets {
            Some(sockets) => Arc::new(Units::new(sockets, browsers.clone())),
            None => {
                let program = env::current_exe().map_err(StartupError::Program)?;
                Arc::new(Children::new(program, runtime.path().to_owned(), browsers.clone()))
            }
        };
        // Only what a next daemon could go on with leaves a trail.
        let trails = keeper.is_some().then(trail_directory);
        let library = Arc::new(Library::new(config.stream.window, config.stream_memory(), trails));
        // It goes on by itself: what it finds, and whether it can, is nothing to wait for.
        let devices = Arc::new(Devices::new(&config.devices));
        let discovery = Discovery::start(&devices);
        let libav = encode::libav_version();
        let gpus = Gpus::start(
            "/".into(),
            config.encoder.gpu.clone(),
            libav,
            Arc::clone(&workers),
            keeper.clone(),
        );
        let gpus = Arc::new(gpus);
        let outside = Outside {
            workers: Arc::clone(&workers),
            encoders: Arc::clone(&gpus) as _,
            streams: Arc::clone(&library) as _,
            tvs: Arc::new(Receivers::new(Arc::clone(&devices))),
            keeper,
        };
        let registry = Arc::new(Registry::new(rules(config, listen), outside));
        registry.resume().await;
        library.remove_other_trails();
        let concerned = Concerned {
            registry: Arc::clone(&registry),
            devices: Arc::clone(&devices),
            library: Arc::clone(&library),
            access: Arc::clone(&access),
            browsers,
            gpus: Arc::clone(&gpus),
            idle_exit,
            listen,
        };
        let reloader = Reloader::new(source, settings, concerned);
        let parts = Arc::new(Parts { registry, devices, gpus, reloader, state, doctor });
        let activity = Activity::default();
        // The last thing: who calls the name finds everything.
        let present = match seat {
            Some(seat) => {
                let seat = seat.telling(activity.clone());
                unless_dispensable(Service::start(seat, Arc::clone(&parts), listen).await)?
            }
            None => None,
        };
        let later = |bus| Service::start_later(bus, activity.clone(), Arc::clone(&parts), listen);
        let bus = present.or_else(|| bus.map(later));
        Ok(Self {
            listener,
            parts,
            library,
            access,
            discovery,
            bus,
            runtime,
            activity,
            idle_exit: idle,
        })
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
        Arc::clone(&self.parts.registry)
    }

    /// Starts a session as `POST /start` does.
    ///
    /// # Errors
    /// The request makes no sense or is not allowed.
    pub async fn start(&self, request: StartRequest) -> Result<Snapshot, StartError> {
        self.parts.start(request).await
    }

    /// Serves until SIGTERM or SIGINT, or until nobody wants anything where systemd starts it for the
    /// next one; then ends every session and leaves nothing behind but what is
    /// in the state directory. SIGHUP has the configuration read again; where there is none it ends the
    /// daemon, as the end of a terminal ends what runs on it.
    ///
    /// # Errors
    /// Signals cannot be watched.
    pub async fn run(self) -> Result<(), StartupError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(StartupError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(StartupError::Signals)?;
        let mut hang_up = signal(SignalKind::hangup()).map_err(StartupError::Signals)?;
        let Self { listener, parts, library, access, discovery, bus, runtime, activity, idle_exit } =
            self;
        let core = Arc::clone(&parts);
        let service = tokio::spawn(service::attend(Arc::clone(&parts)));
        let retries = tokio::spawn(parts.state.retries());
        let idle = {
            let (core, activity) = (Arc::clone(&core), activity.clone());
            async {
                match idle_exit {
                    Some(limit) => service::idle(core, activity, limit).await,
                    None => std::future::pending().await,
                }
            }
        };
        let limits = Limits::default();
        let app = App { core: parts, media: library, access, limits, activity };
        let stopping = async move {
            let reloading = async {
                // Signals that come meanwhile are one signal afterwards.
                while hang_up.recv().await.is_some() && core.reloader.has_source() {
                    // It says by itself what came of it.
                    drop(core.reload().await);
                }
            };
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM, stopping"),
                _ = interrupt.recv() => tracing::info!("SIGINT, stopping"),
                () = reloading => tracing::info!("SIGHUP, stopping"),
                () = idle => tracing::info!("nobody wants anything, stopping until somebody does"),
            }
            service.abort();
            retries.abort();
            systemd::stopping();
            // Sessions first: their players get the end of the stream, and the server then has only
            // answers to finish.
            core.registry.shut_down().await;
            if let Some(bus) = bus {
                bus.stop().await;
            }
        };
        http::serve(listener, app, stopping).await;
        discovery.stop().await;
        drop(runtime);
        Ok(())
    }
}

/// Without the system bus there still is HTTP: so it is in a container, and until the bus has read the
/// policy of a package that was just installed.
fn unless_dispensable<T>(outcome: Result<T, BusError>) -> Result<Option<T>, BusError> {
    match outcome {
        Ok(joined) => Ok(Some(joined)),
        Err(
            error @ (BusError::Connect { bus: Bus::System, .. }
            | BusError::NotAllowed { bus: Bus::System, .. }),
        ) => {
            tracing::info!(name: "no-bus", why = %sentence(&error), "going on without D-Bus for now");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The kernel already takes connections on it, also those that came while nobody was there.
fn inherit(socket: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
