//! What people see in a terminal of 24 lines.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use unicode_width::UnicodeWidthStr;

use crate::{
    PROGRAM,
    bus::Bus,
    fake::{Facts, Fake},
    manual::generate,
    support::wait::wait_for,
};

const PATIENCE: Duration = Duration::from_secs(60);
const LONG: &str = "http://homeassistant.local:8123/lovelace-kiosk/overview?kiosk=true&theme=dark";

/// A terminal in which a command runs, with a shell after it that says its code.
struct Terminal {
    /// Of its own server: one that is about to end takes no more orders.
    directory: TempDir,
}

impl Terminal {
    #[track_caller]
    fn run(bus: &Bus, arguments: &str, environment: &str) -> Self {
        Self::of_width(80, bus, arguments, environment)
    }

    #[track_caller]
    fn of_width(columns: usize, bus: &Bus, arguments: &str, environment: &str) -> Self {
        let command = format!(
            "DBUS_SESSION_BUS_ADDRESS='{}' {environment} '{PROGRAM}' --session {arguments}; \
             echo \"code $?\"; exec sh",
            bus.address
        );
        Self::with(columns, &command)
    }

    #[track_caller]
    fn with(columns: usize, command: &str) -> Self {
        let columns = columns.to_string();
        let terminal = Self { directory: tempfile::tempdir().expect("making a directory") };
        let status = terminal
            .tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", "24", command])
            .env_remove("NO_COLOR")
            .env_remove("TMUX")
            .stdin(Stdio::null())
            .status()
            .unwrap_or_else(|error| panic!("tmux: {error}: run .ci/setup test"));
        assert!(status.success(), "{status}");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.directory.path().join("tmux")).args(arguments);
        command
    }

    #[track_caller]
    fn press(&self, key: &str) {
        let status = self.tmux(&["send-keys", key]).status().expect("running tmux");
        assert!(status.success(), "{status}");
    }

    /// The screen, with what makes it coloured if `colours`.
    #[track_caller]
    fn screen(&self, colours: bool) -> String {
        let mut command = self.tmux(&["capture-pane", "-p"]);
        if colours {
            command.arg("-e");
        }
        let output = command.output().expect("running tmux");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The screen, once all of this is on it.
    #[track_caller]
    fn wait_for(&self, parts: &[&str]) -> String {
        wait_for(&format!("screen with {parts:?}"), PATIENCE, || {
            let screen = self.screen(false);
            parts.iter().all(|part| screen.contains(part)).then_some(screen)
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.tmux(&["kill-server"]).stderr(Stdio::null()).status());
    }
}

fn two() -> [Facts; 2] {
    [
        Facts::live("1a2b3c4d", LONG).on("Living room", "confirmed", "it plays"),
        Facts { problem: "HTTP 500", state: "recovering", ..Facts::live("5e6f7a8b", "http://x/") }
            .on("Küche 客厅\x1b]0;owned\x07", "broken", "HTTP 500"),
    ]
}

#[track_caller]
fn assert_fits(screen: &str) {
    assert!(screen.lines().all(|line| line.width() <= 80), "{screen}");
}

#[test]
fn status_fits_and_strangers_write_only_text() {
    let bus = Bus::start();
    let _fake = Fake::start(&bus, &two());
    let terminal = Terminal::run(&bus, "status", "");
    let screen = terminal.wait_for(&["code 0"]);
    let expected = "\
SESSION   PAGE                         STATE       TV                  VERDICT
1a2b3c4d  http://homeassistant.local…  live        Living room         confirmed
5e6f7a8b  http://x/                    recovering  Küche 客厅]0;owned  broken
  page: HTTP 500
  TV: HTTP 500
code 0
";
    assert_fits(&screen);
    assert!(screen.starts_with(expected), "{screen}");
    let coloured = terminal.screen(true);
    assert!(coloured.contains("\x1b[32m") && coloured.contains("\x1b[31m"), "{coloured}");
}

#[test]
fn a_wider_terminal_shows_more_of_what_was_cut() {
    let bus = Bus::start();
    let _fake = Fake::start(&bus, &two());
    let terminal = Terminal::of_width(120, &bus, "status", "");
    let screen = terminal.wait_for(&["code 0"]);
    let page = format!("{}…", &LONG[..66]);
    let expected = format!(
        "\
SESSION   {:67}  STATE       TV                  VERDICT
1a2b3c4d  {page}  live        Living room         confirmed
5e6f7a8b  {:67}  recovering  Küche 客厅]0;owned  broken
  page: HTTP 500
  TV: HTTP 500
code 0
",
        "PAGE", "http://x/"
    );
    assert!(screen.starts_with(&expected), "{screen}");
}

#[test]
fn colours_can_be_unwanted() {
    let bus = Bus::start();
    let _fake = Fake::start(&bus, &two());
    for environment in ["NO_COLOR=1", "TERM=dumb"] {
        let terminal = Terminal::run(&bus, "status", environment);
        terminal.wait_for(&["code 0"]);
        let screen = terminal.screen(true);
        assert!(!screen.contains("\x1b[32m") && !screen.contains("\x1b[1m"), "{screen}");
        drop(terminal);
    }
}

