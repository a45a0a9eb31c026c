//! From Chromium's events to what is told of a page. Pure: no clock, no pipe.

use std::time::{Duration, Instant};

use serde_json::Value;
use url::Url;

use super::{
    cdp::Event,
    look::{Address, Look, Shape},
};
use crate::{
    session::ports::{BrowserEvent, PageFailure},
    units::Size,
};

/// How often a page that is there is looked at: its title is at most that old, and a busy page does
/// not notice.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A main thread that is busy for longer is stuck: Chromium itself would offer to end it after less.
const UNRESPONSIVE: Duration = Duration::from_secs(15);
/// The window takes the display's size in two steps, and some pages log in by themselves: one counts as wrong
/// when it still is after so many looks at this pace.
const WRONG_LOOKS: u32 = 3;
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What follows from an event.
#[derive(Debug)]
pub(super) enum Effect {
    Tell(BrowserEvent),
    /// Look at the page: evaluate [`looking`](super::look::looking), then call [`Facts::looked`].
    Look,
}

const ABORTED: &str = "net::ERR_ABORTED";

/// One document, on its way or there.
#[derive(Debug)]
struct Document {
    /// Chromium's name for the load, the same through redirects.
    loader: String,
    url: String,
    /// Asked for by a command, not by the page itself.
    commanded: bool,
    status: Option<u16>,
    content: bool,
    painted: bool,
    loaded: bool,
    refused_certificate: Option<String>,
    failure: Option<PageFailure>,
}

impl Document {
    fn new(loader: &str, url: &str, commanded: bool) -> Self {
        Self {
            loader: loader.to_owned(),
            url: without_password(url),
            commanded,
            status: None,
            content: false,
            painted: false,
            loaded: false,
            refused_certificate: None,
            failure: None,
        }
    }

    /// There and drawn. A page without anything to draw is there when it says so.
    const fn is_drawn(&self) -> bool {
        self.failure.is_none() && (self.loaded || (self.content && self.painted))
    }
}

#[derive(Debug)]
enum Phase {
    /// Nothing was asked for yet, or what was asked for failed.
    Rest,
    Loading {
        /// `None` once it was told that it passed; the page may still come.
        deadline: Option<Instant>,
    },
    /// Drawn, but not looked at yet.
    Drawn,
    Loaded,
}

/// The looks at a page that is there.
#[derive(Debug)]
enum Looks {
    Off,
    Next { at: Instant },
    Asked { since: Instant, late: bool },
}

/// Follows the page. Events go in with the time they came, effects come out.
#[derive(Debug)]
pub(super) struct Facts {
    frame: String,
    size: Size,
    load_timeout: Duration,
    /// Where the last command led.
    wanted: Address,
    phase: Phase,
    looks: Looks,
    /// A command was given whose navigation Chromium has not named yet.
    commanded: bool,
    pending: Option<Document>,
    shown: Option<Document>,
    title: String,
    wrong_looks: u32,
}

impl Facts {
    /// `frame` is the main frame, which has the target's name.
    pub(super) fn new(frame: String, size: Size, load_timeout: Duration) -> Self {
        Self {
            frame,
            size,
            load_timeout,
            wanted: Address::default(),
            phase: Phase::Rest,
            looks: Looks::Off,
            commanded: false,
            pending: None,
            shown: None,
            title: String::new(),
            wrong_looks: 0,
        }
    }

    /// A command to load `url` is on its way.
    pub(super) fn commanded(&mut self, url: &Url, now: Instant) -> Effect {
        let wanted = Address::of(url);
        if wanted != self.wanted {
            // What was wrong with the page before says nothing of this one.
            self.wrong_looks = 0;
            self.wanted = wanted;
        }
        self.commanded = true;
        self.pending = None;
        self.phase = Phase::Rest;
        self.begin(url.as_str(), now)
    }

    /// Chromium could not even begin what was commanded, or says so earlier than by an event.
    pub(super) fn navigation_failed(&mut self, error: &str, now: Instant) -> Option<Effect> {
        self.commanded = false;
        match self.pending.take_if(|document| document.commanded) {
            Some(document) => self.fail_pending(&document, error, now),
            None => matches!(self.phase, Phase::Loading { .. }).then(|| self.fail(named(error))),
        }
    }

    pub(super) fn event(&mut self, event: &Event, now: Instant) -> Option<Effect> {
        match event.method.as_str() {
            "Page.frameStartedNavigating" => self.started(event, now),
            "Network.responseReceived" => self.responded(event),
            "Network.loadingFailed" => {
                let loader = event.text("/requestId");
                let document = self.pending.take_if(|document| document.loader == loader)?;
                self.fail_pending(&document, event.text("/errorText"), now)
            }
            "Page.frameNavigated" => self.committed(event, now),
            "Page.lifecycleEvent" => self.progressed(event, now),
            "Inspector.targetCrashed" => self.crashed(),
            "Target.targetCrashed" if event.text("/targetId") == self.frame => self.crashed(),
            _ => None,
        }
    }

