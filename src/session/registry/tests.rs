//! What sessions do to one another, to their TVs and to the disk, in a house of paper.

use std::{collections::BTreeMap, io, net::Ipv4Addr, pin::Pin};

use super::*;
use crate::{
    config::{PagePolicy, Pages},
    ids::DeviceId,
    media::{Packet, StreamInfo},
    session::{
        Api, Audio, Defaults, Encoding, Proof, Quality, Sent,
        cast::{Fetched, Memory},
        ports::{
            BrowserCommand, BrowserEvent, EncoderCommand, EncoderEvent, Link, PageSpec, Starting,
            Stream,
        },
        tv::{
            Announcements, AppView, Connecting, MediaView, PlayerState, ReceiverView, Tv,
            TvCommand, TvEvent,
        },
    },
};

/// All that happened outside, in order.
struct House {
    events: Mutex<Vec<String>>,
    kept: Mutex<BTreeMap<String, Order>>,
    memory: Mutex<BTreeMap<DeviceId, Memory>>,
    /// What a TV plays that is called, by its address.
    plays: Mutex<Option<String>>,
    counters: Mutex<Vec<watch::Sender<Fetched>>>,
    encodings: watch::Sender<Arc<[Encoding]>>,
}

impl Default for House {
    fn default() -> Self {
        Self {
            events: Mutex::default(),
            kept: Mutex::default(),
            memory: Mutex::default(),
            plays: Mutex::default(),
            counters: Mutex::default(),
            encodings: watch::Sender::new([Encoding::Software].into()),
        }
    }
}

impl House {
    fn note(&self, event: impl Into<String>) {
        self.events.lock().unwrap().push(event.into());
    }

    fn count(&self, event: &str) -> usize {
        self.events.lock().unwrap().iter().filter(|own| *own == event).count()
    }

    async fn until(&self, event: &str, count: usize) {
        let seen = async {
            while self.count(event) < count {
                // A paused clock goes on while all others wait.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let seen = timeout(Duration::from_secs(5), seen).await;
        assert!(seen.is_ok(), "no {event:?}: {:?}", self.events.lock().unwrap());
    }
}

/// A worker that hears what it is told, says nothing, and ends when it is told to.
fn worker<C: Send + 'static, E: Send + 'static>(hear: impl Fn(C) + Send + 'static) -> Link<C, E> {
    let (to_worker, mut commands) = mpsc::channel(8);
    let (events, from_worker) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Some(command) = commands.recv().await {
            hear(command);
        }
        drop(events);
    });
    Link { to_worker, from_worker }
}

struct Fakes(Arc<House>);

/// Before it announces itself, the hall's TV is known by this address.
const HALL: &str = "192.168.1.20:8009";

impl Workers for Fakes {
    fn start_encoder(&self) -> Starting<'_, EncoderCommand, EncoderEvent> {
        let house = Arc::clone(&self.0);
        house.note("encoder");
        let list = |encodings: Vec<Encoding>| {
            let names = encodings.iter().map(Encoding::encoder);
            names.collect::<Vec<_>>().join(", ")
        };
        Box::pin(async move {
            Ok(worker(move |command| match command {
                EncoderCommand::Configure(_, encodings) => {
                    house.note(format!("encode with {}", list(encodings)));
                }
                EncoderCommand::Prefer(encodings) => {
                    house.note(format!("prefer {}", list(encodings)));
                }
                _ => {}
            }))
        })
    }

    fn start_browser<'a>(&'a self, _: &'a SessionId) -> Starting<'a, BrowserCommand, BrowserEvent> {
        let house = Arc::clone(&self.0);
        Box::pin(async {
            Ok(worker(move |command| match command {
                BrowserCommand::Configure(_) => {}
                BrowserCommand::Open(page) => house.note(format!("open {}", page.url)),
                BrowserCommand::Navigate(url) => house.note(format!("go to {url}")),
                BrowserCommand::Reload => house.note("reload"),
            }))
        })
    }

    fn clean_up(&self, _: &SessionId) {
        self.0.note("cleaned up");
    }
}

impl Encoders for Fakes {
    fn encodings(&self) -> watch::Receiver<Arc<[Encoding]>> {
        self.0.encodings.subscribe()
    }

    fn failed(&self, encoding: &Encoding, _: bool, why: &str) {
        self.0.note(format!("{encoding} failed: {why}"));
    }
}

