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
    let text = all(report);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
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

/// The text without secrets. Rather too much is removed than too little: it is read by people.
fn without_secrets(text: &str) -> String {
    text.split_inclusive('\n').map(|line| without_named(&without_in_addresses(line))).collect()
}

/// The line without users, passwords, and what comes after `?` and `#`, in addresses.
fn without_in_addresses(line: &str) -> String {
    const GAPS: [char; 10] = [' ', '\n', '\t', '"', '\'', '<', '>', '(', ')', ','];
    let mut clean = String::with_capacity(line.len());
    for piece in line.split_inclusive(GAPS) {
        let word = piece.trim_end_matches(GAPS);
        clean.push_str(&word_without_secrets(word));
        clean.push_str(&piece[word.len()..]);
    }
    clean
}

fn word_without_secrets(word: &str) -> String {
    let Some(at) = word.find("://") else { return word.to_owned() };
    let of_scheme = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
    let (before, address) = word.split_at(word[..at].trim_end_matches(of_scheme).len());
    let Ok(mut url) = Url::parse(address) else { return format!("{before}{REMOVED}") };
    let query = if url.query().is_some() { "?REMOVED" } else { "" };
    url.set_query(None);
    // Who knows a stream's address can watch it.
    if let Some((before, _)) = url.path().split_once("/media/") {
        let public = format!("{before}/media/{REMOVED}");
        url.set_path(&public);
    }
    format!("{before}{}{query}", redact(&url))
}

/// The line up to what is said to be a secret: `token=…`, `"cookie": "…"`, `--password …`.
fn without_named(line: &str) -> String {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    for (at, mark) in line.match_indices([':', '=', ' ']) {
        let before = line[..at].trim_end_matches(['"', '\'']);
        let name = before[before.trim_end_matches(is_of_name).len()..].to_ascii_lowercase();
        let announces = match mark {
            // In prose, such a word is no secret's name.
            " " => name == "bearer" || (name.starts_with("--") && is_secret(&name)),
            "=" => name == "environment" || is_secret(&name),
            _ => is_secret(&name),
        };
        let rest = &line[at + mark.len()..];
        let value = rest.trim_start_matches([' ', '"', '\'']);
        if announces && !value.trim_end().is_empty() {
            let kept = &line[..line.len() - value.len()];
            let end = if line.ends_with('\n') { "\n" } else { "" };
            return format!("{kept}{REMOVED}{end}");
        }
    }
    line.to_owned()
}

const REMOVED: &str = "REMOVED";

/// Whether what has this name is a secret.
fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 8] =
        ["token", "secret", "passw", "passphrase", "api-key", "apikey", "api_key", "cookie"];
    name == "authorization"
        || name == "setcredential"
        || PARTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_removed() {
        for (text, clean) in [
            (
                "url = \"https://me:pass@ha.local/x?token=1#t\" # from a:1\n",
                "url = \"https://ha.local/x?REMOVED\" # from a:1\n",
            ),
            ("Authorization: Bearer abc.def ok\n", "Authorization: REMOVED\n"),
            ("it sent Bearer abc.def\nnext", "it sent Bearer REMOVED\nnext"),
            ("--url=http://a.b/c?SECRET, done", "--url=http://a.b/c?REMOVED, done"),
            ("at http://a:8000/media/SECRET/1.m4s", "at http://a:8000/media/REMOVED"),
            ("  \"cookie\": \"a=b; c=d\",\n", "  \"cookie\": \"REMOVED\n"),
            ("Environment=GRAFANA_KEY=abc\n", "Environment=REMOVED\n"),
            ("SetCredential=token:abc", "SetCredential=REMOVED"),
            ("x --password two words", "x --password REMOVED"),
            ("X-Api-Key: abc", "X-Api-Key: REMOVED"),
            ("GRAFANA_TOKEN=abc", "GRAFANA_TOKEN=REMOVED"),
            ("password:\nnext line", "password:\nnext line"),
            ("the token is kept, the password too", "the token is kept, the password too"),
            ("see https://[half", "see REMOVED"),
            ("the TV \u{201e}http://a/?b=c\u{201c}", "the TV \u{201e}http://a/?REMOVED"),
            ("\u{e9}://x", "\u{e9}REMOVED"),
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
