//! All sessions: who may start one, which ones a new one replaces, what they share, and their end.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc, watch},
    time::timeout,
};
use tracing::Instrument;

use super::{
    EndReason, NavigateError, Order, PictureError, SessionSpec, Snapshot, StartError,
    StartErrorKind, StartRequest, Stopped,
    cast::{self, Farewell, Memory, Wanted},
    caster::{CastStatus, Caster, Tools},
    list::{Entry, List, News, Used},
    ports::{Encoders, Keeper, Streams, Workers, on_disk},
    production::{Production, ProductionSpec},
    request::parse_url,
    rules::Rules,
    task::{Stop, Task},
    tv::{TvChoice, Tvs},
};
use crate::ids::{MediaToken, SessionId};

/// Commands to one session. Only the first one counts.
const COMMANDS: usize = 1;
/// A picture is taken between two frames; longer means that the encoder is stuck.
const PICTURE_LIMIT: Duration = Duration::from_secs(5);

/// Through what sessions reach the outside.
#[derive(Clone)]
pub struct Outside {
    pub workers: Arc<dyn Workers>,
    pub encoders: Arc<dyn Encoders>,
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
    rules: Mutex<Arc<Rules>>,
    outside: Outside,
    state: Mutex<List>,
    /// Whoever writes what outlives the daemon.
    keeping: AsyncMutex<()>,
    changed: watch::Sender<()>,
}

