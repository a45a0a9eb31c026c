//! HTTP and D-Bus say the same, and who only listens to signals knows it as well.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::Request,
};
use dashboard_cast::{
    activity::Activity,
    cast::{Device, Power},
    gpu::GpuView,
    http::{Access, App, Connection, Limits, router},
    ids::DeviceId,
    session::{
        Sent, StateView,
        cast::{CastView, ChainLink, Finding, Lag, Verdict},
        tv::TvChoice,
    },
    units::BitRate,
};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use proptest::{prelude::*, sample::select, test_runner::TestRunner};
use serde_json::{Map, Value, json};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};
use tower::ServiceExt as _;
use zbus::{MessageStream, OwnedVariant, Variant};

use crate::{
    contract::annotations,
    fake::{FakeMedia, device, gpu, snapshot},
    house::{
        Client, DEVICE, HEALTH, House, MANAGER, Objects, PATIENCE, Properties, ROOT, SESSION,
        session_path,
    },
};

/// Something that happens to the sessions or the TVs; numbers choose among few, so that things meet.
#[derive(Clone, Debug)]
enum Happening {
    Start { session: u8, tv: Option<u8> },
    Stop { session: u8 },
    State { session: u8, state: u8, detail: Option<String> },
    Page { session: u8, title: Option<String>, status: Option<u16>, problem: Option<String> },
    Stream { session: u8, is_there: bool, encoder: u8, segments: u32, discontinuities: u32 },
    Cast { session: u8, finding: u8, why: String, since: u32, lag: Option<u16> },
    Tv { tv: u8, is_there: bool, name: String, status: Option<String>, problem: Option<String> },
    Power { tv: u8, power: Option<Power> },
    Problems { problems: Vec<String> },
    Gpus { usable: Vec<bool>, name: String, problem: Option<String> },
}

const STATES: [&str; 4] = ["starting", "live", "recovering", "stopping"];
const FINDINGS: [Finding; 6] = [
    Finding::Confirmed,
    Finding::CoveredSuspected,
    Finding::TakenOver,
    Finding::TvOff,
    Finding::Broken(ChainLink::Network),
    Finding::Broken(ChainLink::Page),
];

fn happening() -> impl Strategy<Value = Happening> {
    let word = || "[ -~äß\0]{0,8}";
    let maybe = || proptest::option::of("[ -~äß\0]{1,8}");
    let session = || 0..4_u8;
    prop_oneof![
        2 => (session(), proptest::option::of(0..3_u8))
            .prop_map(|(session, tv)| Happening::Start { session, tv }),
        1 => session().prop_map(|session| Happening::Stop { session }),
        2 => (session(), any::<u8>(), maybe())
            .prop_map(|(session, state, detail)| Happening::State { session, state, detail }),
        2 => (session(), maybe(), proptest::option::of(100..600_u16), maybe()).prop_map(
            |(session, title, status, problem)| Happening::Page { session, title, status, problem }
        ),
        1 => (session(), any::<bool>(), any::<u8>(), any::<u32>(), any::<u32>()).prop_map(
            |(session, is_there, encoder, segments, discontinuities)| Happening::Stream {
                session, is_there, encoder, segments, discontinuities
            }
        ),
        2 => (session(), any::<u8>(), word(), any::<u32>(), proptest::option::of(0..60_000_u16))
            .prop_map(|(session, finding, why, since, lag)| Happening::Cast {
                session, finding, why, since, lag
            }),
        2 => (0..3_u8, any::<bool>(), word(), maybe(), maybe()).prop_map(
            |(tv, is_there, name, status, problem)| Happening::Tv {
                tv, is_there, name, status, problem
            }
        ),
        1 => (0..3_u8, select(vec![None, Some(Power::On), Some(Power::Standby)]))
            .prop_map(|(tv, power)| Happening::Power { tv, power }),
        1 => proptest::collection::vec(word(), 0..3)
            .prop_map(|problems| Happening::Problems { problems }),
        1 => (proptest::collection::vec(any::<bool>(), 0..3), word(), maybe())
            .prop_map(|(usable, name, problem)| Happening::Gpus { usable, name, problem }),
    ]
}

fn tv_address(tv: u8) -> String {
    format!("192.168.1.2{tv}:8009")
}

fn tv_id(tv: u8) -> String {
    // The last one is known by its address only.
    if tv == 2 { tv_address(tv) } else { format!("{tv:032x}") }
}

