//! The task of a production: it feeds the [`Machine`] with what the workers say, and does what the
//! machine wants done.

use std::{collections::VecDeque, os::fd::OwnedFd, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use url::Url;

use super::{Command, ProductionSpec, ProductionView, host};
use crate::{
    ids::SessionId,
    media::{MediaTime, StreamInfo},
    session::{
        Encoding, Outside, PageView, StreamView,
        ports::{
            BrowserCommand, BrowserEvent, EncoderCommand, EncoderEvent, Encoders, Link, Slate,
            Stream, Workers,
        },
        state::{Effect, Event, Machine},
    },
};

/// Callers waiting for a picture of one session; more are turned away until one is served.
const MOST_WAITING: usize = 16;
/// Workers clean up after themselves in less; after this they are left to their fate, which is the
/// end of their connection.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// A command waits this long for room before the worker counts as stuck.
const COMMAND_LIMIT: Duration = Duration::from_secs(5);

/// One that is open, one that takes over, and room for a misunderstanding.
const MOST_TRIED: usize = 4;
/// What encodes here is known by then, or software begins.
const ENCODERS_LIMIT: Duration = Duration::from_millis(2500);

type Encoder = Link<EncoderCommand, EncoderEvent>;
type Browser = Link<BrowserCommand, BrowserEvent>;

pub(super) struct Actor {
    id: SessionId,
    spec: ProductionSpec,
    machine: Machine,
    workers: Arc<dyn Workers>,
    encoders: Arc<dyn Encoders>,
    /// What can be encoded with.
    encodings: watch::Receiver<Arc<[Encoding]>>,
    /// What the encoder worker has open or opens: if it ends all of a sudden, one of these did it.
    tried: Vec<Encoding>,
    stream: Arc<dyn Stream>,
    encoder: Option<Encoder>,
    browser: Option<Browser>,
    /// Workers on their way out.
    ending: JoinSet<()>,
    /// The browser's display socket, until the encoder has it.
    display: Option<OwnedFd>,
    waiting: Vec<oneshot::Sender<Bytes>>,
    page: PageView,
    /// Where the browser was told to go. Until it says that it goes there, what it says is about the
    /// page before.
    going_to: Option<Url>,
    /// The encoder now, and how many there were before it.
    info: Option<(StreamInfo, u32)>,
    view: watch::Sender<ProductionView>,
    /// Another daemon goes on with the stream.
    resumes: bool,
}

/// What woke the actor.
enum Wake {
    Command(Option<Command>),
    Encoder(Option<EncoderEvent>),
    Browser(Option<BrowserEvent>),
    /// There is something else to encode with.
    Encodings,
    Deadline,
}

impl Actor {
    pub(super) fn new(
        id: SessionId,
        machine: Machine,
        spec: ProductionSpec,
        outside: &Outside,
        stream: Arc<dyn Stream>,
        view: watch::Sender<ProductionView>,
    ) -> Self {
        Self {
            id,
            machine,
            spec,
            workers: Arc::clone(&outside.workers),
            encodings: outside.encoders.encodings(),
            encoders: Arc::clone(&outside.encoders),
            tried: Vec::new(),
            stream,
            encoder: None,
            browser: None,
            ending: JoinSet::new(),
            display: None,
            waiting: Vec::new(),
            page: PageView::default(),
            going_to: None,
            info: None,
            view,
            resumes: false,
        }
    }

    /// Runs it to its end; afterwards nothing of it is left.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        self.apply(Event::Begin).await;
        while !self.machine.has_ended() {
            self.publish();
            match self.wake(&mut commands).await {
                // Nobody holds it any more.
                Wake::Command(None) => self.apply(Event::Stop).await,
                Wake::Command(Some(Command::Stop { resumes })) => {
                    self.resumes = resumes;
                    self.apply(Event::Stop).await;
                }
                Wake::Command(Some(Command::Picture(reply))) => self.take_picture(reply).await,
                Wake::Command(Some(Command::Navigate(page))) => {
                    self.spec.page = *page;
                    self.page = PageView::default();
                    let host = host(&self.spec.page);
                    tracing::info!(host, "going to another page");
                    self.apply(Event::Navigate { host }).await;
                }
                Wake::Command(Some(Command::Reload)) => self.apply(Event::Reload).await,
                Wake::Encoder(event) => self.encoder_said(event).await,
                Wake::Browser(event) => self.browser_said(event).await,
                Wake::Encodings => self.prefer().await,
                Wake::Deadline => self.apply(Event::Tick).await,
            }
        }
        self.publish();
        while self.ending.join_next().await.is_some() {}
        self.workers.clean_up(&self.id);
    }

    async fn wake(&mut self, commands: &mut mpsc::Receiver<Command>) -> Wake {
        let deadline = self
            .machine
            .deadline()
            .map(|deadline| Instant::now() + Duration::from(deadline.since(MediaTime::now())));
        let encoder = async {
            match &mut self.encoder {
                Some(link) => link.from_worker.recv().await,
                None => std::future::pending().await,
            }
        };
        let browser = async {
            match &mut self.browser {
                Some(link) => link.from_worker.recv().await,
                None => std::future::pending().await,
            }
        };
        let time_out = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // A stop must not wait behind a busy stream.
            biased;
            command = commands.recv() => Wake::Command(command),
            event = encoder => Wake::Encoder(event),
            event = browser => Wake::Browser(event),
            Ok(()) = self.encodings.changed() => Wake::Encodings,
            () = time_out => Wake::Deadline,
        }
    }

    async fn encoder_said(&mut self, event: Option<EncoderEvent>) {
        match event {
            Some(EncoderEvent::Packet(packet)) => self.stream.push(packet),
            Some(EncoderEvent::SegmentEnd { at }) => self.stream.end_segment(at),
            Some(EncoderEvent::Opened(info)) => {
                let before = self.info.as_ref().map_or(0, |(_, count)| count + 1);
                if let Err(why) = self.stream.begin(info.clone()) {
                    return self.apply(Event::EncoderGone { why }).await;
                }
                // What was open before has made room.
                self.tried.drain(..self.tried.len().saturating_sub(1));
                tracing::info!(encoder = info.encoder, size = %info.size, "the stream begins");
                self.info = Some((info, before));
                self.apply(Event::EncoderOpened).await;
            }
            Some(EncoderEvent::PageVisible) => self.apply(Event::PageVisible).await,
            Some(EncoderEvent::Picture(picture)) => {
                for reply in self.waiting.drain(..) {
                    // A caller that went away needs no picture.
                    drop(reply.send(picture.clone()));
                }
            }
            Some(EncoderEvent::Trying(encoding)) => {
                self.tried.truncate(MOST_TRIED - 1);
                self.tried.push(encoding);
            }
            Some(EncoderEvent::Lost { encoding, hung, why }) => {
                self.tried.retain(|tried| *tried != encoding);
                self.encoders.failed(&encoding, hung, &why);
            }
            // Only of those that are told to prove something.
            Some(EncoderEvent::Proven(_)) => {}
            Some(EncoderEvent::Failed(why)) => self.apply(Event::EncoderGone { why }).await,
            None => {
                let why = "the encoder ended unexpectedly".to_owned();
                for encoding in self.tried.drain(..) {
                    self.encoders.failed(&encoding, false, &why);
                }
                self.apply(Event::EncoderGone { why }).await;
            }
        }
    }

    async fn browser_said(&mut self, event: Option<BrowserEvent>) {
        match event {
            Some(BrowserEvent::Display(socket)) => {
                self.display = socket;
                self.apply(Event::DisplayReady).await;
            }
            Some(BrowserEvent::Loading { url }) => {
                self.going_to.take_if(|wanted| is_told(wanted, &url));
                self.page.title = None;
                self.page.http_status = None;
            }
            Some(
                BrowserEvent::Loaded { .. }
                | BrowserEvent::Title(_)
                | BrowserEvent::Failed(_)
                | BrowserEvent::Responsive,
            ) if self.going_to.is_some() => {}
            Some(BrowserEvent::Loaded { title, http_status, .. }) => {
                self.page.title = Some(title);
                self.page.http_status = http_status;
                self.apply(Event::PageLoaded).await;
            }
            Some(BrowserEvent::Title(title)) => self.page.title = Some(title),
            Some(BrowserEvent::Failed(failure)) => {
                self.apply(Event::PageFailed(failure)).await;
            }
            Some(BrowserEvent::Responsive) => self.apply(Event::PageResponsive).await,
            Some(BrowserEvent::BrowserEnded(why)) => self.apply(Event::BrowserGone { why }).await,
            None => {
                let why = "the browser ended unexpectedly".to_owned();
                self.apply(Event::BrowserGone { why }).await;
            }
        }
    }

    /// Tells the machine, does what it wants, tells it what came of that, until it wants nothing.
    async fn apply(&mut self, event: Event) {
        log(&event);
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.machine.handle(MediaTime::now(), event) {
                events.extend(self.carry_out(effect).await);
            }
        }
    }

    async fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        // Workers that have ended leave nothing but this to be collected.
        while self.ending.try_join_next().is_some() {}
        match effect {
            Effect::StartEncoder => match self.workers.start_encoder().await {
                Ok(link) => {
                    self.encoder = Some(link);
                    self.tried.clear();
                    let encodings = self.known_encodings().await;
                    let configure = EncoderCommand::Configure(self.spec.encoder.clone(), encodings);
                    self.tell_encoder(configure).await.or(Some(Event::EncoderStarted))
                }
                Err(error) => {
                    Some(Event::EncoderGone { why: format!("starting the encoder: {error}") })
                }
            },
            Effect::StartBrowser => match self.workers.start_browser(&self.id).await {
                Ok(link) => {
                    self.browser = Some(link);
                    let open = BrowserCommand::Open(self.spec.page.clone());
                    self.tell_browser(open).await.or(Some(Event::BrowserStarted))
                }
                Err(error) => {
                    Some(Event::BrowserGone { why: format!("starting the browser: {error}") })
                }
            },
            Effect::PlugDisplay => {
                let socket = self.display.take()?;
                self.tell_encoder(EncoderCommand::Display(Some(socket))).await
            }
            Effect::Show(slate) => self.show(slate).await,
            Effect::Navigate => {
                let url = self.spec.page.url.clone();
                self.going_to = Some(url.clone());
                self.tell_browser(BrowserCommand::Navigate(url)).await
            }
            Effect::Reload => self.tell_browser(BrowserCommand::Reload).await,
            Effect::EndEncoder => {
                self.ending.spawn(end(self.encoder.take()));
                self.waiting.clear();
                None
            }
            Effect::EndBrowser => {
                self.ending.spawn(end(self.browser.take()));
                self.display = None;
                self.going_to = None;
                None
            }
            Effect::CloseStream => {
                self.stream.close(self.resumes);
                None
            }
        }
    }

    async fn known_encodings(&mut self) -> Vec<Encoding> {
        let known = self.encodings.wait_for(|encodings| !encodings.is_empty());
        // What is found out later is told later.
        drop(timeout(ENCODERS_LIMIT, known).await);
        self.encodings.borrow_and_update().to_vec()
    }

    async fn prefer(&mut self) {
        let encodings = self.encodings.borrow_and_update().to_vec();
        if let Some(event) = self.tell_encoder(EncoderCommand::Prefer(encodings)).await {
            self.apply(event).await;
        }
    }

    async fn show(&mut self, slate: Option<Slate>) -> Option<Event> {
        self.tell_encoder(EncoderCommand::Show(slate)).await
    }

    async fn tell_encoder(&mut self, command: EncoderCommand) -> Option<Event> {
        let link = self.encoder.as_ref()?;
        match link.to_worker.send_timeout(command, COMMAND_LIMIT).await {
            Ok(()) => None,
            Err(_) => Some(Event::EncoderGone { why: "the encoder does not answer".to_owned() }),
        }
    }

    async fn tell_browser(&mut self, command: BrowserCommand) -> Option<Event> {
        let link = self.browser.as_ref()?;
        match link.to_worker.send_timeout(command, COMMAND_LIMIT).await {
            Ok(()) => None,
            Err(_) => Some(Event::BrowserGone { why: "the browser does not answer".to_owned() }),
        }
    }

    async fn take_picture(&mut self, reply: oneshot::Sender<Bytes>) {
        if self.encoder.is_none() || self.waiting.len() >= MOST_WAITING {
            // Dropping `reply` is the answer: not now.
            return;
        }
        self.waiting.retain(|reply| !reply.is_closed());
        self.waiting.push(reply);
        // One picture serves all who wait for it.
        if self.waiting.len() == 1
            && let Some(event) = self.tell_encoder(EncoderCommand::TakePicture).await
        {
            self.apply(event).await;
        }
    }

    fn publish(&self) {
        let page = PageView {
            problem: self.machine.problem(),
            reloads: self.machine.reloads(),
            ..self.page.clone()
        };
        let (segments, sent) = self.stream.published();
        let stream = self.info.as_ref().map(|(info, before)| StreamView {
            encoder: info.encoder.clone(),
            size: info.size,
            frame_rate: info.frame_rate,
            bit_rate: info.bit_rate,
            sent,
            segments,
            discontinuities: *before,
        });
        let view = ProductionView {
            state: self.machine.view(),
            page,
            stream,
            links: self.machine.links(),
            host: host(&self.spec.page),
        };
        self.view.send_if_modified(|before| {
            if before.state != view.state {
                tracing::info!(state = view.state.name, detail = view.state.detail, "session");
            }
            let changed = *before != view;
            *before = view;
            changed
        });
    }
}

/// Whether a browser means this address; it says it without user name and password, and cut when it is
/// very long.
fn is_told(url: &Url, told: &str) -> bool {
    let mut url = url.clone();
    // Both fail only for addresses that can have neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.as_str().starts_with(told)
}

/// Ends a worker: no more commands, and what it still says is not heard until it is gone.
async fn end<C, E>(link: Option<Link<C, E>>) {
    let Some(link) = link else { return };
    if !link.close(STOP_LIMIT).await {
        tracing::warn!("a worker did not end in {STOP_LIMIT:?}, leaving it");
    }
}

/// The owner of the decision logs: what went wrong, once.
fn log(event: &Event) {
    match event {
        Event::EncoderGone { why } => {
            tracing::warn!(name: "worker-failed", %why, "encoder lost, starting another");
        }
        Event::BrowserGone { why } => {
            tracing::warn!(name: "worker-failed", %why, "browser lost, starting another");
        }
        Event::PageFailed(why) => tracing::warn!(
            name: "page-failed",
            %why,
            "page failed, showing a slate and trying again"
        ),
        _ => tracing::debug!(?event, "session"),
    }
}
