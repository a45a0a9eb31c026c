//! Who may do what: people, and the parts of a session.

use serde_json::{Value, json};
use tungstenite::Message;

use crate::{
    Fact,
    house::{
        House, SAMPLE, daemon, session, some_session, wait_live, wait_no_workers,
        wait_other_daemon, wait_other_worker, worker, workers,
    },
    machine::{Machine, PATIENCE},
    support::{booted::Booted as _, wait::wait_for},
};

pub(crate) const FACTS: &[Fact] = &[
    ("a stranger may ask and not cast", a_stranger_may_ask_and_not_cast),
    ("root casts, in sandboxes", root_casts_in_sandboxes),
    ("the log tells it", the_log_tells_it),
    ("what a page is logged in with is nowhere to be seen", secrets_are_nowhere),
    ("what is killed comes back", what_is_killed_comes_back),
    ("as root the service does not run", as_root_it_does_not_run),
    ("Chromium says that its sandbox is on", chromium_says_that_its_sandbox_is_on),
];

/// Which takes a minute.
pub(crate) const WATCHDOGS: &[Fact] = &[("what hangs is ended", what_hangs_is_ended)];

fn a_stranger_may_ask_and_not_cast(house: &House) {
    let machine = &house.machine;
    machine.do_("useradd --create-home stranger");
    machine.do_("useradd --create-home --groups dashboard-cast viewer");
    let said =
        machine.run_as("stranger", "busctl introspect org.dashboardcast1 /org/dashboardcast1");
    assert!(said.success && said.out.contains("StartCast"), "{said:?}");
    assert!(machine.run_as("stranger", "dashboard-cast health").success);
    let start = format!(
        "busctl call org.dashboardcast1 /org/dashboardcast1 org.dashboardcast1.Manager \
         StartCast 'sa{{sv}}' {SAMPLE} 0"
    );
    let said = machine.run_as("stranger", &start);
    assert!(!said.success, "{said:?}");
    let said = machine.run_as("stranger", &format!("dashboard-cast start {SAMPLE}"));
    assert!(!said.success && !said.err.is_empty(), "{said:?}");
    // The group's members may, and none of them may configure.
    let said = machine.run_as("viewer", &format!("dashboard-cast start {SAMPLE}"));
    assert!(said.success, "{said:?}");
    let said = machine.run_as("viewer", "dashboard-cast stop --all");
    assert!(said.success, "{said:?}");
    assert!(!machine.run_as("viewer", "dashboard-cast reload").success);
    for (user, path) in
        [("stranger", "/etc/dashboard-cast/token"), ("stranger", "/var/lib/dashboard-cast/")]
    {
        assert!(!machine.run_as(user, &format!("ls {path}* && cat {path}")).success, "{path}");
    }
}

fn root_casts_in_sandboxes(house: &House) {
    let machine = &house.machine;
    machine.do_(&format!(
        "curl -sS --fail-with-body -d '{{\"url\": \"{SAMPLE}\"}}' http://127.0.0.1:8000/start"
    ));
    let session = wait_live(machine);
    let playlist = session["playlist_url"].as_str().expect("an address");
    machine.wait("segment", &format!("curl -sS {playlist}"), |said| {
        said.out.contains("#EXTM3U").then_some(())
    });

    let (encoder, browser) = (worker(machine, "encoder"), worker(machine, "browser"));
    for process in [&daemon(machine), &encoder, &browser] {
        let status = machine.do_(&format!("cat /proc/{process}/status"));
        let fact = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(&format!("{name}:")));
            line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default().to_owned()
        };
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(fact(set), "0000000000000000", "{process} {set}");
        }
        assert_eq!((&*fact("NoNewPrivs"), &*fact("Seccomp")), ("1", "2"), "{process}");
        assert_ne!(fact("Uid"), "0");
    }

    // Chromium's own sandbox: its renderers are in namespaces of their own, with a filter of their own.
    let renderer = machine.wait("renderer", "pgrep -f -- --type=renderer | head -n 1", |said| {
        (!said.out.is_empty()).then(|| said.out.trim().to_owned())
    });
    for space in ["user", "pid", "net"] {
        let of = |process: &str| machine.do_(&format!("readlink /proc/{process}/ns/{space}"));
        assert_ne!(of(&renderer), of(&browser), "{space}");
    }
    let flags = machine.do_(&format!("tr '\\0' ' ' </proc/{renderer}/cmdline"));
    assert!(!flags.contains("--no-sandbox"), "{flags}");

    // What a page could reach through a broken Chromium: as its user, among its files.
    let user = machine.do_(&format!("stat -c %u /proc/{browser}"));
    let within = format!(
        "nsenter --target {browser} --mount -- setpriv --reuid {0} --regid {0} --clear-groups",
        user.trim()
    );
    assert!(machine.run(&format!("{within} ls /dev/null")).success);
    let _afterwards = machine.afterwards("rmdir --ignore-fail-on-non-empty /dev/dri");
    machine.do_("mkdir --parents /dev/dri");
    for path in [
        "/dev/dri",
        "/etc/dashboard-cast/.",
        "/etc/dashboard-cast/token",
        "/run/dashboard-cast/.",
        "/run/dashboard-cast-workers/encoder",
        "/run/dbus/system_bus_socket",
        "/var/lib/dashboard-cast/.",
    ] {
        let said = machine.run(&format!("{within} sh -c 'test -r {path} -o -w {path}'"));
        assert!(!said.success, "{path}");
    }
    let status = machine.do_("systemctl show -P StatusText dashboard-cast.service");
    assert!(status.starts_with("1 session: "), "{status}");
}

