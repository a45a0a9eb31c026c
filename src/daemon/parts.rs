//! The parts, as the HTTP server wants to see them.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use crate::{
    cast::{Device, Devices},
    encode::BACKENDS,
    http::{Core, Live, Media},
    ids::SessionId,
    package::{Library, LiveStream},
    session::{Health, PictureError, Registry, Snapshot, StartError, StartRequest, Stopped},
};

/// The sessions and what the daemon knows beside them.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) registry: Arc<Registry>,
    pub(super) devices: Arc<Devices>,
}

impl Core for Parts {
    async fn start(&self, request: StartRequest) -> Result<Snapshot, StartError> {
        self.registry.start(request).await
    }

    async fn stop(&self, session: Option<SessionId>) -> Stopped {
        self.registry.stop(session.as_ref()).await
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

    fn health(&self) -> Health {
        let sessions = self.registry.sessions();
        let problems = sessions
            .iter()
            .filter_map(|session| {
                let problem = session.page.problem.as_ref()?;
                Some(format!("session {}: {problem}", session.id))
            })
            .collect();
        // What runs is the best answer; else what a session would try first.
        let running = sessions.iter().rev().find_map(|session| session.stream.as_ref());
        let encoder = running.map_or(BACKENDS[0].name(), |stream| &stream.encoder).to_owned();
        Health {
            encoder: Some(encoder),
            quicksync_available: false,
            encoder_reason: Some("this version encodes in software only".to_owned()),
            problems,
        }
    }

    fn devices(&self) -> Vec<Device> {
        self.devices.snapshot()
    }
}

impl Media for Library {
    type Live = LiveStream;

    fn get(&self, token: &str) -> Option<Arc<LiveStream>> {
        Self::get(self, token)
    }
}

impl Live for LiveStream {
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
        Self::ready(self).await;
    }

    fn progressive(self: &Arc<Self>) -> impl Stream<Item = Bytes> + Send + 'static {
        Self::progressive(self)
    }
}
