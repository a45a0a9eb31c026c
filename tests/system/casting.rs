//! A cast as a unit, on a TV that really plays: it stays there whatever happens to the service.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    Fact,
    house::{
        House, SAMPLE, daemon, measure, wait_confirmed, wait_no_workers, wait_other_daemon,
        wait_other_worker, worker,
    },
    machine::PATIENCE,
    support::{
        booted::{Booted as _, Said},
        playlist::Playlist,
        tv::BACKDROP,
        wait::wait_for,
    },
};

pub(crate) const FACTS: &[Fact] = &[
    ("a cast of the configuration is a unit", a_cast_is_a_unit),
    ("whatever is killed, the TV plays on", whatever_is_killed_the_tv_plays_on),
    ("a restart of the service is nothing to the TV", a_restart_is_nothing_to_the_tv),
    ("an upgrade is nothing to the TV", an_upgrade_is_nothing_to_the_tv),
    ("a stopped unit leaves the TV", a_stopped_unit_leaves_the_tv),
    ("a timer starts a cast", a_timer_starts_a_cast),
    ("the examples hold", the_examples_hold),
    ("a real page comes to the TV", a_real_page_comes_to_the_tv),
];

const UNIT: &str = "dashboard-cast@wall.service";
const NETDATA: &str = "http://127.0.0.1:19999/";

/// Configures the cast, unless the fact before has left it so.
fn configure(house: &House) {
    house.configure(&format!("[casts.wall]\nurl = \"{SAMPLE}\"\ndevice = \"Wall\""));
    house.machine.do_("systemctl reload-or-restart dashboard-cast.service");
}

/// Has the cast on the TV, where it is already when the fact before held. Returns how often the TV was
/// told what to play until now.
fn cast(house: &House) -> u32 {
    let machine = &house.machine;
    if !machine.run(&format!("systemctl is-active {UNIT}")).success {
        configure(house);
        machine.do_(&format!("systemctl start {UNIT}"));
    }
    house.tv.wait_until_playing();
    wait_confirmed(machine);
    house.tv.stats().loads
}

fn a_cast_is_a_unit(house: &House) {
    let machine = &house.machine;
    cast(house);
    let says = |said: &Said| {
        (said.out.contains("confirmed") && said.out.contains("on Wall")).then_some(())
    };
    machine.wait("word of the TV", &format!("systemctl show -P StatusText {UNIT}"), says);
    let log = machine.do_(&format!("journalctl --no-pager -o cat -u {UNIT}"));
    assert!(log.contains("live confirmed"), "{log}");
    machine.wait(
        "the verdict as a field of the journal",
        "journalctl --no-pager -o cat EVENT=verdict VERDICT=confirmed",
        |said| said.out.contains("confirmed: ").then_some(()),
    );
    let unknown = machine.run("systemctl start dashboard-cast@nowhere.service");
    assert!(!unknown.success);
    let log = machine.do_("journalctl --no-pager -o cat -u dashboard-cast@nowhere.service");
    assert!(log.contains("no [casts.nowhere]") && log.contains("wall"), "{log}");
    machine.do_("systemctl stop dashboard-cast@nowhere.service");
}

fn whatever_is_killed_the_tv_plays_on(house: &House) {
    let machine = &house.machine;
    let loads = cast(house);
    for kind in ["encoder", "browser"] {
        let before = worker(machine, kind);
        measure(&format!("{kind} killed, confirmed again"), || {
            machine.do_(&format!("kill -9 {before}"));
            wait_other_worker(machine, kind, &before);
            wait_confirmed(machine);
        });
        house.plays_on(loads);
    }
    for whom in ["$(systemctl show -P MainPID dashboard-cast.service)", "slice"] {
        let before = daemon(machine);
        measure(&format!("{whom} killed, confirmed again"), || {
            match whom {
                "slice" => machine.do_("systemctl kill --signal=KILL dashboard-cast.slice"),
                process => machine.do_(&format!("kill -9 {process}")),
            };
            wait_other_daemon(machine, &before);
            wait_confirmed(machine);
        });
        house.plays_on(loads);
    }
    // Killed with the slice, it is there again as well, and follows what goes on.
    machine.wait("unit of the cast", &format!("systemctl is-active {UNIT}"), |said| {
        (said.out.trim() == "active").then_some(())
    });
    house.plays_on(loads);
}