#[test]
fn watch_follows_what_happens_and_leaves_the_terminal_as_it_was() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &two());
    let terminal = Terminal::run(&bus, "watch", "");
    let screen = terminal.wait_for(&["2 sessions", "confirmed", "page: HTTP 500", "12 segments"]);
    assert_fits(&screen);
    let [first, _] = two();
    fake.change(first.on("Living room", "taken-over", "Netflix is on"));
    terminal.wait_for(&["taken-over", "TV: Netflix is on"]);
    fake.add(Facts::live("9c000000", "http://third/"));
    terminal.wait_for(&["3 sessions", "http://third/"]);
    drop(fake);
    let screen = terminal.wait_for(&["The service is not running."]);
    assert!(!screen.contains("http://third/"), "{screen}");
    let fake = Fake::start(&bus, &two()[..1]);
    terminal.wait_for(&["1 session ", "confirmed"]);
    terminal.press("C-c");
    let screen = terminal.wait_for(&["code 0"]);
    assert!(!screen.contains("confirmed"), "{screen}");
    drop(fake);
}

#[test]
fn who_looks_on_is_told_how_far_a_start_is() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, &[]);
    let [first, _] = two();
    let opening = Facts { state: "starting", ..first.clone() };
    fake.will_start(opening.on("Living room", "unknown", "the player is being started"));
    let terminal = Terminal::run(&bus, &format!("start '{LONG}' --wait"), "");
    terminal.wait_for(&["encoder  is being started", "TV       Living room: unknown: the player"]);
    fake.change(first);
    let screen = terminal.wait_for(&["code 0"]);
    assert_fits(&screen);
    for line in
        ["encoder  libx264 1280x720, at most 30/s", "TV       Living room: confirmed: it plays"]
    {
        assert!(screen.contains(line), "{line}\n{screen}");
    }
}

#[test]
fn watch_makes_way_for_the_shell_and_comes_back() {
    let bus = Bus::start();
    let _fake = Fake::start(&bus, &two());
    // Only a shell that people type into has jobs.
    let terminal = Terminal::run(&bus, "status", "");
    terminal.wait_for(&["code 0"]);
    let watch = format!("DBUS_SESSION_BUS_ADDRESS='{}' '{PROGRAM}' --session watch", bus.address);
    terminal.press(&watch);
    terminal.press("Enter");
    terminal.wait_for(&["2 sessions"]);
    terminal.press("C-z");
    wait_for("shell", PATIENCE, || (!terminal.screen(false).contains("2 sessions")).then_some(()));
    terminal.press("fg");
    terminal.press("Enter");
    terminal.wait_for(&["2 sessions"]);
    terminal.press("C-c");
    wait_for("shell", PATIENCE, || (!terminal.screen(false).contains("2 sessions")).then_some(()));
}

#[test]
fn more_than_fits_is_said() {
    let bus = Bus::start();
    let ids = [
        "00000001", "00000002", "00000003", "00000004", "00000005", "00000006", "00000007",
        "00000008", "00000009", "0000000a", "0000000b", "0000000c", "0000000d", "0000000e",
    ];
    let _fake = Fake::start(&bus, &ids.map(|id| Facts::live(id, LONG)));
    let terminal = Terminal::run(&bus, "watch", "");
    let screen = terminal.wait_for(&["14 sessions", "… 8 lines more"]);
    assert_fits(&screen);
    assert_eq!(screen.trim_end().lines().count(), 24);
}

#[test]
fn no_picture_is_poured_into_a_terminal() {
    let bus = Bus::start();
    let _fake = Fake::start(&bus, &two()[..1]);
    let terminal = Terminal::run(&bus, "snapshot -o -", "");
    terminal.wait_for(&["a terminal cannot show a PNG", "--output picture.png", "code 1"]);
}

#[test]
fn three_shells_complete_what_people_type() {
    let directory = tempfile::tempdir().expect("making a directory");
    generate("completions", directory.path());
    for (shell, load) in [
        ("bash --norc", "source ./dashboard-cast.bash"),
        ("fish --no-config", "source ./dashboard-cast.fish"),
        ("zsh -f", "fpath=($PWD $fpath); autoload -U compinit; compinit -u -D"),
    ] {
        let name = shell.split(' ').next().unwrap();
        let version = Command::new(name).arg("--version").output();
        version.unwrap_or_else(|error| panic!("{name}: {error}: run .ci/setup test"));
        let path = directory.path().display();
        let terminal = Terminal::with(80, &format!("cd {path}; HOME={path} {shell}; exec sh"));
        for key in [load, "Enter", "echo lo''aded", "Enter"] {
            terminal.press(key);
        }
        terminal.wait_for(&["loaded"]);
        for key in ["dashboard-cast reload", "Tab", "Tab"] {
            terminal.press(key);
        }
        terminal.wait_for(&["reload-page"]);
    }
}