impl House {
    fn let_happen(&self, happening: Happening) {
        let change = |id: u8, change: &dyn Fn(&mut dashboard_cast::session::Snapshot)| {
            let mut sessions = self.core.sessions.lock().unwrap();
            let id = format!("0000000{id}");
            sessions.iter_mut().filter(|session| session.id.as_str() == id).for_each(change);
        };
        match happening {
            Happening::Start { session, tv } => {
                let mut started = snapshot(&format!("0000000{session}"));
                started.tv = tv.map(|tv| TvChoice {
                    id: DeviceId::new(tv_id(tv)),
                    name: format!("TV {tv}"),
                    best: Default::default(),
                });
                let mut sessions = self.core.sessions.lock().unwrap();
                sessions.retain(|running| running.id != started.id);
                sessions.push(started);
            }
            Happening::Stop { session } => {
                let id = format!("0000000{session}");
                self.core.sessions.lock().unwrap().retain(|running| running.id.as_str() != id);
            }
            Happening::State { session, state, detail } => change(session, &|session| {
                let name = STATES[usize::from(state) % STATES.len()];
                session.state = StateView { name, detail: detail.clone() };
            }),
            Happening::Page { session, title, status, problem } => change(session, &|session| {
                session.page.title.clone_from(&title);
                session.page.http_status = status;
                session.page.problem.clone_from(&problem);
                session.page.reloads += 1;
            }),
            Happening::Stream { session, is_there, encoder, segments, discontinuities } => {
                change(session, &|session| {
                    let template = snapshot("").stream.filter(|_| is_there);
                    session.stream = template.map(|mut stream| {
                        stream.encoder = format!("encoder {}", encoder % 3);
                        stream.segments = segments.into();
                        stream.sent = (segments > 0).then(|| Sent {
                            frame_rate: segments % 60,
                            bit_rate: BitRate::from_kbit(segments % 6000),
                        });
                        stream.discontinuities = discontinuities;
                        stream
                    });
                });
            }
            Happening::Cast { session, finding, why, since, lag } => change(session, &|session| {
                session.cast = session.tv.as_ref().map(|_| CastView {
                    state: StateView { name: "playing", detail: Some(why.clone()) },
                    verdict: Verdict {
                        finding: FINDINGS[usize::from(finding) % FINDINGS.len()],
                        why: why.clone(),
                        since: Timestamp::from_second(since.into()).unwrap(),
                    },
                    lag: lag.and_then(|millis| Lag::of(Duration::from_millis(millis.into()))),
                });
            }),
            Happening::Tv { tv, is_there, name, status, problem } => {
                let id = DeviceId::new(tv_id(tv));
                let mut devices = self.core.devices.lock().unwrap();
                devices.retain(|known| known.id != id);
                if is_there {
                    let uuid = Some(id.clone()).filter(|_| tv != 2);
                    let (default, addresses) = (tv == 1, vec![tv_address(tv).parse().unwrap()]);
                    devices.push(Device {
                        id,
                        uuid,
                        name,
                        status,
                        problem,
                        default,
                        addresses,
                        ..device()
                    });
                }
            }
            Happening::Power { tv, power } => {
                let mut devices = self.core.devices.lock().unwrap();
                let known = devices.iter_mut().filter(|known| known.id.as_str() == tv_id(tv));
                known.for_each(|known| known.power = power);
            }
            Happening::Gpus { usable, name, problem } => {
                let one = |usable| {
                    let (name, problem) = (name.clone(), problem.clone());
                    GpuView { usable, name, problem, ..gpu() }
                };
                *self.core.gpus.lock().unwrap() = usable.into_iter().map(one).collect();
            }
            Happening::Problems { problems } => *self.core.problems.lock().unwrap() = problems,
        }
        self.core.tell();
    }
}

fn plain(value: &Variant<'_>) -> Value {
    match value {
        Variant::Bool(value) => json!(value),
        Variant::U16(number) => json!(number),
        Variant::U32(number) => json!(number),
        Variant::U64(number) => json!(number),
        Variant::F64(number) => json!(number),
        Variant::Str(text) => json!(text.as_str()),
        Variant::ObjectPath(path) => json!(path.as_str()),
        Variant::Variant(inner) => plain(inner),
        Variant::Array(list) => list.inner().iter().map(plain).collect(),
        Variant::Structure(fields) => fields.fields().iter().map(plain).collect(),
        Variant::Dict(dict) => {
            let text = |key: &Variant<'_>| plain(key).as_str().unwrap().to_owned();
            dict.iter().map(|(key, value)| (text(key), plain(value))).collect::<Map<_, _>>().into()
        }
        other => panic!("{other:?} is not used"),
    }
}

fn plainly(properties: &HashMap<String, OwnedVariant>) -> BTreeMap<String, Value> {
    properties.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
}

