//! A TV that does what a test says: a Google Cast receiver as far as a sender can see it, with people
//! in front of it and faults in it.
//!
//! It shares no code with the client that it tests. It runs in a thread of its own, so tests of any
//! kind can have one; all methods return at once.

mod answers;
mod certificate;
mod server;
mod wire;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, mpsc as std_mpsc},
    thread,
    time::Instant,
};

use serde_json::{Value, json};
use tokio::{runtime, sync::mpsc};

pub(crate) use certificate::{Validity, make_certificate};
pub(crate) use wire::{
    CONNECTION, Envelope, HEARTBEAT, IDLE_SCREEN, MEDIA, PLAYER, RECEIVER, frame,
};

/// Something that a sender said to the TV.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Which of the TV's connections, in their order, from 1.
    pub(crate) connection: usize,
    pub(crate) destination: String,
    pub(crate) namespace: String,
    pub(crate) body: Value,
}

impl Call {
    pub(crate) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }
}

/// What runs on the TV.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) session: String,
    pub(crate) transport: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Media {
    pub(crate) session: i64,
    pub(crate) content: String,
    /// As on the wire.
    pub(crate) state: &'static str,
    pub(crate) idle_reason: Option<&'static str>,
    /// What it had played when it last began to move, and when that was.
    played: f64,
    since: Instant,
}

impl Media {
    pub(crate) fn position(&self) -> f64 {
        let moving = if self.state == "PLAYING" { self.since.elapsed().as_secs_f64() } else { 0.0 };
        self.played + moving
    }

    fn set(&mut self, state: &'static str) {
        (self.played, self.since) = (self.position(), Instant::now());
        self.state = state;
    }
}

#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) app: Option<App>,
    pub(crate) media: Option<Media>,
    pub(crate) volume: f64,
    pub(crate) muted: bool,
    /// `None`: this TV does not say.
    pub(crate) standby: Option<bool>,
    pub(crate) active_input: Option<bool>,
}

/// What the TV does wrong, or differently. All off at first; they can be changed at any time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Accepts the connection and closes it in the middle of the handshake.
    pub(crate) dies_in_handshake: bool,
    /// Answers nothing at all, not even PING.
    pub(crate) silent: bool,
    pub(crate) no_pong: bool,
    /// Answers no request of this type.
    pub(crate) ignores: Option<&'static str>,
    /// The reasons of the next LAUNCH_ERRORs.
    pub(crate) launch_errors: Vec<&'static str>,
    /// Asks the person before a launch.
    pub(crate) asks_permission: bool,
    /// Answers LOAD with this message, without its `requestId`.
    pub(crate) load_answer: Option<Value>,
    /// Says this ERROR before the answer to LOAD.
    pub(crate) error_code: Option<i64>,
    /// Goes through "IDLE, but LOADING" before it plays.
    pub(crate) loads_first: bool,
    /// Sends no list of applications when nothing runs.
    pub(crate) no_list: bool,
    /// Answers media requests with an empty list, whatever plays.
    pub(crate) empty_media_status: bool,
    /// Answers requests of this type with INVALID_REQUEST.
    pub(crate) refuses: Option<&'static str>,
    /// Writes frames byte by byte.
    pub(crate) splits_frames: bool,
    /// Puts an answer and two more messages into one write.
    pub(crate) coalesces: bool,
    /// Closes the connection to an app as soon as it is there.
    pub(crate) closes_channels: bool,
}

enum Order {
    /// To every connection.
    Send(Vec<u8>),
    /// Cuts every connection.
    Cut,
    /// Off: cuts them and stops listening, and says when that is done.
    Off(std_mpsc::Sender<()>),
    On(SocketAddr, std_mpsc::Sender<io::Result<()>>),
}

struct Shared {
    state: State,
    faults: Faults,
    calls: Vec<Call>,
    connections: usize,
    /// Runs of apps and loads so far.
    runs: i64,
    loads: i64,
    /// The launch that waits for the person: who asked, and its number.
    asked: Option<(usize, i64)>,
}

