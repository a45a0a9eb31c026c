//! The task that keeps one session on one TV: it tells the [`Cast`] what happens, and does what that
//! wants done.

use std::{
    collections::VecDeque,
    future::{self, Future},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc::error::TrySendError, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use url::Url;

use super::{
    cast::{Cast, CastView, Effect, Entry, Event, Farewell, Fetched, Memory, Now, Part, Wanted},
    ports::{Keeper, on_disk},
    production::ProductionView,
    state::Links,
    tv::{Announcements, Tv, TvCommand, TvEvent, Tvs},
};
use crate::ids::{DeviceId, MediaToken};

/// A TV takes what it was told last in less, also when it has to start the player to end it.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(11);

/// What the outside is shown of a cast.
#[derive(Clone, Debug)]
pub(super) struct CastStatus {
    pub(super) view: CastView,
    pub(super) is_left_to_people: bool,
    /// The latest events, the oldest one first.
    pub(super) timeline: Arc<[Entry]>,
}

/// What a cast works with.
pub(super) struct Tools {
    pub(super) tvs: Arc<dyn Tvs>,
    /// `None`: nothing outlives the daemon.
    pub(super) keeper: Option<Arc<dyn Keeper>>,
    pub(super) production: watch::Receiver<ProductionView>,
    pub(super) fetched: watch::Receiver<Fetched>,
    /// Where this machine's HTTP server listens.
    pub(super) listen: SocketAddr,
    /// The media address that only the TV is told.
    pub(super) token: MediaToken,
    /// It goes on where the daemon before was ended; else somebody wants it, whatever was before.
    pub(super) resumes: bool,
}

pub(super) struct Caster {
    device: DeviceId,
    wanted: Wanted,
    cast: Cast,
    tools: Tools,
    announcements: Box<dyn Announcements>,
    line: Line,
    /// Connections that still carry last words.
    closing: JoinSet<()>,
    /// Segments that the cast was told of.
    segments: u64,
    status: watch::Sender<CastStatus>,
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<Tv>> + Send>>;

enum Line {
    Down,
    Connecting(Attempt),
    Up(Tv),
}

/// What woke the task.
enum Wake {
    Farewell(Farewell),
    Connected(io::Result<Tv>),
    Tv(Option<TvEvent>),
    Production,
    Fetched,
    Announced,
    Deadline,
}

impl Caster {
    /// Until it runs, nothing happens.
    pub(super) fn new(
        device: DeviceId,
        wanted: Wanted,
        tools: Tools,
    ) -> (Self, watch::Receiver<CastStatus>) {
        let cast = Cast::new(Now::read(), wanted.clone());
        let (status, shown) = watch::channel(CastStatus {
            view: cast.view(),
            is_left_to_people: cast.is_left_to_people(),
            timeline: Arc::default(),
        });
        let caster = Self {
            announcements: tools.tvs.follow(&device),
            device,
            wanted,
            cast,
            tools,
            line: Line::Down,
            closing: JoinSet::new(),
            segments: 0,
            status,
        };
        (caster, shown)
    }

    /// Keeps the TV until it is told how to leave it. When it comes back the TV has been told all
    /// that it was to be told.
    pub(super) async fn run(mut self, farewell: oneshot::Receiver<Farewell>) {
        let mut farewell = Some(farewell);
        self.begin().await;
        while !self.cast.is_finished() {
            match self.wake(&mut farewell).await {
                Wake::Farewell(how) => {
                    farewell = None;
                    self.apply(Event::Stop(how)).await;
                }
                Wake::Connected(outcome) => self.connected(outcome).await,
                Wake::Tv(Some(event)) => self.apply(Event::Tv(event)).await,
                Wake::Tv(None) => self.lost().await,
                Wake::Production => self.look_at_production().await,
                Wake::Fetched => {
                    let fetched = *self.tools.fetched.borrow_and_update();
                    self.apply(Event::Fetched(fetched)).await;
                }
                Wake::Announced => self.apply(Event::Announced).await,
                Wake::Deadline => self.apply(Event::Tick).await,
            }
        }
        while self.closing.join_next().await.is_some() {}
    }

    /// What is remembered of the TV is read now and not before: the cast before may have changed it.
    async fn begin(&mut self) {
        if let Some(keeper) = &self.tools.keeper {
            let device = self.device.clone();
            let known = on_disk(keeper, move |keeper| Ok(keeper.memory(&device))).await;
            let known = known.unwrap_or_default();
            self.wanted.follows |= known.had_screen && known.hold.is_none();
            self.wanted.memory =
                if self.tools.resumes { known.clone() } else { known.clone().rearmed() };
            if self.wanted.memory != known {
                self.remember(self.wanted.memory.clone()).await;
            }
        }
        self.wanted.title.clone_from(&self.tools.production.borrow().host);
        self.cast = Cast::new(Now::read(), self.wanted.clone());
        let (links, segments) = self.production();
        let flows = segments > 0 && links.encoder == Part::Works;
        self.segments = segments;
        self.apply(Event::Page(links.page)).await;
        self.apply(Event::Encoder(links.encoder)).await;
        self.apply(Event::Start).await;
        if flows {
            self.apply(Event::Segment).await;
        }
    }

    fn production(&mut self) -> (Links, u64) {
        let view = self.tools.production.borrow_and_update();
        (view.links.clone(), view.stream.as_ref().map_or(0, |stream| stream.segments))
    }

    async fn wake(&mut self, farewell: &mut Option<oneshot::Receiver<Farewell>>) -> Wake {
        let now = Now::read();
        let deadline = self.cast.deadline(now).map(|at| Duration::from(at.since(now.time)));
        let time_out = async {
            match deadline {
                Some(span) => sleep_until(Instant::now() + span).await,
                None => future::pending().await,
            }
        };
        let line = async {
            match &mut self.line {
                Line::Down => future::pending().await,
                Line::Connecting(attempt) => Wake::Connected(attempt.await),
                Line::Up(tv) => Wake::Tv(tv.link.from_worker.recv().await),
            }
        };
        let told = async {
            match farewell {
                // Nobody says good-bye any more: the session has gone.
                Some(farewell) => farewell.await.unwrap_or(Farewell::KeepPlaying),
                None => future::pending().await,
            }
        };
        // In no order: a TV that talks without end must not keep the rest from being heard.
        let event = async {
            tokio::select! {
                wake = line => wake,
                // Both senders live as long as the session does, and it outlives this.
                Ok(()) = self.tools.production.changed() => Wake::Production,
                Ok(()) = self.tools.fetched.changed() => Wake::Fetched,
                () = self.announcements.next() => Wake::Announced,
                () = time_out => Wake::Deadline,
            }
        };
        tokio::select! {
            // Nothing is begun any more.
            biased;
            how = told => Wake::Farewell(how),
            wake = event => wake,
        }
    }

    /// A page of another host has another title.
    async fn look_at_title(&mut self) {
        let title = self.tools.production.borrow().host.clone();
        if title != self.wanted.title {
            self.wanted.title.clone_from(&title);
            self.apply(Event::Title(title)).await;
        }
    }

    async fn look_at_production(&mut self) {
        self.look_at_title().await;
        let (links, segments) = self.production();
        self.apply(Event::Page(links.page)).await;
        self.apply(Event::Encoder(links.encoder)).await;
        if segments > self.segments {
            self.segments = segments;
            self.apply(Event::Segment).await;
        }
    }

    async fn connected(&mut self, outcome: io::Result<Tv>) {
        self.line = Line::Down;
        let outcome = outcome.map_err(|error| error.to_string()).and_then(|tv| {
            let stream = media_url(self.tools.listen, tv.local, &self.tools.token)?;
            Ok((tv, stream))
        });
        match outcome {
            Ok((tv, stream)) => {
                self.line = Line::Up(tv);
                self.apply(Event::Connected { stream }).await;
            }
            Err(why) => self.apply(Event::ConnectionFailed { why }).await,
        }
    }

    async fn lost(&mut self) {
        let Line::Up(tv) = std::mem::replace(&mut self.line, Line::Down) else { return };
        let why = tv.end.await;
        self.apply(Event::ConnectionLost { why }).await;
    }

    /// Tells the cast, does what it wants, tells it what came of that, until it wants nothing.
    async fn apply(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.cast.handle(Now::read(), event) {
                events.extend(self.carry_out(effect).await);
            }
        }
        let view = self.cast.view();
        self.status.send_if_modified(|status| {
            status.is_left_to_people = self.cast.is_left_to_people();
            // Nobody is to be woken by a lag.
            let before = std::mem::replace(&mut status.view, view);
            before.state != status.view.state || before.verdict != status.view.verdict
        });
    }

    async fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Connect => {
                let (tvs, device) = (Arc::clone(&self.tools.tvs), self.device.clone());
                let attempt = Box::pin(async move { tvs.connect(&device).await });
                self.line = Line::Connecting(attempt);
                None
            }
            Effect::Disconnect => {
                if let Line::Up(tv) = std::mem::replace(&mut self.line, Line::Down) {
                    self.closing.spawn(hear_out(tv));
                }
                // Those that are through leave nothing but this to be collected.
                while self.closing.try_join_next().is_some() {}
                None
            }
            Effect::Tell(command) => self.tell(command),
            Effect::Remember(memory) => {
                self.remember(memory).await;
                None
            }
            Effect::Note(note) => {
                let (device, event) = (&self.device, note.event);
                let verdict = self.cast.view().verdict.finding;
                tracing::info!(name: "tv-event", %device, event, %verdict, "{}", note.detail);
                let timeline: Arc<[Entry]> = self.cast.timeline().cloned().collect();
                self.status.send_modify(|status| status.timeline = timeline);
                None
            }
            Effect::Finished => None,
        }
    }

    fn tell(&mut self, command: TvCommand) -> Option<Event> {
        let Line::Up(tv) = &self.line else { return None };
        match tv.link.to_worker.try_send(command) {
            // The end of a closed link is about to be read.
            Ok(()) | Err(TrySendError::Closed(_)) => None,
            Err(TrySendError::Full(_)) => {
                self.line = Line::Down;
                let why = "the TV does not read what it is told".to_owned();
                Some(Event::ConnectionLost { why })
            }
        }
    }

    /// On the way to the TV nothing may overtake what is to be remembered of it.
    async fn remember(&mut self, memory: Memory) {
        let Some(keeper) = &self.tools.keeper else { return };
        let device = self.device.clone();
        let kept = on_disk(keeper, move |keeper| keeper.remember(&device, &memory)).await;
        if let Err(error) = kept {
            let device = &self.device;
            tracing::error!(%device, %error, "what is to be remembered of the TV is not on disk");
        }
    }
}

