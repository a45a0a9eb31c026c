//! What is told on the bus when something changes.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use tokio::time::timeout;
use zbus::{Message, MessageStream};

use crate::{
    fake::{cast, device, snapshot},
    house::{
        Client, DEVICE, HEALTH, House, MANAGER, PATIENCE, Properties, ROOT, SESSION, serve,
        session_path,
    },
};
use dashboard_cast::{
    dbus::Bus,
    ids::DeviceId,
    session::{Snapshot, cast::Lag},
};

/// What a look may ask the core for: lists of sessions and TVs, for the objects and for the health.
const LOOK: usize = 6;

async fn next(signals: &mut MessageStream) -> (String, String, Message) {
    let signal = timeout(PATIENCE, signals.next()).await.unwrap().unwrap().unwrap();
    let header = signal.header();
    let told = (header.member().unwrap().to_string(), header.path().unwrap().to_string());
    (told.0, told.1, signal.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_comes_changes_and_goes() {
    let house = House::open().await;
    let client = Client::of(&house.bus).await;
    let mut signals = client.signals(64).await;
    let (root, path) = ("/org/dashboardcast1", session_path("aa"));

    house.add(Snapshot { cast: Some(cast()), ..snapshot("aa") });
    let (member, at, _) = next(&mut signals).await;
    assert_eq!((member.as_str(), at.as_str()), ("InterfacesAdded", root));
    let (member, at, signal) = next(&mut signals).await;
    assert_eq!((member.as_str(), at.as_str()), ("SessionAdded", root));
    let added: zbus::OwnedObjectPath = signal.body().deserialize().unwrap();
    assert_eq!(added.as_str(), path);
    let (member, at, signal) = next(&mut signals).await;
    assert_eq!((member.as_str(), at.as_str()), ("PropertiesChanged", root));
    let (interface, changed, _): (String, Properties, Vec<String>) =
        signal.body().deserialize().unwrap();
    assert_eq!(interface, "org.dashboardcast1.Manager");
    assert_eq!(changed.keys().collect::<Vec<_>>(), ["ActiveSessions"]);

    // Segments come each second, as lags do, and nobody is woken by them.
    {
        let mut sessions = house.core.sessions.lock().unwrap();
        sessions[0].stream.as_mut().unwrap().segments += 1;
        sessions[0].cast.as_mut().unwrap().lag = Lag::of(Duration::from_secs(3));
    }
    house.core.tell();
    house.core.sessions.lock().unwrap()[0].state.name = "recovering";
    house.core.tell();
    let (member, at, signal) = next(&mut signals).await;
    assert_eq!((member.as_str(), &at), ("PropertiesChanged", &path));
    let (_, changed, _): (String, Properties, Vec<String>) = signal.body().deserialize().unwrap();
    assert_eq!(changed.keys().collect::<Vec<_>>(), ["State"]);

    house.core.sessions.lock().unwrap().clear();
    house.core.tell();
    let (member, at, _) = next(&mut signals).await;
    assert_eq!((member.as_str(), at.as_str()), ("InterfacesRemoved", root));
    let (member, _, signal) = next(&mut signals).await;
    assert_eq!(member, "SessionRemoved");
    let removed: zbus::OwnedObjectPath = signal.body().deserialize().unwrap();
    assert_eq!(removed.as_str(), path);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_object_is_there_when_start_cast_answers_and_gone_when_stop_does() {
    let house = House::open().await;
    let client = Client::of(&house.bus).await;
    let options = std::collections::HashMap::<String, zbus::OwnedVariant>::new();
    for _ in 0..20 {
        let body = ("http://d/", &options);
        let manager = "org.dashboardcast1.Manager";
        let path: zbus::OwnedObjectPath =
            client.call("/org/dashboardcast1", manager, "StartCast", &body).await.unwrap();
        let session = "org.dashboardcast1.Session";
        assert!(client.properties(path.as_str(), session).await.contains_key("State"));
        let () = client.call(path.as_str(), session, "Stop", &()).await.unwrap();
        assert!(!client.objects().await.contains_key(path.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_tvs_change_live() {
    let house = House::open().await;
    let client = Client::of(&house.bus).await;
    let mut signals = client.signals(64).await;
    house.core.problems.lock().unwrap().push("The page cannot be shown.".to_owned());
    house.core.devices.lock().unwrap().push(device());
    house.core.tell();
    let (member, _, _) = next(&mut signals).await;
    assert_eq!(member, "InterfacesAdded");
    let (member, _, signal) = next(&mut signals).await;
    assert_eq!(member, "PropertiesChanged");
    let (interface, changed, _): (String, Properties, Vec<String>) =
        signal.body().deserialize().unwrap();
    assert_eq!(interface, "org.dashboardcast1.Health");
    let mut names: Vec<_> = changed.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["CastDevice", "Problems", "Status"]);
}

/// A page chooses its title, and a TV its name: the bus closes the connection on which a NUL comes.
#[tokio::test(flavor = "multi_thread")]
async fn texts_that_d_bus_cannot_carry_are_mended() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    let mut signals = client.signals(64).await;
    house.core.sessions.lock().unwrap()[0].page.title = Some("a\0b".to_owned());
    house.core.tell();
    let (_, _, signal) = next(&mut signals).await;
    let (_, changed, _): (String, Properties, Vec<String>) = signal.body().deserialize().unwrap();
    assert_eq!(changed["PageTitle"], zbus::Str::from("a\u{fffd}b").into());

    let mut tv = device();
    tv.name = "Kitchen\0".to_owned();
    house.core.devices.lock().unwrap().push(tv);
    house.core.problems.lock().unwrap().push("TV Kitchen\0: gone".to_owned());
    let tvs: Vec<(zbus::OwnedObjectPath, String, String, String)> =
        client.call(ROOT, MANAGER, "ListDevices", &()).await.unwrap();
    assert_eq!(tvs[0].1, "Kitchen\u{fffd}");
    let report: Properties = client.call(ROOT, HEALTH, "Check", &()).await.unwrap();
    let problems = Vec::<String>::try_from(report["problems"].clone()).unwrap();
    assert_eq!(problems, ["TV Kitchen\u{fffd}: gone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_that_are_read_together_are_of_one_moment() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    let core = house.core.clone();
    let going_on = Arc::new(AtomicBool::new(true));
    let until = Arc::clone(&going_on);
    let changing = std::thread::spawn(move || {
        let mut number = 0_u32;
        while until.load(Ordering::Relaxed) {
            number += 1;
            let mut sessions = core.sessions.lock().unwrap();
            sessions[0].state.detail = Some(number.to_string());
            sessions[0].page.reloads = number;
            sessions[0].stream.as_mut().unwrap().discontinuities = number;
        }
    });
    for _ in 0..300 {
        let mut together = [
            client.properties(&session_path("aa"), SESSION).await,
            client.objects().await.remove(&session_path("aa")).unwrap().remove(SESSION).unwrap(),
        ];
        for facts in &mut together {
            let number = |name: &str| u32::try_from(facts[name].clone()).unwrap();
            let detail = String::try_from(facts["StateDetail"].clone()).unwrap();
            if detail.is_empty() {
                continue;
            }
            assert_eq!(detail, number("PageReloads").to_string());
            assert_eq!(number("PageReloads"), number("Discontinuities"));
        }
    }
    going_on.store(false, Ordering::Relaxed);
    changing.join().unwrap();
}

/// Ten sessions and twenty TVs cost a look no more questions than one.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_asks_the_core_once_however_much_there_is() {
    let house = House::open().await;
    for number in 0..20_u8 {
        let mut tv = device();
        tv.id = DeviceId::new(format!("{number:032x}"));
        house.core.devices.lock().unwrap().push(tv);
        if number < 10 {
            house.core.sessions.lock().unwrap().push(snapshot(&format!("0000000{number}")));
        }
    }
    house.core.tell();
    let client = Client::of(&house.bus).await;
    let is_ours =
        |own: &HashMap<String, Properties>| own.contains_key(SESSION) || own.contains_key(DEVICE);
    client.wait(|objects| objects.values().filter(|own| is_ours(own)).count() == 30).await;
    let mut signals = client.signals(64).await;
    let before = house.core.questions.load(Ordering::Relaxed);
    house.core.sessions.lock().unwrap()[9].state.name = "recovering";
    house.core.tell();
    next(&mut signals).await;
    house.core.sessions.lock().unwrap()[9].state.name = "live";
    house.core.tell();
    next(&mut signals).await;
    let asked = house.core.questions.load(Ordering::Relaxed) - before;
    assert!(asked <= 3 * LOOK, "{asked} questions");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_leaves_in_good_order() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    house.core.sessions.lock().unwrap().clear();
    let mut signals = client.signals(64).await;
    house.service.stop().await;
    assert_eq!(next(&mut signals).await.0, "InterfacesRemoved");
    let bus = zbus::fdo::DBusProxy::new(&client.0).await.unwrap();
    let name = "org.dashboardcast1".try_into().unwrap();
    assert!(!bus.name_has_owner(name).await.unwrap());
    // And the place is free for the next one.
    serve(&house.bus, Bus::System, &house.core).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_dies_is_come_back_to() {
    let mut house = House::open().await;
    house.add_and_wait("aa").await;
    house.bus.kill();
    house.add(snapshot("bb"));
    house.bus.start_again();
    // Polkit has gone with the bus; the service comes by itself.
    let client = Client::of(&house.bus).await;
    let bus = zbus::fdo::DBusProxy::new(&client.0).await.unwrap();
    let mut owners =
        bus.receive_name_owner_changed_with_args(&[(0, "org.dashboardcast1")]).await.unwrap();
    let name = "org.dashboardcast1".try_into().unwrap();
    if !bus.name_has_owner(name).await.unwrap() {
        timeout(PATIENCE, owners.next()).await.unwrap().unwrap();
    }
    let objects = client.objects().await;
    assert!(objects.contains_key(&session_path("aa")) && objects.contains_key(&session_path("bb")));
    assert_eq!(
        house.bus.ask(
            "busctl call org.dashboardcast1 /org/dashboardcast1 org.dashboardcast1.Manager StopAll"
        ),
        "u 2"
    );
}