impl Stream for Fakes {
    fn begin(&self, _: StreamInfo) -> Result<(), String> {
        Ok(())
    }

    fn push(&self, _: Packet) {}

    fn end_segment(&self, _: crate::media::MediaTime) {}

    fn published(&self) -> (u64, Option<Sent>) {
        (0, None)
    }

    fn close(&self, resumes: bool) {
        self.0.note(if resumes { "stream rests" } else { "stream ends" });
    }
}

impl Streams for Fakes {
    fn bequeath(&self, _: &MediaToken, _: Timestamp) {
        self.0.note("bequeathed");
    }

    fn create(&self, _: &MediaToken, _: Audio, _: Timestamp, _: bool) -> Arc<dyn Stream> {
        Arc::new(Self(Arc::clone(&self.0)))
    }

    fn share(&self, _: &MediaToken, _: &MediaToken) -> watch::Receiver<Fetched> {
        let (sender, receiver) = watch::channel(Fetched::default());
        self.0.counters.lock().unwrap().push(sender);
        receiver
    }

    fn remove(&self, _: &MediaToken) {}
}

impl Tvs for Fakes {
    fn connect<'a>(&'a self, device: &'a DeviceId) -> Connecting<'a> {
        let (house, name) = (Arc::clone(&self.0), device.to_string());
        Box::pin(async move {
            house.note(format!("{name} called"));
            let (to_worker, mut commands) = mpsc::channel(8);
            let (events, from_worker) = mpsc::channel(8);
            let shows = |app| TvEvent::Receiver(ReceiverView { app, ..ReceiverView::default() });
            let player = || AppView {
                name: "Player".to_owned(),
                session: "run".to_owned(),
                is_player: true,
                is_idle_screen: false,
            };
            let plays = house.plays.lock().unwrap().clone();
            events.send(shows(plays.as_ref().map(|_| player()))).await.unwrap();
            if plays.is_some() {
                let state = PlayerState::Playing;
                let media = MediaView { content: plays, state, position: 9.0 };
                events.send(TvEvent::Media(Some(media))).await.unwrap();
            }
            tokio::spawn(async move {
                while let Some(command) = commands.recv().await {
                    house.note(format!("{name} {}", word(&command)));
                    if command == TvCommand::Launch {
                        for event in [shows(Some(player())), TvEvent::Media(None)] {
                            events.send(event).await.unwrap();
                        }
                        house.note(format!("{name} up"));
                    }
                }
                house.note(format!("{name} left"));
            });
            let link = Link { to_worker, from_worker };
            let end = Box::pin(async { "closed".to_owned() });
            Ok(Tv { link, local: Ipv4Addr::LOCALHOST.into(), end })
        })
    }

    fn are_same(&self, one: &DeviceId, other: &DeviceId) -> bool {
        let name = |id: &DeviceId| if id.as_str() == HALL { "hall".into() } else { id.to_string() };
        name(one) == name(other)
    }

    fn follow(&self, _: &DeviceId) -> Box<dyn Announcements> {
        Box::new(Mute)
    }
}

fn word(command: &TvCommand) -> &'static str {
    match command {
        TvCommand::Launch => "launch",
        TvCommand::Load(_) => "load",
        TvCommand::Play => "play",
        TvCommand::Stop => "stop",
        TvCommand::SetVolume(_) => "volume",
    }
}

struct Mute;

impl Announcements for Mute {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

impl Keeper for Fakes {
    fn memory(&self, device: &DeviceId) -> Memory {
        self.0.memory.lock().unwrap().get(device).cloned().unwrap_or_default()
    }

    fn remember(&self, device: &DeviceId, memory: &Memory) -> io::Result<()> {
        self.0.memory.lock().unwrap().insert(device.clone(), memory.clone());
        Ok(())
    }

    fn orders(&self) -> Vec<Order> {
        self.0.kept.lock().unwrap().values().cloned().collect()
    }

    fn keep(&self, order: &Order) -> io::Result<()> {
        self.0.kept.lock().unwrap().insert(order.id.to_string(), order.clone());
        self.0.note("kept");
        Ok(())
    }

    fn forget(&self, session: &SessionId) -> io::Result<()> {
        self.0.kept.lock().unwrap().remove(session.as_str());
        Ok(())
    }

    fn proofs(&self) -> BTreeMap<String, Proof> {
        BTreeMap::new()
    }

