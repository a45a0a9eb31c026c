//! A service that says and does what a test tells it to, also what the real one never would.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::runtime::Runtime;
use zbus::{
    Connection, DBusError, ObjectPath, OwnedObjectPath, OwnedVariant, Variant, connection, fdo,
    interface, object_server::InterfaceRef,
};

use crate::bus::Bus;

const ROOT: &str = "/org/dashboardcast1";
pub(crate) const UUID: &str = "00112233445566778899aabbccddeeff";
/// When all sessions of tests were started.
const STARTED: u64 = 1_700_000_000_000_000;

/// What a test sets of a session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) id: &'static str,
    /// Without one, it is the default.
    pub(crate) target: &'static str,
    pub(crate) url: String,
    pub(crate) state: &'static str,
    pub(crate) tv: &'static str,
    pub(crate) verdict: &'static str,
    pub(crate) why: &'static str,
    pub(crate) title: &'static str,
    pub(crate) problem: &'static str,
}

impl Facts {
    /// A session without a TV.
    pub(crate) fn live(id: &'static str, url: &str) -> Self {
        Self { id, url: url.to_owned(), state: "live", title: "Load", ..Self::default() }
    }

    pub(crate) fn on(self, tv: &'static str, verdict: &'static str, why: &'static str) -> Self {
        Self { tv, verdict, why, ..self }
    }

    /// The cast of the configuration that has this name.
    pub(crate) fn named(self, target: &'static str) -> Self {
        Self { target, ..self }
    }

    pub(crate) fn path(&self) -> OwnedObjectPath {
        format!("{ROOT}/session/{}", self.id).try_into().expect("a path")
    }
}

/// What was asked of the service.
type Calls = Arc<Mutex<Vec<String>>>;
/// The sessions that there are.
type Running = Arc<Mutex<Vec<OwnedObjectPath>>>;

/// An error that the service has a name for.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.dashboardcast1")]
enum Refusal {
    #[zbus(error)]
    ZBus(zbus::Error),
    NoSuchCast(String),
}

struct Manager {
    calls: Calls,
    running: Running,
    /// What the next start makes.
    next: Arc<Mutex<Option<Facts>>>,
    /// Why the next start is refused: the error's name and message.
    refusal: Arc<Mutex<Option<fdo::Error>>>,
}