    /// Notes that a certificate was refused by us, of which Chromium says no more than "aborted".
    pub(super) fn refused_certificate(&mut self, error: &str) {
        if let Some(document) = &mut self.pending {
            document.refused_certificate = Some(format!("net::{error}"));
        }
    }

    /// What the page said when it was looked at; `None` when its scripts spoilt the answer.
    ///
    /// One that was wrong is not told to be there, not even for a moment, before it is right.
    pub(super) fn looked(&mut self, answer: Option<&Value>, now: Instant) -> Vec<Effect> {
        let Looks::Asked { late, .. } = self.looks else {
            return Vec::new();
        };
        self.looks = Looks::Next { at: now + LOOK_EVERY };
        let is_new = matches!(self.phase, Phase::Drawn);
        let was_wrong = self.is_wrong();
        let Look { title, shape } = answer.map(Look::read).unwrap_or_default();
        let failure = shape.and_then(|shape| self.judge(&shape, now));
        let mut told = Vec::new();
        if late && !self.is_wrong() {
            told.push(BrowserEvent::Responsive);
        }
        if let Some(title) = title {
            if matches!(self.phase, Phase::Loaded) && title != self.title {
                told.push(BrowserEvent::Title(title.clone()));
            }
            self.title = title;
        }
        if let Some(failure) = failure {
            self.phase = Phase::Loaded;
            // Of one that was late, something else was told meanwhile.
            if is_new || late || !was_wrong {
                told.push(BrowserEvent::Failed(failure));
            }
        } else if !self.is_wrong() && (is_new || was_wrong) {
            told.extend(self.loaded());
        }
        told.into_iter().map(Effect::Tell).collect()
    }

    /// What is wrong with the page, once it has been so for long enough.
    fn judge(&mut self, shape: &Shape, now: Instant) -> Option<PageFailure> {
        let Some(failure) = shape.wrong(self.size, &self.wanted) else {
            self.wrong_looks = 0;
            return None;
        };
        self.wrong_looks = self.wrong_looks.saturating_add(1);
        if self.is_wrong() {
            return Some(failure);
        }
        self.looks = Looks::Next { at: now + LOOK_AGAIN };
        None
    }

    const fn is_wrong(&self) -> bool {
        self.wrong_looks >= WRONG_LOOKS
    }

