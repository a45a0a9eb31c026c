//! The manual page of the interfaces, and what the service says that they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use zbus::fdo::IntrospectableProxy;

use crate::{
    bus::Bus,
    help::options,
    real::daemon,
    support::pages::{Pages, plain},
};

const OURS: &str = "org.dashboardcast1.";

/// Of each interface its members, as in `Stop()`, `Reload() -> as changes` or `State (s)`.
type Interfaces = BTreeMap<String, BTreeSet<String>>;

fn source(file: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn manual() -> String {
    source("debian/man/org.dashboardcast1.5").replace("\\(->", "->").replace("\\-", "-")
}

/// What a line of the manual names: words in bold, and between them what is not.
fn items(line: &str) -> Vec<(String, String)> {
    let mut tokens = Vec::new();
    for (number, part) in line.split('"').enumerate() {
        match number % 2 {
            0 => tokens.extend(part.split_whitespace().map(str::to_owned)),
            _ => tokens.push(part.trim_end_matches(", ").to_owned()),
        }
    }
    tokens.chunks_exact(2).map(|item| (item[0].clone(), item[1].clone())).collect()
}

fn documented() -> Interfaces {
    let mut interfaces = Interfaces::new();
    let mut interface = None;
    for line in manual().lines() {
        if let Some(section) = line.strip_prefix(".SH ") {
            interface = section.trim_matches('"').strip_prefix(OURS).map(str::to_owned);
        }
        if let (Some(interface), Some(line)) = (&interface, line.strip_prefix(".BR ")) {
            let items = items(line).into_iter();
            let members = items.filter(|(name, _)| name.starts_with(char::is_uppercase));
            let members = members.map(|(name, signature)| name + &signature);
            interfaces.entry(interface.clone()).or_default().extend(members);
        }
    }
    interfaces
}

/// The value of an attribute of an element that has a line of its own.
fn attribute<'a>(line: &'a str, name: &str) -> &'a str {
    let value = line.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
    value.unwrap_or_default()
}

fn described(xml: &str, interfaces: &mut Interfaces) {
    let mut interface = String::new();
    let (mut member, mut taken, mut given) = (String::new(), Vec::new(), Vec::new());
    for line in xml.lines().map(str::trim) {
        match line.split_whitespace().next().unwrap_or_default() {
            "<interface" => interface = attribute(line, "name").to_owned(),
            "<method" | "<signal" => attribute(line, "name").clone_into(&mut member),
            "<arg" => {
                let argument = format!("{} {}", attribute(line, "type"), attribute(line, "name"));
                let is_given = line.contains("direction=\"out\"");
                if is_given {
                    given.push(argument);
                } else {
                    taken.push(argument);
                }
            }
            "<property" => {
                let (name, kind) = (attribute(line, "name"), attribute(line, "type"));
                insert(interfaces, &interface, format!("{name} ({kind})"));
            }
            "</method>" | "</signal>" => {
                let mut text = format!("{member}({})", taken.join(", "));
                if !given.is_empty() {
                    text.push_str(&format!(" -> {}", given.join(", ")));
                }
                insert(interfaces, &interface, text);
                (taken, given) = (Vec::new(), Vec::new());
            }
            _ => {}
        }
    }
}

fn insert(interfaces: &mut Interfaces, interface: &str, member: String) {
    if let Some(ours) = interface.strip_prefix(OURS) {
        interfaces.entry(ours.to_owned()).or_default().insert(member);
    }
}

#[test]
fn the_manual_has_every_member_with_its_types_and_no_other() {
    let (bus, pages) = (Bus::start(), Pages::serve());
    pages.put_page("board", plain(""));
    let _daemon = daemon(&bus);
    let started = bus.run(&["start", &pages.url("board"), "--device", "none"]).succeeded();
    let session = format!("/org/dashboardcast1/session/{}", started.out.trim());
    let device = "/org/dashboardcast1/device/127_2e0_2e0_2e1_3a9";
    let mut live = Interfaces::new();
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let builder = zbus::connection::Builder::address(bus.address.as_str());
        let connection = builder.build().await.expect("a connection");
        for path in ["/org/dashboardcast1", &session, device] {
            let object = IntrospectableProxy::builder(&connection)
                .destination("org.dashboardcast1")
                .path(path)
                .build()
                .await
                .expect("an object");
            described(&object.introspect().await.expect("its description"), &mut live);
        }
    });
    assert_eq!(live.keys().collect::<Vec<_>>(), ["Device", "Health", "Manager", "Session"]);
    assert_eq!(documented(), live);
}

#[test]
fn the_manual_has_every_error() {
    let code = source("src/dbus/error.rs");
    let names = code.split('"').filter(|text| text.starts_with(OURS)).map(str::to_owned);
    let page = manual();
    let errors = page.split(".SH ERRORS").nth(1).and_then(|rest| rest.split(".SH ").next());
    let lines = errors.expect("the section").lines();
    let listed =
        lines.filter_map(|line| line.strip_prefix(".B ")).filter(|name| name.starts_with(OURS));
    assert_eq!(listed.map(str::to_owned).collect::<BTreeSet<_>>(), names.collect());
}

#[test]
fn a_start_takes_the_same_options_from_the_command_line_and_in_the_manual() {
    let page = manual();
    let start = page.split(".BR StartCast").nth(1).and_then(|rest| rest.split(".TP").next());
    let lines = start.expect("the method").lines();
    let listed: BTreeSet<_> =
        lines.filter_map(|line| line.strip_prefix(".B ")).map(str::to_owned).collect();
    let mut typed = options("start");
    for own in ["wait", "json", "session", "help"] {
        assert!(typed.remove(own), "{own}");
    }
    assert_eq!(listed, typed);
}
