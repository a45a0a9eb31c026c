//! Who runs, what they share, and which TV is whose. Plain data; the registry holds it under its lock.

use std::{collections::HashMap, future, sync::Arc};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use url::Url;

use super::{
    EndReason, NavigateError, Order, SessionSpec, Snapshot, StateView,
    caster::CastStatus,
    production::{Command, Production, ProductionSpec, ProductionView, Stuck},
    task::{Screen, Stop},
    tv::TvChoice,
};
use crate::ids::{DeviceId, SessionId};

#[derive(Default)]
pub(super) struct List {
    /// In the order of their start.
    pub(super) sessions: Vec<Entry>,
    pub(super) productions: Vec<Used>,
    /// Who has which TV, and who waits for it.
    pub(super) screens: HashMap<DeviceId, Screen>,
    pub(super) tasks: JoinSet<()>,
    pub(super) closed: bool,
}

pub(super) struct Used {
    pub(super) production: Production,
    /// How many sessions use it.
    pub(super) users: usize,
    /// One that used it is gone on with by another daemon, and so is its stream.
    pub(super) resumes: bool,
}

impl Used {
    pub(super) fn stays_without(&self, leaving: &[Entry]) -> bool {
        let leaves = |entry: &&Entry| entry.production.token == self.production.token;
        leaving.iter().filter(leaves).count() < self.users
    }
}

impl List {
    /// What goes on making this when these sessions have ended: a page that is started again is opened
    /// again. `origin` is when the time of its stream must have begun, where that matters.
    pub(super) fn production_without(
        &self,
        leaving: &[Entry],
        spec: &ProductionSpec,
        origin: Option<Timestamp>,
    ) -> Option<Production> {
        let mut fitting = self.productions.iter().filter(|used| {
            used.stays_without(leaving)
                && used.production.spec == *spec
                && origin.is_none_or(|origin| used.production.origin == origin)
        });
        fitting.next().map(|used| used.production.clone())
    }

    /// Has a session show another page in the same stream.
    ///
    /// From then on its production is that page's: who starts the page from before gets another one.
    /// A production with other users stays where it is, since their TVs would go along, and to give this
    /// one its own would be another stream: that is what a start is for.
    pub(super) fn navigate(&mut self, id: &SessionId, url: Url) -> Result<(), NavigateError> {
        let entry = self.running(id).ok_or(NavigateError::NoSession)?;
        let token = entry.production.token.clone();
        let page = entry.order.spec.page.at(url);
        let used = self.productions.iter_mut().find(|used| used.production.token == token);
        let used = used.ok_or(NavigateError::NoSession)?;
        if used.users > 1 {
            return Err(NavigateError::Shared { others: used.users - 1 });
        }
        let command = Command::Navigate(Box::new(page.clone()));
        used.production.tell(command).map_err(|Stuck| NavigateError::Busy)?;
        used.production.spec.page.clone_from(&page);
        if let Some(entry) = self.sessions.iter_mut().find(|entry| entry.order.id == *id) {
            Arc::make_mut(&mut entry.order).spec.page = page;
        }
        Ok(())
    }

    /// Has a session's page loaded again; who shares it sees that as well.
    pub(super) fn reload(&self, id: &SessionId) -> Result<(), NavigateError> {
        let entry = self.running(id).ok_or(NavigateError::NoSession)?;
        entry.production.tell(Command::Reload).map_err(|Stuck| NavigateError::Busy)
    }

    /// What is to outlive the daemon of a session; nothing of one that ends for good.
    pub(super) fn order(&self, id: &SessionId) -> Option<Arc<Order>> {
        let entry = self.sessions.iter().find(|entry| entry.order.id == *id)?;
        let ending = *entry.ending.borrow();
        let stays = ending.is_none_or(|reason| reason == EndReason::Shutdown);
        stays.then(|| Arc::clone(&entry.order))
    }