/// The longest times for which there was no answer.
struct Silence {
    /// To the TV, that asks for its playlist.
    playlist: Duration,
    /// To who asks how the service is.
    health: Duration,
}

/// Asks without a pause all the while that something happens.
fn longest_silence(house: &House, happens: impl FnOnce()) -> Silence {
    let load = house.tv.stats().load.expect("what the TV was told to load");
    let master = load["media"]["contentId"].as_str().expect("an address");
    let (service, _) = master.split_once("/media/").expect("a stream's address");
    let (playlist, health) = (master.replace("master", "media"), format!("{service}/health"));
    let token = house.machine.do_("cat /etc/dashboard-cast/token");
    let token = format!("Bearer {}", token.trim());
    let over = AtomicBool::new(false);
    let ask = |address: &str, mut look: Box<dyn FnMut(&str)>| {
        let (mut longest, mut answered) = (Duration::ZERO, Instant::now());
        while !over.load(Ordering::Relaxed) {
            let answer = ureq::get(address).header("Authorization", &token).call();
            let Ok(text) = answer.and_then(|mut answer| answer.body_mut().read_to_string()) else {
                continue;
            };
            longest = longest.max(answered.elapsed());
            answered = Instant::now();
            look(&text);
        }
        // Nor is it silent now.
        longest.max(answered.elapsed())
    };
    // What a player has got is followed by what comes next, without a hole in the numbers.
    let mut newest = None;
    let follow = move |text: &str| {
        let entries = Playlist::parse(text).entries;
        let [first, last] = [entries.first(), entries.last()]
            .map(|entry| entry.expect("a segment in the list").sequence);
        if let Some(newest) = newest.replace(last) {
            assert!(first <= newest + 1 && last >= newest, "{first} to {last} after {newest}");
        }
    };
    thread::scope(|scope| {
        let playlist = scope.spawn(|| ask(&playlist, Box::new(follow)));
        let health = scope.spawn(|| ask(&health, Box::new(|_| {})));
        happens();
        over.store(true, Ordering::Relaxed);
        Silence {
            playlist: playlist.join().expect("a list each time"),
            health: health.join().expect("an answer each time"),
        }
    })
}

fn a_restart_is_nothing_to_the_tv(house: &House) {
    let machine = &house.machine;
    let loads = cast(house);
    let before = daemon(machine);
    machine.do_("systemctl daemon-reload");
    house.plays_on(loads);
    assert_eq!(daemon(machine), before);
    let silence = longest_silence(house, || {
        measure("restarted, confirmed again", || {
            machine.do_("systemctl restart dashboard-cast.service");
            wait_other_daemon(machine, &before);
            wait_confirmed(machine);
        });
        house.plays_on(loads);
    });
    let Silence { playlist, health } = silence;
    eprintln!("    longest time without a playlist: {playlist:.0?}, without health: {health:.0?}");
    // A second, and what a machine takes that builds something at the same time.
    assert!(playlist.max(health) < Duration::from_secs(2), "{playlist:?}, {health:?}");
    let status = machine.do_(&format!("systemctl show -P StatusText {UNIT}"));
    assert!(status.contains("on Wall"), "{status}");
}

fn an_upgrade_is_nothing_to_the_tv(house: &House) {
    let machine = &house.machine;
    let loads = cast(house);
    let before = daemon(machine);
    machine.do_("apt-get install -q -y --reinstall /root/dashboard-cast.deb");
    wait_other_daemon(machine, &before);
    wait_confirmed(machine);
    house.plays_on(loads);
}

