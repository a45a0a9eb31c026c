//! One page on its way to a stream: browser, encoder, segments. Sessions that want the same share one.
//!
//! A task owns it, the [`Actor`].

mod actor;

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use self::actor::Actor;
use super::{
    Audio, Outside, PageView, StateView, StreamView,
    ports::{EncoderSpec, PageSpec},
    state::{Links, Machine},
};
use crate::ids::{MediaToken, SessionId};

/// Commands to one production. Who wants its end or a picture waits for room; who wants something of
/// its page is told that there is none.
const COMMANDS: usize = 8;

/// What is made. Sessions that want this and nothing else are content with one production.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ProductionSpec {
    pub(super) page: PageSpec,
    pub(super) encoder: EncoderSpec,
    pub(super) audio: Audio,
}

/// A production at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ProductionView {
    pub(super) state: StateView,
    pub(super) page: PageView,
    /// `None` until an encoder is open.
    pub(super) stream: Option<StreamView>,
    pub(super) links: Links,
    /// The page's.
    pub(super) host: String,
}

/// What a production can be told.
#[derive(Debug)]
pub(super) enum Command {
    /// `resumes`: another daemon goes on with it.
    Stop {
        resumes: bool,
    },
    Picture(oneshot::Sender<Bytes>),
    /// Show this page instead, in the same stream.
    Navigate(Box<PageSpec>),
    Reload,
}

/// A production that does not take commands at the moment.
#[derive(Debug)]
pub(super) struct Stuck;

/// A running production, for those who use it.
#[derive(Clone, Debug)]
pub(super) struct Production {
    pub(super) spec: ProductionSpec,
    /// Where its stream is; each session has a token of its own for the same stream.
    pub(super) token: MediaToken,
    /// When its stream's time began.
    pub(super) origin: Timestamp,
    pub(super) view: watch::Receiver<ProductionView>,
    to_task: mpsc::Sender<Command>,
}

impl Production {
    /// `id` names its workers; `has_heir`: the next daemon would go on with it. The task comes back when nothing of it is left.
    pub(super) fn start(
        id: SessionId,
        token: MediaToken,
        origin: Timestamp,
        has_heir: bool,
        spec: ProductionSpec,
        outside: &Outside,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let host = host(&spec.page);
        let machine = Machine::new(&host);
        let first = ProductionView {
            state: machine.view(),
            page: PageView::default(),
            stream: None,
            links: machine.links(),
            host,
        };
        let (publisher, view) = watch::channel(first);
        let (to_task, commands) = mpsc::channel(COMMANDS);
        let streams = Arc::clone(&outside.streams);
        let stream = streams.create(&token, spec.audio, origin, has_heir);
        let actor = Actor::new(id, machine, spec.clone(), outside, stream, publisher);
        let production = Self { spec, token: token.clone(), origin, view, to_task };
        (production, async move {
            actor.run(commands).await;
            streams.remove(&token);
        })
    }

    /// Comes back when nothing of it is left.
    pub(super) async fn stop(&self, resumes: bool) {
        // One that is stopping takes no more commands.
        drop(self.to_task.send(Command::Stop { resumes }).await);
        self.to_task.closed().await;
    }

    /// Never waits, so that what several callers want comes in the order in which they are answered.
    pub(super) fn tell(&self, command: Command) -> Result<(), Stuck> {
        self.to_task.try_send(command).map_err(|_| Stuck)
    }

    /// What is on its stream now, as PNG; `None` when it has no encoder at the moment.
    pub(super) async fn picture(&self) -> Option<Bytes> {
        let (reply, picture) = oneshot::channel();
        self.to_task.send(Command::Picture(reply)).await.ok()?;
        picture.await.ok()
    }
}

fn host(page: &PageSpec) -> String {
    page.url.host_str().unwrap_or_default().to_owned()
}
