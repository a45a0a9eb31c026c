//! All sessions: who may start one, which ones a new one replaces, what they share, and their end.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinSet, spawn_blocking},
    time::timeout,
};
use tracing::Instrument;

use super::{
    Defaults, EndReason, Order, PictureError, SessionSpec, Snapshot, StartError, StartErrorKind,
    StartRequest, StateView, Stopped,
    cast::{self, Farewell},
    caster::{CastStatus, Caster, Tools},
    ports::{Keeper, Streams, Workers},
    production::{Production, ProductionSpec},
    task::{Stop, Task, wanted},
    tv::{TvChoice, Tvs},
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
    /// Pages at a time.
    pub most: usize,
    /// Which pages may be opened.
    pub pages: PagePolicy,
    /// Origins whose broken TLS certificate is accepted.
    pub accept_certificates_of: Vec<String>,
    /// Where this machine's HTTP server listens.
    pub listen: SocketAddr,
}

/// Through what sessions reach the outside.
#[derive(Clone)]
pub struct Outside {
    pub workers: Arc<dyn Workers>,
    pub streams: Arc<dyn Streams>,
    pub tvs: Arc<dyn Tvs>,
    /// `None`: nothing outlives the daemon.
    pub keeper: Option<Arc<dyn Keeper>>,
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

/// All sessions of the daemon.
pub struct Registry {
    rules: Rules,
    outside: Outside,
    state: Mutex<State>,
}

struct State {
    /// In the order of their start.
    sessions: Vec<Entry>,
    productions: Vec<Used>,
    tasks: JoinSet<()>,
    closed: bool,
}

struct Used {
    production: Production,
    /// How many sessions use it.
    users: usize,
}

#[derive(Clone)]
struct Entry {
    order: Arc<Order>,
    production: Production,
    cast: Option<watch::Receiver<CastStatus>>,
    ending: watch::Receiver<Option<EndReason>>,
    to_session: mpsc::Sender<Stop>,
}

impl Entry {
    fn tv(&self) -> Option<&TvChoice> {
        self.order.spec.cast.as_ref().map(|cast| &cast.tv)
    }

    fn snapshot(&self) -> Snapshot {
        let Order { id, token, started_at, spec, .. } = &*self.order;
        let view = self.production.view.borrow().clone();
        let state = match *self.ending.borrow() {
            Some(reason) => StateView { name: "stopping", detail: Some(reason.to_string()) },
            None => view.state,
        };
        Snapshot {
            id: id.clone(),
            token: token.clone(),
            state,
            started_at: *started_at,
            url: redact(spec),
            quality: spec.quality,
            mode: spec.mode,
            audio: spec.audio,
            page: view.page,
            stream: view.stream,
            tv: self.tv().cloned(),
            cast: self.cast.as_ref().map(|cast| cast.borrow().view.clone()),
        }
    }
}

impl Registry {
    pub fn new(rules: Rules, outside: Outside) -> Self {
        let state = State {
            sessions: Vec::new(),
            productions: Vec::new(),
            tasks: JoinSet::new(),
            closed: false,
        };
        Self { rules, outside, state: Mutex::new(state) }
    }

    /// Starts a session; running ones of the same target or on the same TV end. `tv` is what the
    /// request's `device` means.
    ///
    /// # Errors
    /// The request makes no sense, is not allowed, or as many pages are open as may.
    pub async fn start(
        self: &Arc<Self>,
        request: StartRequest,
        tv: Option<TvChoice>,
    ) -> Result<Snapshot, StartError> {
        let mut spec = request.into_spec(&self.rules.defaults, tv)?;
        self.check_page(&spec)?;
        spec.page.accept_certificates_of.clone_from(&self.rules.accept_certificates_of);
        let now = Timestamp::now();
        let order = Order {
            id: SessionId::random().map_err(drawing)?,
            token: MediaToken::random().map_err(drawing)?,
            tv_token: MediaToken::random().map_err(drawing)?,
            started_at: now,
            // A year at most, so it is a date.
            ends_at: spec.duration.and_then(|duration| now.checked_add(duration).ok()),
            origin: now,
            spec,
        };
        let admitted = self.admit(order, false)?;
        for (entry, farewell) in admitted.replaced {
            let stop = Stop { reason: EndReason::Replaced, farewell };
            // Its end is its own business; a session that is stopping takes no more commands.
            let _ = entry.to_session.send(stop).await;
        }
        Ok(admitted.snapshot)
    }

    /// Goes on with the sessions that a daemon before left.
    pub fn resume(self: &Arc<Self>) {
        let Some(keeper) = &self.outside.keeper else { return };
        for mut order in keeper.orders() {
            let id = order.id.clone();
            if order.ends_at.is_some_and(|end| end <= Timestamp::now()) {
                self.forget(&id);
                continue;
            }
            order.spec.page.accept_certificates_of.clone_from(&self.rules.accept_certificates_of);
            let admitted = self.check_page(&order.spec).and_then(|()| self.admit(order, true));
            if let Err(error) = admitted {
                tracing::error!(session = %id, %error, "a session from before is not gone on with");
                self.forget(&id);
            }
        }
    }

