//! The task that owns one session: it feeds the [`Machine`] with what its workers say, and does what
//! the machine wants done.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    EndReason, PageView, SessionSpec, Snapshot, StreamView,
    ports::{
        BrowserCommand, BrowserEvent, EncoderCommand, EncoderEvent, Link, Slate, Stream, Workers,
    },
    state::{Effect, Event, Machine},
};
use crate::{
    ids::SessionId,
    media::{MediaTime, StreamInfo},
};

/// Callers waiting for a picture of one session; more are turned away until one is served.
const MOST_WAITING: usize = 16;
/// Workers clean up after themselves in less; after this they are left to their fate, which is the
/// end of their connection.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// A command waits this long for room before the worker counts as stuck.
const COMMAND_LIMIT: Duration = Duration::from_secs(5);

/// What a session can be told.
#[derive(Debug)]
pub(super) enum Command {
    Stop(EndReason),
    Picture(oneshot::Sender<Bytes>),
}

type Encoder = Link<EncoderCommand, EncoderEvent>;
type Browser = Link<BrowserCommand, BrowserEvent>;

pub(super) struct Actor {
    id: SessionId,
    spec: SessionSpec,
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
    /// The encoder now, and how many there were before it.
    info: Option<(StreamInfo, u32)>,
    snapshot: watch::Sender<Snapshot>,
}

/// What woke the actor.
enum Wake {
    Command(Option<Command>),
    Encoder(Option<EncoderEvent>),
    Browser(Option<BrowserEvent>),
    Deadline,
}

impl Actor {
    pub(super) fn new(
        first: &Snapshot,
        spec: SessionSpec,
        workers: Arc<dyn Workers>,
        stream: Arc<dyn Stream>,
        snapshot: watch::Sender<Snapshot>,
    ) -> Self {
        let ends_at = spec.duration.map(|duration| MediaTime::now() + duration.into());
        let host = spec.page.url.host_str().unwrap_or_default().to_owned();
        Self {
            id: first.id.clone(),
            machine: Machine::new(&host, ends_at),
            spec,
            workers,
            stream,
            encoder: None,
            browser: None,
            ending: JoinSet::new(),
            display: None,
            waiting: Vec::new(),
            page: PageView::default(),
            info: None,
            snapshot,
        }
    }

    /// Runs the session to its end; afterwards nothing of it is left.
    pub(super) async fn run(mut self, commands: &mut mpsc::Receiver<Command>) -> EndReason {
        self.apply(Event::Begin).await;
        let reason = loop {
            if let Some(reason) = self.machine.end() {
                break reason;
            }
            self.publish();
            match self.wake(commands).await {
                // Nobody holds the session any more: the registry has gone, and so will the daemon.
                Wake::Command(None) => self.apply(Event::Stop(EndReason::Shutdown)).await,
                Wake::Command(Some(Command::Stop(reason))) => {
                    self.apply(Event::Stop(reason)).await;
                }
                Wake::Command(Some(Command::Picture(reply))) => self.take_picture(reply).await,
                Wake::Encoder(event) => self.encoder_said(event).await,
                Wake::Browser(event) => self.browser_said(event).await,
                Wake::Deadline => self.apply(Event::Tick).await,
            }
        };
        self.publish();
        while self.ending.join_next().await.is_some() {}
        self.workers.clean_up(&self.id);
        reason
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
            Some(BrowserEvent::Loading { .. }) => {
                self.page.title = None;
                self.page.http_status = None;
            }
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
        let mut events = vec![event];
        while let Some(event) = events.pop() {
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
            Effect::Reload => self.tell_browser(BrowserCommand::Reload).await,
            Effect::EndEncoder => {
                self.ending.spawn(end(self.encoder.take()));
                self.waiting.clear();
                None
            }
            Effect::EndBrowser => {
                self.ending.spawn(end(self.browser.take()));
                self.display = None;
                None
            }
            Effect::CloseStream => {
                self.stream.close();
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
        let state = self.machine.view();
        self.snapshot.send_if_modified(|snapshot| {
            let changed =
                snapshot.state != state || snapshot.page != page || snapshot.stream != stream;
            if snapshot.state != state {
                tracing::info!(state = state.name, detail = state.detail, "session");
            }
            snapshot.state = state;
            snapshot.page = page;
            snapshot.stream = stream;
            changed
        });
    }
}

/// Ends a worker: no more commands, and what it still says is not heard until it is gone.
async fn end<C, E>(link: Option<Link<C, E>>) {
    let Some(Link { to_worker, mut from_worker }) = link else {
        return;
    };
    drop(to_worker);
    let gone = async { while from_worker.recv().await.is_some() {} };
    if timeout(STOP_LIMIT, gone).await.is_err() {
        tracing::warn!("a worker did not end in {STOP_LIMIT:?}, leaving it");
    }
}

/// The owner of the decision logs: what went wrong, once.
fn log(event: &Event) {
    match event {
        Event::EncoderGone { why } => tracing::warn!(%why, "encoder lost, starting another"),
        Event::BrowserGone { why } => tracing::warn!(%why, "browser lost, starting another"),
        Event::PageFailed(failure) => {
            tracing::warn!(why = %failure, "page failed, showing a slate and trying again");
        }
        _ => tracing::debug!(?event, "session"),
    }
}