    fn keep_proofs(&self, _: &BTreeMap<String, Proof>) -> io::Result<()> {
        Ok(())
    }
}

fn registry(house: &Arc<House>, keeps: bool) -> Arc<Registry> {
    let rules = Rules {
        defaults: Defaults::default(),
        most: 2,
        pages: PagePolicy::from(&Pages::default()),
        accept_certificates_of: Vec::new(),
        listen: (Ipv4Addr::LOCALHOST, 8000).into(),
    };
    let fakes = || Fakes(Arc::clone(house));
    let outside = Outside {
        workers: Arc::new(fakes()),
        encoders: Arc::new(fakes()),
        streams: Arc::new(fakes()),
        tvs: Arc::new(fakes()),
        keeper: keeps.then(|| Arc::new(fakes()) as Arc<dyn Keeper>),
    };
    Arc::new(Registry::new(rules, outside))
}

fn tv(name: &str) -> TvChoice {
    TvChoice { id: DeviceId::new(name), name: name.to_owned(), best: Quality::default() }
}

async fn start(registry: &Arc<Registry>, page: &str, on: Option<&str>) -> SessionId {
    let request = StartRequest::new(format!("http://{page}/"));
    registry.start(request, on.map(tv)).unwrap().id
}

#[tokio::test]
async fn a_stopped_session_ends_its_player_and_is_forgotten() {
    let house = Arc::<House>::default();
    let registry = registry(&house, true);
    let id = start(&registry, "dash", Some("hall")).await;
    house.until("hall up", 1).await;
    house.until("kept", 1).await;
    assert_eq!(registry.stop(Some(&id)).await, Stopped::Stopped);
    assert_eq!((house.count("hall stop"), house.count("hall left")), (1, 1));
    assert_eq!((house.count("stream ends"), house.count("cleaned up")), (1, 1));
    assert!(house.kept.lock().unwrap().is_empty());
    assert_eq!(registry.sessions(), []);
    assert_eq!(registry.stop(Some(&id)).await, Stopped::NotRunning);
}

#[tokio::test]
async fn the_next_page_on_a_tv_takes_over_its_player() {
    let house = Arc::<House>::default();
    let registry = registry(&house, true);
    start(&registry, "one", Some("hall")).await;
    house.until("hall up", 1).await;
    let next = start(&registry, "two", Some("hall")).await;
    house.until("hall called", 2).await;
    house.until("cleaned up", 1).await;
    assert_eq!(house.count("hall stop"), 0);
    assert_eq!(house.count("hall left"), 1);
    let sessions = registry.sessions();
    assert_eq!(sessions.iter().map(|session| &session.id).collect::<Vec<_>>(), [&next]);
}

#[tokio::test]
async fn a_page_that_is_stopped_before_it_comes_does_not_leave_the_one_before() {
    let house = Arc::<House>::default();
    let registry = registry(&house, true);
    start(&registry, "dash", Some("hall")).await;
    house.until("hall up", 1).await;
    house.until("kept", 1).await;
    let token = house.kept.lock().unwrap().values().next().unwrap().tv_token.clone();
    let address = format!("http://127.0.0.1:8000/media/{}/master.m3u8", token.as_str());
    *house.plays.lock().unwrap() = Some(address);
    let next = start(&registry, "other", Some("hall")).await;
    registry.stop(Some(&next)).await;
    assert_eq!((house.count("hall called"), house.count("hall stop")), (2, 1));
}

#[tokio::test]
async fn a_target_that_moves_to_another_tv_ends_the_player_on_the_first() {
    let house = Arc::<House>::default();
    let registry = registry(&house, false);
    let mut request = StartRequest::new("http://dash/".to_owned());
    request.target = Some("kiosk".to_owned());
    registry.start(request.clone(), Some(tv("hall"))).unwrap();
    house.until("hall up", 1).await;
    registry.start(request, Some(tv("loft"))).unwrap();
    house.until("hall stop", 1).await;
    house.until("loft up", 1).await;
}

#[tokio::test]
async fn tvs_with_the_same_page_share_it_until_the_last_one_leaves() {
    let house = Arc::<House>::default();
    let registry = registry(&house, false);
    let mut ids = Vec::new();
    for name in ["hall", "loft", "den", "attic"] {
        ids.push(start(&registry, "dash", Some(name)).await);
        house.until(&format!("{name} up"), 1).await;
    }
    let tokens: Vec<_> = registry.sessions().into_iter().map(|session| session.token).collect();
    assert!((1..4).all(|n| !tokens[..n].contains(&tokens[n])), "each has an address of its own");
    assert_eq!(house.count("encoder"), 1, "more sessions than pages may be open");
    for id in &ids[..3] {
        registry.stop(Some(id)).await;
    }
    assert_eq!(house.count("cleaned up"), 0);
    registry.stop(None).await;
    assert_eq!((house.count("encoder"), house.count("cleaned up")), (1, 1));
}

#[tokio::test]
async fn a_page_that_is_there_already_outlives_the_daemon_once_it_is_on_a_tv() {
    let house = Arc::<House>::default();
    let registry = registry(&house, true);
    start(&registry, "dash", None).await;
    assert_eq!(house.count("bequeathed"), 0);
    start(&registry, "dash", Some("hall")).await;
    assert_eq!((registry.sessions().len(), house.count("bequeathed")), (2, 1));
    registry.shut_down().await;
    assert_eq!((house.count("stream rests"), house.count("stream ends")), (1, 0));
}

#[tokio::test]
async fn a_production_that_ends_is_not_shared() {
    let house = Arc::<House>::default();
    let registry = registry(&house, false);
    start(&registry, "dash", Some("hall")).await;
    house.until("encoder", 1).await;
    let stopping = Arc::clone(&registry);
    let stopping = tokio::spawn(async move { stopping.stop(None).await });
    house.until("stream ends", 1).await;
    start(&registry, "dash", Some("loft")).await;
    house.until("encoder", 2).await;
    stopping.await.unwrap();
    let sessions = registry.sessions();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].state.name, "starting");
    registry.stop(None).await;
}