#[interface(name = "org.dashboardcast1.Manager")]
impl Manager {
    async fn start_cast(
        &self,
        url: String,
        options: HashMap<String, OwnedVariant>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<OwnedObjectPath> {
        let mut options: Vec<_> =
            options.iter().map(|(key, value)| format!("{key}={}", Variant::clone(value))).collect();
        options.sort();
        self.calls.lock().unwrap().push(format!("StartCast {url} {}", options.join(" ")));
        if let Some(error) = self.refusal.lock().unwrap().take() {
            return Err(error);
        }
        let facts = self.next.lock().unwrap().take().expect("a session to start");
        let path = facts.path();
        let session = Session { facts, calls: Arc::clone(&self.calls) };
        connection.object_server().at(&path, session).await?;
        self.running.lock().unwrap().push(path.clone());
        Ok(path)
    }

    /// Finds it among those that run, or makes what the test has prepared.
    async fn start_named(
        &self,
        cast: String,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<OwnedObjectPath, Refusal> {
        self.calls.lock().unwrap().push(format!("StartNamed {cast}"));
        let server = connection.object_server();
        let running = self.running.lock().unwrap().clone();
        for path in running {
            let session = server.interface::<_, Session>(&path).await?;
            if session.get().await.facts.target == cast {
                return Ok(path);
            }
        }
        let Some(facts) = self.next.lock().unwrap().take() else {
            let text = format!("the configuration has no [casts.{cast}]\nIt has hall, loft.");
            return Err(Refusal::NoSuchCast(text));
        };
        let path = facts.path();
        server.at(&path, Session { facts, calls: Arc::clone(&self.calls) }).await?;
        self.running.lock().unwrap().push(path.clone());
        Ok(path)
    }

    async fn stop_cast(
        &self,
        session: ObjectPath<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<()> {
        self.calls.lock().unwrap().push(format!("StopCast {session}"));
        connection.object_server().remove::<Session, _>(&session).await?;
        self.running.lock().unwrap().retain(|running| running.as_str() != session.as_str());
        Ok(())
    }

    async fn stop_all(&self, #[zbus(connection)] connection: &Connection) -> fdo::Result<u32> {
        self.calls.lock().unwrap().push("StopAll".to_owned());
        let running = std::mem::take(&mut *self.running.lock().unwrap());
        for session in &running {
            connection.object_server().remove::<Session, _>(session).await?;
        }
        Ok(running.len() as u32)
    }

    fn reload(&self) -> Vec<String> {
        vec!["sessions.most is 8 now.".to_owned(), "http.listen: after a restart.".to_owned()]
    }
}

struct Session {
    facts: Facts,
    calls: Calls,
}

#[interface(name = "org.dashboardcast1.Session")]
impl Session {
    fn navigate(&self, url: String) {
        self.calls.lock().unwrap().push(format!("Navigate {} {url}", self.facts.id));
    }

    fn reload(&self) {
        self.calls.lock().unwrap().push(format!("Reload {}", self.facts.id));
    }

    fn snapshot(&self) -> Vec<u8> {
        b"\x89PNG\r\n".to_vec()
    }

    fn get_media(&self) -> HashMap<&str, &str> {
        HashMap::from([("hls", "http://127.0.0.1:8000/h"), ("fmp4", "http://127.0.0.1:8000/f")])
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn id(&self) -> &str {
        self.facts.id
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn started_at(&self) -> u64 {
        STARTED + u64::from_str_radix(self.facts.id, 16).unwrap()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn target(&self) -> &str {
        if self.facts.target.is_empty() { "default" } else { self.facts.target }
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn mode(&self) -> &str {
        "hls"
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn audio(&self) -> &str {
        "silent"
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn quality(&self) -> &str {
        "720p"
    }

    #[zbus(property)]
    fn device(&self) -> ObjectPath<'_> {
        let path = match self.facts.tv {
            "" => "/".to_owned(),
            _ => format!("{ROOT}/device/{UUID}"),
        };
        path.try_into().unwrap()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn device_name(&self) -> &str {
        self.facts.tv
    }

    #[zbus(property)]
    fn url(&self) -> &str {
        &self.facts.url
    }

    #[zbus(property)]
    fn state(&self) -> &str {
        self.facts.state
    }

    #[zbus(property)]
    fn verdict(&self) -> &str {
        self.facts.verdict
    }

    #[zbus(property)]
    fn cast_state(&self) -> &str {
        if self.facts.verdict == "taken-over" { "stood-down" } else { "playing" }
    }

    #[zbus(property)]
    fn verdict_reason(&self) -> &str {
        self.facts.why
    }

    #[zbus(property)]
    fn page_title(&self) -> &str {
        self.facts.title
    }

    #[zbus(property)]
    fn page_status(&self) -> u16 {
        200
    }

    #[zbus(property)]
    fn page_problem(&self) -> &str {
        self.facts.problem
    }

    #[zbus(property)]
    fn encoder(&self) -> &str {
        if self.facts.state == "starting" { "" } else { "libx264" }
    }

    #[zbus(property)]
    fn width(&self) -> u32 {
        1280
    }

    #[zbus(property)]
    fn height(&self) -> u32 {
        720
    }

    #[zbus(property)]
    fn frame_rate(&self) -> u32 {
        30
    }

    #[zbus(property)]
    fn bit_rate(&self) -> u64 {
        2_500_000
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn segments(&self) -> u64 {
        12
    }

    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn timeline(&self) -> Vec<(u64, String, String, u32)> {
        vec![(STARTED, "playing".to_owned(), "it plays".to_owned(), 2)]
    }
}

struct Device;

#[interface(name = "org.dashboardcast1.Device")]
impl Device {
    #[zbus(property)]
    fn id(&self) -> &str {
        UUID
    }

    #[zbus(property)]
    fn uuid(&self) -> &str {
        UUID
    }

    #[zbus(property)]
    fn name(&self) -> &str {
        "Kitchen"
    }

    #[zbus(property)]
    fn model(&self) -> &str {
        "Chromecast\x1b[31m"
    }

    #[zbus(property)]
    fn addresses(&self) -> Vec<String> {
        vec!["192.168.1.20".to_owned()]
    }

    #[zbus(property)]
    fn port(&self) -> u16 {
        8009
    }

    #[zbus(property)]
    fn found(&self) -> &str {
        "announced"
    }

    #[zbus(property)]
    fn default(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn session(&self) -> ObjectPath<'_> {
        "/org/dashboardcast1/session/1a2b3c4d".try_into().unwrap()
    }
}

struct Health {
    status: &'static str,
}

#[interface(name = "org.dashboardcast1.Health")]
impl Health {
    fn check(&self) -> HashMap<String, Variant<'static>> {
        let acceleration = HashMap::from([("encoder", Variant::from("libx264"))]);
        HashMap::from([
            ("status".to_owned(), Variant::from(self.status)),
            ("active_streams".to_owned(), Variant::from(1_u64)),
            ("problems".to_owned(), Variant::from(vec!["TV Hall: it is off"])),
            ("hardware_acceleration".to_owned(), Variant::from(acceleration)),
        ])
    }
}

/// The service on a bus, until it is dropped.
pub(crate) struct Fake {
    runtime: Runtime,
    connection: Connection,
    calls: Calls,
    next: Arc<Mutex<Option<Facts>>>,
    refusal: Arc<Mutex<Option<fdo::Error>>>,
}

impl Fake {
    #[track_caller]
    pub(crate) fn start(bus: &Bus, sessions: &[Facts]) -> Self {
        Self::start_as(bus, sessions, "degraded")
    }

    /// One in which nothing runs, and whose first start makes this.
    #[track_caller]
    pub(crate) fn start_for(bus: &Bus, next: Facts) -> Self {
        Self::build(bus, &[], "degraded", Some(next))
    }

    #[track_caller]
    pub(crate) fn start_as(bus: &Bus, sessions: &[Facts], status: &'static str) -> Self {
        Self::build(bus, sessions, status, None)
    }

    #[track_caller]
    fn build(bus: &Bus, sessions: &[Facts], status: &'static str, next: Option<Facts>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("starting a runtime");
        let (calls, refusal) = (Calls::default(), Arc::default());
        let next = Arc::new(Mutex::new(next));
        let running = sessions.iter().map(Facts::path).collect();
        let manager = Manager {
            calls: Arc::clone(&calls),
            running: Arc::new(Mutex::new(running)),
            next: Arc::clone(&next),
            refusal: Arc::clone(&refusal),
        };
        let connection = runtime.block_on(async {
            let mut builder = connection::Builder::address(bus.address.as_str())
                .serve_at(ROOT, fdo::ObjectManager)
                .serve_at(ROOT, manager)
                .serve_at(ROOT, Health { status })
                .serve_at(format!("{ROOT}/device/{UUID}"), Device);
            for facts in sessions {
                let session = Session { facts: facts.clone(), calls: Arc::clone(&calls) };
                builder = builder.serve_at(facts.path(), session);
            }
            builder.name("org.dashboardcast1").build().await
        });
        let connection = connection.expect("serving the fake");
        Self { runtime, connection, calls, next, refusal }
    }

    /// What the next start makes.
    pub(crate) fn will_start(&self, facts: Facts) {
        *self.next.lock().unwrap() = Some(facts);
    }

    pub(crate) fn will_refuse(&self, error: fdo::Error) {
        *self.refusal.lock().unwrap() = Some(error);
    }

    /// What was asked of it since the last time.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// The session is now like this, and says so.
    #[track_caller]
    pub(crate) fn change(&self, facts: Facts) {
        self.runtime.block_on(async {
            let session: InterfaceRef<Session> =
                self.connection.object_server().interface(facts.path()).await.expect("a session");
            session.get_mut().await.facts = facts;
            let emitter = session.signal_emitter();
            session.get().await.state_changed(emitter).await.expect("telling a change");
            session.get().await.verdict_changed(emitter).await.expect("telling a change");
        });
    }

    #[track_caller]
    pub(crate) fn add(&self, facts: Facts) {
        let (path, calls) = (facts.path(), Arc::clone(&self.calls));
        let server = self.connection.object_server();
        let adding = server.at(path, Session { facts, calls });
        self.runtime.block_on(adding).expect("adding a session");
    }
}