    /// When [`Self::tick`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (&self.phase, &self.looks) {
            (Phase::Loading { deadline }, _) => *deadline,
            (_, Looks::Next { at }) => Some(*at),
            (_, Looks::Asked { since, late: false }) => Some(*since + UNRESPONSIVE),
            _ => None,
        }
    }

    pub(super) fn tick(&mut self, now: Instant) -> Option<Effect> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        if let Phase::Loading { deadline } = &mut self.phase {
            *deadline = None;
            let seconds = u32::try_from(self.load_timeout.as_secs()).unwrap_or(u32::MAX);
            return Some(tell(BrowserEvent::Failed(PageFailure::Timeout { seconds })));
        }
        match self.looks {
            Looks::Next { .. } => Some(self.look(now)),
            Looks::Asked { since, .. } => {
                self.looks = Looks::Asked { since, late: true };
                let seconds = u32::try_from(UNRESPONSIVE.as_secs()).unwrap_or(u32::MAX);
                Some(tell(BrowserEvent::Failed(PageFailure::Unresponsive { seconds })))
            }
            Looks::Off => None,
        }
    }

    /// Whether the page's renderer may be stuck: it then takes the next page along, unless it is
    /// ended first.
    pub(super) const fn is_stuck(&self) -> bool {
        matches!(self.phase, Phase::Loading { deadline: None })
            || matches!(self.looks, Looks::Asked { late: true, .. })
    }

    fn started(&mut self, event: &Event, now: Instant) -> Option<Effect> {
        let kind = event.text("/navigationType");
        if event.text("/frameId") != self.frame || kind.to_lowercase().contains("samedocument") {
            return None;
        }
        let url = event.text("/url");
        let commanded = std::mem::take(&mut self.commanded);
        self.pending = Some(Document::new(event.text("/loaderId"), url, commanded));
        (!commanded).then(|| self.begin(url, now))
    }

    fn begin(&mut self, url: &str, now: Instant) -> Effect {
        self.looks = Looks::Off;
        // A page that forwards to a page that forwards has one deadline, or it had none.
        if !matches!(self.phase, Phase::Loading { deadline: Some(_) }) {
            self.phase = Phase::Loading { deadline: Some(now + self.load_timeout) };
        }
        tell(BrowserEvent::Loading { url: without_password(url) })
    }

    fn responded(&mut self, event: &Event) -> Option<Effect> {
        let loader = event.text("/loaderId");
        if event.text("/frameId") != self.frame {
            return None;
        }
        let mut documents = self.pending.iter_mut().chain(&mut self.shown);
        let document = documents.find(|document| document.loader == loader)?;
        let status = event.params.pointer("/response/status").and_then(Value::as_u64);
        let is_http = event.text("/response/url").starts_with("http");
        let status = status.filter(|_| is_http).and_then(|status| u16::try_from(status).ok())?;
        document.status = Some(status);
        if status < 400 || document.failure.is_some() {
            return None;
        }
        let failure = PageFailure::Http { status };
        document.failure = Some(failure.clone());
        Some(self.fail(failure))
    }

    fn committed(&mut self, event: &Event, now: Instant) -> Option<Effect> {
        if event.text("/frame/id") != self.frame {
            return None;
        }
        let loader = event.text("/frame/loaderId");
        // Chromium tells the fragment apart.
        let url = [event.text("/frame/url"), event.text("/frame/urlFragment")].concat();
        let unreachable = event.text("/frame/unreachableUrl");
        let started = self.pending.take_if(|document| document.loader == loader);
        let mut told = None;
        let mut document = match started {
            Some(document) => document,
            // An error page: told when its cause was.
            None if !unreachable.is_empty() => {
                let mut document = Document::new(loader, unreachable, false);
                document.failure = Some(named("net::ERR_FAILED"));
                // Or it is that of a page which a command has left behind.
                let awaited = !self.commanded && self.pending.is_none();
                if awaited && matches!(self.phase, Phase::Loading { .. }) {
                    told = document.failure.clone().map(|failure| self.fail(failure));
                }
                document
            }
            None => {
                let commanded = std::mem::take(&mut self.commanded);
                told = (!commanded).then(|| self.begin(&url, now));
                Document::new(loader, &url, commanded)
            }
        };
        if unreachable.is_empty() {
            document.url = without_password(&url);
        } else if document.failure.is_none() {
            let failure = named("net::ERR_FAILED");
            document.failure = Some(failure.clone());
            told = Some(self.fail(failure));
        }
        self.shown = Some(document);
        self.title.clear();
        told
    }

    fn progressed(&mut self, event: &Event, now: Instant) -> Option<Effect> {
        let loader = event.text("/loaderId");
        let document = self.shown.as_mut().filter(|document| document.loader == loader)?;
        match event.text("/name") {
            "DOMContentLoaded" => document.content = true,
            "firstContentfulPaint" => document.painted = true,
            "load" => document.loaded = true,
            _ => return None,
        }
        self.drawn(now)
    }

    fn drawn(&mut self, now: Instant) -> Option<Effect> {
        let drawn = self.shown.as_ref().is_some_and(Document::is_drawn);
        let waiting = matches!(self.phase, Phase::Loading { .. });
        if !(drawn && waiting) || self.pending.is_some() || self.commanded {
            return None;
        }
        self.phase = Phase::Drawn;
        Some(self.look(now))
    }

    fn look(&mut self, now: Instant) -> Effect {
        self.looks = Looks::Asked { since: now, late: false };
        Effect::Look
    }

    fn loaded(&mut self) -> Option<BrowserEvent> {
        self.phase = Phase::Loaded;
        self.shown.as_ref().map(|document| BrowserEvent::Loaded {
            url: document.url.clone(),
            title: self.title.clone(),
            http_status: document.status,
        })
    }

    /// A navigation ended before there was a document.
    fn fail_pending(&mut self, document: &Document, error: &str, now: Instant) -> Option<Effect> {
        if document.failure.is_some() {
            return None;
        }
        if let Some(error) = &document.refused_certificate {
            return Some(self.fail(named(error)));
        }
        if error != ABORTED || document.commanded {
            return Some(self.fail(named(error)));
        }
        // The page itself went to a download or to nothing and stays as it was.
        match self.shown.as_ref().and_then(|shown| shown.failure.clone()) {
            Some(failure) => Some(self.fail(failure)),
            None => self.drawn(now),
        }
    }

    fn crashed(&mut self) -> Option<Effect> {
        let shown = self.shown.take();
        // What is on its way gets a new renderer by itself.
        if self.pending.is_some() || self.commanded {
            return None;
        }
        shown.map(|_| self.fail(PageFailure::Crashed))
    }

    fn fail(&mut self, failure: PageFailure) -> Effect {
        self.phase = Phase::Rest;
        self.looks = Looks::Off;
        tell(BrowserEvent::Failed(failure))
    }
}

const fn tell(event: BrowserEvent) -> Effect {
    Effect::Tell(event)
}

/// Chromium's word for a failure, sorted by what can be done about it.
fn named(error: &str) -> PageFailure {
    let error = error.to_owned();
    if error.starts_with("net::ERR_CERT_") {
        PageFailure::Certificate { error }
    } else {
        PageFailure::Network { error }
    }
}

/// URLs are shown and logged; a name and password in one are not, nor what a page puts into a URL
/// beyond what anybody reads.
fn without_password(url: &str) -> String {
    const LONGEST: usize = 2048;
    let shown = match Url::parse(url) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            match url.set_username("").and_then(|()| url.set_password(None)) {
                Ok(()) => url.into(),
                Err(()) => String::new(),
            }
        }
        _ => url.to_owned(),
    };
    shown.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
