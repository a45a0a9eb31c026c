//! How an installation begins and ends.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    Fact,
    house::{House, SAMPLE, daemon, wait_live, wait_no_workers},
    support::booted::{Booted as _, Said},
};

pub(crate) const BEGINNING: &[Fact] = &[
    ("it is installed and runs, also on the bus", it_is_installed_and_runs),
    ("a request starts it, and soon", a_request_starts_it_and_soon),
    ("the package's own test holds", the_packages_own_test_holds),
    ("nothing runs while nobody wants anything, and the bus starts it too", it_comes_and_goes),
    ("idle, it takes little memory", idle_it_takes_little_memory),
    ("systemd says no worse of it than it should", exposure_is_low),
];

pub(crate) const END: &[Fact] = &[
    ("a stop leaves nothing that runs", a_stop_leaves_nothing_that_runs),
    ("a purge leaves nothing", a_purge_leaves_nothing),
];

const IS_ACTIVE: &str = "systemctl is-active dashboard-cast.service";

fn it_is_installed_and_runs(house: &House) {
    let machine = &house.machine;
    machine.wait("running service", IS_ACTIVE, |said| (said.out.trim() == "active").then_some(()));
    for unit in ["dashboard-cast.socket", "dashboard-cast.service"] {
        assert_eq!(machine.do_(&format!("systemctl is-enabled {unit}")).trim(), "enabled");
    }
    // The bus reads the policy only after the service has come up.
    machine.wait("name on the bus", "busctl --no-pager status org.dashboardcast1", |said| {
        said.success.then_some(())
    });
    let token = machine.do_("stat -c '%a %U' /etc/dashboard-cast/token");
    assert_eq!(token.trim(), "600 root");
    let failed = "systemctl list-units --failed --no-legend 'dashboard-cast*'";
    assert_eq!(machine.do_(failed), "");
    let status = machine.do_("systemctl show -P StatusText dashboard-cast.service");
    assert_eq!(status.trim(), "idle; libx264 would encode");
}

fn a_request_starts_it_and_soon(house: &House) {
    let machine = &house.machine;
    machine.do_("systemctl stop dashboard-cast.service");
    let begin = Instant::now();
    let health = machine.do_("curl -sS http://127.0.0.1:8000/health");
    let took = begin.elapsed();
    let health: Value = serde_json::from_str(&health).expect("JSON");
    assert_eq!(health["status"], "healthy", "{health:#}");
    assert_eq!(health["capabilities"], json!([]), "{health:#}");
    // It includes the coming of nsenter and curl; the floor is 300 ms, on a machine that has time.
    assert!(took < Duration::from_secs(3), "{took:?}");
    eprintln!("    first answer of a stopped service after {took:.0?}");
}

/// What Debian runs of `debian/tests`.
fn the_packages_own_test_holds(house: &House) {
    let machine = &house.machine;
    machine.write("/root/installed", include_str!("../../debian/tests/installed"));
    let said = machine.run("sh /root/installed");
    assert!(said.success, "{said:?}");
}

fn it_comes_and_goes(house: &House) {
    let machine = &house.machine;
    house.configure("[service]\nidle-exit = \"1s\"");
    machine.do_("systemctl reload dashboard-cast.service");
    let gone = |said: &Said| (said.out.trim() == "inactive").then_some(());
    machine.wait("end for want of work", IS_ACTIVE, gone);
    wait_no_workers(machine);
    let devices = machine.do_("dashboard-cast devices");
    assert!(devices.contains("Wall"), "{devices}");
    machine.wait("other end for want of work", IS_ACTIVE, gone);
    house.configure("");
}

/// What is its own; the program and its libraries are files, which the kernel keeps as it likes.
fn idle_it_takes_little_memory(house: &House) {
    let machine = &house.machine;
    machine.do_("curl -sS http://127.0.0.1:8000/health");
    let status = machine.do_(&format!("cat /proc/{}/status", daemon(machine)));
    let fact = |name: &str| -> usize {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("a number")
    };
    let (own, files) = (fact("RssAnon:"), fact("RssFile:"));
    eprintln!("    idle: {own} kB of its own, {files} kB of program and libraries");
    assert!(own <= 20 * 1024, "{own} kB");
}

fn exposure_is_low(house: &House) {
    let machine = &house.machine;
    for (unit, most) in [
        ("dashboard-cast.service", 1.3),
        ("dashboard-cast-encoder@x.service", 0.8),
        ("dashboard-cast-browser@x.service", 2.2),
        ("dashboard-cast-doctor@x.service", 2.0),
        ("dashboard-cast@x.service", 0.8),
    ] {
        let said = machine.do_(&format!("systemd-analyze --no-pager security {unit} | tail -n 1"));
        let level = said.split_whitespace().find_map(|word| word.parse::<f32>().ok());
        let level = level.unwrap_or_else(|| panic!("no number in {said}"));
        assert!(level <= most, "{unit}: {level}");
        eprintln!("    exposure of {unit}: {level}");
    }
}

fn a_stop_leaves_nothing_that_runs(house: &House) {
    let machine = &house.machine;
    machine.do_(&format!("dashboard-cast start {SAMPLE}"));
    wait_live(machine);
    machine.do_("systemctl stop dashboard-cast.service");
    wait_no_workers(machine);
    let left = machine.run("pgrep -af '^/usr/bin/dashboard-cast|^/usr/lib/chromium'");
    assert!(left.out.is_empty(), "{left:?}");
    assert!(!machine.run("ls -d /run/dashboard-cast /run/dashboard-cast-workers/*").success);
    let mounts = machine.do_("grep -c dashboard-cast /proc/self/mounts || true");
    assert_eq!(mounts.trim(), "0");
    assert_eq!(machine.do_("systemctl list-units --failed --no-legend 'dashboard-cast*'"), "");
}

fn a_purge_leaves_nothing(house: &House) {
    let machine = &house.machine;
    let size = machine.do_("dpkg-query -f '${Installed-Size} kB' -W dashboard-cast");
    let file = machine.do_("stat -c %s /root/dashboard-cast.deb");
    eprintln!("    installed {size}, packed {} B", file.trim());
    machine.do_("apt-get purge -q -y dashboard-cast");
    let left = machine.run(
        "find / -xdev -path /proc -prune -o -path /root -prune -o -path /var/log -prune \
         -o -path /var/cache -prune -o -name '*dashboard*cast*' -print",
    );
    assert_eq!(left.out, "");
    assert!(machine.run("ss -Hltn 'sport = :8000'").out.is_empty());
}
