//! A core and streams that do as the test says.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use dashboard_cast::{
    activity::Activity,
    cast::{Device, Found, Power},
    control::{Changes, Core, DiagnoseError, ReloadError},
    gpu::{EncoderView, GpuView},
    http::{Access, App, Limits, Live, Media},
    ids::{DeviceId, MediaToken, SessionId},
    session::{
        Health, NavigateError, PageView, PictureError, Snapshot, StartError, StartErrorKind,
        StartRequest, StateView, Stopped, StreamView,
        cast::{CastView, Entry, Finding, Lag, Verdict},
    },
    units::{BitRate, FrameRate, Size},
};
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

pub(crate) const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\nnot really";
pub(crate) const INIT: &[u8] = b"ftyp and moov";
pub(crate) const SEGMENT: &[u8] = b"0123456789";

/// A token that `MediaToken` can hold without drawing one.
pub(crate) fn media_token(text: &str) -> MediaToken {
    serde_json::from_value(text.into()).unwrap()
}

pub(crate) fn snapshot(id: &str) -> Snapshot {
    Snapshot {
        id: SessionId::from(id),
        token: media_token(&format!("token-of-{id}")),
        state: StateView { name: "live", detail: None },
        started_at: "2026-03-01T10:00:00Z".parse().unwrap(),
        target: "default".to_owned(),
        url: "http://dash:3000/".to_owned(),
        quality: Default::default(),
        mode: Default::default(),
        audio: Default::default(),
        page: PageView {
            title: Some("A dashboard".to_owned()),
            http_status: Some(200),
            ..PageView::default()
        },
        stream: Some(StreamView {
            encoder: "libx264".to_owned(),
            size: Size::new(1920, 1080),
            frame_rate: FrameRate::DEFAULT,
            bit_rate: BitRate::from_kbit(5000),
            sent: None,
            segments: 12,
            discontinuities: 0,
        }),
        tv: None,
        cast: None,
    }
}

pub(crate) fn cast() -> CastView {
    let since = "2026-03-01T10:00:00Z".parse().unwrap();
    CastView {
        state: StateView { name: "playing", detail: None },
        verdict: Verdict { finding: Finding::Confirmed, why: "it plays".to_owned(), since },
        lag: Lag::of(Duration::from_secs(2)),
    }
}

pub(crate) fn device() -> Device {
    let id = DeviceId::new("0123456789abcdef0123456789abcdef");
    Device {
        id: id.clone(),
        uuid: Some(id),
        name: "Living room".to_owned(),
        model: Some("Chromecast".to_owned()),
        addresses: vec!["192.168.1.20:8009".parse().unwrap(), "[fe80::1%2]:8009".parse().unwrap()],
        port: 8009,
        found: Found::Both,
        last_seen: Some("2026-03-01T10:00:00Z".parse().unwrap()),
        status: Some("Casting: News".to_owned()),
        power: Some(Power::On),
        problem: None,
        default: true,
    }
}

/// One on which one of two ways to encode works.
pub(crate) fn gpu() -> GpuView {
    let nothing = EncoderView {
        works: false,
        rate_control: None,
        va_driver: None,
        reason: Some("no-runtime".to_owned()),
        problem: Some("no QuickSync runtime for this GPU: -9".to_owned()),
        remedy: Some("apt install libmfx-gen1.2".to_owned()),
    };
    let works = EncoderView {
        works: true,
        rate_control: Some("VBR".to_owned()),
        va_driver: Some("Intel iHD driver".to_owned()),
        reason: None,
        problem: None,
        remedy: None,
    };
    GpuView {
        node: "/dev/dri/renderD128".to_owned(),
        name: "Intel Coffee Lake".to_owned(),
        pci: Some("0000:00:02.0".to_owned()),
        driver: Some("i915".to_owned()),
        usable: true,
        problem: None,
        encoders: [("h264_qsv".to_owned(), nothing), ("h264_vaapi".to_owned(), works)].into(),
    }
}

