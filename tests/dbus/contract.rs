//! The introspection data in `dbus/` is what the service says of itself.

use std::{fs, path::Path};

use crate::{
    bus::shipped,
    fake::device,
    house::{Client, DEVICE, HEALTH, House, MANAGER, ROOT, SESSION, session_path},
};

const HEAD: &str = r#"<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
"#;

/// One interface out of an object's introspection data, as a document of its own.
#[track_caller]
fn document(xml: &str, interface: &str) -> String {
    let begin = format!("  <interface name=\"{interface}\">\n");
    let (_, rest) = xml.split_once(&begin).unwrap_or_else(|| panic!("no {interface} in {xml}"));
    let (inner, _) = rest.split_once("\n  </interface>\n").unwrap();
    let inner: Vec<_> = inner.lines().map(str::trim_end).collect();
    format!("{HEAD}{begin}{}\n  </interface>\n</node>\n", inner.join("\n"))
}

async fn documents(house: &House) -> Vec<(&'static str, String)> {
    house.core.devices.lock().unwrap().push(device());
    let client = house.add_and_wait("aa").await;
    let tv = format!("{ROOT}/device/0123456789abcdef0123456789abcdef");
    client.wait(|objects| objects.contains_key(&tv)).await;
    let (session, mut documents) = (session_path("aa"), Vec::new());
    for (path, interface) in
        [(ROOT, MANAGER), (ROOT, HEALTH), (session.as_str(), SESSION), (tv.as_str(), DEVICE)]
    {
        let xml = client.introspect(path).await;
        documents.push((interface, document(&xml, interface)));
    }
    documents
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_what_is_served() {
    let house = House::open().await;
    let mut other = Vec::new();
    for (interface, live) in documents(&house).await {
        let name = format!("{interface}.xml");
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("dbus").join(&name);
        if fs::read_to_string(committed).unwrap_or_default() != live {
            let now = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
            fs::write(&now, live).unwrap();
            other.push(now);
        }
    }
    assert!(other.is_empty(), "what is served is another thing than what is in dbus/: {other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_is_explained() {
    let house = House::open().await;
    for (interface, document) in documents(&house).await {
        let mut before = "";
        for line in document.lines().map(str::trim) {
            let is_member =
                ["<method", "<property", "<signal"].iter().any(|tag| line.starts_with(tag));
            assert!(!is_member || before == "-->", "{interface}: {line}");
            before = line;
        }
    }
}

/// What the publisher says of a property is what the introspection promises.
#[tokio::test(flavor = "multi_thread")]
async fn properties_change_as_their_annotations_say() {
    let house = House::open().await;
    for (interface, document) in documents(&house).await {
        for (member, promise) in annotations(&document) {
            let expected = match (interface, member.as_str()) {
                (SESSION, "Segments" | "SentBitRate" | "SentFrameRate" | "Lag")
                | (DEVICE, "LastSeen") => "false",
                (SESSION, "Timeline") => "invalidates",
                (MANAGER, "Version") | (_, "Id") => "const",
                (SESSION, "StartedAt" | "Target" | "Mode" | "Audio" | "Quality" | "DeviceName") => {
                    "const"
                }
                _ => "true",
            };
            assert_eq!(promise, expected, "{interface}.{member}");
        }
    }
}

/// The properties of an interface, each with what it promises to do when it changes.
pub(crate) fn annotations(document: &str) -> Vec<(String, String)> {
    let quoted = |line: &str, key: &str| -> Option<String> {
        let (_, rest) = line.split_once(&format!("{key}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let mut found: Vec<(String, String)> = Vec::new();
    for line in document.lines() {
        if line.contains("<property") {
            found.push((quoted(line, "name").unwrap(), "true".to_owned()));
        } else if line.contains("EmitsChangedSignal") {
            found.last_mut().unwrap().1 = quoted(line, "value").unwrap();
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn gdbus_shows_what_is_there() {
    let house = House::open().await;
    let client: Client = house.add_and_wait("aa").await;
    let shown = house.bus.ask(
        "gdbus introspect --system --dest org.dashboardcast1 \
         --object-path /org/dashboardcast1 --recurse",
    );
    for expected in [
        "interface org.dashboardcast1.Manager",
        "StartCast(in  s url,",
        "in  a{sv} options,",
        "out o session);",
        "readonly u ActiveSessions = 1;",
        "interface org.dashboardcast1.Health",
        "node /org/dashboardcast1/session/aa",
        "readonly s State = 'live';",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    // People who read the data itself find a manual.
    assert!(client.introspect(ROOT).await.contains("Opens a page and shows it on a TV."));
}

#[test]
fn activation_is_by_systemd() {
    let file = shipped("org.dashboardcast1.service");
    let lines: Vec<_> = file.lines().collect();
    assert_eq!(lines[0], "[D-BUS Service]");
    assert!(lines.contains(&"Name=org.dashboardcast1"), "{file}");
    assert!(lines.contains(&"SystemdService=dashboard-cast.service"), "{file}");
}

#[test]
fn each_action_is_the_services_own() {
    let policy = shipped("org.dashboardcast1.policy");
    let actions: Vec<_> = policy.split("<action ").skip(1).collect();
    assert_eq!(actions.len(), 2);
    for (action, id) in actions.iter().zip(["cast", "configure"]) {
        assert!(action.starts_with(&format!("id=\"org.dashboardcast1.{id}\"")), "{action}");
        let owner = "<annotate key=\"org.freedesktop.policykit.owner\">unix-user:dashboard-cast<";
        assert!(action.contains(owner), "{action}");
    }
}
