//! The whole API, driven by `busctl` as people type it.

use serde_json::{Value, json};

use crate::{
    fake::{PICTURE, device, snapshot},
    house::House,
};

const CALL: &str = "busctl call org.dashboardcast1 ";

#[tokio::test(flavor = "multi_thread")]
async fn busctl_drives_it_all() {
    let house = House::open().await;
    house.core.devices.lock().unwrap().push(device());
    house.core.tell();
    let bus = &house.bus;

    let session = bus.ask(
        "busctl call org.dashboardcast1 /org/dashboardcast1 org.dashboardcast1.Manager StartCast \
         'sa{sv}' http://host:3000/d/1 3 device s 'Living room' quality s 720p duration u 3600",
    );
    assert_eq!(session, "o \"/org/dashboardcast1/session/5e551011\"");
    let request = house.core.requests.lock().unwrap()[0].clone();
    assert_eq!(request.url, "http://host:3000/d/1");
    assert_eq!(request.device.as_deref(), Some("Living room"));
    assert_eq!(request.duration, Some(3600.0));

    let manager = format!("{CALL}/org/dashboardcast1 org.dashboardcast1.Manager ");
    assert_eq!(
        bus.ask(&format!("{manager}ListSessions")),
        "a(osss) 1 \"/org/dashboardcast1/session/5e551011\" \"http://dash:3000/\" \"live\" \"\""
    );
    assert_eq!(
        bus.ask(&format!("{manager}ListDevices")),
        "a(osss) 1 \"/org/dashboardcast1/device/0123456789abcdef0123456789abcdef\" \
         \"Living room\" \"Chromecast\" \"192.168.1.20\""
    );
    let property = "busctl get-property org.dashboardcast1 /org/dashboardcast1 ";
    let version = bus.ask(&format!("{property}org.dashboardcast1.Manager Version"));
    assert_eq!(version, format!("s \"{}\"", env!("CARGO_PKG_VERSION")));
    let active = bus.ask(&format!("{property}org.dashboardcast1.Manager ActiveSessions"));
    assert_eq!(active, "u 1");

    let session = "/org/dashboardcast1/session/5e551011 org.dashboardcast1.Session";
    let facts = bus.ask(&format!(
        "busctl get-property org.dashboardcast1 {session} State Quality Encoder Width PageTitle"
    ));
    assert_eq!(facts, "s \"live\"\ns \"720p\"\ns \"libx264\"\nu 1920\ns \"A dashboard\"");
    let media = bus.ask(&format!("busctl --json=short call org.dashboardcast1 {session} GetMedia"));
    let media: Value = serde_json::from_str(&media).unwrap();
    let base = "http://127.0.0.1:8000/media/token-of-5e551011";
    assert_eq!(
        media["data"][0],
        json!({"hls": format!("{base}/master.m3u8"), "fmp4": format!("{base}/stream.mp4")})
    );
    let picture = bus.ask(&format!("{CALL}{session} Snapshot"));
    let expected: Vec<_> = PICTURE.iter().map(u8::to_string).collect();
    assert_eq!(picture, format!("ay {} {}", PICTURE.len(), expected.join(" ")));

    assert_eq!(bus.ask(&format!("{CALL}{session} Navigate s http://host:3000/d/2")), "");
    assert_eq!(bus.ask(&format!("{CALL}{session} Reload")), "");
    let facts =
        bus.ask(&format!("busctl get-property org.dashboardcast1 {session} Url PageReloads"));
    assert_eq!(facts, "s \"http://host:3000/d/2\"\nu 1");
    let note = "sessions.most has changed and counts now.".to_owned();
    *house.core.reload.lock().unwrap() = Some(Ok(vec![note.clone()]));
    assert_eq!(bus.ask(&format!("{manager}Reload")), format!("as 1 \"{note}\""));

    let tv =
        "/org/dashboardcast1/device/0123456789abcdef0123456789abcdef org.dashboardcast1.Device";
    let facts = bus.ask(&format!(
        "busctl get-property org.dashboardcast1 {tv} Name Found App Port Addresses Default Session"
    ));
    assert_eq!(
        facts,
        "s \"Living room\"\ns \"both\"\ns \"Casting: News\"\nq 8009\n\
         as 2 \"192.168.1.20\" \"fe80::1%2\"\nb true\no \"/\""
    );

    let health = "busctl --json=short call org.dashboardcast1 /org/dashboardcast1 \
                  org.dashboardcast1.Health Check";
    let answer: Value = serde_json::from_str(&bus.ask(health)).unwrap();
    assert_eq!(answer["data"][0]["status"], json!({"type": "s", "data": "healthy"}));
    let report = bus.ask(&health.replace("Check", "Diagnose"));
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["data"][0]["verdict"], json!({"type": "s", "data": "fail"}));
    let facts = bus.ask(&format!("{property}org.dashboardcast1.Health Status CastDevice"));
    assert_eq!(facts, "s \"healthy\"\ns \"available\"");

    assert_eq!(bus.ask(&format!("{CALL}{session} Stop")), "");
    assert!(bus.complain(&format!("{CALL}{session} Stop")).contains("Unknown object"));
    house.add(snapshot("aa"));
    house.add(snapshot("bb"));
    assert_eq!(
        bus.ask(&format!("{manager}StopCast o /org/dashboardcast1/session/bb")),
        "",
        "the object need not be there yet"
    );
    assert_eq!(bus.ask(&format!("{manager}StopAll")), "u 1");
    assert_eq!(bus.ask(&format!("{manager}StopAll")), "u 0");
    assert_eq!(bus.ask(&format!("{manager}ListSessions")), "a(osss) 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cast_of_the_configuration_is_started_once_and_found_afterwards() {
    let house = House::open().await;
    let start =
        format!("{CALL}/org/dashboardcast1 org.dashboardcast1.Manager StartNamed s kitchen");
    for _ in 0..2 {
        assert_eq!(house.bus.ask(&start), "o \"/org/dashboardcast1/session/5e551011\"");
    }
    assert_eq!(house.core.requests.lock().unwrap().len(), 1);
    let target = "busctl get-property org.dashboardcast1 /org/dashboardcast1/session/5e551011 \
                  org.dashboardcast1.Session Target";
    assert_eq!(house.bus.ask(target), "s \"kitchen\"");
    let question = house.polkit.questions().pop().unwrap();
    assert_eq!(question.action, "org.dashboardcast1.cast");
    assert_eq!((&*question.details["verb"], &*question.details["cast"]), ("StartNamed", "kitchen"));
}

#[tokio::test(flavor = "multi_thread")]
async fn busctl_shows_the_tree() {
    let house = House::open().await;
    house.add_and_wait("aa").await;
    let tree = house.bus.ask("busctl tree --list org.dashboardcast1");
    assert!(tree.contains("/org/dashboardcast1/session/aa"), "{tree}");
    let shown = house.bus.ask(
        "busctl introspect org.dashboardcast1 /org/dashboardcast1/session/aa \
         org.dashboardcast1.Session",
    );
    for member in [".Stop", ".Snapshot", ".GetMedia", ".State", ".Timeline", ".VerdictReason"] {
        assert!(shown.contains(member), "{member}: {shown}");
    }
}