#[tokio::test]
async fn only_as_many_pages_are_open_as_may_be() {
    let house = Arc::<House>::default();
    let registry = registry(&house, false);
    start(&registry, "one", Some("hall")).await;
    start(&registry, "two", Some("loft")).await;
    let request = StartRequest::new("http://three/".to_owned());
    let error = registry.start(request, Some(tv("den"))).unwrap_err();
    assert_eq!(error.kind, StartErrorKind::Busy);
    // One that takes the place of another fits.
    start(&registry, "three", Some("loft")).await;
    assert_eq!(registry.sessions().len(), 2);
    registry.shut_down().await;
}

#[tokio::test]
async fn another_page_comes_on_the_same_stream_and_the_tv_is_told_nothing() {
    let house = Arc::<House>::default();
    let registry = registry(&house, true);
    let id = start(&registry, "dash", Some("hall")).await;
    house.until("hall up", 1).await;
    house.until("open http://dash/", 1).await;
    let before = registry.session(&id).unwrap();
    let mut changes = registry.changes();
    changes.mark_unchanged();
    registry.navigate(&id, "http://other/d?token=secret#now".to_owned()).await.unwrap();
    assert!(changes.has_changed().unwrap());
    house.until("go to http://other/d?token=secret#now", 1).await;
    let after = registry.session(&id).unwrap();
    assert_eq!(after.url, "http://other/d?token", "no value is shown");
    assert_eq!((&after.id, &after.token), (&before.id, &before.token));
    assert_eq!(after.page, Default::default());
    registry.reload_page(&id).unwrap();
    house.until("reload", 1).await;
    for (count, event) in [
        (1, "hall called"),
        (1, "hall launch"),
        (0, "hall stop"),
        (1, "encoder"),
        (0, "stream ends"),
    ] {
        assert_eq!(house.count(event), count, "{event}");
    }
}

#[tokio::test]
async fn only_a_page_that_may_be_opened_is_gone_to() {
    let house = Arc::<House>::default();
    let registry = registry(&house, false);
    let id = start(&registry, "dash", None).await;
    for (url, words) in [
        ("/d/1", "not a URL"),
        ("file:///etc/passwd", "file"),
        ("http://169.254.169.254/", "link-local"),
        ("http://me:secret@dash/", "password"),
    ] {
        let error = registry.navigate(&id, url.to_owned()).await.unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("secret"), "{url}: {error}");
    }
    let nobody = SessionId::from("nobody");
    let error = registry.navigate(&nobody, "http://dash/".to_owned()).await;
    assert_eq!(error, Err(NavigateError::NoSession));
    assert_eq!(registry.reload_page(&nobody), Err(NavigateError::NoSession));
    assert_eq!(registry.session(&id).unwrap().url, "http://dash/");
}

