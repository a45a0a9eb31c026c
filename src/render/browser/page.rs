//! Drives the one page: sets it up, obeys commands, reports facts.

use std::{
    future,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use thiserror::Error;
use tokio::{
    sync::mpsc,
    time::{sleep_until, timeout},
};
use url::Url;

use super::{
    answers::Answers,
    auth::Credentials,
    cdp::{Call, Cdp, CdpError, Event, Message},
    facts::{Effect, Facts},
    look::looking,
};
use crate::session::ports::{BrowserCommand, BrowserEvent, PageSpec};

/// A cold start on a slow machine, including a display that is not served yet.
const START: Duration = Duration::from_secs(60);
/// Ending a renderer takes milliseconds; when it takes longer, the next page is tried anyway.
const RENDERER_END: Duration = Duration::from_secs(2);

/// Chromium begins to draw a dialog's box before it tells us of the dialog, so pages get their answer
/// without one: what a box gives that somebody closes.
const NO_DIALOGS: &str =
    "alert = () => {}; confirm = () => false; prompt = () => null; print = () => {};";

/// Why the page cannot be driven any longer.
#[derive(Debug, Error)]
pub enum PageError {
    #[error(transparent)]
    Cdp(#[from] CdpError),
    /// No window in time: the display is not served, or the machine is overwhelmed.
    #[error("Chromium opened no window within {} s", START.as_secs())]
    NoWindow,
    /// The window is gone, by the page's own doing.
    #[error("the page's window was closed")]
    WindowClosed,
}

/// Nobody takes events or gives commands any more.
pub(super) struct Closed;

pub(super) struct Page {
    cdp: Cdp,
    answers: Answers,
    facts: Facts,
    target: String,
    /// Where `Reload` leads.
    wanted: Url,
    /// Reply that is awaited to the last navigation.
    navigating: Option<u64>,
    /// Reply that is awaited to the last look.
    looking: Option<u64>,
    /// Only the fragment differed, and the page is moving there; a reload before it arrives would load
    /// the old one.
    moving: bool,
    /// The stuck renderer is being ended; the navigation follows then, or now at the latest.
    ending_renderer: Option<Instant>,
}

impl Page {
    /// Waits for the window and sets the page up, all before its first request.
    pub(super) async fn set_up(
        mut cdp: Cdp,
        spec: &PageSpec,
        credentials: Credentials,
        load_timeout: Duration,
    ) -> Result<Self, PageError> {
        let target = timeout(START, window(&mut cdp)).await.map_err(|_| PageError::NoWindow)??;
        let attach = json!({ "targetId": target, "flatten": true });
        let attached = cdp.call(Call::new("Target.attachToTarget", attach)).await?;
        cdp.enter(attached["sessionId"].as_str().unwrap_or_default().to_owned());

        let setup = credentials.setup();
        let answers = Answers::new(target.clone(), credentials, &spec.accept_certificates_of);
        for call in always(&answers).into_iter().chain(setup) {
            cdp.call(call).await?;
        }
        Ok(Self {
            cdp,
            answers,
            facts: Facts::new(target.clone(), spec.size, load_timeout),
            target,
            wanted: spec.url.clone(),
            navigating: None,
            looking: None,
            moving: false,
            ending_renderer: None,
        })
    }

    /// Loads the page, or where a command that came `early` leads, and follows it until the commands
    /// end.
    pub(super) async fn drive(
        &mut self,
        early: Option<Url>,
        commands: &mut mpsc::Receiver<BrowserCommand>,
        events: &mpsc::Sender<BrowserEvent>,
    ) -> Result<Closed, PageError> {
        if let Some(url) = early {
            self.wanted = url;
        }
        let mut effects = self.open().await?;
        loop {
            for effect in effects {
                if self.carry_out(effect, events).await?.is_some() {
                    return Ok(Closed);
                }
            }
            let alarm = [self.facts.deadline(), self.ending_renderer].into_iter().flatten().min();
            effects = tokio::select! {
                command = commands.recv() => match command {
                    None => return Ok(Closed),
                    Some(command) => self.obey(command).await?,
                },
                message = self.cdp.next() => self.take(message?).await?,
                () = at(alarm) => self.tick().await?,
            };
        }
    }

    /// Asks Chromium to end. It answers by ending.
    pub(super) async fn close(mut self) {
        if let Err(cause) = self.cdp.send(Call::new("Browser.close", json!({}))).await {
            tracing::debug!(%cause, "asking chromium to end");
        }
    }

    async fn obey(&mut self, command: BrowserCommand) -> Result<Vec<Effect>, PageError> {
        match command {
            BrowserCommand::Configure(_) | BrowserCommand::Open(_) => {
                tracing::debug!("ignored: a browser is set up once, and opens one page");
                return Ok(Vec::new());
            }
            BrowserCommand::Reload => {}
            BrowserCommand::Navigate(url) => self.wanted = url,
        }
        self.open().await
    }

    async fn open(&mut self) -> Result<Vec<Effect>, PageError> {
        let stuck = self.facts.is_stuck();
        let effect = self.facts.commanded(&self.wanted, Instant::now());
        (self.navigating, self.looking) = (None, None);
        if stuck {
            // A page of the same site would wait in the same process for ever.
            self.cdp.send(Call::new("Page.crash", json!({}))).await?;
            self.ending_renderer = Some(Instant::now() + RENDERER_END);
        } else if self.ending_renderer.is_none() {
            self.navigate().await?;
        }
        Ok(vec![effect])
    }

    async fn navigate(&mut self) -> Result<(), PageError> {
        self.ending_renderer = None;
        self.moving = false;
        let call = Call::new("Page.navigate", json!({ "url": self.wanted.as_str() }));
        self.navigating = Some(self.cdp.send(call).await?);
        Ok(())
    }

    async fn take(&mut self, message: Message) -> Result<Vec<Effect>, PageError> {
        let now = Instant::now();
        match message {
            Message::Event(event) => self.event(&event, now).await,
            Message::Reply { id, result } if self.navigating == Some(id) => {
                self.navigating = None;
                Ok(self.navigated(result, now))
            }
            Message::Reply { id, result } if self.looking == Some(id) => {
                self.looking = None;
                let answer = result.ok();
                let answer = answer.as_ref().and_then(|answer| answer.pointer("/result/value"));
                Ok(self.facts.looked(answer, now))
            }
            Message::Reply { result, .. } => {
                // Answers cross with pages that leave; nobody waits for these.
                if let Err(cause) = result {
                    tracing::debug!(cause, "call refused by chromium");
                }
                Ok(Vec::new())
            }
        }
    }

    async fn event(&mut self, event: &Event, now: Instant) -> Result<Vec<Effect>, PageError> {
        if let Some(answer) = self.answers.to(event) {
            self.cdp.send(answer).await?;
        }
        match event.method.as_str() {
            "Security.certificateError"
                if !self.answers.accepts_certificate_of(event.text("/requestURL")) =>
            {
                self.facts.refused_certificate(event.text("/errorType"));
            }
            "Inspector.targetCrashed" if self.ending_renderer.is_some() => self.navigate().await?,
            "Page.navigatedWithinDocument"
                if self.moving && event.text("/frameId") == self.target =>
            {
                self.moving = false;
                self.cdp.send(Call::new("Page.reload", json!({}))).await?;
            }
            "Target.targetDestroyed" if event.text("/targetId") == self.target => {
                return Err(PageError::WindowClosed);
            }
            _ => {}
        }
        Ok(self.facts.event(event, now).into_iter().collect())
    }

    fn navigated(&mut self, result: Result<Value, String>, now: Instant) -> Vec<Effect> {
        let effect = match result {
            Err(refusal) => self.facts.navigation_failed(&refusal, now),
            Ok(answer) => {
                let error = answer["errorText"].as_str();
                self.moving = error.is_none() && answer.get("loaderId").is_none();
                error.and_then(|error| self.facts.navigation_failed(error, now))
            }
        };
        effect.into_iter().collect()
    }

    async fn tick(&mut self) -> Result<Vec<Effect>, PageError> {
        let now = Instant::now();
        if self.ending_renderer.is_some_and(|deadline| now >= deadline) {
            self.navigate().await?;
        }
        Ok(self.facts.tick(now).into_iter().collect())
    }

    async fn carry_out(
        &mut self,
        effect: Effect,
        events: &mpsc::Sender<BrowserEvent>,
    ) -> Result<Option<Closed>, PageError> {
        match effect {
            Effect::Tell(event) => Ok(events.send(event).await.err().map(|_| Closed)),
            Effect::Look => {
                let look = json!({
                    "expression": looking(), "awaitPromise": true, "returnByValue": true, "silent": true,
                });
                let call = Call::new("Runtime.evaluate", look);
                self.looking = Some(self.cdp.send(call).await?);
                Ok(None)
            }
        }
    }
}

/// Waits for the window that Chromium opens by itself.
async fn window(cdp: &mut Cdp) -> Result<String, CdpError> {
    let discover = json!({ "discover": true, "filter": [{ "type": "page" }] });
    // Not `call`: a start may take longer than any answer later.
    cdp.send(Call::new("Target.setDiscoverTargets", discover)).await?;
    loop {
        if let Message::Event(event) = cdp.next().await?
            && event.method == "Target.targetCreated"
            && event.text("/targetInfo/type") == "page"
        {
            return Ok(event.text("/targetInfo/targetId").to_owned());
        }
    }
}

/// What every page is set up with.
fn always(answers: &Answers) -> Vec<Call> {
    let on = || json!({ "enabled": true });
    // Chromium keeps bodies for a debugger that never asks for them.
    let no_bodies = json!({
        "maxTotalBufferSize": 0, "maxResourceBufferSize": 0, "maxPostDataSize": 0,
    });
    let mut calls = vec![
        Call::new("Page.enable", json!({})),
        Call::new("Page.setLifecycleEventsEnabled", on()),
        Call::new("Inspector.enable", json!({})),
        Call::new("Network.enable", no_bodies),
        // Dashboards pause themselves when nobody seems to look.
        Call::new("Emulation.setFocusEmulationEnabled", on()),
        Call::new("Page.setInterceptFileChooserDialog", on()),
        Call::new("Page.addScriptToEvaluateOnNewDocument", json!({ "source": NO_DIALOGS })),
        Call::new("Browser.setDownloadBehavior", json!({ "behavior": "deny" })),
    ];
    if answers.decides_certificates() {
        calls.push(Call::new("Security.enable", json!({})));
        let decide = json!({ "override": true });
        calls.push(Call::new("Security.setOverrideCertificateErrors", decide));
    }
    calls
}

async fn at(alarm: Option<Instant>) {
    match alarm {
        Some(alarm) => sleep_until(alarm.into()).await,
        None => future::pending().await,
    }
}
