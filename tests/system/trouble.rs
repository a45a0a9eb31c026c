//! What goes wrong on a machine, and what is said and lost then.

use crate::{
    Fact,
    house::{House, SAMPLE, daemon, json, session, some_session, wait_other_daemon},
    machine::Machine,
    support::booted::{Afterwards, Booted as _},
};

pub(crate) const FACTS: &[Fact] = &[
    ("a bad configuration is refused and said", a_bad_configuration_is_refused),
    ("a bad configuration at the start is said once", a_bad_configuration_at_the_start),
    ("what runs outlives the bus, the journal and a reload of units", what_runs_outlives_others),
    ("without Chromium it says what to install", without_chromium),
    ("without user namespaces it says what to allow", without_user_namespaces),
    ("a taken port is said", a_taken_port_is_said),
    ("without a place for its state it goes on", without_a_place_for_its_state),
    ("killed at each step of its start it comes up", killed_while_it_starts),
];

const HEALTH: &str = "curl -sS http://127.0.0.1:8000/health";
const FILE: &str = "/etc/dashboard-cast/conf.d/60-test.toml";
const BAD: &str = "[sessions]\nmost = \"many\"\n";

/// Takes the bad configuration away, in the end.
fn configured_again(machine: &Machine) -> Afterwards<'_, Machine> {
    machine.afterwards(format!(
        "rm {FILE}; systemctl reset-failed dashboard-cast.service; \
         systemctl restart dashboard-cast.socket dashboard-cast.service"
    ))
}

fn a_bad_configuration_is_refused(house: &House) {
    let machine = &house.machine;
    machine.do_("systemctl start dashboard-cast.service");
    let _afterwards = configured_again(machine);
    machine.write(FILE, "[sessions]\nmost = 9\n");
    machine.do_("systemctl reload dashboard-cast.service");
    machine.write(FILE, BAD);
    let said = machine.run("systemctl reload dashboard-cast.service");
    assert!(!said.success, "{said:?}");
    let said = machine.run("dashboard-cast reload");
    assert!(!said.success && said.err.contains("60-test.toml:2"), "{said:?}");
    assert_eq!(machine.do_("systemctl is-active dashboard-cast.service").trim(), "active");
}

fn a_bad_configuration_at_the_start(house: &House) {
    let machine = &house.machine;
    let afterwards = configured_again(machine);
    machine.write(FILE, BAD);
    let cursor = cursor(machine);
    assert!(!machine.run("systemctl restart dashboard-cast.service").success);
    let said = since(machine, &cursor);
    assert_eq!(said.matches("60-test.toml:2").count(), 1, "{said}");
    drop(afterwards);
    assert!(machine.run(HEALTH).success);
}

/// Where the journal is now.
fn cursor(machine: &Machine) -> String {
    let said = machine.do_("journalctl --no-pager -n 0 --show-cursor");
    let line = said.lines().find_map(|line| line.strip_prefix("-- cursor: "));
    line.expect("a cursor").to_owned()
}

fn since(machine: &Machine, cursor: &str) -> String {
    machine.do_("journalctl --sync");
    // Of all units: journalctl 252 leaves out what comes first after a cursor that a filter does not match.
    machine.do_(&format!("journalctl --no-pager -o cat --after-cursor='{cursor}'"))
}

fn what_runs_outlives_others(house: &House) {
    let machine = &house.machine;
    let before = some_session(machine);
    let process = daemon(machine);
    machine.do_("systemctl daemon-reload");
    machine.do_("systemctl restart systemd-journald.service");
    machine.do_("systemctl restart dbus.service");
    machine.wait("name on the bus", "busctl --no-pager status org.dashboardcast1", |said| {
        said.success.then_some(())
    });
    assert_eq!(daemon(machine), process);
    let after = session(machine).expect("a session");
    assert_eq!((&after["session_id"], &after["state"]), (&before["session_id"], &"live".into()));
    let cursor = cursor(machine);
    machine.do_("dashboard-cast stop --all");
    let said = since(machine, &cursor);
    assert!(said.contains("session ended"), "{said}");
}

/// Starts a session and waits until it says why its page is not there.
fn problem(machine: &Machine, word: &str) -> String {
    let _afterwards = machine.afterwards("dashboard-cast stop --all");
    machine.do_(&format!("dashboard-cast start {SAMPLE}"));
    machine.wait("problem", HEALTH, |said| {
        let problem = json(said)?["problems"].get(0)?.as_str()?.to_owned();
        problem.contains(word).then_some(problem)
    })
}