/// Closes a link from our side and waits until what was said before has been delivered.
async fn hear_out(tv: Tv) {
    if !tv.link.close(LAST_WORDS_LIMIT).await {
        tracing::debug!("a TV did not take its last commands in {LAST_WORDS_LIMIT:?}");
    }
}

/// Where a TV fetches the stream: a literal address, because TVs know no names of the house.
fn media_url(listen: SocketAddr, local: IpAddr, token: &MediaToken) -> Result<Url, String> {
    let address = match listen.ip().to_canonical() {
        own if own.is_unspecified() => local,
        own if own.is_loopback() && !local.is_loopback() => {
            return Err(format!(
                "the TV cannot fetch the stream, because this service listens on {listen} only: \
                 let it listen on 0.0.0.0:{port}, with http.listen in the configuration or --listen",
                port = listen.port()
            ));
        }
        own => own,
    };
    let authority = SocketAddr::new(address, listen.port());
    let url = format!("http://{authority}/media/{}/master.m3u8", token.as_str());
    Url::parse(&url).map_err(|error| format!("{authority} makes no address: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(listen: &str, local: &str) -> Result<String, String> {
        let token: MediaToken = serde_json::from_str("\"secret\"").unwrap();
        media_url(listen.parse().unwrap(), local.parse().unwrap(), &token).map(Into::into)
    }

    #[test]
    fn a_tv_is_told_the_address_that_reaches_it() {
        for (listen, local, host) in [
            ("0.0.0.0:8000", "192.168.1.5", "192.168.1.5:8000"),
            ("[::]:8000", "192.168.1.5", "192.168.1.5:8000"),
            ("[::]:8000", "fd00::5", "[fd00::5]:8000"),
            ("192.168.7.1:81", "192.168.1.5", "192.168.7.1:81"),
            ("127.0.0.1:8000", "127.0.0.1", "127.0.0.1:8000"),
        ] {
            let expected = format!("http://{host}/media/secret/master.m3u8");
            assert_eq!(url(listen, local), Ok(expected), "{listen} {local}");
        }
    }

    #[test]
    fn a_server_that_no_tv_reaches_is_an_error_that_says_what_to_do() {
        let why = url("127.0.0.1:8000", "192.168.1.5").unwrap_err();
        assert!(why.contains("--listen") && why.contains("0.0.0.0:8000"), "{why}");
    }
}
