//! What README.md says about D-Bus, typed as it stands there.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
};

use dashboard_cast::dbus::Bus;

use crate::{
    bus::PrivateBus,
    fake::{PICTURE, device},
    house::{House, PATIENCE},
    polkit::{Polkit, Verdict},
    support::wait::wait_for,
};

/// Each command of the section, by some of its words, with what it must print.
const ANSWERS: [(&str, &str); 15] = [
    ("busctl tree", "/org/dashboardcast1/device/0123456789abcdef0123456789abcdef"),
    ("busctl introspect", ".StartCast"),
    ("StartCast", "o \"/org/dashboardcast1/session/5e551011\""),
    ("session=", ""),
    ("State Verdict VerdictReason", "s \"live\"\ns \"\"\ns \"\""),
    ("Navigate s http://host:3000/d/2", ""),
    ("call $session Reload", ""),
    ("GetMedia", "/media/token-of-5e551011/master.m3u8"),
    ("Snapshot", ""),
    ("ListDevices", "\"Living room\" \"Chromecast\" \"192.168.1.20\""),
    ("Check", "\"status\" s \"healthy\""),
    ("Diagnose", "\"causes\":{\"type\":\"as\",\"data\":[\"render-node\"]}"),
    ("Manager Reload", "as 1 \"sessions.most has changed and counts now.\""),
    ("monitor", "is owned by"),
    ("call $session Stop", ""),
];

/// The commands of the section, each on one line.
#[track_caller]
fn commands() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, section) = readme.split_once("\n## D-Bus\n").expect("a section on D-Bus");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    let lines: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let text = lines.join("\n").replace("\\\n", "").replace("|\n", "| ");
    text.lines().map(str::to_owned).collect()
}

/// Ends with what it watches when dropped.
struct Monitor {
    child: Child,
    heard: std::path::PathBuf,
}

impl Monitor {
    #[track_caller]
    fn start(bus: &PrivateBus, line: &str, directory: &Path) -> Self {
        let heard = directory.join("heard");
        let (variable, address) = bus.environment();
        // It becomes what it runs, and so can be ended by its id.
        let child = Command::new("sh")
            .args(["-c", &format!("exec {line}")])
            .env(variable, address)
            .stdin(Stdio::null())
            .stdout(File::create(&heard).unwrap())
            .spawn()
            .unwrap();
        Self { child, heard }
    }

    #[track_caller]
    fn wait_for(&self, words: &str) {
        wait_for(words, PATIENCE, || {
            fs::read_to_string(&self.heard).unwrap().contains(words).then_some(())
        });
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Types all of it, on a bus of this kind.
async fn type_all(bus: PrivateBus, polkit: Polkit, kind: Bus) {
    let house = House::open_with(bus, polkit, kind).await;
    house.core.devices.lock().unwrap().push(device());
    house.core.tell();
    let tv = "/org/dashboardcast1/device/0123456789abcdef0123456789abcdef";
    crate::house::Client::of(&house.bus).await.wait(|objects| objects.contains_key(tv)).await;
    let note = "sessions.most has changed and counts now.".to_owned();
    *house.core.reload.lock().unwrap() = Some(Ok(vec![note]));

    let directory = tempfile::tempdir().unwrap();
    let mut before = format!("set -eu; cd {};", directory.path().display());
    let mut monitor = None;
    let commands = commands();
    assert_eq!(commands.len(), ANSWERS.len(), "{commands:#?}");
    for (command, (words, answer)) in commands.iter().zip(ANSWERS) {
        assert!(command.contains(words), "{words} is expected, not {command}");
        let line = match kind {
            Bus::System => command.clone(),
            Bus::Session => {
                command.replace("busctl ", "busctl --user ").replace("--system", "--session")
            }
        };
        if words == "session=" {
            before.push_str(&format!("{line};"));
        } else if words == "monitor" {
            let started = Monitor::start(&house.bus, &line, directory.path());
            started.wait_for(answer);
            monitor = Some(started);
        } else {
            let said = house.bus.ask(&format!("{before}{line}"));
            assert!(said.contains(answer), "{line}: {said}");
        }
    }
    assert_eq!(fs::read(directory.path().join("now.png")).unwrap(), PICTURE);
    let request = house.core.requests.lock().unwrap()[0].clone();
    assert_eq!(
        (request.url.as_str(), request.device.as_deref()),
        ("http://host:3000/d/1", Some("Living room"))
    );
    assert!(house.core.sessions.lock().unwrap().is_empty());
    let monitor = monitor.expect("a command that listens");
    monitor.wait_for("org.dashboardcast1.Manager.SessionRemoved");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_right() {
    let bus = PrivateBus::system();
    let polkit = Polkit::start(&bus, Verdict::Yes).await;
    type_all(bus, polkit, Bus::System).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_right_on_a_session_bus() {
    type_all(PrivateBus::session(), Polkit::absent(), Bus::Session).await;
}

/// The names that it gives are those that there are.
#[test]
fn the_readme_names_what_there_is() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, section) = readme.split_once("\n## D-Bus\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/dbus")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(interface) = name.strip_suffix(".xml") else { continue };
        assert!(section.contains(interface), "{interface}");
    }
    let policy = crate::bus::shipped("org.dashboardcast1.policy");
    for action in ["org.dashboardcast1.cast", "org.dashboardcast1.configure"] {
        assert!(section.contains(action) && policy.contains(action), "{action}");
    }
}
