//! All sessions: who may start one, which one a new one replaces, and their end.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};
use tracing::Instrument;

use super::{
    Defaults, EndReason, PageView, PictureError, SessionSpec, Snapshot, StartError, StartErrorKind,
    StartRequest, StateView, Stopped,
    actor::{Actor, Command},
    ports::{Streams, Workers},
};
use crate::{
    config::PagePolicy,
    ids::{MediaToken, SessionId},
};

/// Commands to one session; a caller waits for room.
const COMMANDS: usize = 8;
/// A picture is taken between two frames; longer means that the encoder is stuck.
const PICTURE_LIMIT: Duration = Duration::from_secs(5);

/// What the registry is told by the configuration.
#[derive(Debug)]
pub struct Rules {
    /// What holds where a request does not say.
    pub defaults: Defaults,
    /// Sessions at a time.
    pub most: usize,
    /// Which pages may be opened.
    pub pages: PagePolicy,
    /// Origins whose broken TLS certificate is accepted.
    pub accept_certificates_of: Vec<String>,
}

/// All sessions of the daemon.
pub struct Registry {
    rules: Rules,
    workers: Arc<dyn Workers>,
    streams: Arc<dyn Streams>,
    state: Mutex<State>,
}

struct State {
    /// In the order of their start.
    sessions: Vec<Entry>,
    tasks: JoinSet<()>,
    closed: bool,
}

#[derive(Clone)]
struct Entry {
    target: String,
    to_session: mpsc::Sender<Command>,
    snapshot: watch::Receiver<Snapshot>,
}

impl Entry {
    fn id(&self) -> SessionId {
        self.snapshot.borrow().id.clone()
    }
}

impl Registry {
    pub fn new(rules: Rules, workers: Arc<dyn Workers>, streams: Arc<dyn Streams>) -> Self {
        let state = State { sessions: Vec::new(), tasks: JoinSet::new(), closed: false };
        Self { rules, workers, streams, state: Mutex::new(state) }
    }

    /// Starts a session; a running one of the same target ends.
    ///
    /// # Errors
    /// The request makes no sense, is not allowed, or as many sessions run as may.
    pub async fn start(self: &Arc<Self>, request: StartRequest) -> Result<Snapshot, StartError> {
        let mut spec = request.into_spec(&self.rules.defaults)?;
        self.rules.pages.check(&spec.page.url).map_err(|error| StartError {
            kind: StartErrorKind::Forbidden,
            message: error.to_string(),
            hint: None,
        })?;
        spec.page.accept_certificates_of.clone_from(&self.rules.accept_certificates_of);
        let internal = |error: getrandom::Error| StartError {
            kind: StartErrorKind::Internal,
            message: format!("drawing a session id: {error}"),
            hint: None,
        };
        let first = Snapshot {
            id: SessionId::random().map_err(internal)?,
            token: MediaToken::random().map_err(internal)?,
            state: StateView { name: "starting", detail: Some("encoder".to_owned()) },
            started_at: Timestamp::now(),
            url: redact(&spec),
            quality: spec.quality,
            mode: spec.mode,
            audio: spec.audio,
            page: PageView::default(),
            stream: None,
        };
        if let Some(replaced) = self.admit(&first, spec)? {
            // Its end is its own business; a session that is stopping takes no more commands.
            drop(replaced.to_session.send(Command::Stop(EndReason::Replaced)).await);
        }
        Ok(first)
    }

