//! The polkit of this Debian with the policy and the rules that are shipped.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use dashboard_cast::dbus::Bus;
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::{
    bus::{PrivateBus, shipped},
    house::{House, PATIENCE},
    polkit::Polkit,
    support::wait::wait_for,
};

const POLKITD: &str = "/usr/lib/polkit-1/polkitd";
/// Where it looks for actions and rules; the rules of an administrator come first.
const ACTIONS: &str = "/usr/share/polkit-1/actions";
const RULES: &str = "/usr/share/polkit-1/rules.d";
const LOCAL_RULES: &str = "/etc/polkit-1/rules.d";

/// Users of every Debian, for the bus turns away whom it does not know. What they are here only the
/// polkit of the test knows: one is the service, one is a member of its group.
const SERVICE: u32 = 34;
const MEMBER: u32 = 5;
const STRANGER: u32 = 65534;
const USERS: &str = "dashboard-cast:x:34:64300::/nonexistent:/usr/sbin/nologin\n";
const GROUPS: &str = "dashboard-cast:x:64300:games\n";

const AUTHORITY: &str = "org.freedesktop.PolicyKit1 /org/freedesktop/PolicyKit1/Authority \
                         org.freedesktop.PolicyKit1.Authority";
const MANAGER: &str = "org.dashboardcast1 /org/dashboardcast1 org.dashboardcast1.Manager";

/// Ends with its polkit when dropped.
struct RealPolkit {
    child: Child,
    _directory: TempDir,
}

impl RealPolkit {
    /// Starts it in a mount namespace where ours are the only files of polkit.
    #[track_caller]
    fn start(bus: &PrivateBus) -> Self {
        assert!(geteuid().is_root(), "this test mounts the files of its polkit: run it as root");
        assert!(Path::new(POLKITD).exists(), "there is no {POLKITD}: run .ci/setup test");
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        // It becomes a user of its own before it reads them.
        let open = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        open(directory.path());
        for (folder, file) in
            [("actions", "org.dashboardcast1.policy"), ("rules", "org.dashboardcast1.rules")]
        {
            fs::create_dir(path(folder)).unwrap();
            fs::write(path(folder).join(file), shipped(file)).unwrap();
            open(&path(folder));
        }
        fs::create_dir(path("none")).unwrap();
        open(&path("none"));
        for (name, more) in [("passwd", USERS), ("group", GROUPS)] {
            let known = fs::read_to_string(format!("/etc/{name}")).unwrap();
            let ours = ["dashboard-cast:", "backup:"];
            let others =
                known.lines().filter(|line| !ours.iter().any(|ours| line.starts_with(ours)));
            let others: String = others.map(|line| format!("{line}\n")).collect();
            fs::write(path(name), others + more).unwrap();
        }
        let mut script = "set -e; cd \"$1\"; ".to_owned();
        for (ours, theirs) in [
            ("actions", ACTIONS),
            ("rules", RULES),
            ("none", LOCAL_RULES),
            ("passwd", "/etc/passwd"),
            ("group", "/etc/group"),
        ] {
            // Not every polkit has rules of an administrator.
            script
                .push_str(&format!("if [ -e {theirs} ]; then mount --bind {ours} {theirs}; fi; "));
        }
        script.push_str(&format!("exec {POLKITD} --no-debug"));
        let (variable, address) = bus.environment();
        // The process stays the same from `unshare` to polkit, and its mounts go with it.
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script, "sh"])
            .arg(directory.path())
            .env(variable, address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("unshare: {error}: run .ci/setup test"));
        let mut polkit = Self { child, _directory: directory };
        wait_for("polkit on the bus", PATIENCE, || {
            let ended = polkit.child.try_wait().unwrap();
            assert!(ended.is_none(), "polkit does not start: {ended:?}");
            bus.run(&format!("busctl call {AUTHORITY} EnumerateActions s ''"))
                .status
                .success()
                .then_some(())
        });
        polkit
    }
}