fn without_chromium(house: &House) {
    let machine = &house.machine;
    let _afterwards = machine.afterwards("mv /usr/bin/chromium.off /usr/bin/chromium");
    machine.do_("mv /usr/bin/chromium /usr/bin/chromium.off");
    let said = problem(machine, "Chromium");
    assert!(said.contains("apt install chromium"), "{said}");
}

fn without_user_namespaces(house: &House) {
    let machine = &house.machine;
    let drop_in = "/etc/systemd/system/dashboard-cast-browser@.service.d";
    let _afterwards = machine.afterwards(format!("rm -r {drop_in} && systemctl daemon-reload"));
    machine.write(&format!("{drop_in}/test.conf"), "[Service]\nRestrictNamespaces=yes\n");
    machine.do_("systemctl daemon-reload");
    let said = problem(machine, "sandbox");
    assert!(said.contains("nesting=1") && said.contains("sysctl"), "{said}");
}

fn a_taken_port_is_said(house: &House) {
    let machine = &house.machine;
    let _afterwards = machine.afterwards(
        "systemctl stop squatter.service; \
         systemctl start dashboard-cast.socket dashboard-cast.service",
    );
    machine.do_("systemctl stop dashboard-cast.service dashboard-cast.socket");
    machine.do_("systemd-run --unit=squatter systemd-socket-activate --listen=8000 /bin/cat");
    machine.wait("taken port", "ss -Hltn 'sport = :8000'", |said| {
        (!said.out.is_empty()).then_some(())
    });
    let cursor = cursor(machine);
    assert!(!machine.run("systemctl start dashboard-cast.socket").success);
    // By a process of its own, whose words may come last, and after whose end the journal cannot tell any
    // more of which unit it was.
    let words = format!("journalctl --no-pager -o cat --after-cursor='{cursor}'");
    machine
        .wait("reason", &words, |said| said.out.contains("Address already in use").then_some(()));
}

/// A full disk, and a disk that can only be read.
fn without_a_place_for_its_state(house: &House) {
    let machine = &house.machine;
    house.configure("");
    let directory = "/var/lib/dashboard-cast";
    let full = format!(
        "mount -t tmpfs -o size=4k,uid=dashboard-cast,mode=700 none {directory} && \
         dd if=/dev/zero of={directory}/filler bs=4k count=1"
    );
    let read_only =
        format!("mount --bind {directory} {directory} && mount -o remount,bind,ro {directory}");
    for (mount, word) in [(full, "No space left"), (read_only, "Read-only")] {
        machine.do_("systemctl stop dashboard-cast.service");
        let afterwards = machine.afterwards(format!(
            "dashboard-cast stop --all; systemctl stop dashboard-cast.service; \
             systemctl reset-failed dashboard-cast.service; umount {directory} && \
             systemctl start dashboard-cast.socket dashboard-cast.service"
        ));
        machine.do_(&mount);
        let cursor = cursor(machine);
        machine.do_("systemctl start dashboard-cast.service");
        machine.do_(&format!("dashboard-cast start {SAMPLE} --device Wall"));
        house.tv.wait_until_playing();
        machine.wait("word of what is not kept", HEALTH, |said| {
            let health = json(said)?;
            let problem = health["problems"].get(0)?.as_str()?;
            let is_said = problem.contains(directory) && problem.contains(word);
            (health["status"] == "degraded" && is_said).then_some(())
        });
        let said = since(machine, &cursor);
        assert!(said.contains(word), "{said}");
        drop(afterwards);
        let health = json(&machine.run(HEALTH)).expect("an answer");
        assert_eq!(health["status"], "healthy", "{health}");
    }
}

fn killed_while_it_starts(house: &House) {
    let machine = &house.machine;
    for milliseconds in [0, 5, 10, 20, 40, 60, 80, 120] {
        let before = daemon(machine);
        machine.do_(&format!(
            "systemctl restart --no-block dashboard-cast.service; \
             sleep 0.{milliseconds:03}; \
             systemctl kill --signal=KILL dashboard-cast.service; \
             systemctl reset-failed dashboard-cast.service"
        ));
        wait_other_daemon(machine, &before);
        let left = machine.do_("ls /run/dashboard-cast");
        assert_eq!(left.lines().count(), 1, "{left}");
    }
}