    /// The session that was started with just this, on what `are_same` says is its TV, and that people have not
    /// put an end to there.
    pub(super) fn running_as(
        &self,
        spec: &SessionSpec,
        are_same: impl Fn(&DeviceId, &DeviceId) -> bool,
    ) -> Option<&Entry> {
        let is_it = |entry: &&Entry| {
            entry.order.spec.is_as(spec, &are_same)
                && entry.ending.borrow().is_none()
                && !entry.is_left_to_people()
        };
        self.sessions.iter().find(is_it)
    }

    fn running(&self, id: &SessionId) -> Option<&Entry> {
        let entry = self.sessions.iter().find(|entry| entry.order.id == *id)?;
        entry.ending.borrow().is_none().then_some(entry)
    }

    /// The claim on a TV.
    pub(super) fn screen(&mut self, tv: &DeviceId) -> Screen {
        // Those that nobody claims any more.
        self.screens.retain(|_, screen| Arc::strong_count(screen) > 1);
        Arc::clone(self.screens.entry(tv.clone()).or_default())
    }

    /// How many pages are open when these sessions have ended.
    pub(super) fn pages_without(&self, leaving: &[Entry]) -> usize {
        self.productions.iter().filter(|used| used.stays_without(leaving)).count()
    }

    pub(super) fn use_one_more(&mut self, production: &Production) {
        for used in &mut self.productions {
            if used.production.token == production.token {
                used.users += 1;
            }
        }
    }

    /// A session that used it has ended, or `resumes` with another daemon. When nobody uses it any more it
    /// is off the list, and the answer is whether its stream is gone on with: it is when one of those who
    /// used it is, whoever was the last.
    pub(super) fn use_one_less(&mut self, production: &Production, resumes: bool) -> Option<bool> {
        let mut productions = self.productions.iter();
        let index = productions.position(|used| used.production.token == production.token)?;
        let used = &mut self.productions[index];
        used.users -= 1;
        used.resumes |= resumes;
        let resumes = used.resumes;
        (used.users == 0).then(|| {
            self.productions.remove(index);
            resumes
        })
    }
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) order: Arc<Order>,
    pub(super) production: Production,
    pub(super) cast: Option<watch::Receiver<CastStatus>>,
    pub(super) ending: watch::Receiver<Option<EndReason>>,
    pub(super) to_session: mpsc::Sender<Stop>,
}

impl Entry {
    /// Its end is its own business. Only the first stop counts, so one that finds no room is one too
    /// many.
    pub(super) fn stop(&self, stop: Stop) {
        let _ = self.to_session.try_send(stop);
    }

    fn is_left_to_people(&self) -> bool {
        self.cast.as_ref().is_some_and(|cast| cast.borrow().is_left_to_people)
    }

    pub(super) fn tv(&self) -> Option<&TvChoice> {
        self.order.spec.cast.as_ref().map(|cast| &cast.tv)
    }

    pub(super) fn news(&self) -> News {
        News {
            production: self.production.view.clone(),
            cast: self.cast.clone(),
            ending: self.ending.clone(),
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
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
            target: spec.target.clone(),
            url: redact(&spec.page.url),
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

/// Tells when a session is not as it was.
pub(super) struct News {
    production: watch::Receiver<ProductionView>,
    cast: Option<watch::Receiver<CastStatus>>,
    ending: watch::Receiver<Option<EndReason>>,
}

impl News {
    /// Comes back after the next change; may be dropped without a loss.
    pub(super) async fn next(&mut self) {
        let cast = async {
            match &mut self.cast {
                Some(cast) => cast.changed().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            Ok(()) = self.production.changed() => {}
            Ok(()) = cast => {}
            Ok(()) = self.ending.changed() => {}
            else => future::pending().await,
        }
    }
}

/// The address without what could be a secret: user, password, query values, fragment.
pub(crate) fn redact(url: &Url) -> String {
    let mut url = url.clone();
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
