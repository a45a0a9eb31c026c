//! A session on a machine whose limits hold and whose clock can be set.

use serde_json::Value;

use crate::{
    Fact,
    service::{SAMPLE, daemon, measure, session, wait_live, worker},
    support::{
        booted::Booted as _,
        playlist::{Entry, Playlist, gap},
        wait::wait_for,
    },
    told::Moment,
    vm::{PATIENCE, Vm},
};

pub(crate) const FACTS: &[Fact] = &[
    ("a session comes to life", a_session_comes_to_life),
    ("the clock may be set to other days, the stream goes on", the_clock_may_be_set),
    ("a page that takes more memory than it may is opened again", a_greedy_page),
    ("a stop leaves no process", a_stop_leaves_no_process),
];

/// The smallest picture, and the fewest of them.
const SMALL: &str = "--device none --quality 720p --frame-rate 5";

/// The segments that a player is told of now.
#[track_caller]
fn segments(vm: &Vm, session: &Value) -> Vec<Entry> {
    let playlist = session["media"]["hls"].as_str().expect("an address");
    let playlist = playlist.replace("master.m3u8", "media.m3u8");
    Playlist::parse(&vm.do_(&format!("curl -sS --fail {playlist}"))).entries
}

/// Waits for three segments after the newest, none of which may be missing. A slow machine may lose pictures,
/// which is a discontinuity; otherwise each begins where the one before ends, whatever the clock says.
#[track_caller]
fn goes_on(vm: &Vm, session: &Value) {
    let mut last = segments(vm, session).pop().expect("a segment");
    let end = last.sequence + 3;
    wait_for("newer segments", PATIENCE, || {
        for entry in segments(vm, session) {
            if entry.sequence <= last.sequence {
                continue;
            }
            assert_eq!(entry.sequence, last.sequence + 1);
            let gap = gap(&last, &entry);
            assert!(entry.discontinuity || gap.abs() < 0.1, "{gap}: {last:?} {entry:?}");
            last = entry;
        }
        (last.sequence >= end).then_some(())
    });
}

/// What must be the same, whatever happens to a page.
#[track_caller]
fn identity(vm: &Vm, session: &Value) -> [String; 4] {
    let text = |name: &str| session[name].to_string();
    [daemon(vm), worker(vm, "encoder"), text("session_id"), text("media")]
}

fn a_session_comes_to_life(vm: &Vm) {
    vm.do_(&format!("dashboard-cast start {SAMPLE} {SMALL}"));
    let session = measure("live", || wait_live(vm, "Sample dashboard"));
    assert_eq!(session["video"]["encoder"], "libx264", "{session}");
    goes_on(vm, &session);
}

fn the_clock_may_be_set(vm: &Vm) {
    let before = session(vm).expect("a session");
    let same = (identity(vm, &before), worker(vm, "browser"));
    for jump in ["3 days", "7 days ago", "4 days"] {
        vm.do_(&format!("date --set '{jump}'"));
        goes_on(vm, &before);
        let after = session(vm).expect("a session");
        assert_eq!(after["state"], "live", "{after}");
        assert_eq!((identity(vm, &after), worker(vm, "browser")), same);
    }
}

/// Answers to one connection: at first with a page that never has enough, then with one that has.
const PAGES: &str = r#"#!/bin/sh
read -r method path rest
while read -r header && [ "$header" != "$(printf '\r')" ]; do :; done
page() {
    printf 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n'
    cat
}
if [ "$path" != / ]; then
    printf 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
elif mkdir /run/eaten; then
    page <<'END'
<!doctype html><title>Greedy</title><script>
const all = [];
setInterval(() => all.push(new Uint8Array(64 << 20).fill(1)), 100);
</script>
END
else
    page <<'END'
<!doctype html><title>Content</title><p>That is enough.
END
fi
"#;

fn a_greedy_page(vm: &Vm) {
    vm.do_("dashboard-cast stop --all");
    vm.write("/root/pages", PAGES);
    vm.do_(
        "systemd-run --quiet --unit=pages systemd-socket-activate --accept --inetd --listen=81 \
         sh /root/pages",
    );
    let moment = Moment::now(vm);
    vm.do_(&format!("dashboard-cast start http://127.0.0.1:81/ {SMALL}"));
    let log = measure("killed", || moment.wait_journal("oom-kill"));
    assert!(log.contains("dashboard-cast-browser@"), "{log}");
    let session = session(vm).expect("a session");
    let same = identity(vm, &session);
    goes_on(vm, &session);
    let after = measure("live again", || wait_live(vm, "Content"));
    assert_eq!(identity(vm, &after), same);
    moment.wait_journal("browser lost, starting another");
    goes_on(vm, &after);
}

fn a_stop_leaves_no_process(vm: &Vm) {
    assert!(session(vm).is_some());
    vm.do_("systemctl stop dashboard-cast.socket dashboard-cast.service");
    let slice = "/sys/fs/cgroup/dashboard.slice";
    vm.wait("end of all", &format!("find {slice} -name cgroup.procs -exec cat {{}} +"), |said| {
        said.out.is_empty().then_some(())
    });
    let all = vm.do_("ps -e -o user:32,args");
    let left: Vec<_> = all.lines().filter(|line| line.contains("chromium")).collect();
    assert!(left.is_empty(), "{left:?}");
    let own = |line: &&str| line.starts_with("dashboard-cast");
    assert_eq!(all.lines().find(own), None);
    let failed = vm.do_("systemctl list-units --failed --no-legend 'dashboard-cast*'");
    assert_eq!(failed, "");
}