#[tokio::test]
async fn who_shares_a_page_goes_nowhere_until_it_is_alone() {
    let house = Arc::<House>::default();
    let registry = registry(&house, false);
    let hall = start(&registry, "dash", Some("hall")).await;
    let loft = start(&registry, "dash", Some("loft")).await;
    let go = |id: SessionId| {
        let registry = Arc::clone(&registry);
        async move { registry.navigate(&id, "http://other/".to_owned()).await }
    };
    let error = go(hall.clone()).await.unwrap_err();
    assert_eq!(error, NavigateError::Shared { others: 1 });
    assert!(error.hint().unwrap().contains("Start"), "{error}");
    registry.reload_page(&hall).unwrap();
    house.until("reload", 1).await;
    registry.stop(Some(&hall)).await;
    go(loft.clone()).await.unwrap();
    house.until("go to http://other/", 1).await;
    // It is what it has become, and what it was is opened anew.
    start(&registry, "dash", Some("hall")).await;
    house.until("open http://dash/", 2).await;
    assert_eq!(house.count("encoder"), 2);
    assert_eq!(registry.session(&loft).unwrap().url, "http://other/");
    // Back where it began it is as it was.
    registry.navigate(&loft, "http://dash/".to_owned()).await.unwrap();
    registry.stop(None).await;
}

#[tokio::test]
async fn the_next_daemon_opens_the_page_that_was_gone_to() {
    let house = Arc::<House>::default();
    let before = registry(&house, true);
    let hall = start(&before, "dash", Some("hall")).await;
    house.until("kept", 1).await;
    before.navigate(&hall, "http://other/".to_owned()).await.unwrap();
    assert_eq!(house.count("kept"), 2, "it is on disk when the call returns");
    let loft = start(&before, "dash", Some("loft")).await;
    house.until("kept", 3).await;
    before.navigate(&loft, "http://other/".to_owned()).await.unwrap();
    before.shut_down().await;

    let after = registry(&house, true);
    after.resume().await;
    house.until("open http://other/", 2).await;
    let sessions = after.sessions();
    assert_eq!(sessions.len(), 2);
    assert!(sessions.iter().all(|session| session.url == "http://other/"), "{sessions:?}");
    assert_eq!(house.count("encoder"), 4, "players of two streams are not given one");
}

#[tokio::test]
async fn a_session_that_ends_is_not_kept_for_where_it_went() {
    let house = Arc::<House>::default();
    let registry = registry(&house, true);
    let id = start(&registry, "dash", Some("hall")).await;
    house.until("hall up", 1).await;
    let (stopping, going) = (Arc::clone(&registry), Arc::clone(&registry));
    let session = id.clone();
    let stopping = tokio::spawn(async move { stopping.stop(Some(&session)).await });
    let going = tokio::spawn(async move { going.navigate(&id, "http://other/".to_owned()).await });
    stopping.await.unwrap();
    drop(going.await.unwrap());
    assert!(house.kept.lock().unwrap().is_empty());
}

#[test]
fn a_pages_credentials_stay_with_its_origin() {
    let request = StartRequest::new("http://me:pw@dash:81/a".to_owned());
    let first = request.into_spec(&Defaults::default(), None).unwrap().page;
    let at = |page: &PageSpec, url: &str| page.at(url.parse().unwrap());
    let near = at(&first, "http://dash:81/b");
    assert_eq!(near.url.as_str(), "http://me:pw@dash:81/b");
    let far = at(&near, "http://elsewhere:81/");
    assert_eq!((far.url.as_str(), far.entrance()), ("http://elsewhere:81/", &first.url));
    assert_eq!(at(&far, "http://dash:81/a"), first, "there and back");
}

