//! What a production does, as a pure machine: an event and the time in, effects out. No I/O, no clock.
//!
//! It has an encoder, a browser and a page, which come and go by themselves. What it is to the
//! outside (`starting`, `live`, `recovering`, …) is derived from theirs, so it cannot disagree.

use super::{
    backoff::Backoff,
    cast::Part as Link,
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
    /// Somebody wants a page of this host instead.
    Navigate {
        host: String,
    },
    /// Somebody wants the page loaded again.
    Reload,
    /// Time passed; see [`Machine::deadline`].
    Tick,
    Stop,
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
    /// Have the browser go to the page that is wanted now.
    Navigate,
    Reload,
    EndBrowser,
    EndEncoder,
    CloseStream,
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

/// The links of the chain that a production is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) page: Link,
    pub(super) encoder: Link,
}

/// One production's state.
#[derive(Debug)]
pub(super) struct Machine {
    /// What the slate says while the page opens.
    opening: Slate,
    encoder: Part,
    /// An encoder was open once.
    opened: bool,
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
    ended: bool,
}

impl Machine {
    /// One that shows a page of `host`.
    pub(super) fn new(host: &str) -> Self {
        let opening = opening(host);
        Self {
            shown: Some(opening.clone()),
            opening,
            encoder: Part::Starting,
            opened: false,
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
            ended: false,
        }
    }

    pub(super) fn handle(&mut self, now: MediaTime, event: Event) -> Vec<Effect> {
        if self.ended {
            return Vec::new();
        }
        let mut effects = match event {
            Event::Begin => vec![Effect::StartEncoder, Effect::StartBrowser],
            // A worker that was started and is not wanted any more, because the other one failed meanwhile,
            // has been ended already.
            Event::EncoderStarted if self.encoder != Part::Starting => Vec::new(),
            Event::BrowserStarted if self.browser != Part::Starting => Vec::new(),
            Event::EncoderStarted => {
                self.encoder = Part::Up;
                let mut effects = vec![Effect::Show(self.shown.clone())];
                effects.extend(self.plug());
                effects
            }
            Event::EncoderOpened => {
                self.encoder_backoff.succeeded(now);
                self.encoder_trouble = None;
                self.opened = true;
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
            Event::Navigate { host } => {
                self.opening = opening(&host);
                self.was_live = false;
                self.open_anew(now, Effect::Navigate)
            }
            // What is there stays on the stream until it is there anew, or fails.
            Event::Reload if self.page == Page::Loaded => {
                self.page_backoff = Backoff::default();
                vec![Effect::Reload]
            }
            Event::Reload => self.open_anew(now, Effect::Reload),
            Event::Tick => self.tick(now),
            Event::Stop => return self.stop(),
        };
        effects.extend(self.reveal());
        effects
    }

    /// When to send [`Event::Tick`] at the latest.
    pub(super) fn deadline(&self) -> Option<MediaTime> {
        if self.ended {
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
        let browser = match self.encoder {
            // It waits for its display, however long that takes.
            Part::Down { .. } => None,
            Part::Starting | Part::Up => part(self.browser),
        };
        [part(self.encoder), browser, page].into_iter().flatten().min()
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended
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

    /// How the page and the encoder do, as links of the chain that ends on a TV.
    pub(super) fn links(&self) -> Links {
        let page = match (&self.shown, &self.page) {
            (None, _) => Link::Works,
            (Some(_), Page::Failed { why, .. }) => Link::Broken(why.clone()),
            (Some(_), _) => match &self.browser_trouble {
                Some(why) => Link::Broken(why.clone()),
                None => Link::Starting,
            },
        };
        match &self.encoder_trouble {
            // Without a display there is no page. It is not the page's fault.
            Some(why) if self.was_live => {
                Links { page: Link::Works, encoder: Link::Broken(why.clone()) }
            }
            Some(why) => Links { page, encoder: Link::Broken(why.clone()) },
            None if self.opened => Links { page, encoder: Link::Works },
            None => Links { page, encoder: Link::Starting },
        }
    }

    pub(super) fn view(&self) -> StateView {
        let view = |name, detail: Option<String>| StateView { name, detail };
        if self.ended {
            return view("stopping", None);
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

    /// As on the first day: what went wrong before says nothing of what somebody wants now. A browser
    /// that is yet to come opens what is wanted by itself.
    fn open_anew(&mut self, now: MediaTime, effect: Effect) -> Vec<Effect> {
        self.page = Page::Loading;
        self.page_backoff = Backoff::default();
        match &mut self.browser {
            Part::Up => return vec![effect],
            Part::Starting => {}
            Part::Down { retry } => *retry = now.min(*retry),
        }
        Vec::new()
    }

    fn tick(&mut self, now: MediaTime) -> Vec<Effect> {
        let due = |part| matches!(part, Part::Down { retry } if retry <= now);
        let mut effects = Vec::new();
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

    fn stop(&mut self) -> Vec<Effect> {
        self.ended = true;
        vec![Effect::EndBrowser, Effect::EndEncoder, Effect::CloseStream]
    }
}

fn opening(host: &str) -> Slate {
    Slate { title: "Opening the dashboard".to_owned(), detail: host.to_owned() }
}

/// A failed page is never asked again faster than this, even the first time: its server needs air.
const RELOAD_PAUSE: MediaTime = MediaTime::from_ticks(2 * MediaTime::TICKS_PER_SECOND);

#[cfg(test)]
mod tests;
