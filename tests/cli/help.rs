//! The words of the command line, as they are committed.

use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

use crate::{PROGRAM, bus::Ran};

/// All that people can type, in the order of the program's own help.
pub(crate) const VERBS: [&str; 22] = [
    "",
    "start",
    "cast",
    "stop",
    "status",
    "watch",
    "devices",
    "snapshot",
    "navigate",
    "reload-page",
    "health",
    "doctor",
    "gpu-groups",
    "proxmox",
    "proxmox lxc",
    "proxmox vm",
    "proxmox host",
    "reload",
    "config",
    "config check",
    "config show",
    "demo",
];

/// As the generated manual page and the committed help of a verb are called.
pub(crate) fn file_name(verb: &str) -> String {
    format!("dashboard-cast {verb}").trim().replace(' ', "-")
}

/// The long options of a verb.
#[track_caller]
pub(crate) fn options(verb: &str) -> BTreeSet<String> {
    let help = help(verb);
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words =
        lines.filter_map(|line| line.split_whitespace().find_map(|word| word.strip_prefix("--")));
    words.map(str::to_owned).collect()
}

#[track_caller]
fn help(verb: &str) -> String {
    let words = verb.split_whitespace();
    let mut command = Command::new(PROGRAM);
    // As wide as it gets.
    let ran = Ran::of(command.args(words).arg("--help").env("COLUMNS", "120"));
    ran.succeeded().out
}

/// Checks that words are as they were read and approved, which is how they are committed in this file of
/// `tests/cli/`. After a change: `REGENERATE=1 cargo test --test cli`, and read the difference.
#[track_caller]
pub(crate) fn assert_approved(file: &str, words: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli").join(file);
    if env::var_os("REGENERATE").is_some() {
        fs::create_dir_all(path.parent().expect("a directory")).expect("making a directory");
        fs::write(&path, words).expect("writing what is to be read");
    }
    let approved = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(words, approved, "{file}: after reading it, REGENERATE=1 cargo test --test cli");
}

#[test]
fn help_is_as_it_was_approved() {
    for verb in VERBS.into_iter().chain(["daemon"]) {
        assert_approved(&format!("help/{}.txt", file_name(verb)), &help(verb));
    }
}

#[test]
fn every_verb_is_known_here() {
    let listed = help("");
    let verbs = listed.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let verbs: Vec<_> = verbs.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let known = VERBS.into_iter().filter(|verb| !verb.is_empty() && !verb.contains(' '));
    let known: Vec<_> = known.chain(["daemon", "help"]).collect();
    assert_eq!(verbs, known);
}

#[test]
fn what_is_not_understood_is_code_2_and_points_to_the_help() {
    for arguments in [
        &["nonsense"][..],
        &[],
        &["start"],
        &["start", "http://x/", "--quality", "8k"],
        &["start", "http://x/", "--duration", "soon"],
        &["snapshot"],
        &["stop", "--all", "1a"],
        &["devices", "--seconds", "3"],
        &["generate", "nothing"],
    ] {
        let refused = Ran::of(Command::new(PROGRAM).args(arguments)).failed(2, &["--help"]);
        assert_eq!(refused.out, "", "{arguments:?}");
    }
}