    /// Puts the session on the list and starts its task. Returns the one that it replaces.
    fn admit(
        self: &Arc<Self>,
        first: &Snapshot,
        spec: SessionSpec,
    ) -> Result<Option<Entry>, StartError> {
        let mut state = self.lock();
        if state.closed {
            return Err(StartError {
                kind: StartErrorKind::Busy,
                message: "the service is stopping".to_owned(),
                hint: None,
            });
        }
        let same = state.sessions.iter().position(|entry| entry.target == spec.target);
        if same.is_none() && state.sessions.len() >= self.rules.most {
            return Err(StartError {
                kind: StartErrorKind::Busy,
                message: format!("{} sessions run, as many as may", self.rules.most),
                hint: Some("Stop one, or raise sessions.most in the configuration.".to_owned()),
            });
        }
        let replaced = same.map(|index| state.sessions.remove(index));
        let (to_session, mut commands) = mpsc::channel(COMMANDS);
        let (publisher, snapshot) = watch::channel(first.clone());
        let target = spec.target.clone();
        let stream = self.streams.create(&first.token, spec.audio);
        let actor = Actor::new(first, spec, Arc::clone(&self.workers), stream, publisher);
        let span = tracing::info_span!("session", id = %first.id);
        let (registry, id, token) = (Arc::clone(self), first.id.clone(), first.token.clone());
        state.tasks.spawn(
            async move {
                tracing::info!("session starts");
                let reason = actor.run(&mut commands).await;
                registry.streams.remove(&token);
                registry.lock().sessions.retain(|entry| entry.id() != id);
                // Whoever waits for the end sees it as the end of these.
                drop(commands);
                tracing::info!(%reason, "session ended");
            }
            .instrument(span),
        );
        // Finished tasks leave nothing but this to be collected.
        while state.tasks.try_join_next().is_some() {}
        state.sessions.push(Entry { target, to_session, snapshot });
        Ok(replaced)
    }

    /// Stops one session, or all; returns when nothing is left of them.
    pub async fn stop(&self, id: Option<&SessionId>) -> Stopped {
        self.end(id, EndReason::Stopped).await
    }

    async fn end(&self, id: Option<&SessionId>, reason: EndReason) -> Stopped {
        let entries: Vec<_> = self
            .lock()
            .sessions
            .iter()
            .filter(|entry| id.is_none_or(|id| entry.id() == *id))
            .cloned()
            .collect();
        if entries.is_empty() {
            return Stopped::NotRunning;
        }
        for entry in &entries {
            drop(entry.to_session.send(Command::Stop(reason)).await);
        }
        for entry in &entries {
            entry.to_session.closed().await;
        }
        Stopped::Stopped
    }

    /// Ends every session and takes no new ones.
    pub async fn shut_down(&self) {
        self.lock().closed = true;
        self.end(None, EndReason::Shutdown).await;
        let mut tasks = std::mem::take(&mut self.lock().tasks);
        while tasks.join_next().await.is_some() {}
    }

    /// In the order of their start.
    pub fn sessions(&self) -> Vec<Snapshot> {
        self.lock().sessions.iter().map(|entry| entry.snapshot.borrow().clone()).collect()
    }

    pub fn session(&self, id: &SessionId) -> Option<Snapshot> {
        self.sessions().into_iter().find(|snapshot| snapshot.id == *id)
    }

    /// What is on a session's stream now, as PNG.
    ///
    /// # Errors
    /// There is no such session, or it has no encoder at the moment.
    pub async fn picture(&self, id: &SessionId) -> Result<Bytes, PictureError> {
        let entry = self.lock().sessions.iter().find(|entry| entry.id() == *id).cloned();
        let entry = entry.ok_or(PictureError::NoSession)?;
        let (reply, picture) = oneshot::channel();
        let asked = async {
            entry.to_session.send(Command::Picture(reply)).await.ok()?;
            picture.await.ok()
        };
        match timeout(PICTURE_LIMIT, asked).await {
            Ok(Some(picture)) => Ok(picture),
            Ok(None) => Err(PictureError::NotYet),
            Err(_) => Err(PictureError::Failed(format!("the encoder took over {PICTURE_LIMIT:?}"))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The list stays whole whatever panics: entries are added and removed in one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// The address without what could be a secret: user, password, query values, fragment.
fn redact(spec: &SessionSpec) -> String {
    let mut url = spec.page.url.clone();
    // Both fail only for addresses that can have neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    if url.query().is_some() {
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        url.query_pairs_mut().clear().extend_keys_only::<_, String>(names);
    }
    url.into()
}