#[tokio::test]
async fn the_next_daemon_goes_on_with_what_is_on_tvs() {
    let house = Arc::<House>::default();
    let before = registry(&house, true);
    let id = start(&before, "dash", Some("hall")).await;
    start(&before, "other", None).await;
    house.until("hall up", 1).await;
    house.until("kept", 1).await;
    let token = before.session(&id).unwrap().token;
    before.shut_down().await;
    assert_eq!((house.count("hall stop"), house.count("hall left")), (0, 1));
    assert_eq!((house.count("stream rests"), house.count("stream ends")), (1, 1));

    let after = registry(&house, true);
    after.resume().await;
    let sessions = after.sessions();
    assert_eq!(sessions.len(), 1);
    assert_eq!((&sessions[0].id, &sessions[0].token), (&id, &token));
    house.until("hall called", 2).await;
    after.stop(None).await;
    assert!(house.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_the_next_daemon_could_not_go_on_with_can_be_stopped() {
    let house = Arc::<House>::default();
    let before = registry(&house, true);
    start(&before, "dash", Some("hall")).await;
    start(&before, "other", Some("loft")).await;
    house.until("kept", 2).await;
    before.shut_down().await;
    // One page too many, and the last one to be gone on with.
    let mut third = house.kept.lock().unwrap().values().next().unwrap().clone();
    third.id = "zzzzzzzz".into();
    third.spec.target = "third".to_owned();
    third.spec.page.url = "http://third/".parse().unwrap();
    third.spec.cast.as_mut().unwrap().tv = tv("third");
    third.started_at = Timestamp::now();
    let keep = || house.kept.lock().unwrap().insert(third.id.to_string(), third.clone());
    keep();

    let after = registry(&house, true);
    after.resume().await;
    assert_eq!(after.sessions().len(), 2);
    assert_eq!(after.stop(Some(&third.id)).await, Stopped::Stopped);
    assert_eq!((after.sessions().len(), house.kept.lock().unwrap().len()), (2, 2));
    assert_eq!(after.stop(Some(&third.id)).await, Stopped::NotRunning);
    keep();
    after.stop(None).await;
    assert!(house.kept.lock().unwrap().is_empty());
}

/// `[casts.kiosk]`.
fn kiosk(page: &str) -> StartRequest {
    let mut request = StartRequest::new(format!("http://{page}/"));
    request.target = Some("kiosk".to_owned());
    request
}

#[tokio::test]
async fn a_cast_that_runs_as_it_is_described_goes_on() {
    let house = Arc::<House>::default();
    let registry = registry(&house, false);
    let first = registry.keep_going(kiosk("dash"), Some(tv("hall"))).unwrap();
    house.until("hall up", 1).await;
    let again = registry.keep_going(kiosk("dash"), Some(tv("hall"))).unwrap();
    assert_eq!((&again.id, &again.token), (&first.id, &first.token));
    assert_eq!(again.target, "kiosk");
    // The same page for another purpose is another session.
    let other = registry.keep_going(StartRequest::new("http://dash/".to_owned()), None).unwrap();
    assert_ne!(other.id, first.id);
    assert_eq!(registry.sessions().len(), 2);
    for event in ["hall called", "encoder", "open http://dash/"] {
        assert_eq!(house.count(event), 1, "{event}");
    }
}

#[tokio::test]
async fn a_cast_that_is_described_anew_takes_its_own_place() {
    let house = Arc::<House>::default();
    let registry = registry(&house, false);
    let first = registry.keep_going(kiosk("dash"), Some(tv("hall"))).unwrap();
    house.until("hall up", 1).await;
    let next = registry.keep_going(kiosk("other"), Some(tv("hall"))).unwrap();
    assert_ne!(next.id, first.id);
    house.until("open http://other/", 1).await;
    house.until("hall called", 2).await;
    house.until("cleaned up", 1).await;
    assert_eq!(house.count("hall stop"), 0, "its TV plays on");
    assert_eq!(registry.sessions().len(), 1);
}

#[tokio::test]
async fn a_cast_that_went_to_another_page_comes_back_to_its_own() {
    let house = Arc::<House>::default();
    let registry = registry(&house, false);
    let first = registry.keep_going(kiosk("dash"), Some(tv("hall"))).unwrap();
    house.until("open http://dash/", 1).await;
    registry.navigate(&first.id, "http://elsewhere/".to_owned()).await.unwrap();
    let next = registry.keep_going(kiosk("dash"), Some(tv("hall"))).unwrap();
    assert_ne!(next.id, first.id);
    house.until("open http://dash/", 2).await;
    assert_eq!(registry.sessions().len(), 1);
}

#[tokio::test]
async fn a_cast_is_found_again_whatever_else_is_known_of_its_tv() {
    let house = Arc::<House>::default();
    let before = registry(&house, true);
    // A small screen; that it is one is not kept.
    let hall =
        |id: &str, name: &str| TvChoice { name: name.to_owned(), best: Quality::Hd720, ..tv(id) };
    let first = before.keep_going(kiosk("dash"), Some(hall(HALL, HALL))).unwrap();
    house.until("kept", 1).await;
    let named = before.keep_going(kiosk("dash"), Some(hall("hall", "Hall"))).unwrap();
    assert_eq!(named.id, first.id, "it has announced itself");
    before.shut_down().await;

    let after = registry(&house, true);
    after.resume().await;
    let found = after.keep_going(kiosk("dash"), Some(hall("hall", "Hall"))).unwrap();
    assert_eq!(found.id, first.id);
    assert_eq!(after.sessions().len(), 1);
    let moved = after.keep_going(kiosk("dash"), Some(hall("loft", "Loft"))).unwrap();
    assert_ne!(moved.id, first.id, "another TV is another place");
}

#[tokio::test]
async fn a_cast_that_has_ended_is_started_again() {
    let house = Arc::<House>::default();
    let registry = registry(&house, false);
    let first = registry.keep_going(kiosk("dash"), None).unwrap();
    registry.stop(Some(&first.id)).await;
    let next = registry.keep_going(kiosk("dash"), None).unwrap();
    assert_ne!(next.id, first.id);
}

#[tokio::test]
async fn without_a_place_to_keep_things_the_player_ends_with_the_daemon() {
    let house = Arc::<House>::default();
    let registry = registry(&house, false);
    start(&registry, "dash", Some("hall")).await;
    house.until("hall up", 1).await;
    registry.shut_down().await;
    assert_eq!((house.count("hall stop"), house.count("stream ends")), (1, 1));
    let late = registry.start(StartRequest::new("http://dash/".to_owned()), None);
    assert_eq!(late.unwrap_err().kind, StartErrorKind::Busy);
}

#[tokio::test]
async fn a_session_whose_time_ran_out_meanwhile_only_leaves_its_tv() {
    let house = Arc::<House>::default();
    let before = registry(&house, true);
    start(&before, "dash", Some("hall")).await;
    house.until("kept", 1).await;
    before.shut_down().await;
    for order in house.kept.lock().unwrap().values_mut() {
        order.ends_at = Some(Timestamp::now());
        let address =
            format!("http://127.0.0.1:8000/media/{}/master.m3u8", order.tv_token.as_str());
        *house.plays.lock().unwrap() = Some(address);
    }
    let memory = Memory { had_screen: true, ..Memory::default() };
    house.memory.lock().unwrap().insert(DeviceId::new("hall"), memory);
    let [left, launched] = ["hall left", "hall launch"].map(|event| house.count(event));
    let after = registry(&house, true);
    after.resume().await;
    house.until("hall left", left + 1).await;
    assert_eq!((house.count("hall stop"), house.count("hall launch")), (1, launched));
    let mut changes = after.changes();
    changes.wait_for(|()| after.sessions().is_empty()).await.unwrap();
    assert!(house.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_encoder_is_told_what_works_when_it_starts_and_when_that_changes() {
    let house = Arc::<House>::default();
    let gpu = |api| Encoding::Hardware { api, node: "/dev/dri/renderD128".into(), driver: None };
    house.encodings.send_replace([gpu(Api::Vaapi), Encoding::Software].into());
    let registry = registry(&house, false);
    start(&registry, "one", None).await;
    house.until("encode with h264_vaapi, libx264", 1).await;
    house.encodings.send_replace([gpu(Api::Qsv), Encoding::Software].into());
    house.until("prefer h264_qsv, libx264", 1).await;
    registry.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_does_not_wait_for_ever_to_learn_what_works() {
    let house = Arc::<House>::default();
    house.encodings.send_replace([].into());
    let registry = registry(&house, false);
    start(&registry, "one", None).await;
    house.until("encode with ", 1).await;
    house.encodings.send_replace([Encoding::Software].into());
    house.until("prefer libx264", 1).await;
    registry.shut_down().await;
}

#[tokio::test]
async fn a_stream_that_one_of_two_goes_on_with_rests_whoever_ends_last() {
    for _ in 0..8 {
        let house = Arc::<House>::default();
        let registry = registry(&house, true);
        start(&registry, "one", Some("hall")).await;
        start(&registry, "one", None).await;
        registry.shut_down().await;
        assert_eq!((house.count("stream rests"), house.count("stream ends")), (1, 0));
    }
}
