//! Manual pages: those that the program writes and those that are written by hand.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use dashboard_cast::config::Config;

use crate::{
    PROGRAM,
    bus::Ran,
    help::{VERBS, assert_approved, file_name, options},
};

fn by_hand() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("debian/man")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("reading a directory");
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[track_caller]
pub(crate) fn generate(what: &str, directory: &Path) {
    Ran::of(Command::new(PROGRAM).args(["generate", what]).arg(directory)).succeeded();
}

/// Renders a page as a terminal of 80 columns shows it, and fails on each warning.
#[track_caller]
fn render(page: &Path) -> String {
    let output = Command::new("man")
        .args(["--warnings", "--encoding=UTF-8", "--local-file"])
        .arg(page)
        .env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "80")
        .env_remove("MANROFFOPT")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("man: {error}: run .ci/setup test"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.is_empty(), "{}: {words}", page.display());
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.lines().count() > 10, "{}: {text}", page.display());
    text
}

#[test]
fn every_verb_has_a_page_as_it_was_approved_and_groff_reads_it() {
    let directory = tempfile::tempdir().expect("making a directory");
    generate("man", directory.path());
    let expected: BTreeSet<_> =
        VERBS.into_iter().chain(["daemon"]).map(|verb| file_name(verb) + ".1").collect();
    assert_eq!(names(directory.path()), expected);
    for name in expected {
        let page = directory.path().join(&name);
        assert_approved(&format!("man/{name}"), &fs::read_to_string(&page).expect("the page"));
        let text = render(&page);
        assert!(text.contains("EXIT STATUS") && text.contains("org.dashboardcast1(5)"), "{text}");
    }
}

#[test]
fn pages_by_hand_are_read_without_a_warning() {
    let pages = ["dashboard-cast.8", "dashboard-cast.toml.5", "org.dashboardcast1.5"];
    assert_eq!(names(&by_hand()), pages.map(str::to_owned).into());
    for page in pages {
        render(&by_hand().join(page));
    }
}

#[test]
fn the_page_of_the_service_has_its_options() {
    let page = fs::read_to_string(by_hand().join("dashboard-cast.8")).expect("the page");
    let options_section =
        page.split(".SH OPTIONS").nth(1).and_then(|rest| rest.split(".SH ").next());
    let words = options_section.expect("the section").replace("\\-", "-");
    let listed = words.split_whitespace().filter_map(|word| word.strip_prefix("--"));
    let mut known = options("daemon");
    assert!(known.remove("help"));
    assert_eq!(listed.map(str::to_owned).collect::<BTreeSet<_>>(), known);
}

#[test]
fn every_key_is_in_the_manual_with_its_default() {
    let page = fs::read_to_string(by_hand().join("dashboard-cast.toml.5")).expect("the page");
    let page = page.replace("\\(dq", "\"").replace("\\-", "-");
    let loaded = Config::load(&[]).expect("the defaults");
    let mut settings = loaded.settings.iter().peekable();
    let (mut section, mut documented) = (String::new(), Vec::new());
    for line in page.lines() {
        if let Some(name) = line.strip_prefix(".SH \"[").and_then(|name| name.strip_suffix("]\"")) {
            section = name.to_owned();
        }
        let setting = line.strip_prefix(".B ").and_then(|line| line.split_once(" = "));
        if let Some((key, value)) = setting {
            documented.push(format!("{section}.{key} = {value}"));
        }
    }
    assert!(settings.peek().is_some());
    let known: Vec<_> = settings
        .map(|setting| format!("{}.{} = {}", setting.section, setting.key, setting.value))
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn completions_have_what_people_type_and_nothing_else() {
    let directory = tempfile::tempdir().expect("making a directory");
    generate("completions", directory.path());
    let files = ["_dashboard-cast", "dashboard-cast.bash", "dashboard-cast.fish"];
    assert_eq!(names(directory.path()), files.map(str::to_owned).into());
    for file in files {
        let text = fs::read_to_string(directory.path().join(file)).expect("a completion");
        assert!(text.contains("reload-page") && text.contains("preempt-and-return"), "{file}");
        assert!(!text.contains("worker"), "{file}");
    }
}