impl Drop for RealPolkit {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The service on a bus with the real polkit.
async fn open() -> (House, RealPolkit) {
    let bus = PrivateBus::system();
    let polkit = RealPolkit::start(&bus);
    (House::open_with(bus, Polkit::absent(), Bus::System).await, polkit)
}

/// A line of this user, with no group but its own: polkit knows itself who is a member of what.
fn by(user: u32, line: &str) -> String {
    format!("setpriv --reuid={user} --regid={user} --clear-groups {line}")
}

fn start() -> String {
    format!("busctl call {MANAGER} StartCast 'sa{{sv}}' http://dash/ 0")
}

fn reload() -> String {
    format!("busctl call {MANAGER} Reload")
}

/// The name of the error that a call ends with, as polkit's own answer decides.
#[track_caller]
fn refusal(house: &House, user: u32, call: &str) -> String {
    // gdbus tells names, and does not allow anybody to be asked for a password.
    let line = by(user, &format!("gdbus call --system --dest org.dashboardcast1 {call}"));
    let said = house.bus.complain(&line);
    let name = said.split("GDBus.Error:").nth(1).unwrap_or_else(|| panic!("{line}: {said}"));
    name.split(": ").next().unwrap().to_owned()
}

const NEEDS_PASSWORD: &str = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired";
const GDBUS_START: &str = "--object-path /org/dashboardcast1 \
                           --method org.dashboardcast1.Manager.StartCast http://dash/ {}";
const GDBUS_RELOAD: &str =
    "--object-path /org/dashboardcast1 --method org.dashboardcast1.Manager.Reload";

#[tokio::test(flavor = "multi_thread")]
async fn polkit_understands_what_is_shipped() {
    let (house, _polkit) = open().await;
    let known =
        house.bus.ask(&format!("busctl --json=short call {AUTHORITY} EnumerateActions s ''"));
    let known: serde_json::Value = serde_json::from_str(&known).unwrap();
    let is_ours = |action: &&serde_json::Value| {
        action[0].as_str().unwrap().starts_with("org.dashboardcast1.")
    };
    let mut seen: Vec<_> = known["data"][0].as_array().unwrap().iter().filter(is_ours).collect();
    seen.sort_by_key(|action| action[0].as_str().unwrap());
    let ids: Vec<_> = seen.iter().map(|action| action[0].as_str().unwrap()).collect();
    assert_eq!(ids, ["org.dashboardcast1.cast", "org.dashboardcast1.configure"]);
    // Of any, of inactive and of active sessions: polkit's own numbers for no (0), a password of an
    // administrator (2, kept: 4) and yes (5).
    for (action, defaults) in seen.iter().zip([[2, 2, 5], [4, 4, 4]]) {
        for (field, implicit) in [6, 7, 8].into_iter().zip(defaults) {
            assert_eq!(action[field], implicit, "{action}");
        }
        assert_eq!(action[9]["org.freedesktop.policykit.owner"], "unix-user:dashboard-cast");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_reads_and_does_nothing() {
    let (house, _polkit) = open().await;
    house.bus.ask(&by(STRANGER, &format!("busctl call {MANAGER} ListSessions")));
    assert_eq!(refusal(&house, STRANGER, GDBUS_START), NEEDS_PASSWORD);
    assert_eq!(refusal(&house, STRANGER, GDBUS_RELOAD), NEEDS_PASSWORD);
    // busctl allows a password to be asked for, and nobody is there who could do it.
    let refused = house.bus.complain(&by(STRANGER, &start()));
    assert!(refused.contains("authentication required"), "{refused}");
    assert!(house.core.requests.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_the_group_casts_and_does_not_configure() {
    let (house, _polkit) = open().await;
    let session = house.bus.ask(&by(MEMBER, &start()));
    assert_eq!(session, "o \"/org/dashboardcast1/session/5e551011\"");
    let session = "org.dashboardcast1 /org/dashboardcast1/session/5e551011 \
                   org.dashboardcast1.Session";
    for method in ["Navigate s http://dash/d/2", "Reload", "Snapshot", "GetMedia", "Stop"] {
        house.bus.ask(&by(MEMBER, &format!("busctl call {session} {method}")));
    }
    assert_eq!(refusal(&house, MEMBER, GDBUS_RELOAD), NEEDS_PASSWORD);
}

#[tokio::test(flavor = "multi_thread")]
async fn root_does_both() {
    let (house, _polkit) = open().await;
    house.bus.ask(&start());
    *house.core.reload.lock().unwrap() = Some(Ok(Vec::new()));
    assert_eq!(house.bus.ask(&reload()), "as 0");
}

/// The service is not root where it is installed, and polkit answers only the owner of an action when
/// it asks about others and says more than polkit must know.
#[tokio::test(flavor = "multi_thread")]
async fn the_services_user_may_ask_about_others() {
    let bus = PrivateBus::system();
    let _polkit = RealPolkit::start(&bus);
    let root = bus.client().await;
    let root = root.unique_name().unwrap();
    let question = |user: u32| {
        by(
            user,
            &format!(
                "busctl call {AUTHORITY} CheckAuthorization '(sa{{sv}})sa{{ss}}us' \
                 system-bus-name 1 name s {root} org.dashboardcast1.cast 1 verb StartCast 0 ''"
            ),
        )
    };
    assert_eq!(bus.ask(&question(SERVICE)), "(bba{ss}) true false 0");
    let refused = bus.complain(&question(STRANGER));
    assert!(refused.contains("Only trusted callers"), "{refused}");
}
