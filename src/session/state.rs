//! What a session does, as a pure machine: an event and the time in, effects out. No I/O, no clock.
//!
//! A session has an encoder, a browser and a page, which come and go by themselves. What it is to the
//! outside (`starting`, `live`, `recovering`, …) is derived from theirs, so it cannot disagree.

use std::fmt;

use super::{
    backoff::Backoff,
    ports::{PageFailure, Slate},
    snapshot::StateView,
};
use crate::media::MediaTime;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    Begin,
    EncoderStarted,
    /// It runs and packets will follow.
    EncoderOpened,
    /// The worker could not be started, said that it failed, or its connection ended.
    EncoderGone {
        why: String,
    },
    BrowserStarted,
    /// The browser's display socket is here.
    DisplayReady,
    /// The browser's first picture is on the display.
    PageVisible,
    PageLoaded,
    PageFailed(PageFailure),
    /// The page answers again.
    PageResponsive,
    BrowserGone {
        why: String,
    },
    /// Time passed; see [`Machine::deadline`].
    Tick,
    Stop(EndReason),
}

/// Something is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    StartEncoder,
    StartBrowser,
    /// Give the display socket to the encoder.
    PlugDisplay,
    /// Show this in front of the page, or the page.
    Show(Option<Slate>),
    Reload,
    EndBrowser,
    EndEncoder,
    CloseStream,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Somebody said stop.
    Stopped,
    /// Another page was started for the same target.
    Replaced,
    /// The requested duration is over.
    Elapsed,
    /// The daemon ends.
    Shutdown,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "stopped",
            Self::Replaced => "replaced",
            Self::Elapsed => "duration-elapsed",
            Self::Shutdown => "shutdown",
        })
    }
}

/// A worker process.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Down { retry: MediaTime },
    Starting,
    Up,
}

#[derive(Clone, Debug, PartialEq)]
enum Page {
    /// On its way.
    Loading,
    Loaded,
    Failed {
        why: String,
        retry: Option<MediaTime>,
    },
}

/// One session's state.
#[derive(Debug)]
pub(super) struct Machine {
    /// What the slate says while the page opens.
    opening: Slate,
    encoder: Part,
    encoder_trouble: Option<String>,
    encoder_backoff: Backoff,
    browser: Part,
    browser_trouble: Option<String>,
    browser_backoff: Backoff,
    display: bool,
    visible: bool,
    page: Page,
    page_backoff: Backoff,
    /// What the encoder was last told to show; `None` is the page.
    shown: Option<Slate>,
    /// The page has been on the stream at least once.
    was_live: bool,
    reloads: u32,
    ends_at: Option<MediaTime>,
    end: Option<EndReason>,
}

impl Machine {
    /// A session that shows a page of `host`, until `ends_at`.
    pub(super) fn new(host: &str, ends_at: Option<MediaTime>) -> Self {
        let opening = Slate { title: "Opening the dashboard".to_owned(), detail: host.to_owned() };
        Self {
            shown: Some(opening.clone()),
            opening,
            encoder: Part::Starting,
            encoder_trouble: None,
            encoder_backoff: Backoff::default(),
            browser: Part::Starting,
            browser_trouble: None,
            browser_backoff: Backoff::default(),
            display: false,
            visible: false,
            page: Page::Loading,
            page_backoff: Backoff::default(),
            was_live: false,
            reloads: 0,
            ends_at,
            end: None,
        }
    }

    pub(super) fn handle(&mut self, now: MediaTime, event: Event) -> Vec<Effect> {
        if self.end.is_some() {
            return Vec::new();
        }
        let mut effects = match event {
            Event::Begin => vec![Effect::StartEncoder, Effect::StartBrowser],
            Event::EncoderStarted => {
                self.encoder = Part::Up;
                let mut effects = vec![Effect::Show(self.shown.clone())];
                effects.extend(self.plug());
                effects
            }
            Event::EncoderOpened => {
                self.encoder_backoff.succeeded(now);
                self.encoder_trouble = None;
                Vec::new()
            }
            Event::EncoderGone { why } => self.encoder_gone(now, why),
            Event::BrowserStarted => {
                self.browser = Part::Up;
                Vec::new()
            }
            Event::DisplayReady => {
                self.display = true;
                self.plug().into_iter().collect()
            }
            Event::PageVisible => {
                self.visible = true;
                Vec::new()
            }
            Event::PageLoaded | Event::PageResponsive => {
                self.page = Page::Loaded;
                self.page_backoff.succeeded(now);
                self.browser_backoff.succeeded(now);
                self.browser_trouble = None;
                Vec::new()
            }
            Event::PageFailed(failure) => {
                let retry = Some(self.page_backoff.failed(now).max(now + RELOAD_PAUSE));
                self.page = Page::Failed { why: failure.to_string(), retry };
                Vec::new()
            }
            Event::BrowserGone { why } => self.browser_gone(now, why),
            Event::Tick => self.tick(now),
            Event::Stop(reason) => return self.stop(reason),
        };
        effects.extend(self.reveal());
        effects
    }

