//! The parts, as the edges want to see them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::Stream;
use serde_json::Value;

use super::{casts, doctor::Doctor, reload::Reloader, state::State};
use crate::{
    cast::{ChooseError, Device, Devices},
    control::{Changes, Core, DiagnoseError, ReloadError},
    gpu::{GpuView, Gpus},
    http::{Live, Media},
    ids::SessionId,
    package::{Library, Shelf},
    session::{
        Health, NavigateError, PictureError, Registry, Snapshot, StartError, StartErrorKind,
        StartRequest, Stopped,
        cast::{Entry, Finding},
        tv::TvChoice,
    },
    systemd,
};

/// The sessions and what the daemon knows beside them.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) registry: Arc<Registry>,
    pub(super) devices: Arc<Devices>,
    pub(super) gpus: Arc<Gpus>,
    pub(super) reloader: Reloader,
    pub(super) state: State,
    pub(super) doctor: Doctor,
}

/// For a TV that is asked for to be found: they answer a search within two seconds.
const TV_LIMIT: Duration = Duration::from_secs(3);

impl Parts {
    /// The TV that the request's `device` means.
    async fn tv_for(&self, request: &StartRequest) -> Result<Option<TvChoice>, StartError> {
        let tv = self.devices.meant(request.device.as_deref(), TV_LIMIT).await.map_err(no_tv)?;
        Ok(tv.map(TvChoice::from))
    }

    /// The one that is meant when none is named, or any when there is no such one.
    fn can_reach_a_tv(&self) -> bool {
        let devices = self.devices.snapshot();
        let has_default = devices.iter().any(|device| device.default);
        devices.iter().any(|device| {
            device.default == has_default
                && device.problem.is_none()
                && !device.addresses.is_empty()
        })
    }
}

fn no_tv(error: ChooseError) -> StartError {
    StartError {
        kind: StartErrorKind::NoDevice,
        message: error.to_string(),
        hint: Some(error.hint().to_owned()),
    }
}

/// What is wrong with a session: the first link of the chain from its page to its TV that is broken.
fn problem(session: &Snapshot) -> Option<String> {
    if let Some(problem) = &session.page.problem {
        return Some(format!("session {}: {problem}", session.id));
    }
    let verdict = &session.cast.as_ref()?.verdict;
    let name = &session.tv.as_ref()?.name;
    matches!(verdict.finding, Finding::Broken(_)).then(|| format!("TV {name}: {}", verdict.why))
}

impl Core for Parts {
    async fn start(&self, request: StartRequest) -> Result<Snapshot, StartError> {
        let tv = self.tv_for(&request).await?;
        self.registry.start(request, tv)
    }

    async fn start_named(&self, cast: String) -> Result<Snapshot, StartError> {
        let request = casts::request(cast, self.reloader.casts().await).await?;
        let tv = self.tv_for(&request).await?;
        self.registry.keep_going(request, tv)
    }

    async fn stop(&self, session: Option<SessionId>) -> Stopped {
        self.registry.stop(session.as_ref()).await
    }

    async fn navigate(&self, session: &SessionId, url: String) -> Result<(), NavigateError> {
        self.registry.navigate(session, url).await
    }

    async fn reload_page(&self, session: &SessionId) -> Result<(), NavigateError> {
        self.registry.reload_page(session)
    }

    async fn reload(&self) -> Result<Vec<String>, ReloadError> {
        systemd::reloading();
        let outcome = self.reloader.reload().await;
        systemd::ready();
        match &outcome {
            Ok(notes) => {
                for note in notes {
                    tracing::info!("{note}");
                }
                tracing::info!(changes = notes.len(), "the configuration was read again");
            }
            Err(error) => {
                for problem in error.problems() {
                    tracing::error!("{problem}");
                }
                tracing::error!(
                    name: "configuration-refused",
                    "the configuration is not used, what held before goes on to hold"
                );
            }
        }
        outcome
    }

    fn sessions(&self) -> Vec<Snapshot> {
        self.registry.sessions()
    }

    fn session(&self, session: &SessionId) -> Option<Snapshot> {
        self.registry.session(session)
    }

    async fn picture(&self, session: &SessionId) -> Result<Bytes, PictureError> {
        self.registry.picture(session).await
    }

    fn timeline(&self, session: &SessionId) -> Option<Arc<[Entry]>> {
        self.registry.timeline(session)
    }

    fn health(&self) -> Health {
        let sessions = self.registry.sessions();
        let problems = sessions.iter().filter_map(problem).chain(self.state.problem()).collect();
        let best = self.gpus.best();
        // What runs is the best answer; else what a session would try first.
        let running = sessions.iter().rev().find_map(|session| session.stream.as_ref());
        let encoder = running.map(|stream| stream.encoder.clone());
        Health {
            encoder: Some(encoder.unwrap_or_else(|| best.encoder.to_owned())),
            quicksync_available: best.quicksync,
            encoder_reason: best.reason,
            cast_device_available: self.can_reach_a_tv(),
            problems,
        }
    }

    fn devices(&self) -> Vec<Device> {
        self.devices.snapshot()
    }

    fn gpus(&self) -> Vec<GpuView> {
        self.gpus.views().to_vec()
    }

    async fn diagnose(&self) -> Result<Value, DiagnoseError> {
        self.doctor.diagnose().await
    }

    fn changes(&self) -> Changes {
        Changes {
            sessions: self.registry.changes(),
            devices: self.devices.changes(),
            gpus: self.gpus.changes(),
        }
    }
}

impl Media for Library {
    type Live = Shelf;

    fn get(&self, token: &str) -> Option<Arc<Shelf>> {
        Self::get(self, token)
    }
}

impl Live for Shelf {
    fn master_playlist(&self) -> Option<String> {
        Self::master_playlist(self)
    }

    fn media_playlist(&self) -> Option<String> {
        Self::media_playlist(self)
    }

    fn init(&self, number: u32) -> Option<Bytes> {
        Self::init(self, number)
    }

    fn segment(&self, sequence: u64) -> Option<Bytes> {
        Self::segment(self, sequence)
    }

    async fn ready(&self) {
        self.stream.ready().await;
    }

    async fn fresh(&self) {
        self.stream.fresh().await;
    }

    fn progressive(self: &Arc<Self>) -> impl Stream<Item = Bytes> + Send + 'static {
        self.stream.progressive()
    }
}