fn the_log_tells_it(house: &House) {
    let machine = &house.machine;
    let id = some_session(machine)["session_id"].as_str().expect("an id").to_owned();
    let told = machine.do_(&format!("journalctl --no-pager -o cat SESSION={id}"));
    assert!(told.contains(&format!("{id}: session starts")), "{told}");
    let explained = machine.do_(&format!("journalctl --no-pager -x SESSION={id}"));
    assert!(explained.contains("A session was started"), "{explained}");
}

/// In no command line, environment, log or answer: neither of the page nor of the service.
fn secrets_are_nowhere(house: &House) {
    const SECRET: &str = "hush-4fd1c0";
    let machine = &house.machine;
    let request = "/root/request.json";
    let _afterwards = machine.afterwards(format!("rm {request}; dashboard-cast stop --all"));
    let address = SAMPLE.replace("://", &format!("://me:{SECRET}@"));
    let auth = json!({
        "cookies": {"sid": SECRET},
        "headers": {"X-Key": SECRET},
        "localStorage": {"token": SECRET},
    });
    let wanted = json!({"url": format!("{address}?access_token={SECRET}"), "auth": auth});
    machine.do_("dashboard-cast stop --all");
    machine.write(request, &wanted.to_string());
    let started = machine
        .do_(&format!("curl -sS --fail-with-body -d @{request} http://127.0.0.1:8000/start"));
    let id = wait_live(machine)["session_id"].as_str().expect("an id").to_owned();
    let processes =
        machine.do_("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || true");
    assert!(processes.contains("--type=renderer"), "Chromium's processes are not among them");
    machine.do_("journalctl --sync");
    let said = [
        ("start", started),
        ("journal", machine.do_("journalctl --no-pager -o export")),
        (
            "bus",
            machine.do_(
                "busctl --no-pager --json=short call org.dashboardcast1 /org/dashboardcast1 \
                 org.freedesktop.DBus.ObjectManager GetManagedObjects",
            ),
        ),
        ("HTTP", machine.do_(&format!("curl -sS --fail http://127.0.0.1:8000/sessions/{id}"))),
        ("CLI", machine.do_(&format!("dashboard-cast status --json {id}"))),
        ("processes", processes),
    ];
    let token = machine.do_("cat /etc/dashboard-cast/token");
    for (place, words) in said {
        assert!(words.contains(&id) || place == "processes", "{place} says nothing of it: {words}");
        assert!(!words.contains(SECRET), "what the page is logged in with: {place}: {words}");
        assert!(!words.contains(token.trim()), "the token: {place}: {words}");
    }
}

/// The newest segment's number.
fn newest(machine: &Machine) -> u64 {
    session(machine).and_then(|session| session["video"]["segments"].as_u64()).unwrap_or_default()
}

fn what_is_killed_comes_back(house: &House) {
    let machine = &house.machine;
    some_session(machine);
    for kind in ["encoder", "browser"] {
        let before = worker(machine, kind);
        machine.do_(&format!("kill -9 {before}"));
        wait_other_worker(machine, kind, &before);
        let segments = newest(machine);
        wait_live(machine);
        machine.wait("segments", "true", |_| (newest(machine) > segments).then_some(()));
    }
    // A session without a TV does not outlive its daemon, and neither do its workers.
    let before = daemon(machine);
    machine.do_(&format!("kill -9 {before}"));
    wait_other_daemon(machine, &before);
    assert!(session(machine).is_none());
    wait_no_workers(machine);
}