/// What the properties of a session must be when HTTP says this.
fn session_of(view: &Value) -> BTreeMap<String, Value> {
    let text = |value: &Value| if value.is_null() { json!("") } else { value.clone() };
    let number = |value: &Value| if value.is_null() { json!(0) } else { value.clone() };
    let time = |value: &Value| {
        let Some(time) = value.as_str() else { return json!(0) };
        json!(time.parse::<Timestamp>().unwrap().as_microsecond())
    };
    let (page, video, cast) = (&view["page"], &view["video"], &view["cast"]);
    let device = match view["device"]["id"].as_str() {
        None => "/".to_owned(),
        Some(id) => device_path(id),
    };
    [
        ("Id", view["session_id"].clone()),
        ("StartedAt", time(&view["started_at"])),
        ("Target", view["target"].clone()),
        ("Mode", view["mode"].clone()),
        ("Audio", view["audio"].clone()),
        ("Quality", view["quality"].clone()),
        ("Device", json!(device)),
        ("DeviceName", text(&view["device"]["name"])),
        ("Url", view["url"].clone()),
        ("State", view["state"].clone()),
        ("StateDetail", text(&view["state_detail"])),
        ("Verdict", text(&cast["verdict"])),
        ("VerdictLink", text(&cast["link"])),
        ("VerdictReason", text(&cast["why"])),
        ("VerdictSince", time(&cast["since"])),
        ("CastState", text(&cast["state"]["name"])),
        ("CastDetail", text(&cast["state"]["detail"])),
        ("Lag", if cast["lag"].is_null() { json!(-1.0) } else { cast["lag"].clone() }),
        ("PageTitle", text(&page["title"])),
        ("PageStatus", number(&page["http_status"])),
        ("PageProblem", text(&page["problem"])),
        ("PageReloads", page["reloads"].clone()),
        ("Encoder", text(&video["encoder"])),
        ("Width", number(&video["size"]["width"])),
        ("Height", number(&video["size"]["height"])),
        ("FrameRate", number(&video["frame_rate"])),
        ("BitRate", number(&video["bit_rate"])),
        ("SentFrameRate", number(&video["sent"]["frame_rate"])),
        ("SentBitRate", number(&video["sent"]["bit_rate"])),
        ("Discontinuities", number(&video["discontinuities"])),
        ("Segments", number(&video["segments"])),
        ("Timeline", json!([])),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn device_path(id: &str) -> String {
    format!("{ROOT}/device/{}", id.replace('.', "_2e").replace(':', "_3a"))
}

/// What HTTP says, in texts that D-Bus can carry.
async fn get(app: &App<crate::fake::FakeCore, FakeMedia>, path: &str) -> Value {
    let address: SocketAddr = "127.0.0.1:8000".parse().unwrap();
    let request = Request::get(path)
        .header("host", "127.0.0.1:8000")
        .extension(ConnectInfo(Connection { peer: address, local: address }))
        .body(Body::empty())
        .unwrap();
    let answer = router(app.clone()).oneshot(request).await.unwrap();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    serde_json::from_str(&text.replace("\\u0000", "\u{fffd}")).unwrap()
}

/// What somebody knows who looked once and listens since.
struct Listener {
    signals: MessageStream,
    known: BTreeMap<(String, String), BTreeMap<String, Value>>,
}

impl Listener {
    async fn open(client: &Client) -> Self {
        let signals = client.signals(4096).await;
        let mut known = flat(&client.objects().await);
        for interface in [MANAGER, HEALTH] {
            let facts = client.properties(ROOT, interface).await;
            known.insert((ROOT.to_owned(), interface.to_owned()), plainly(&facts));
        }
        Self { signals, known }
    }

    /// Takes in one signal.
    async fn hear(&mut self) {
        let signal = self.signals.next().await.unwrap().unwrap();
        let (header, body) = (signal.header(), signal.body());
        match header.member().unwrap().as_str() {
            "InterfacesAdded" => {
                let (path, interfaces): (zbus::OwnedObjectPath, HashMap<String, Properties>) =
                    body.deserialize().unwrap();
                for (interface, facts) in interfaces {
                    self.known.insert((path.to_string(), interface), plainly(&facts));
                }
            }
            "InterfacesRemoved" => {
                let (path, interfaces): (zbus::OwnedObjectPath, Vec<String>) =
                    body.deserialize().unwrap();
                for interface in interfaces {
                    self.known.remove(&(path.to_string(), interface)).unwrap();
                }
            }
            "PropertiesChanged" => {
                let (interface, changed, _): (String, Properties, Vec<String>) =
                    body.deserialize().unwrap();
                let path = header.path().unwrap().to_string();
                self.known.get_mut(&(path, interface)).unwrap().extend(plainly(&changed));
            }
            _ => {}
        }
    }
}

fn flat(objects: &Objects) -> BTreeMap<(String, String), BTreeMap<String, Value>> {
    let mut flat = BTreeMap::new();
    for (path, interfaces) in objects {
        for (interface, facts) in interfaces {
            flat.insert((path.clone(), interface.clone()), plainly(facts));
        }
    }
    flat
}

/// Without those that are not told of.
fn told(
    known: &BTreeMap<(String, String), BTreeMap<String, Value>>,
) -> BTreeMap<(String, String), BTreeMap<String, Value>> {
    let mut told = known.clone();
    for ((_, interface), facts) in &mut told {
        let document = crate::bus::shipped(&format!("{interface}.xml"));
        for (name, promise) in annotations(&document) {
            if promise == "false" || promise == "invalidates" {
                facts.remove(&name);
            }
        }
    }
    told
}

async fn check(
    house: &House,
    app: &App<crate::fake::FakeCore, FakeMedia>,
    client: &Client,
    listener: &mut Listener,
) {
    let deadline = Instant::now() + PATIENCE;
    let status = get(app, "/status").await;
    let views = status["sessions"].as_array().unwrap();
    let devices = get(app, "/devices").await;
    // Objects follow a moment later; what they say is of now from the first.
    let sessions = views.iter().map(|view| session_path(view["session_id"].as_str().unwrap()));
    let tvs = devices["devices"].as_array().unwrap().iter();
    let paths: BTreeSet<_> =
        tvs.map(|view| device_path(view["id"].as_str().unwrap())).chain(sessions).collect();
    let is_right = |objects: &Objects| {
        let own =
            objects.iter().filter(|(_, own)| own.contains_key(SESSION) || own.contains_key(DEVICE));
        own.map(|(path, _)| path.clone()).collect::<BTreeSet<_>>() == paths
    };
    let objects = client.wait(is_right).await;
    for view in views {
        let path = session_path(view["session_id"].as_str().unwrap());
        assert_eq!(plainly(&objects[&path][SESSION]), session_of(view));
    }
    for view in devices["devices"].as_array().unwrap() {
        let facts = plainly(&objects[&device_path(view["id"].as_str().unwrap())][DEVICE]);
        for (name, key) in [
            ("Id", "id"),
            ("Uuid", "uuid"),
            ("Name", "name"),
            ("Model", "model"),
            ("Addresses", "addresses"),
            ("Port", "port"),
            ("Found", "found"),
            ("App", "status"),
            ("Power", "power"),
            ("Problem", "problem"),
            ("Default", "default"),
        ] {
            let said = if view[key].is_null() { &json!("") } else { &view[key] };
            assert_eq!(&facts[name], said, "{name}");
        }
    }
    let mut health = get(app, "/health").await;
    let report: Properties = client.call(ROOT, HEALTH, "Check", &()).await.unwrap();
    assert_eq!(json!(plainly(&report)), health);
    let facts = plainly(&client.properties(ROOT, HEALTH).await);
    assert_eq!(facts["Status"], health["status"]);
    assert_eq!(facts["Problems"], health["problems"]);
    assert_eq!(facts["CastDevice"], health["cast_device"]);
    assert_eq!(facts["Gpus"], health["gpus"].take());
    assert_eq!(facts["HardwareAcceleration"], health["hardware_acceleration"].take());
    let manager = plainly(&client.properties(ROOT, MANAGER).await);
    assert_eq!(manager["ActiveSessions"], health["active_streams"]);

    let mut now = flat(&client.objects().await);
    now.insert((ROOT.to_owned(), MANAGER.to_owned()), manager);
    now.insert((ROOT.to_owned(), HEALTH.to_owned()), facts);
    let now = told(&now);
    while told(&listener.known) != now {
        tokio::select! {
            () = listener.hear() => {}
            () = sleep(Duration::from_millis(500)) => {
                assert!(Instant::now() < deadline, "who listens does not know what is");
            }
        }
    }
    assert_eq!(house.core.sessions.lock().unwrap().len(), views.len());
}

#[test]
fn whatever_happens_http_and_d_bus_say_the_same() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let house = runtime.block_on(House::open());
    let app = App {
        core: house.core.clone(),
        media: std::sync::Arc::new(FakeMedia::default()),
        access: std::sync::Arc::new(Access::new(None, false, [])),
        limits: Limits::default(),
        activity: Activity::default(),
    };
    // One story goes on where the one before ended, so none can be told again in a shorter way.
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Default::default()
    };
    let story = proptest::collection::vec(happening(), 1..24);
    let (client, listener) = runtime.block_on(async {
        let client = Client::of(&house.bus).await;
        let listener = Listener::open(&client).await;
        (client, std::sync::Mutex::new(listener))
    });
    TestRunner::new(config)
        .run(&story, |story| {
            let mut listener = listener.lock().unwrap();
            runtime.block_on(async {
                for happening in story {
                    house.let_happen(happening);
                    // Some changes are seen one by one, some together.
                    tokio::task::yield_now().await;
                }
                check(&house, &app, &client, &mut listener).await;
            });
            Ok(())
        })
        .unwrap();
}