pub(crate) struct ScriptedTv {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<thread::JoinHandle<()>>,
}

impl ScriptedTv {
    /// A TV on the loopback that shows its idle screen.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::start_with(Faults::default())
    }

    #[track_caller]
    pub(crate) fn start_with(faults: Faults) -> Self {
        let mut shared = Shared {
            state: State {
                app: None,
                media: None,
                volume: 0.5,
                muted: false,
                standby: Some(false),
                active_input: Some(true),
            },
            faults,
            calls: Vec::new(),
            connections: 0,
            runs: 0,
            loads: 0,
            asked: None,
        };
        shared.open(IDLE_SCREEN, "Backdrop");
        let shared = Arc::new(Mutex::new(shared));
        let (orders, inbox) = mpsc::unbounded_channel();
        let (ready, address) = std_mpsc::channel();
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async {
                    let listener =
                        server::listen((Ipv4Addr::LOCALHOST, 0).into()).expect("a listener");
                    ready.send(listener.local_addr().expect("an address")).expect("the test");
                    server::serve(listener, &shared, inbox).await;
                });
            }
        });
        let address = address.recv().expect("the TV's address");
        Self { address, shared, orders, thread: Some(thread) }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn state(&self) -> State {
        self.lock().state.clone()
    }

    /// All that was said to the TV, but for heartbeats.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.lock().calls.iter().filter(|call| call.namespace != HEARTBEAT).cloned().collect()
    }

    pub(crate) fn calls_of(&self, kind: &str) -> Vec<Call> {
        self.lock().calls.iter().filter(|call| call.kind() == kind).cloned().collect()
    }

    /// How many times somebody connected, or tried to.
    pub(crate) fn connections(&self) -> usize {
        self.lock().connections
    }

    pub(crate) fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.lock().faults);
    }

    // What people at the TV do.

    pub(crate) fn press_stop(&self) {
        self.media_ends("CANCELLED");
    }

    pub(crate) fn press_pause(&self) {
        self.change_media(|media| media.set("PAUSED"));
    }

    pub(crate) fn press_play(&self) {
        self.change_media(|media| media.set("PLAYING"));
    }

    /// Another app takes the screen.
    pub(crate) fn open_app(&self, name: &str) {
        self.change_app(|shared| shared.open("CA5E8412", name));
    }

    /// Home: the idle screen.
    pub(crate) fn press_home(&self) {
        self.change_app(|shared| shared.open(IDLE_SCREEN, "Backdrop"));
    }

    /// Another sender plays something in the same player.
    pub(crate) fn load_other(&self, content: &str) {
        self.media_ends("INTERRUPTED");
        let mut shared = self.lock();
        shared.load(content);
        shared.tell_media(&self.orders);
    }

    /// Nothing runs, not even the idle screen.
    pub(crate) fn clear_screen(&self) {
        self.change_app(|shared| (shared.state.app, shared.state.media) = (None, None));
    }

    pub(crate) fn set_volume(&self, level: f64, muted: bool) {
        self.change_receiver(|state| (state.volume, state.muted) = (level, muted));
    }

    /// The TV goes to standby; its player does not know.
    pub(crate) fn switch_to_standby(&self) {
        self.change_receiver(|state| {
            (state.standby, state.active_input) = (Some(true), Some(false));
        });
    }

    /// The person says whether the launch that waits may go on.
    #[track_caller]
    pub(crate) fn answer_permission(&self, allowed: bool) {
        let mut shared = self.lock();
        let (_, request) = shared.asked.take().expect("nobody was asked");
        let word = if allowed { "USER_ALLOWED" } else { "USER_NOT_ALLOWED" };
        let body = json!({"type": "LAUNCH_STATUS", "launchRequestId": request, "status": word});
        self.broadcast("receiver-0", RECEIVER, &body);
        if allowed {
            shared.open(PLAYER, "Default Media Receiver");
            let status = shared.receiver_status(request);
            self.broadcast("receiver-0", RECEIVER, &status);
        }
    }

    // What goes wrong.

    /// The player ends what plays, for this reason.
    pub(crate) fn media_ends(&self, reason: &'static str) {
        self.change_media(|media| {
            media.set("IDLE");
            media.idle_reason = Some(reason);
        });
        self.lock().state.media = None;
    }

    pub(crate) fn player_error(&self, code: i64) {
        if let Some(app) = self.state().app {
            let body = json!({"type": "ERROR", "detailedErrorCode": code, "itemId": 1});
            self.broadcast(&app.transport, MEDIA, &body);
        }
        self.media_ends("ERROR");
    }

    /// The app on the TV closes its connections, and runs on.
    pub(crate) fn close_channels(&self) {
        if let Some(app) = self.state().app {
            self.broadcast(&app.transport, CONNECTION, &json!({"type": "CLOSE"}));
        }
    }

    /// The TV itself ends the conversation.
    pub(crate) fn dismiss(&self) {
        self.broadcast("receiver-0", CONNECTION, &json!({"type": "CLOSE"}));
    }

    /// To everybody connected.
    pub(crate) fn broadcast(&self, source: &str, namespace: &str, body: &Value) {
        self.send_raw(Envelope::new(source, "*", namespace, body).frame());
    }

    pub(crate) fn send_raw(&self, bytes: Vec<u8>) {
        self.order(Order::Send(bytes));
    }

    /// Wi-Fi or the TV's network stack: all connections are gone.
    pub(crate) fn cut(&self) {
        self.order(Order::Cut);
    }

    /// Nothing listens any more when this returns, and nothing runs.
    #[track_caller]
    pub(crate) fn power_off(&self) {
        let (done, wait) = std_mpsc::channel();
        self.order(Order::Off(done));
        wait.recv().expect("the TV");
        let mut shared = self.lock();
        (shared.state.app, shared.state.media) = (None, None);
    }

    /// Back, with the idle screen, at the same address or at another one of the loopback.
    #[track_caller]
    pub(crate) fn power_on(&mut self, address: SocketAddr) {
        self.lock().open(IDLE_SCREEN, "Backdrop");
        let (done, wait) = std_mpsc::channel();
        self.order(Order::On(address, done));
        wait.recv().expect("the TV").expect("listening again");
        self.address = address;
    }

    #[track_caller]
    pub(crate) fn reboot(&mut self) {
        self.power_off();
        self.power_on(self.address);
    }

    fn change_media(&self, change: impl FnOnce(&mut Media)) {
        let mut shared = self.lock();
        if let Some(media) = &mut shared.state.media {
            change(media);
            shared.tell_media(&self.orders);
        }
    }

    fn change_receiver(&self, change: impl FnOnce(&mut State)) {
        let mut shared = self.lock();
        change(&mut shared.state);
        self.broadcast("receiver-0", RECEIVER, &shared.receiver_status(0));
    }

    /// The app that ran closes its connections, as it does on real TVs, before anything is said.
    fn change_app(&self, change: impl FnOnce(&mut Shared)) {
        self.close_channels();
        let mut shared = self.lock();
        change(&mut shared);
        self.broadcast("receiver-0", RECEIVER, &shared.receiver_status(0));
    }

    fn order(&self, order: Order) {
        // A TV that is gone has panicked, and the test hears of it when it is dropped.
        drop(self.orders.send(order));
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("the TV")
    }
}

impl Drop for ScriptedTv {
    fn drop(&mut self) {
        let (orders, _) = mpsc::unbounded_channel();
        drop(std::mem::replace(&mut self.orders, orders));
        if let Some(Err(panic)) = self.thread.take().map(thread::JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
