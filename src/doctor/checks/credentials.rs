use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use super::{Check, Subject};
use crate::{
    config::{TokenFileError, read_token},
    doctor::{
        account,
        finding::{Finding, Place},
        machine::Machine,
    },
    error::sentence,
    session::{Auth, AuthError},
};

pub(super) const CHECK: Check = Check {
    id: "credentials",
    question: "Are the secrets there, and secret?",
    subject: Subject::Service,
    needs: &["packages", "configuration"],
    manual: "dashboard-cast(8), SECURITY",
    look,
};

const TOKEN: &str = "/etc/dashboard-cast/token";
/// As the package's installation does.
const MAKE: &str =
    "(umask 077 && od -A n -N 16 -t x1 /dev/urandom | tr -d ' \\n' >/etc/dashboard-cast/token)";
const RESTART: &str = "systemctl restart dashboard-cast";

fn look(machine: &Machine) -> Finding {
    let config = machine.config();
    let mut findings = vec![token(machine)];
    if let Some(file) = &config.http.token_file {
        findings.extend(own_token(machine, file));
    }
    for (name, cast) in &config.casts {
        findings.extend(cast.auth_file.as_deref().and_then(|file| auth(machine, name, file)));
    }
    Finding::worst_of(findings).unwrap_or_else(|| Finding::skipped("there are none"))
}

/// The one that the unit loads: without the file the service does not start.
fn token(machine: &Machine) -> Finding {
    let path = machine.path(TOKEN);
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::fail(
                "the token that the service loads is not there, so it does not start",
            )
            .seen(format!("{TOKEN} is not there"))
            .run(Place::Here, "make one", &[MAKE, RESTART]);
        }
        Err(error) => return Finding::skipped(format!("{TOKEN} cannot be looked at: {error}")),
    };
    let mode = metadata.mode() & 0o777;
    let evidence = format!("{TOKEN}: {} bytes, mode {mode:03o}", metadata.len());
    if metadata.len() == 0 {
        return Finding::warn(
            "there is no token, so only programs on this machine may control anything",
        )
        .seen(evidence)
        .run(Place::Here, "make one for those on other machines", &[MAKE, RESTART]);
    }
    match read_token(&path) {
        Ok(_) => {}
        // Who is not root sees that it is there.
        Err(TokenFileError::Read { source, .. })
            if source.kind() == io::ErrorKind::PermissionDenied => {}
        Err(error) => {
            return Finding::fail("the token cannot be used, so the service does not start")
                .seen(sentence(&error))
                .run(Place::Here, "make another one", &[MAKE, RESTART]);
        }
    }
    if mode & 0o027 != 0 {
        return Finding::warn("others than root may read or change the token").seen(evidence).run(
            Place::Here,
            "take that away; systemd reads it as root",
            &["chmod 600 /etc/dashboard-cast/token"],
        );
    }
    Finding::pass("the token is there, and root's alone").seen(evidence)
}

/// `http.token-file`, which the service reads itself.
fn own_token(machine: &Machine, file: &Path) -> Option<Finding> {
    let problem = account::refusal(machine, file).or_else(|| {
        match read_token(&machine.path(&file.to_string_lossy())) {
            Err(TokenFileError::Read { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                None
            }
            other => other.err().map(|error| sentence(&error)),
        }
    })?;
    let found = Finding::fail("the service cannot use the file of http.token-file").seen(problem);
    Some(readable(found, file, "let the service read it, and nobody else"))
}

/// The credentials of a cast's page.
fn auth(machine: &Machine, cast: &str, file: &Path) -> Option<Finding> {
    let path = machine.path(&file.to_string_lossy());
    let key = format!("casts.{cast}.auth-file");
    if let Some(problem) = account::refusal(machine, file) {
        let found =
            Finding::fail(format!("the service cannot read the file of {key}")).seen(problem);
        return Some(readable(
            found,
            file,
            "put it where the service may read it, and nobody else",
        ));
    }
    match Auth::read_file(&path) {
        Err(AuthError::Read { cause, .. }) if cause.kind() == io::ErrorKind::PermissionDenied => {}
        Err(error) => {
            return Some(
                Finding::fail(format!("the file of {key} cannot be used"))
                    .seen(sentence(&error))
                    .advise(Place::Here, "write it as the field auth of POST /start is written"),
            );
        }
        Ok(_) => {}
    }
    let mode = fs::metadata(&path).ok()?.mode();
    (mode & 0o007 != 0).then(|| {
        let found = Finding::warn(format!("everybody on this machine may read the file of {key}"));
        let found = found.seen(format!("{}: mode {:03o}", file.display(), mode & 0o777));
        readable(found, file, "leave it to the service")
    })
}

fn readable(found: Finding, file: &Path, words: &str) -> Finding {
    let file = file.display();
    let commands = [format!("chown root:dashboard-cast '{file}'"), format!("chmod 640 '{file}'")];
    found.run(Place::Here, words, &commands.each_ref().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    fn mode(tree: &Tree, path: &str, mode: u32) {
        let path = tree.machine().path(path);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn with_token(text: &str, bits: u32) -> Tree {
        let tree = Tree::new().file("etc/dashboard-cast/token", text);
        mode(&tree, TOKEN, bits);
        tree
    }

    #[test]
    fn the_token_is_there_long_enough_and_secret() {
        let long = "0123456789abcdef";
        for (tree, verdict, words) in [
            (with_token(long, 0o600), Verdict::Pass, "root's alone"),
            (with_token(long, 0o640), Verdict::Pass, "root's alone"),
            (with_token(long, 0o644), Verdict::Warn, "others than root"),
            (with_token("", 0o600), Verdict::Warn, "there is no token"),
            (with_token("short", 0o600), Verdict::Fail, "cannot be used"),
            (Tree::new(), Verdict::Fail, "does not start"),
        ] {
            let found = look(&tree.machine());
            assert_eq!(found.verdict, verdict, "{found:?}");
            assert!(found.says.contains(words), "{found:?}");
            assert_eq!(found.fixes.is_empty(), verdict == Verdict::Pass);
            assert!(!format!("{found:?}").contains("short"), "a secret is never shown");
        }
    }

    #[test]
    fn the_secrets_of_casts_are_looked_at() {
        let config = "[casts.a]\nurl = \"http://h/\"\nauth-file = \"/etc/dashboard-cast/a.json\"\n";
        let tree = with_token("0123456789abcdef", 0o600)
            .file("etc/dashboard-cast/dashboard-cast.toml", config)
            .file("etc/dashboard-cast/a.json", "{}");
        mode(&tree, "etc/dashboard-cast/a.json", 0o640);
        assert_eq!(look(&tree.machine()).verdict, Verdict::Pass);
        mode(&tree, "etc/dashboard-cast/a.json", 0o644);
        let found = look(&tree.machine());
        assert_eq!(found.verdict, Verdict::Warn);
        assert_eq!(found.fixes[0].commands[1], "chmod 640 '/etc/dashboard-cast/a.json'");
        let found = look(&tree.file("etc/dashboard-cast/a.json", "{\"x\"").machine());
        assert_eq!(
            (found.verdict, &*found.says),
            (Verdict::Fail, "the file of casts.a.auth-file cannot be used")
        );
    }
}