#[derive(Default)]
pub(crate) struct FakeCore {
    pub(crate) sessions: Mutex<Vec<Snapshot>>,
    pub(crate) requests: Mutex<Vec<StartRequest>>,
    pub(crate) refusal: Mutex<Option<StartErrorKind>>,
    pub(crate) picture: Mutex<Option<PictureError>>,
    /// Why no session goes to another page or loads its own again.
    pub(crate) refused_page: Mutex<Option<NavigateError>>,
    /// What reading the configuration again comes to, once. Without it, there are no files.
    pub(crate) reload: Mutex<Option<Result<Vec<String>, ReloadError>>>,
    pub(crate) problems: Mutex<Vec<String>>,
    pub(crate) devices: Mutex<Vec<Device>>,
    pub(crate) gpus: Mutex<Vec<GpuView>>,
    /// When set, `start` waits for it.
    pub(crate) hold: Mutex<Option<Arc<Notify>>>,
    pub(crate) finished_starts: AtomicUsize,
    /// What each session's timeline is.
    pub(crate) timeline: Mutex<Arc<[Entry]>>,
    /// How often sessions and TVs were asked for.
    pub(crate) questions: AtomicUsize,
    changed: (watch::Sender<()>, watch::Sender<()>, watch::Sender<()>),
}

impl FakeCore {
    /// Says that anything may not be as it was.
    pub(crate) fn tell(&self) {
        self.tell_of_sessions();
        self.changed.1.send_replace(());
        self.changed.2.send_replace(());
    }

    /// Says that sessions are not as they were: one change, which is followed once.
    pub(crate) fn tell_of_sessions(&self) {
        self.changed.0.send_replace(());
    }
}

impl Core for FakeCore {
    async fn start(&self, request: StartRequest) -> Result<Snapshot, StartError> {
        let hold = self.hold.lock().unwrap().clone();
        if let Some(hold) = hold {
            hold.notified().await;
        }
        if let Some(kind) = *self.refusal.lock().unwrap() {
            return Err(StartError {
                kind,
                message: "the core said no".to_owned(),
                hint: Some("Ask otherwise.".to_owned()),
            });
        }
        let mut started = snapshot("5e551011");
        started.mode = request.mode;
        started.quality = request.quality.unwrap_or_default();
        started.target = request.target.clone().unwrap_or_else(|| "default".to_owned());
        self.requests.lock().unwrap().push(request);
        *self.sessions.lock().unwrap() = vec![started.clone()];
        self.tell_of_sessions();
        self.finished_starts.fetch_add(1, Ordering::SeqCst);
        Ok(started)
    }

    async fn start_named(&self, cast: String) -> Result<Snapshot, StartError> {
        let running = self.sessions().into_iter().find(|session| session.target == cast);
        if let Some(running) = running {
            return Ok(running);
        }
        let mut request = StartRequest::new("http://dash:3000/".to_owned());
        request.target = Some(cast);
        self.start(request).await
    }

    async fn stop(&self, session: Option<SessionId>) -> Stopped {
        let mut sessions = self.sessions.lock().unwrap();
        let before = sessions.len();
        sessions.retain(|running| session.as_ref().is_some_and(|id| *id != running.id));
        if sessions.len() == before {
            return Stopped::NotRunning;
        }
        self.tell_of_sessions();
        Stopped::Stopped
    }

    async fn navigate(&self, session: &SessionId, url: String) -> Result<(), NavigateError> {
        if let Some(error) = self.refused_page.lock().unwrap().clone() {
            return Err(error);
        }
        let mut sessions = self.sessions.lock().unwrap();
        let session = sessions.iter_mut().find(|running| running.id == *session);
        session.ok_or(NavigateError::NoSession)?.url = url;
        self.tell_of_sessions();
        Ok(())
    }

    async fn reload_page(&self, session: &SessionId) -> Result<(), NavigateError> {
        if let Some(error) = self.refused_page.lock().unwrap().clone() {
            return Err(error);
        }
        let mut sessions = self.sessions.lock().unwrap();
        let session = sessions.iter_mut().find(|running| running.id == *session);
        session.ok_or(NavigateError::NoSession)?.page.reloads += 1;
        self.tell_of_sessions();
        Ok(())
    }

    async fn diagnose(&self) -> Result<Value, DiagnoseError> {
        Ok(json!({
            "version": "1.2.3",
            "verdict": "fail",
            "causes": ["render-node"],
            "checks": [{
                "id": "render-node",
                "question": "Does the GPU have a node here?",
                "subject": "gpu",
                "verdict": "fail",
                "says": "/dev/dri/renderD128 is not there",
                "fixes": [{
                    "place": "host",
                    "words": "give the container the node",
                    "commands": ["pct reboot CTID"],
                }],
                "manual": "dashboard-cast(8), GPUS",
            }],
        }))
    }