fn what_hangs_is_ended(house: &House) {
    let machine = &house.machine;
    some_session(machine);
    for kind in ["encoder", "browser"] {
        let before = worker(machine, kind);
        machine.do_(&format!("kill -STOP {before}"));
        wait_other_worker(machine, kind, &before);
        wait_live(machine);
        assert_watchdog(machine, &format!("dashboard-cast-{kind}@*"));
    }
    machine.do_("dashboard-cast stop --all");
    assert!(workers(machine, "encoder").is_empty());
    let before = daemon(machine);
    machine.do_(&format!("kill -STOP {before}"));
    wait_other_daemon(machine, &before);
    assert_watchdog(machine, "dashboard-cast.service");
}

#[track_caller]
fn assert_watchdog(machine: &Machine, units: &str) {
    machine.do_("journalctl --sync");
    let log = machine.do_(&format!("journalctl --no-pager -o cat -u '{units}'"));
    assert!(log.contains("Watchdog timeout"), "{log}");
}

fn as_root_it_does_not_run(house: &House) {
    let machine = &house.machine;
    let drop_in = "/run/systemd/system/dashboard-cast.service.d";
    let _afterwards = machine.afterwards(format!(
        "rm -r {drop_in}; systemctl daemon-reload; \
         systemctl reset-failed dashboard-cast.service; \
         systemctl start dashboard-cast.socket dashboard-cast.service"
    ));
    machine.do_("systemctl stop dashboard-cast.service");
    machine.do_(&format!(
        "mkdir {drop_in} && printf '[Service]\nUser=root\n' >{drop_in}/root.conf && \
         systemctl daemon-reload"
    ));
    assert!(!machine.run("systemctl start dashboard-cast.service").success);
    // It would not help to try again.
    assert_eq!(machine.run("systemctl is-active dashboard-cast.service").out.trim(), "failed");
    machine.do_("journalctl --sync");
    let log = machine.do_("journalctl --no-pager -o cat -u dashboard-cast.service | tail -n 20");
    assert!(log.contains("must not run as root"), "{log}");
}

/// Chromium in the unit's sandbox, with a door for the test that the unit does not have.
const PROBE: &str = "[Service]
Type=exec
WatchdogSec=0
Environment=HOME=/tmp/probe
ExecStart=
ExecStart=/usr/bin/chromium --headless --disable-gpu --user-data-dir=/tmp/probe \
--remote-debugging-port=9222 --remote-allow-origins=* about:blank
SocketBindDeny=
";

fn chromium_says_that_its_sandbox_is_on(house: &House) {
    let machine = &house.machine;
    let drop_in = "/etc/systemd/system/dashboard-cast-browser@probe.service.d";
    let afterwards = machine.afterwards(format!(
        "systemctl stop dashboard-cast-browser@probe.service; rm -r {drop_in}; \
         systemctl daemon-reload"
    ));
    machine.write(&format!("{drop_in}/probe.conf"), PROBE);
    machine.do_("systemctl daemon-reload && systemctl start dashboard-cast-browser@probe.service");
    let words = house.within(|| {
        wait_for("word of Chromium's sandbox", PATIENCE, || {
            let words = sandbox_page()?.split_whitespace().collect::<Vec<_>>().join(" ");
            words.contains("sandboxed.").then_some(words)
        })
    });
    drop(afterwards);
    eprintln!("    {words}");
    for fact in [
        "Layer 1 Sandbox Namespace",
        "PID namespaces Yes",
        "Network namespaces Yes",
        "Seccomp-BPF sandbox Yes",
        "You are adequately sandboxed.",
    ] {
        assert!(words.contains(fact), "{words}");
    }
}

/// The text of Chromium's own page about it; `None` until it is there.
fn sandbox_page() -> Option<String> {
    let mut pages = ureq::get("http://127.0.0.1:9222/json").call().ok()?;
    let pages: Value = pages.body_mut().read_json().ok()?;
    let page = pages.as_array()?.iter().find(|page| page["url"] == "chrome://sandbox/");
    let Some(page) = page else {
        // Such a page is not opened from the command line.
        let open = "http://127.0.0.1:9222/json/new?chrome://sandbox";
        return ureq::put(open).send_empty().map(|_| None).ok()?;
    };
    let (mut socket, _) = tungstenite::connect(page["webSocketDebuggerUrl"].as_str()?).ok()?;
    let question = json!({
        "id": 1, "method": "Runtime.evaluate",
        "params": {"expression": "document.body.innerText", "returnByValue": true},
    });
    socket.send(Message::text(question.to_string())).ok()?;
    let answer: Value = serde_json::from_str(socket.read().ok()?.to_text().ok()?).ok()?;
    answer["result"]["result"]["value"].as_str().map(str::to_owned)
}
