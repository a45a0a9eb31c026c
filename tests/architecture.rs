//! The shape of the source, as a fact that a change cannot break unnoticed.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Who may know whom: a module may use those in the rows above its own, and itself.
///
/// Adapters stand in one row because they must not know one another.
const ROWS: [&[&str]; 10] = [
    &["access", "activity", "dpkg", "error", "ids", "shares", "systemd", "units"],
    &["media", "privileges"],
    &["config"],
    &["session"],
    &["worker", "render", "encode", "package", "cast", "keep", "gpu"],
    &["control", "proxmox"],
    &["http", "dbus", "doctor"],
    &["process", "daemon"],
    &["cli"],
    &["main", "lib"],
];

/// Lines without tests. What is longer has more than one reason to change.
const LONGEST_FILE: usize = 500;

fn sources() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path, text);
            }
        }
    }
    found
}

fn module(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn row(module: &str) -> usize {
    ROWS.iter()
        .position(|row| row.contains(&module))
        .unwrap_or_else(|| panic!("{module} has no place in the table of this test"))
}

/// The top modules that a file names after `crate::`, alone or in braces.
fn used(text: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let word = |text: &str| -> String {
            text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        let Some(group) = rest.strip_prefix('{') else {
            used.push(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (at, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                letter if start && depth == 0 && letter.is_alphabetic() => {
                    used.push(word(&group[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    used
}

/// The part before the file's own tests.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let user = module(&path);
        // A file of tests may know more.
        if path.file_name().is_some_and(|name| name == "tests.rs") {
            continue;
        }
        for used in used(without_tests(&text)) {
            if used != user && row(&used) >= row(&user) {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reader_of_imports_reads() {
    let text = "use crate::{ids::{A, B}, media::h264, units};\nlet x = crate::config::load();";
    assert_eq!(used(text), ["ids", "media", "units", "config"]);
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| path.file_name().is_some_and(|name| name != "tests.rs"))
        .map(|(path, text)| (without_tests(&text).lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn nothing_is_thrown_away_under_a_name() {
    // `let _name = future` drops a future unrun and no lint sees it; `let _ = future` is linted.
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (number, line) in (1..).zip(without_tests(&text).lines()) {
            let line = line.trim_start();
            if line.strip_prefix("let _").is_some_and(|rest| rest.starts_with(char::is_alphabetic))
            {
                wrong.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_stays_on_its_islands() {
    const ISLANDS: [&str; 13] = [
        "daemon/memory.rs",
        "encode/libav/hardware.rs",
        "encode/libav/log.rs",
        "encode/libav/mod.rs",
        "encode/libav/options.rs",
        "encode/libav/planes.rs",
        "process/mod.rs",
        "render/browser/launch.rs",
        "render/compositor/mod.rs",
        "render/compositor/scene.rs",
        "systemd/inherited.rs",
        "worker/children.rs",
        "worker/link.rs",
    ];
    for (path, text) in sources() {
        let island = ISLANDS.iter().any(|name| path.ends_with(name));
        assert!(island || !without_tests(&text).contains("unsafe {"), "{}", path.display());
    }
}
