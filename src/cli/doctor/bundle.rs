//! What helps somebody else to find a fault: one file to be read by people, without secrets.

use std::{
    fmt::Write as _,
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Command,
};

use url::Url;

use super::{super::config, text};
use crate::{cli::screen::Screen, doctor::Report, session::redact};

/// What is run, each a part of the file. They end by themselves.
const COMMANDS: [&[&str]; 5] = [
    &["uname", "--kernel-release", "--machine"],
    &["systemctl", "--no-pager", "--full", "status", "dashboard-cast*"],
    &["systemctl", "--no-pager", "cat", "dashboard-cast*"],
    &["ls", "-l", "/dev/dri"],
    &[
        "journalctl",
        "--no-pager",
        "--boot",
        "--lines=1000",
        "--output=short-iso",
        "--unit=dashboard-cast*",
    ],
];

/// Writes the file, which must not be there yet.
///
/// # Errors
/// It is there, or cannot be written.
pub(super) fn write(path: &Path, report: &Report) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(all(report).as_bytes())?;
    file.sync_all()
}

fn all(report: &Report) -> String {
    let mut all = format!("dashboard-cast {}\n", report.version);
    part(&mut all, "doctor", &text::text(report, Screen::default()));
    part(&mut all, "doctor --json", &serde_json::to_string_pretty(report).unwrap_or_default());
    let mut configuration = Vec::new();
    // Writing into memory.
    let _ = config::show(Path::new("/"), &[], &mut configuration);
    part(&mut all, "config show", &String::from_utf8_lossy(&configuration));
    for command in COMMANDS {
        part(&mut all, &command.join(" "), &output(command));
    }
    without_secrets(&all)
}

fn part(all: &mut String, name: &str, text: &str) {
    // Writing into memory.
    let _ = write!(all, "\n==== {name} ====\n\n{}\n", text.trim_end());
}

fn output(command: &[&str]) -> String {
    let Some((program, arguments)) = command.split_first() else { return String::new() };
    match Command::new(program).args(arguments).env("LC_ALL", "C.UTF-8").output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text + &String::from_utf8_lossy(&output.stderr)
        }
        Err(error) => format!("{program}: {error}"),
    }
}

/// The text without what opens doors: names and passwords in addresses, what comes after `?` and `#`
/// there, and what stands after words that announce a secret.
fn without_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut is_secret = false;
    for piece in text.split_inclusive([' ', '\n', '\t', '"', '\'', '<', '>', '(', ')', ',']) {
        let end = piece.len()
            - piece.chars().next_back().map_or(0, |last| {
                if piece.ends_with([' ', '\n', '\t', '"', '\'', '<', '>', '(', ')', ',']) {
                    last.len_utf8()
                } else {
                    0
                }
            });
        let (word, gap) = piece.split_at(end);
        if is_secret && !word.is_empty() && !matches!(word, "=" | ":" | "Bearer" | "Basic") {
            clean.push_str("REMOVED");
            is_secret = false;
        } else {
            clean.push_str(&word_without_secrets(word));
            is_secret = gap != "\n" && (is_secret || announces(word));
        }
        clean.push_str(gap);
    }
    clean
}

fn announces(word: &str) -> bool {
    let word = word.trim_end_matches([':', '=']).to_ascii_lowercase();
    matches!(word.as_str(), "authorization" | "bearer" | "cookie" | "set-cookie" | "password")
}

fn word_without_secrets(word: &str) -> String {
    let Some(at) = word.find("://") else { return word.to_owned() };
    let start = word[..at]
        .rfind(|letter: char| !letter.is_ascii_alphanumeric() && !"+-.".contains(letter))
        .map_or(0, |before| before + 1);
    let (before, address) = word.split_at(start);
    match Url::parse(address) {
        Ok(url) => format!("{before}{}", redact(&url)),
        Err(_) => format!("{before}REMOVED"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_doors_is_removed() {
        for (text, clean) in [
            (
                "url = \"https://me:pass@ha.local/x?token=1#t\" # from a:1\n",
                "url = \"https://ha.local/x?token\" # from a:1\n",
            ),
            ("Authorization: Bearer abc.def ok\n", "Authorization: Bearer REMOVED ok\n"),
            ("--url=http://a.b/c?d=e, done", "--url=http://a.b/c?d, done"),
            ("{\"cookie\": \"a=b\"}", "{\"cookie\": \"REMOVED\"}"),
            ("password:\nnext line", "password:\nnext line"),
            ("see https://[half", "see REMOVED"),
            ("nothing to hide: 10:30, /dev/dri", "nothing to hide: 10:30, /dev/dri"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), clean, "{text}");
        }
    }

    #[test]
    fn a_command_that_is_not_there_is_said_to_be_so() {
        assert!(output(&["no-such-program"]).contains("No such file"));
    }
}
