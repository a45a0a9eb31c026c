//! What the edges ask of the core: they translate, one to HTTP and one to D-Bus, and answer the same.

use std::{io, sync::Arc};

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::watch;

use crate::{
    cast::Device,
    config::SettingsError,
    error::sentence,
    gpu::GpuView,
    ids::SessionId,
    privileges,
    session::{
        Health, NavigateError, PictureError, Snapshot, StartError, StartRequest, Stopped,
        cast::Entry,
    },
};

/// The sessions and what is known beside them.
///
/// `start`, `start_named`, `stop` and `navigate` are run to their end even when the caller hangs up; the
/// other futures may be dropped at any time.
pub trait Core: Send + Sync + 'static {
    fn start(
        &self,
        request: StartRequest,
    ) -> impl Future<Output = Result<Snapshot, StartError>> + Send;

    /// Starts a cast of the configuration, unless it is running already just as it stands there.
    fn start_named(
        &self,
        cast: String,
    ) -> impl Future<Output = Result<Snapshot, StartError>> + Send;

    /// Stops one session, or all of them.
    fn stop(&self, session: Option<SessionId>) -> impl Future<Output = Stopped> + Send;

    /// Shows another page in a session's stream: its TV plays on.
    fn navigate(
        &self,
        session: &SessionId,
        url: String,
    ) -> impl Future<Output = Result<(), NavigateError>> + Send;

    /// Loads a session's page again, now.
    fn reload_page(
        &self,
        session: &SessionId,
    ) -> impl Future<Output = Result<(), NavigateError>> + Send;

    /// Reads the configuration again. Returns a sentence for each thing that has changed, with when it
    /// counts. What runs keeps what it was started with.
    fn reload(&self) -> impl Future<Output = Result<Vec<String>, ReloadError>> + Send;

    /// In the order in which they were started.
    fn sessions(&self) -> Vec<Snapshot>;

    fn session(&self, session: &SessionId) -> Option<Snapshot>;

    /// What is on the stream now, as PNG.
    fn picture(
        &self,
        session: &SessionId,
    ) -> impl Future<Output = Result<Bytes, PictureError>> + Send;

    /// What happened to the session's cast, the oldest event first; nothing when it has none.
    fn timeline(&self, session: &SessionId) -> Option<Arc<[Entry]>>;

    fn health(&self) -> Health;

    /// The TVs, by name.
    fn devices(&self) -> Vec<Device>;

    /// What could encode in hardware, best first.
    fn gpus(&self) -> Vec<GpuView>;

    /// Has the machine examined by a process that may look, as `dashboard-cast doctor --json` prints it.
    /// One at a time; it takes some seconds.
    fn diagnose(&self) -> impl Future<Output = Result<Value, DiagnoseError>> + Send;

    /// Tells from now on when what the other methods answer may have changed.
    fn changes(&self) -> Changes;
}

/// A command did not come to its end; a bug of ours.
#[derive(Debug, Error)]
#[error("the command did not come to its end")]
pub struct Lost;

impl Lost {
    pub const HINT: &str = "This is a bug of the service; its log says more.";
}

/// Runs a command on its own: a caller who hangs up half-way does not leave half a session, and when it
/// goes wrong in an unforeseen way, the caller still gets an answer.
///
/// # Errors
/// It panicked.
pub async fn to_the_end<T: Send + 'static>(
    command: impl Future<Output = T> + Send + 'static,
) -> Result<T, Lost> {
    tokio::spawn(command).await.map_err(|error| {
        tracing::error!(%error, "a command did not end");
        Lost
    })
}

/// Why the configuration as it is now does not count; what held before goes on to hold.
#[derive(Debug, Error)]
pub enum ReloadError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// It was made up by who started it.
    #[error("this service was started without configuration files")]
    NoSource,
    /// Our own fault.
    #[error("reading the configuration")]
    Read(#[source] io::Error),
}

impl ReloadError {
    /// All that is wrong, a line each, with its place in its file where it has one.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Settings(SettingsError::Config(error)) => {
                error.problems.iter().map(ToString::to_string).collect()
            }
            error => vec![sentence(error)],
        }
    }
}

/// Why there is no diagnosis.
#[derive(Debug, Error)]
pub enum DiagnoseError {
    #[error("starting the examination")]
    Start(#[source] io::Error),
    #[error("the examination did not come to its end in time")]
    Late,
    #[error("the examination ended without a result")]
    Result(#[source] serde_json::Error),
}

impl DiagnoseError {
    pub const HINT: &str = "As root, run: dashboard-cast doctor";
}

/// Tells that something changed, not what. Changes that come faster than they are waited for are told
/// once.
#[derive(Debug)]
pub struct Changes {
    /// A session came, went, or is not as it was.
    pub sessions: watch::Receiver<()>,
    /// A TV came, went, or is not as it was.
    pub devices: watch::Receiver<()>,
    /// A GPU came, went, or does not do what it did.
    pub gpus: watch::Receiver<()>,
}

impl Changes {
    /// Comes back after the next change; never when there will be none. It may be dropped without a
    /// loss.
    pub async fn next(&mut self) {
        tokio::select! {
            Ok(()) = self.sessions.changed() => {}
            Ok(()) = self.devices.changed() => {}
            Ok(()) = self.gpus.changed() => {}
            else => std::future::pending().await,
        }
    }
}

/// Whether all is well, in the words that HTTP and D-Bus share. Fields may be added, none renamed:
/// scripts of the service that this one replaces read them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    pub status: Condition,
    /// Sessions that have not ended.
    pub active_streams: usize,
    pub cast_device: Availability,
    pub hardware_acceleration: Acceleration,
    pub gpus: Vec<GpuView>,
    /// What is wrong, a sentence each. Empty when all is well.
    pub problems: Vec<String>,
    /// What the service may do that others may not, such as `CAP_NET_ADMIN`. As a service nothing: it does
    /// not start otherwise, nor do its browsers and encoders. For root `all`, in development. `None` when
    /// the kernel does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    pub version: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    Healthy,
    Degraded,
}

impl Condition {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
        }
    }
}

/// Of the TV that is meant when none is named, or of any when there is no such one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Availability {
    Available,
    Unavailable,
}

impl Availability {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Unavailable => "unavailable",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acceleration {
    pub quicksync_available: bool,
    /// What encodes, in libavcodec's words; `None` when nothing can.
    pub encoder: Option<String>,
    /// Why it is this encoder and no better one; a sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl HealthReport {
    pub fn of(core: &impl Core) -> Self {
        let health = core.health();
        let is_healthy = health.problems.is_empty() && health.encoder.is_some();
        Self {
            status: if is_healthy { Condition::Healthy } else { Condition::Degraded },
            active_streams: active_sessions(&core.sessions()),
            cast_device: match health.cast_device_available {
                true => Availability::Available,
                false => Availability::Unavailable,
            },
            hardware_acceleration: Acceleration {
                quicksync_available: health.quicksync_available,
                encoder: health.encoder,
                reason: health.encoder_reason,
            },
            gpus: core.gpus(),
            problems: health.problems,
            capabilities: privileges::held().ok(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// How many of them have not ended.
pub fn active_sessions(sessions: &[Snapshot]) -> usize {
    sessions.iter().filter(|session| session.state.name != "ended").count()
}