    fn check_page(&self, spec: &SessionSpec) -> Result<(), StartError> {
        self.rules.pages.check(&spec.page.url).map_err(|error| StartError {
            kind: StartErrorKind::Forbidden,
            message: error.to_string(),
            hint: None,
        })
    }

    /// Puts the session on the list and starts its task.
    fn admit(self: &Arc<Self>, mut order: Order, resumes: bool) -> Result<Admitted, StartError> {
        let mut state = self.lock();
        if state.closed {
            return Err(StartError {
                kind: StartErrorKind::Busy,
                message: "the service is stopping".to_owned(),
                hint: None,
            });
        }
        let tv = order.spec.cast.as_ref().map(|cast| cast.tv.id.clone());
        let (replaced, others): (Vec<_>, Vec<_>) =
            state.sessions.iter().cloned().partition(|entry| {
                let own = entry.tv().map(|tv| &tv.id);
                entry.order.spec.target == order.spec.target
                    || (own.is_some() && own == tv.as_ref())
            });
        let spec = ProductionSpec {
            page: order.spec.page.clone(),
            encoder: order.spec.encoder.clone(),
            audio: order.spec.audio,
        };
        // A page that is started again is opened again.
        let shared = others.iter().find(|entry| entry.production.spec == spec);
        let shared = shared.map(|entry| entry.production.clone());
        let stays = |used: &&Used| {
            let is = |entry: &&Entry| entry.production.token == used.production.token;
            replaced.iter().filter(is).count() < used.users
        };
        if shared.is_none() && state.productions.iter().filter(stays).count() >= self.rules.most {
            return Err(StartError {
                kind: StartErrorKind::Busy,
                message: format!("{} pages are open, as many as may", self.rules.most),
                hint: Some("Stop one, or raise sessions.most in the configuration.".to_owned()),
            });
        }
        let span = tracing::info_span!("session", id = %order.id);
        let production = match shared {
            Some(production) => production,
            None => self.open(&mut state, &order, spec)?,
        };
        order.origin = production.origin;
        if let Some(used) =
            state.productions.iter_mut().find(|used| used.production.token == production.token)
        {
            used.users += 1;
        }
        drop(self.outside.streams.share(&production.token, &order.token));
        let (caster, cast) = self.caster(&order, &production, resumes).unzip();
        let (to_session, commands) = mpsc::channel(COMMANDS);
        let (ending, ends) = watch::channel(None);
        let order = Arc::new(order);
        let entry = Entry {
            order: Arc::clone(&order),
            production: production.clone(),
            cast,
            ending: ends,
            to_session,
        };
        let predecessors = replaced
            .iter()
            .filter(|entry| entry.tv().map(|tv| &tv.id) == tv.as_ref())
            .filter_map(|entry| entry.cast.clone())
            .collect();
        let task = Task { ends_at: order.ends_at, commands, ending, caster, predecessors };
        state.tasks.spawn(Arc::clone(self).run(order, task, production).instrument(span));
        // Finished tasks leave nothing but this to be collected.
        while state.tasks.try_join_next().is_some() {}
        let snapshot = entry.snapshot();
        state.sessions = others;
        state.sessions.push(entry);
        let farewell =
            |entry: &Entry| match tv.is_some() && entry.tv().map(|tv| &tv.id) == tv.as_ref() {
                true => Farewell::KeepPlaying,
                false => Farewell::EndPlayer,
            };
        let replaced = replaced.into_iter().map(|entry| {
            let farewell = farewell(&entry);
            (entry, farewell)
        });
        Ok(Admitted { snapshot, replaced: replaced.collect() })
    }

    fn open(
        &self,
        state: &mut State,
        order: &Order,
        spec: ProductionSpec,
    ) -> Result<Production, StartError> {
        let (production, task) = Production::start(
            order.id.clone(),
            MediaToken::random().map_err(drawing)?,
            order.origin,
            spec,
            Arc::clone(&self.outside.workers),
            Arc::clone(&self.outside.streams),
        );
        let span = tracing::info_span!("session", id = %order.id);
        state.tasks.spawn(task.instrument(span));
        state.productions.push(Used { production: production.clone(), users: 0 });
        Ok(production)
    }

    fn caster(
        &self,
        order: &Order,
        production: &Production,
        resumes: bool,
    ) -> Option<(Caster, watch::Receiver<CastStatus>)> {
        let wanted = wanted(order, self.outside.keeper.as_ref(), resumes)?;
        let tv = order.spec.cast.as_ref()?.tv.id.clone();
        let tools = Tools {
            tvs: Arc::clone(&self.outside.tvs),
            keeper: self.outside.keeper.clone(),
            production: production.view.clone(),
            fetched: self.outside.streams.share(&production.token, &order.tv_token),
            listen: self.rules.listen,
            token: order.tv_token.clone(),
        };
        Some(Caster::new(tv, wanted, tools))
    }

