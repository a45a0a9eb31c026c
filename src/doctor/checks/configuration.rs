use std::io;

use super::{Check, Subject};
use crate::{
    config::{ConfigError, Problem},
    doctor::{
        account,
        finding::{Finding, Place},
        machine::Machine,
    },
};

pub(super) const CHECK: Check = Check {
    id: "configuration",
    question: "Can the configuration be used?",
    subject: Subject::Service,
    needs: &[],
    manual: "dashboard-cast.toml(5), DESCRIPTION",
    look,
};

const RELOAD: &str = "systemctl reload-or-restart dashboard-cast";

fn look(machine: &Machine) -> Finding {
    let loaded = match machine.configuration() {
        Ok(loaded) => loaded,
        Err(error) if !machine.told.root && is_only_ours(&error) => {
            return Finding::skipped("only root may read the configuration")
                .seen(error.to_string());
        }
        Err(error) => return refused(&error),
    };
    let hidden = loaded.files.iter().filter_map(|file| account::refusal(machine, file));
    let hidden: Vec<String> = hidden.collect();
    if !hidden.is_empty() {
        let found = Finding::fail("the service may not read its configuration");
        return hidden.into_iter().fold(found, Finding::seen).run(
            Place::Here,
            "let everybody read it; secrets belong into files of their own",
            &[
                "chmod a+rX -R /etc/dashboard-cast/conf.d",
                "chmod a+r /etc/dashboard-cast/*.toml",
                RELOAD,
            ],
        );
    }
    if !loaded.warnings.is_empty() {
        let found = Finding::warn("something in the configuration is probably not what was meant");
        return loaded
            .warnings
            .iter()
            .fold(found, |found, warning| found.seen(warning.to_string()))
            .run(
                Place::Here,
                "correct the lines that are named, and have the service read them",
                &[RELOAD],
            );
    }
    match loaded.files.as_slice() {
        [] => Finding::pass("there is no configuration file; the defaults hold"),
        files => {
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            Finding::pass("it can be used").seen(format!("read: {}", names.join(", ")))
        }
    }
}

fn refused(error: &ConfigError) -> Finding {
    let found =
        Finding::fail("the configuration cannot be used, and the service does not start with it");
    error.problems.iter().fold(found, |found, problem| found.seen(problem.to_string())).run(
        Place::Here,
        "correct the lines that are named",
        &["dashboard-cast config check", RELOAD],
    )
}

/// Whether it is only we who may not read it.
fn is_only_ours(error: &ConfigError) -> bool {
    error.problems.iter().all(|problem| {
        matches!(problem, Problem::Read { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    const FILE: &str = "etc/dashboard-cast/dashboard-cast.toml";

    #[test]
    fn no_file_and_a_good_file_pass() {
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Pass);
        let found = look(&Tree::new().file(FILE, "[sessions]\nmost = 2\n").machine());
        assert_eq!(found.verdict, Verdict::Pass);
        assert!(found.evidence[0].ends_with("dashboard-cast.toml"), "{found:?}");
    }

    #[test]
    fn an_unknown_key_warns_and_a_bad_value_fails_each_with_its_place() {
        let found = look(&Tree::new().file(FILE, "[sessions]\nmosst = 2\n").machine());
        assert_eq!(found.verdict, Verdict::Warn);
        assert!(found.evidence[0].contains("dashboard-cast.toml:2"), "{found:?}");
        assert_eq!(found.fixes[0].commands, [RELOAD]);
        let found = look(&Tree::new().file(FILE, "[sessions]\nmost = \"x\"\n").machine());
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.evidence[0].contains("dashboard-cast.toml:2:8"), "{found:?}");
        assert_eq!(found.fixes[0].commands[0], "dashboard-cast config check");
    }

    #[test]
    fn a_file_that_the_service_may_not_read_fails() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let tree = Tree::new().file(FILE, "");
        let path = tree.machine().path(FILE);
        let uid = path.metadata().unwrap().uid() + 1;
        let tree = tree
            .file(FILE, "[sessions]\n")
            .file("etc/passwd", &format!("dashboard-cast:x:{uid}:{uid}::/:/bin/false\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let found = look(&tree.machine());
        assert_eq!(found.says, "the service may not read its configuration");
        assert!(found.fixes[0].commands[1].contains("chmod a+r"));
    }
}
