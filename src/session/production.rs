//! One page on its way to a stream: browser, encoder, segments. Sessions that want the same share one.
//!
//! A task owns it: it feeds the [`Machine`] with what the workers say, and does what the machine wants
//! done.

use std::{collections::VecDeque, os::fd::OwnedFd, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use url::Url;

use super::{
    Audio, PageView, StateView, StreamView,
    ports::{
        BrowserCommand, BrowserEvent, EncoderCommand, EncoderEvent, EncoderSpec, Link, PageSpec,
        Slate, Stream, Streams, Workers,
    },
    state::{Effect, Event, Links, Machine},
};
use crate::{
    ids::{MediaToken, SessionId},
    media::{MediaTime, StreamInfo},
};

/// Callers waiting for a picture of one session; more are turned away until one is served.
const MOST_WAITING: usize = 16;
/// Workers clean up after themselves in less; after this they are left to their fate, which is the
/// end of their connection.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// A command waits this long for room before the worker counts as stuck.
const COMMAND_LIMIT: Duration = Duration::from_secs(5);

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
    /// `id` names its workers, and its stream's heir if it has one. The task comes back when nothing of it is left.
    pub(super) fn start(
        id: SessionId,
        token: MediaToken,
        origin: Timestamp,
        has_heir: bool,
        spec: ProductionSpec,
        workers: Arc<dyn Workers>,
        streams: Arc<dyn Streams>,
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
        let stream = streams.create(&token, spec.audio, origin, has_heir.then_some(&id));
        let actor = Actor::new(id, machine, spec.clone(), workers, stream, publisher);
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

type Encoder = Link<EncoderCommand, EncoderEvent>;
type Browser = Link<BrowserCommand, BrowserEvent>;

struct Actor {
    id: SessionId,
    spec: ProductionSpec,
    machine: Machine,
    workers: Arc<dyn Workers>,
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
    Deadline,
}

impl Actor {
    fn new(
        id: SessionId,
        machine: Machine,
        spec: ProductionSpec,
        workers: Arc<dyn Workers>,
        stream: Arc<dyn Stream>,
        view: watch::Sender<ProductionView>,
    ) -> Self {
        Self {
            id,
            machine,
            spec,
            workers,
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
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
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
            Some(EncoderEvent::Failed(why)) => self.apply(Event::EncoderGone { why }).await,
            None => {
                let why = "the encoder ended unexpectedly".to_owned();
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
        match effect {
            Effect::StartEncoder => match self.workers.start_encoder(&self.id).await {
                Ok(link) => {
                    let configure = EncoderCommand::Configure(self.spec.encoder.clone());
                    self.encoder = Some(link);
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
        let stream = self.info.as_ref().map(|(info, before)| StreamView {
            encoder: info.encoder.clone(),
            size: info.size,
            frame_rate: info.frame_rate,
            bit_rate: info.bit_rate,
            segments: self.stream.segments_published(),
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

fn host(page: &PageSpec) -> String {
    page.url.host_str().unwrap_or_default().to_owned()
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