    /// One session from its start to its end.
    async fn run(self: Arc<Self>, order: Arc<Order>, mut task: Task, production: Production) {
        tracing::info!("session starts");
        let is_cast = task.caster.is_some();
        if is_cast && let Some(keeper) = &self.outside.keeper {
            let (keeper, order) = (Arc::clone(keeper), Arc::clone(&order));
            let kept = spawn_blocking(move || keeper.keep(&order)).await;
            if let Err(error) = kept.map_err(io::Error::other).flatten() {
                tracing::error!(%error, "the session will not outlive the daemon");
            }
        }
        let reason = task.run().await;
        let resumes = is_cast && reason == EndReason::Shutdown && self.outside.keeper.is_some();
        if is_cast && !resumes {
            self.forget(&order.id);
        }
        self.leave(&production, resumes).await;
        self.outside.streams.remove(&order.token);
        self.outside.streams.remove(&order.tv_token);
        self.lock().sessions.retain(|entry| entry.order.id != order.id);
        // Whoever waits for the end sees it as the end of its commands.
        drop(task);
        tracing::info!(%reason, "session ended");
    }

    /// Ends the production when nobody else uses it.
    async fn leave(&self, production: &Production, resumes: bool) {
        let is_last = {
            let mut state = self.lock();
            let own = |used: &Used| used.production.token == production.token;
            if let Some(used) = state.productions.iter_mut().find(|used| own(used)) {
                used.users -= 1;
            }
            let before = state.productions.len();
            state.productions.retain(|used| used.users > 0 || !own(used));
            state.productions.len() < before
        };
        if is_last {
            production.stop(resumes).await;
        }
    }

    fn forget(&self, id: &SessionId) {
        if let Some(keeper) = &self.outside.keeper
            && let Err(error) = keeper.forget(id)
        {
            tracing::error!(session = %id, %error, "an ended session would come back");
        }
    }

    /// Stops one session, or all; returns when nothing is left of them.
    pub async fn stop(&self, id: Option<&SessionId>) -> Stopped {
        self.end(id, Stop { reason: EndReason::Stopped, farewell: Farewell::EndPlayer }).await
    }

    async fn end(&self, id: Option<&SessionId>, stop: Stop) -> Stopped {
        let entries: Vec<_> = self
            .lock()
            .sessions
            .iter()
            .filter(|entry| id.is_none_or(|id| entry.order.id == *id))
            .cloned()
            .collect();
        if entries.is_empty() {
            return Stopped::NotRunning;
        }
        for entry in &entries {
            let _ = entry.to_session.send(stop).await;
        }
        for entry in &entries {
            entry.to_session.closed().await;
        }
        Stopped::Stopped
    }

    /// Ends every session and takes no new ones. TVs whose sessions the next daemon goes on with play
    /// on.
    pub async fn shut_down(&self) {
        self.lock().closed = true;
        let farewell = match self.outside.keeper {
            Some(_) => Farewell::KeepPlaying,
            None => Farewell::EndPlayer,
        };
        self.end(None, Stop { reason: EndReason::Shutdown, farewell }).await;
        let mut tasks = std::mem::take(&mut self.lock().tasks);
        while tasks.join_next().await.is_some() {}
    }

    /// In the order of their start.
    pub fn sessions(&self) -> Vec<Snapshot> {
        self.lock().sessions.iter().map(Entry::snapshot).collect()
    }

    pub fn session(&self, id: &SessionId) -> Option<Snapshot> {
        self.entry(id).map(|entry| entry.snapshot())
    }

    /// What happened to a session's cast, the oldest event first; nothing when it has none.
    pub fn timeline(&self, id: &SessionId) -> Option<Arc<[cast::Entry]>> {
        let entry = self.entry(id)?;
        Some(entry.cast.map_or_else(Arc::default, |cast| Arc::clone(&cast.borrow().timeline)))
    }

    /// What is on a session's stream now, as PNG.
    ///
    /// # Errors
    /// There is no such session, or it has no encoder at the moment.
    pub async fn picture(&self, id: &SessionId) -> Result<Bytes, PictureError> {
        let entry = self.entry(id).ok_or(PictureError::NoSession)?;
        match timeout(PICTURE_LIMIT, entry.production.picture()).await {
            Ok(Some(picture)) => Ok(picture),
            Ok(None) => Err(PictureError::NotYet),
            Err(_) => Err(PictureError::Failed(format!("the encoder took over {PICTURE_LIMIT:?}"))),
        }
    }

    fn entry(&self, id: &SessionId) -> Option<Entry> {
        self.lock().sessions.iter().find(|entry| entry.order.id == *id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The list stays whole whatever panics: entries are added and removed in one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that was put on the list.
struct Admitted {
    snapshot: Snapshot,
    /// What it takes the place of, and how those are to leave their TVs.
    replaced: Vec<(Entry, Farewell)>,
}

fn drawing(error: getrandom::Error) -> StartError {
    StartError {
        kind: StartErrorKind::Internal,
        message: format!("drawing a session's names: {error}"),
        hint: None,
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

#[cfg(test)]
mod tests;