    /// When to send [`Event::Tick`] at the latest.
    pub(super) fn deadline(&self) -> Option<MediaTime> {
        if self.end.is_some() {
            return None;
        }
        let part = |part| match part {
            Part::Down { retry } => Some(retry),
            Part::Starting | Part::Up => None,
        };
        let page = match (&self.page, self.browser) {
            (Page::Failed { retry, .. }, Part::Up) => *retry,
            _ => None,
        };
        [part(self.encoder), part(self.browser), page, self.ends_at].into_iter().flatten().min()
    }

    pub(super) const fn end(&self) -> Option<EndReason> {
        self.end
    }

    pub(super) const fn reloads(&self) -> u32 {
        self.reloads
    }

    /// Why the page is not on the stream, when something is wrong.
    pub(super) fn problem(&self) -> Option<String> {
        let page = match &self.page {
            Page::Failed { why, .. } => Some(why),
            Page::Loading | Page::Loaded => None,
        };
        self.encoder_trouble.as_ref().or(self.browser_trouble.as_ref()).or(page).cloned()
    }

    pub(super) fn view(&self) -> StateView {
        let view = |name, detail: Option<String>| StateView { name, detail };
        if let Some(reason) = self.end {
            return view("stopping", Some(reason.to_string()));
        }
        if self.shown.is_none() && self.encoder == Part::Up {
            return view("live", None);
        }
        match self.problem() {
            Some(problem) => view("recovering", Some(problem)),
            None if self.was_live => view("recovering", Some("the page opens again".to_owned())),
            None => view("starting", Some(self.step().to_owned())),
        }
    }

    fn step(&self) -> &'static str {
        match (self.encoder, self.browser) {
            (Part::Up, Part::Up) => "page",
            (Part::Up, _) => "browser",
            _ => "encoder",
        }
    }

    fn plug(&self) -> Option<Effect> {
        (self.display && self.encoder == Part::Up).then_some(Effect::PlugDisplay)
    }

    /// What should be on the stream now, if that changed.
    fn reveal(&mut self) -> Option<Effect> {
        let wanted = match (&self.page, self.problem()) {
            (Page::Loaded, None) if self.visible => None,
            (_, Some(problem)) => Some(Slate {
                title: "The dashboard cannot be shown".to_owned(),
                detail: format!("{}\n{problem}\nTrying again by itself.", self.opening.detail),
            }),
            _ => Some(self.opening.clone()),
        };
        self.was_live |= wanted.is_none();
        if wanted == self.shown {
            return None;
        }
        self.shown = wanted;
        (self.encoder == Part::Up).then(|| Effect::Show(self.shown.clone()))
    }

    /// A browser cannot outlive its display: both start again.
    fn encoder_gone(&mut self, now: MediaTime, why: String) -> Vec<Effect> {
        if matches!(self.encoder, Part::Down { .. }) {
            return Vec::new();
        }
        self.encoder = Part::Down { retry: self.encoder_backoff.failed(now) };
        self.encoder_trouble = Some(why);
        self.forget_browser();
        self.browser = Part::Down { retry: now };
        vec![Effect::EndEncoder, Effect::EndBrowser]
    }

    fn browser_gone(&mut self, now: MediaTime, why: String) -> Vec<Effect> {
        if matches!(self.browser, Part::Down { .. }) {
            return Vec::new();
        }
        self.browser = Part::Down { retry: self.browser_backoff.failed(now) };
        self.browser_trouble = Some(why);
        self.forget_browser();
        vec![Effect::EndBrowser]
    }

    fn forget_browser(&mut self) {
        self.display = false;
        self.visible = false;
        self.page = Page::Loading;
    }

    fn tick(&mut self, now: MediaTime) -> Vec<Effect> {
        let due = |part| matches!(part, Part::Down { retry } if retry <= now);
        let mut effects = Vec::new();
        if self.ends_at.is_some_and(|end| end <= now) {
            return self.stop(EndReason::Elapsed);
        }
        if due(self.encoder) {
            self.encoder = Part::Starting;
            effects.push(Effect::StartEncoder);
        }
        // A browser without a display would only fail.
        if due(self.browser) && !matches!(self.encoder, Part::Down { .. }) {
            self.browser = Part::Starting;
            effects.push(Effect::StartBrowser);
        }
        if let (Page::Failed { retry, .. }, Part::Up) = (&mut self.page, self.browser)
            && retry.is_some_and(|retry| retry <= now)
        {
            *retry = None;
            self.reloads = self.reloads.saturating_add(1);
            effects.push(Effect::Reload);
        }
        effects
    }

    fn stop(&mut self, reason: EndReason) -> Vec<Effect> {
        self.end = Some(reason);
        vec![Effect::EndBrowser, Effect::EndEncoder, Effect::CloseStream]
    }
}

/// A failed page is never asked again faster than this, even the first time: its server needs air.
const RELOAD_PAUSE: MediaTime = MediaTime::from_ticks(2 * MediaTime::TICKS_PER_SECOND);

#[cfg(test)]
mod tests;