impl Registry {
    pub fn new(rules: Rules, outside: Outside) -> Self {
        Self {
            rules: Mutex::new(Arc::new(rules)),
            outside,
            state: Mutex::default(),
            keeping: AsyncMutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Has other rules count from now on. What runs keeps what it was started with.
    pub fn obey(&self, rules: Rules) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Starts a session; running ones of the same target or on the same TV end. `tv` is what the
    /// request's `device` means.
    ///
    /// # Errors
    /// The request makes no sense, is not allowed, or as many pages are open as may.
    pub fn start(
        self: &Arc<Self>,
        request: StartRequest,
        tv: Option<TvChoice>,
    ) -> Result<Snapshot, StartError> {
        let rules = self.rules();
        let spec = rules.spec(request, tv)?;
        self.make(spec, &rules)
    }

    /// As [`Self::start`], unless the same is running already: then that goes on. One whose screen people have
    /// taken is not: who starts it wants it back.
    ///
    /// # Errors
    /// As there.
    pub fn keep_going(
        self: &Arc<Self>,
        request: StartRequest,
        tv: Option<TvChoice>,
    ) -> Result<Snapshot, StartError> {
        let rules = self.rules();
        let spec = rules.spec(request, tv)?;
        let are_same = |one: &_, other: &_| self.outside.tvs.are_same(one, other);
        let running = self.lock().running_as(&spec, are_same).map(Entry::snapshot);
        running.map_or_else(|| self.make(spec, &rules), Ok)
    }

    fn make(self: &Arc<Self>, spec: SessionSpec, rules: &Rules) -> Result<Snapshot, StartError> {
        let now = Timestamp::now();
        let order = Order {
            id: SessionId::random()?,
            token: MediaToken::random()?,
            tv_token: MediaToken::random()?,
            started_at: now,
            // A year at most, so it is a date.
            ends_at: spec.duration.and_then(|duration| now.checked_add(duration).ok()),
            origin: now,
            spec,
        };
        self.admit(order, false, rules)
    }

    /// Goes on with the sessions that a daemon before left. One whose end came meanwhile ends at once, which
    /// includes what it left on its TV.
    pub async fn resume(self: &Arc<Self>) {
        let Some(keeper) = &self.outside.keeper else { return };
        let rules = self.rules();
        let mut orders = keeper.orders();
        // What ends at once keeps no other out.
        orders.sort_by_cached_key(Order::is_over);
        for mut order in orders {
            let id = order.id.clone();
            let is_over = order.is_over();
            order.spec.page.accept_certificates_of.clone_from(&rules.accept_certificates_of);
            let admitted =
                rules.check_page(&order.spec).and_then(|()| self.admit(order, true, &rules));
            if admitted.is_err() && is_over {
                tracing::info!(session = %id, "the end of a session from before has passed");
                self.forget(&id).await;
            } else if let Err(error) = admitted {
                // It stays on disk: the configuration may be mended.
                tracing::error!(session = %id, %error, "a session from before is not gone on with");
            }
        }
    }

    /// Puts the session on the list, starts its task, and ends those whose place it takes.
    fn admit(
        self: &Arc<Self>,
        mut order: Order,
        resumes: bool,
        rules: &Rules,
    ) -> Result<Snapshot, StartError> {
        let mut state = self.lock();
        if state.closed {
            return Err(StartError {
                kind: StartErrorKind::Busy,
                message: "the service is stopping".to_owned(),
                hint: None,
            });
        }
        let tv = order.spec.cast.as_ref().map(|cast| cast.tv.id.clone());
        let has_same_tv = |entry: &Entry| match (entry.tv(), &tv) {
            (Some(own), Some(tv)) => self.outside.tvs.are_same(&own.id, tv),
            _ => false,
        };
        let (replaced, others): (Vec<_>, Vec<_>) =
            state.sessions.iter().cloned().partition(|entry| {
                entry.order.spec.target == order.spec.target || has_same_tv(entry)
            });
        let spec = ProductionSpec {
            page: order.spec.page.clone(),
            encoder: order.spec.encoder.clone(),
            audio: order.spec.audio,
        };
        // One that goes on is where its player is; sessions that came to the same page on different ways
        // are not in the same place.
        let origin = resumes.then_some(order.origin);
        let has_heir = order.spec.cast.is_some() && self.outside.keeper.is_some();
        let production = match state.production_without(&replaced, &spec, origin) {
            Some(production) => {
                if has_heir {
                    self.outside.streams.bequeath(&production.token, production.origin);
                }
                production
            }
            None if state.pages_without(&replaced) < rules.most => {
                self.open(&mut state, &order, has_heir, spec)?
            }
            None => {
                return Err(StartError {
                    kind: StartErrorKind::Busy,
                    message: format!("{} pages are open, as many as may", rules.most),
                    hint: Some("Stop one, or raise sessions.most in the configuration.".to_owned()),
                });
            }
        };
        order.origin = production.origin;
        state.use_one_more(&production);
        drop(self.outside.streams.share(&production.token, &order.token));
        let follows = replaced.iter().any(has_same_tv);
        let (caster, cast) =
            self.caster(&order, &production, resumes, follows, rules.listen).unzip();
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
        let cast = caster.zip(tv.as_ref().map(|tv| state.screen(tv)));
        let task = Task { ends_at: order.ends_at, commands, ending, cast };
        let span = tracing::info_span!("session", id = %order.id);
        state
            .tasks
            .spawn(Arc::clone(self).run(order, task, production, entry.news()).instrument(span));
        // Finished tasks leave nothing but this to be collected.
        while state.tasks.try_join_next().is_some() {}
        let snapshot = entry.snapshot();
        state.sessions = others;
        state.sessions.push(entry);
        for entry in &replaced {
            let farewell = match has_same_tv(entry) {
                true => Farewell::KeepPlaying,
                false => Farewell::EndPlayer,
            };
            entry.stop(Stop { reason: EndReason::Replaced, farewell });
        }
        drop(state);
        self.changed.send_replace(());
        Ok(snapshot)
    }

    fn open(
        &self,
        state: &mut List,
        order: &Order,
        has_heir: bool,
        spec: ProductionSpec,
    ) -> Result<Production, StartError> {
        let (production, task) = Production::start(
            order.id.clone(),
            MediaToken::random()?,
            order.origin,
            has_heir,
            spec,
            &self.outside,
        );
        let span = tracing::info_span!("session", id = %order.id);
        state.tasks.spawn(task.instrument(span));
        state.productions.push(Used { production: production.clone(), users: 0, resumes: false });
        Ok(production)
    }

    fn caster(
        &self,
        order: &Order,
        production: &Production,
        resumes: bool,
        follows: bool,
        listen: SocketAddr,
    ) -> Option<(Caster, watch::Receiver<CastStatus>)> {
        let cast = order.spec.cast.as_ref()?;
        let wanted = Wanted {
            title: order.spec.page.url.host_str().unwrap_or_default().to_owned(),
            policy: cast.policy,
            volume: cast.volume,
            memory: Memory::default(),
            follows,
            seed: u64::from_str_radix(order.id.as_str(), 16).unwrap_or_default(),
        };
        let tools = Tools {
            tvs: Arc::clone(&self.outside.tvs),
            keeper: self.outside.keeper.clone(),
            production: production.view.clone(),
            fetched: self.outside.streams.share(&production.token, &order.tv_token),
            listen,
            token: order.tv_token.clone(),
            resumes,
        };
        Some(Caster::new(cast.tv.id.clone(), wanted, tools))
    }

    /// One session from its start to its end.
    async fn run(
        self: Arc<Self>,
        order: Arc<Order>,
        mut task: Task,
        production: Production,
        mut news: News,
    ) {
        tracing::info!(name: "session-started", "session starts");
        let is_cast = task.cast.is_some();
        if is_cast {
            self.keep(&order.id).await;
        }
        let reason = {
            let mut running = pin!(task.run());
            loop {
                tokio::select! {
                    reason = &mut running => break reason,
                    () = news.next() => {
                        self.changed.send_replace(());
                    }
                }
            }
        };
        let resumes = is_cast && reason == EndReason::Shutdown && self.outside.keeper.is_some();
        if is_cast && !resumes {
            self.forget(&order.id).await;
        }
        let ends = self.lock().use_one_less(&production, resumes);
        if let Some(resumes) = ends {
            production.stop(resumes).await;
        }
        if !resumes {
            self.outside.streams.remove(&order.token);
            self.outside.streams.remove(&order.tv_token);
        }
        self.lock().sessions.retain(|entry| entry.order.id != order.id);
        self.changed.send_replace(());
        // Whoever waits for the end sees it as the end of its commands.
        drop(task);
        tracing::info!(name: "session-ended", %reason, "session ended");
    }

    /// Puts on disk what the session is now.
    async fn keep(&self, id: &SessionId) {
        let Some(keeper) = &self.outside.keeper else { return };
        // Only one at a time, so that nothing older comes after what is newer.
        let turn = self.keeping.lock().await;
        let Some(order) = self.lock().order(id) else { return };
        if let Err(error) = on_disk(keeper, move |keeper| keeper.keep(&order)).await {
            tracing::error!(session = %id, %error, "the session does not outlive the daemon as it is, unless the disk takes it later");
        }
        drop(turn);
    }

    async fn forget(&self, id: &SessionId) {
        let Some(keeper) = &self.outside.keeper else { return };
        let turn = self.keeping.lock().await;
        let session = id.clone();
        if let Err(error) = on_disk(keeper, move |keeper| keeper.forget(&session)).await {
            tracing::error!(session = %id, %error, "an ended session would come back, unless the disk takes that later");
        }
        drop(turn);
    }

    /// Shows another page in a session's stream, at the same place on its TV. The credentials
    /// of the page that it was started with stay with that one's origin.
    ///
    /// # Errors
    /// There is no such session, the page is none or may not be opened, or others share the page.
    pub async fn navigate(&self, id: &SessionId, url: String) -> Result<(), NavigateError> {
        let url = parse_url(url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NavigateError::Credentials);
        }
        self.rules().pages.check(&url)?;
        self.lock().navigate(id, url)?;
        self.changed.send_replace(());
        if self.entry(id).is_some_and(|entry| entry.tv().is_some()) {
            self.keep(id).await;
        }
        Ok(())
    }

    /// Loads a session's page again, now; those who share it see that as well.
    ///
    /// # Errors
    /// There is no such session, or it takes no command.
    pub fn reload_page(&self, id: &SessionId) -> Result<(), NavigateError> {
        self.lock().reload(id)
    }

    /// Stops one session, or all; returns when nothing is left of them.
    pub async fn stop(&self, id: Option<&SessionId>) -> Stopped {
        let stop = Stop { reason: EndReason::Stopped, farewell: Farewell::EndPlayer };
        let stopped = self.end(id, stop).await;
        match self.forget_waiting(id).await {
            true => Stopped::Stopped,
            false => stopped,
        }
    }

    /// Forgets what a daemon before left and this one could not go on with; whether there was any.
    async fn forget_waiting(&self, id: Option<&SessionId>) -> bool {
        let Some(keeper) = &self.outside.keeper else { return false };
        // It may wait for somebody's change, which is on its way to the disk.
        let kept = on_disk(keeper, |keeper| Ok(keeper.orders())).await.unwrap_or_default();
        let waiting: Vec<_> = {
            let state = self.lock();
            let runs = |id: &SessionId| state.sessions.iter().any(|entry| entry.order.id == *id);
            let meant = kept.iter().map(|order| &order.id);
            meant.filter(|kept| id.is_none_or(|id| id == *kept) && !runs(kept)).collect()
        };
        for id in &waiting {
            self.forget(id).await;
        }
        !waiting.is_empty()
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
            entry.stop(stop);
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

    /// Tells when a session comes, goes, or is not as it was.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
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

    fn lock(&self) -> MutexGuard<'_, List> {
        // The list stays whole whatever panics: entries are added and removed in one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
