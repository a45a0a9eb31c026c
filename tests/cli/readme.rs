//! The commands of the README do what it says.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    PROGRAM,
    bus::{Bus, Ran},
    help::VERBS,
    real::daemon_with,
    scripted::ScriptedTv,
    support::{
        daemon::Daemon,
        pages::{Pages, plain},
    },
    viewer::Viewer,
};

/// Of each section the lines that call the program by its name, without their comments.
fn commands() -> Vec<Vec<String>> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("the README");
    let sections = readme.split("\n## ").map(|section| {
        let lines = section.lines().filter(|line| line.starts_with("    dashboard-cast "));
        lines.map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned()).collect()
    });
    sections.filter(|commands: &Vec<_>| !commands.is_empty()).collect()
}

/// A service that knows a TV and has pages, as the README takes for granted.
struct House {
    // Fields are dropped in this order: a player does not see its stream end.
    _viewer: Viewer,
    _daemon: Daemon,
    pages: Pages,
    bus: Bus,
}

impl House {
    fn new() -> Self {
        let (bus, pages) = (Bus::start(), Pages::serve());
        for page in ["d/1", "d/2"] {
            pages.put_page(page, plain(""));
        }
        let tv = Arc::new(ScriptedTv::start());
        let tvs = format!("static = [\"Kitchen={}\"]\n", tv.address());
        let cast =
            format!("[casts.kitchen]\nurl = \"{}\"\ndevice = \"Kitchen\"\n", pages.url("d/1"));
        let daemon = daemon_with(&bus, &format!("[devices]\ndiscover = false\n{tvs}{cast}"));
        Self { _viewer: Viewer::of(tv), _daemon: daemon, pages, bus }
    }

    /// The command as a shell runs it, where the service is on both buses.
    fn command(&self, line: &str) -> Command {
        let programs = Path::new(PROGRAM).parent().expect("a directory").to_owned();
        let inherited = env::var_os("PATH").unwrap_or_default();
        let path = [programs].into_iter().chain(env::split_paths(&inherited));
        let line = line.replace("http://host:3000/", &self.pages.url(""));
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("exec {line}")])
            .current_dir(self.bus.directory.path())
            .env("PATH", env::join_paths(path).expect("a path"))
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus.address)
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus.address)
            .stdin(Stdio::null());
        command
    }

    /// What is not over before Ctrl-C, nor before it has said that the page is on the TV.
    fn follow(&self, line: &str) {
        let (reader, writer) = io::pipe().expect("a pipe");
        let mut child = self
            .command(line)
            .stdout(writer.try_clone().expect("a pipe"))
            .stderr(writer)
            .spawn()
            .expect("running a shell");
        let mut lines = BufReader::new(reader).lines().map(|line| line.expect("a line"));
        assert!(lines.any(|line| line.contains("confirmed")), "{line}");
        kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn the_commands_of_the_readme_are_carried_out() {
    let mut verbs = BTreeSet::new();
    for section in commands() {
        let house = House::new();
        for line in section {
            let words: Vec<_> =
                line.split_whitespace().skip(1).filter(|word| *word != "--session").collect();
            verbs.insert(words[0].to_owned());
            match words[..] {
                ["watch"] | ["cast", _] => house.follow(&line),
                // It would ask the network around whoever runs this; discovery has its own tests.
                ["devices", "--search"] => {}
                // This is no Proxmox host, and it has its own tests.
                ["proxmox", ..] => {}
                // It tells of whoever runs this.
                ["doctor", ..] => {}
                _ => {
                    let ran = Ran::of(&mut house.command(&line));
                    assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
                    assert!(words[0] != "status" || ran.out.contains("confirmed"), "{ran:?}");
                }
            }
            if words[0] == "snapshot" {
                let picture = fs::read(house.bus.directory.path().join("kitchen.png"));
                assert!(picture.expect("a picture").starts_with(b"\x89PNG"));
            }
        }
    }
    let all = VERBS.iter().filter_map(|verb| verb.split_whitespace().next());
    let all = all.filter(|verb| *verb != "demo").map(str::to_owned);
    assert_eq!(verbs, all.collect(), "what there is is shown");
}
