//! Who may do what: the bus policy, polkit, and what decides without it.

use dashboard_cast::dbus::{Bus, BusError, Seat, Service};
use zbus::message::Flags;

use crate::{
    bus::{NOBODY, PrivateBus},
    fake::snapshot,
    house::{Client, House, MANAGER, NAME, ROOT, SESSION, session_path},
    polkit::{Polkit, Verdict},
};

const DENIED: &str = "org.freedesktop.DBus.Error.AccessDenied";
const START: &str = "busctl call org.dashboardcast1 /org/dashboardcast1 \
                     org.dashboardcast1.Manager StartCast 'sa{sv}' http://me:secret@dash/?t=1 0";
const START_NAMED: &str = "busctl call org.dashboardcast1 /org/dashboardcast1 \
                           org.dashboardcast1.Manager StartNamed s kitchen";
const LIST: &str = "busctl call org.dashboardcast1 /org/dashboardcast1 \
                    org.dashboardcast1.Manager ListSessions";

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reads_and_polkit_decides_on_the_rest() {
    let house = House::open().await;
    house.add_and_wait("aa").await;
    house.polkit.decide(Verdict::No);
    let asked = house.polkit.questions().len();
    let nobody = |line: &str| format!("{NOBODY}{line}");
    assert!(house.bus.ask(&nobody(LIST)).contains("session/aa"));
    let state = "busctl get-property org.dashboardcast1 /org/dashboardcast1/session/aa \
                 org.dashboardcast1.Session State";
    assert_eq!(house.bus.ask(&nobody(state)), "s \"live\"");
    let check =
        "busctl call org.dashboardcast1 /org/dashboardcast1 org.dashboardcast1.Health Check";
    assert!(house.bus.ask(&nobody(check)).contains("healthy"));
    assert_eq!(house.polkit.questions().len(), asked, "reading needs no permission");

    // busctl has words of its own for this error.
    for start in [START, START_NAMED] {
        assert!(house.bus.complain(&nobody(start)).contains("Access denied"), "{start}");
    }
    for method in ["Stop", "Navigate s http://b/", "Reload", "Snapshot", "GetMedia"] {
        let line = format!(
            "busctl call org.dashboardcast1 /org/dashboardcast1/session/aa \
             org.dashboardcast1.Session {method}"
        );
        assert!(house.bus.complain(&nobody(&line)).contains("Access denied"), "{method}");
    }
    let reload =
        "busctl call org.dashboardcast1 /org/dashboardcast1 org.dashboardcast1.Manager Reload";
    assert!(house.bus.complain(&nobody(reload)).contains("Access denied"));
    assert!(house.core.requests.lock().unwrap().is_empty());
    assert_eq!(house.core.sessions.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn polkit_is_asked_about_the_caller_and_not_about_us() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    let own = client.0.unique_name().unwrap().to_string();
    let body = ("http://me:secret@dash:3000/?token=secret", options());
    let _: zbus::OwnedObjectPath = client.call(ROOT, MANAGER, "StartCast", &body).await.unwrap();
    let question = house.polkit.questions().pop().unwrap();
    assert_eq!((question.kind.as_str(), &question.name), ("system-bus-name", &own));
    assert_eq!(question.action, "org.dashboardcast1.cast");
    assert_eq!(question.details["verb"], "StartCast");
    assert_eq!(question.details["host"], "dash");
    assert!(!question.may_ask);
    assert!(!format!("{question:?}").contains("secret"));

    // The name of the service is another connection's, which must never be what is asked about.
    let bus = zbus::fdo::DBusProxy::new(&client.0).await.unwrap();
    let service = bus.get_name_owner(NAME.try_into().unwrap()).await.unwrap();
    assert!(house.polkit.questions().iter().all(|question| question.name != service.as_str()));

    let path = session_path("5e551011");
    let () = client.call(&path, SESSION, "Stop", &()).await.unwrap();
    let question = house.polkit.questions().pop().unwrap();
    assert_eq!(question.details["verb"], "Stop");
    assert_eq!(question.details["session"], "5e551011");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_cast_may_not_configure() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    house.polkit.decide(Verdict::Only("org.dashboardcast1.cast"));
    let notes = vec!["sessions.most has changed and counts now.".to_owned()];
    *house.core.reload.lock().unwrap() = Some(Ok(notes.clone()));
    let answer = client.call::<Vec<String>>(ROOT, MANAGER, "Reload", &()).await;
    assert_eq!(Client::refusal(answer).0, DENIED);
    let question = house.polkit.questions().pop().unwrap();
    assert_eq!(question.action, "org.dashboardcast1.configure");
    assert_eq!(question.details["verb"], "Reload");

    let session = session_path("aa");
    let page = "http://me:secret@dash:3000/d/2?token=secret";
    let () = client.call(&session, SESSION, "Navigate", &page).await.unwrap();
    let question = house.polkit.questions().pop().unwrap();
    assert_eq!(question.action, "org.dashboardcast1.cast");
    assert_eq!((&*question.details["verb"], &*question.details["host"]), ("Navigate", "dash"));
    assert!(!format!("{question:?}").contains("secret"));
    let () = client.call(&session, SESSION, "Reload", &()).await.unwrap();
    let question = house.polkit.questions().pop().unwrap();
    assert_eq!(question.action, "org.dashboardcast1.cast");
    assert_eq!((&*question.details["verb"], &*question.details["session"]), ("Reload", "aa"));

    house.polkit.decide(Verdict::Yes);
    let told: Vec<String> = client.call(ROOT, MANAGER, "Reload", &()).await.unwrap();
    assert_eq!(told, notes, "the refused call has read nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_when_the_caller_allows_it() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    house.polkit.decide(Verdict::Password);
    let path = session_path("aa");
    let refused = client.call::<()>(&path, SESSION, "Stop", &()).await;
    let (name, _) = Client::refusal(refused);
    assert_eq!(name, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired");
    assert!(!house.polkit.questions().last().unwrap().may_ask);

    let call = zbus::Message::method_call(path.as_str(), "Stop")
        .destination(NAME)
        .interface(SESSION)
        .with_flags(Flags::ALLOW_INTERACTIVE_AUTH)
        .build(&())
        .unwrap();
    client.0.send(&call).await.unwrap();
    client.wait(|objects| !objects.contains_key(&path)).await;
    assert!(house.polkit.questions().last().unwrap().may_ask);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polkit_that_is_there_is_not_overruled() {
    let house = House::open().await;
    house.polkit.decide(Verdict::Refusal);
    // As whom everything is allowed where there is none.
    let refused = house.bus.complain(START);
    assert!(refused.contains("Access denied"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_polkit_the_user_decides() {
    let bus = PrivateBus::system();
    let house = House::open_with(bus, Polkit::absent(), Bus::System).await;
    house.add_and_wait("aa").await;
    // Us, which is the service's user as well.
    house.bus.ask(START);
    let reload =
        "busctl call org.dashboardcast1 /org/dashboardcast1 org.dashboardcast1.Manager Reload";
    *house.core.reload.lock().unwrap() = Some(Ok(Vec::new()));
    assert_eq!(house.bus.ask(reload), "as 0");
    for line in [START, START_NAMED, reload] {
        let refused = house.bus.complain(&format!("{NOBODY}{line}"));
        assert!(refused.contains("Access denied"), "{refused}");
    }
    house.bus.ask(&format!("{NOBODY}{LIST}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_session_bus_nobody_is_asked() {
    let bus = PrivateBus::session();
    let house = House::open_with(bus, Polkit::absent(), Bus::Session).await;
    let start = format!("busctl --user {}", START.trim_start_matches("busctl "));
    assert!(house.bus.ask(&start).contains("session/5e551011"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_be_the_service() {
    let bus = PrivateBus::system();
    let request = "busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus \
                   RequestName su org.dashboardcast1 4";
    let refused = bus.complain(&format!("{NOBODY}{request}"));
    assert!(refused.contains("Access denied"), "{refused}");
    bus.ask(request);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_without_our_policy_says_no() {
    let bus = PrivateBus::bare();
    let seat = Seat::find_at(Bus::System, Some(bus.zbus_address())).await.unwrap();
    let core = std::sync::Arc::new(crate::fake::FakeCore::default());
    let refused = Service::start(seat, core, "127.0.0.1:8000".parse().unwrap()).await;
    assert!(matches!(refused, Err(BusError::NotAllowed { bus: Bus::System, .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_is_told_of_the_first() {
    let house = House::open().await;
    let address = Some(house.bus.zbus_address());
    let second = Seat::find_at(Bus::System, address).await;
    assert!(matches!(second, Err(BusError::Taken { bus: Bus::System })), "{second:?}");
    // Two that start in the same moment both find the place free.
    let bus = PrivateBus::system();
    let address = Some(bus.zbus_address());
    let one = Seat::find_at(Bus::System, address.clone()).await.unwrap();
    let other = Seat::find_at(Bus::System, address).await.unwrap();
    let listen = "127.0.0.1:8000".parse().unwrap();
    let first = Service::start(one, house.core.clone(), listen).await.unwrap();
    let second = Service::start(other, house.core.clone(), listen).await;
    assert!(matches!(second, Err(BusError::Taken { .. })), "{second:?}");
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_has_its_name_on_the_bus() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    house.polkit.decide(Verdict::No);
    let path = session_path("aa");
    let (name, text) = Client::refusal(client.call::<()>(&path, SESSION, "Stop", &()).await);
    assert_eq!((name.as_str(), text.is_empty()), (DENIED, false));
    assert_eq!(house.core.sessions.lock().unwrap()[0], snapshot("aa"));
}

fn options() -> std::collections::HashMap<String, zbus::OwnedVariant> {
    Default::default()
}