    async fn reload(&self) -> Result<Vec<String>, ReloadError> {
        self.reload.lock().unwrap().take().unwrap_or(Err(ReloadError::NoSource))
    }

    fn sessions(&self) -> Vec<Snapshot> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        self.sessions.lock().unwrap().clone()
    }

    fn session(&self, session: &SessionId) -> Option<Snapshot> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        let sessions = self.sessions.lock().unwrap();
        sessions.iter().find(|running| running.id == *session).cloned()
    }

    async fn picture(&self, session: &SessionId) -> Result<Bytes, PictureError> {
        if let Some(error) = self.picture.lock().unwrap().clone() {
            return Err(error);
        }
        self.session(session).ok_or(PictureError::NoSession)?;
        Ok(Bytes::from_static(PICTURE))
    }

    fn timeline(&self, session: &SessionId) -> Option<Arc<[Entry]>> {
        let sessions = self.sessions.lock().unwrap();
        let session = sessions.iter().find(|running| running.id == *session);
        session.map(|_| Arc::clone(&self.timeline.lock().unwrap()))
    }

    fn health(&self) -> Health {
        Health {
            encoder: Some("libx264".to_owned()),
            quicksync_available: false,
            encoder_reason: Some("There is no GPU.".to_owned()),
            cast_device_available: !self.devices.lock().unwrap().is_empty(),
            problems: self.problems.lock().unwrap().clone(),
        }
    }

    fn devices(&self) -> Vec<Device> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        self.devices.lock().unwrap().clone()
    }

    fn gpus(&self) -> Vec<GpuView> {
        self.gpus.lock().unwrap().clone()
    }

    fn changes(&self) -> Changes {
        let (sessions, devices, gpus) = &self.changed;
        Changes {
            sessions: sessions.subscribe(),
            devices: devices.subscribe(),
            gpus: gpus.subscribe(),
        }
    }
}

pub(crate) struct FakeLive {
    /// The playlist, once there is a first segment.
    pub(crate) playlist: watch::Sender<Option<String>>,
    /// The playlist with the segment that comes soon.
    pub(crate) due: Option<String>,
    /// Chunks of the endless file; it never ends after them.
    pub(crate) chunks: Vec<Bytes>,
}

impl Default for FakeLive {
    fn default() -> Self {
        Self {
            playlist: watch::Sender::new(Some("#EXTM3U\n".to_owned())),
            due: None,
            chunks: vec![Bytes::from_static(INIT), Bytes::from_static(SEGMENT)],
        }
    }
}

impl Live for FakeLive {
    fn master_playlist(&self) -> Option<String> {
        self.playlist.borrow().clone()
    }

    fn media_playlist(&self) -> Option<String> {
        self.playlist.borrow().clone()
    }

    fn init(&self, number: u32) -> Option<Bytes> {
        (number == 0).then_some(Bytes::from_static(INIT))
    }

    fn segment(&self, sequence: u64) -> Option<Bytes> {
        (sequence == 7).then_some(Bytes::from_static(SEGMENT))
    }

    async fn ready(&self) {
        let mut playlist = self.playlist.subscribe();
        let _ = playlist.wait_for(Option::is_some).await;
    }

    async fn fresh(&self) {
        if let Some(due) = &self.due {
            self.playlist.send_replace(Some(due.clone()));
        }
    }

    fn progressive(self: &Arc<Self>) -> impl Stream<Item = Bytes> + Send + 'static {
        stream::iter(self.chunks.clone()).chain(stream::pending())
    }
}

#[derive(Default)]
pub(crate) struct FakeMedia(pub(crate) HashMap<String, Arc<FakeLive>>);

impl Media for FakeMedia {
    type Live = FakeLive;

    fn get(&self, token: &str) -> Option<Arc<FakeLive>> {
        self.0.get(token).cloned()
    }
}

/// An app with one stream, under the token `t0k3n`, open to this machine.
pub(crate) fn app() -> App<FakeCore, FakeMedia> {
    app_with(FakeLive::default(), Access::new(None, false, []))
}

pub(crate) fn app_with(live: FakeLive, access: Access) -> App<FakeCore, FakeMedia> {
    App {
        core: Arc::new(FakeCore::default()),
        media: Arc::new(FakeMedia(HashMap::from([("t0k3n".to_owned(), Arc::new(live))]))),
        access: Arc::new(access),
        limits: Limits::default(),
        activity: Activity::default(),
    }
}