fn a_stopped_unit_leaves_the_tv(house: &House) {
    let machine = &house.machine;
    cast(house);
    machine.do_(&format!("systemctl stop {UNIT}"));
    house.tv.wait_until("the TV's own screen", |stats| stats.app.as_deref() == Some(BACKDROP));
    wait_no_workers(machine);
    assert_eq!(machine.run(&format!("systemctl is-active {UNIT}")).out.trim(), "inactive");
}

fn a_timer_starts_a_cast(house: &House) {
    let machine = &house.machine;
    let timer = "/etc/systemd/system/dashboard-cast@wall.timer";
    configure(house);
    let _afterwards = machine.afterwards(format!(
        "systemctl stop dashboard-cast@wall.timer; rm {timer}; systemctl daemon-reload"
    ));
    machine.write(timer, "[Timer]\nOnActiveSec=1s\nAccuracySec=100ms\n");
    machine.do_("systemctl daemon-reload && systemctl start dashboard-cast@wall.timer");
    house.tv.wait_until_playing();
    // And one that ends by itself ends its unit, so that the timer can start it again.
    machine.do_("dashboard-cast stop wall");
    machine.wait("end of the unit", &format!("systemctl is-active {UNIT}"), |said| {
        (said.out.trim() == "inactive").then_some(())
    });
}

fn the_examples_hold(house: &House) {
    let machine = &house.machine;
    let _afterwards = machine.afterwards(
        "rm /etc/dashboard-cast/conf.d/kitchen.toml /etc/dashboard-cast/kitchen.json \
         /etc/systemd/system/dashboard-cast@kitchen.timer; \
         systemctl daemon-reload; systemctl reload dashboard-cast",
    );
    machine.do_(
        "cd /usr/share/doc/dashboard-cast/examples && \
         install -m 0640 -g dashboard-cast kitchen.json /etc/dashboard-cast && \
         install -Dm 0644 -t /etc/dashboard-cast/conf.d kitchen.toml && \
         install -m 0644 dashboard-cast@kitchen.timer /etc/systemd/system",
    );
    let checked = machine.do_("dashboard-cast config check --json");
    let checked: Value = serde_json::from_str(&checked).expect("JSON");
    assert_eq!((&checked["usable"], &checked["warnings"]), (&json!(true), &json!([])));
    machine.do_("systemctl reload-or-restart dashboard-cast.service");
    let verified = machine.run("systemd-analyze verify dashboard-cast@kitchen.timer");
    assert!(verified.success && verified.err.is_empty(), "{verified:?}");
    machine.do_("systemctl daemon-reload && systemctl enable --now dashboard-cast@kitchen.timer");
    machine.do_("systemctl is-active dashboard-cast@kitchen.timer");
    // Nothing is there, but what the page is logged in with could be read and understood.
    let answer = machine.do_("curl -sS -X POST http://127.0.0.1:8000/casts/kitchen/start");
    assert!(answer.contains("there is no TV"), "{answer}");
    machine.do_("systemctl disable --now dashboard-cast@kitchen.timer");
}

fn a_real_page_comes_to_the_tv(house: &House) {
    let machine = &house.machine;
    if !machine.run(&format!("curl -sSf -o /dev/null {NETDATA}")).success {
        let release = machine.do_("cat /etc/debian_version");
        assert!(release.starts_with("13"), "netdata does not run");
        return eprintln!("    Debian 13 has no netdata");
    }
    let loads = house.tv.stats().loads;
    let _afterwards = machine.afterwards("dashboard-cast stop --all");
    machine.do_(&format!("curl -sS --fail-with-body -d '{{\"url\": \"{NETDATA}\", \"device\": \"Wall\"}}' http://127.0.0.1:8000/start"));
    wait_for("netdata on the TV", PATIENCE, || {
        let stats = house.tv.stats();
        let plays = stats.player.is_some_and(|player| player.state == "PLAYING");
        (plays && stats.loads > loads).then_some(())
    });
    wait_confirmed(machine);
    house.plays_on(loads + 1);
}
