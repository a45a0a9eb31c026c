use super::{Check, Subject};
use crate::{
    access,
    doctor::{
        account::USER,
        finding::{Finding, Place},
        machine::Machine,
    },
    dpkg::Package,
};

pub(super) const CHECK: Check = Check {
    id: "packages",
    question: "Is the package whole?",
    subject: Subject::Service,
    needs: &["environment"],
    manual: "dashboard-cast(8), AS A SERVICE",
    look,
};

const PROGRAM: &str = "usr/bin/dashboard-cast";
pub(in crate::doctor) const UNITS: [&str; 10] = [
    "dashboard-cast.service",
    "dashboard-cast.socket",
    "dashboard-cast.slice",
    "dashboard-cast@.service",
    "dashboard-cast-browser.socket",
    "dashboard-cast-browser@.service",
    "dashboard-cast-doctor.socket",
    "dashboard-cast-doctor@.service",
    "dashboard-cast-encoder.socket",
    "dashboard-cast-encoder@.service",
];
/// Without it there are no accounts.
const ACCOUNTS: &str = "usr/lib/sysusers.d/dashboard-cast.conf";
const DIRECTORIES: [&str; 2] = ["usr/lib/systemd/system", "lib/systemd/system"];
const ENCODER: &str = "dashboard-cast-encoder";

const INSTALL: &str = "apt install --reinstall ./dashboard-cast_VERSION_amd64.deb";

fn look(machine: &Machine) -> Finding {
    let package = machine.packages.get("dashboard-cast");
    let state = package.map_or("", |package| &package.status);
    if state.starts_with("half-") || state == "unpacked" {
        return Finding::fail("the package was not installed to the end")
            .seen(format!("dpkg says: {state}"))
            .run(Place::Here, "let dpkg go on with it", &["dpkg --configure -a"]);
    }
    let version = package.and_then(Package::installed);
    if version.is_none() && !machine.is_there(PROGRAM) {
        return Finding::fail("dashboard-cast is not installed")
            .seen("/usr/bin/dashboard-cast is not there")
            .run(Place::Here, "install the package of this release of Debian", &[INSTALL]);
    }
    let files = [PROGRAM, ACCOUNTS].into_iter().filter(|path| machine.is_missing(path));
    let files = files.map(|path| format!("/{path}"));
    let units = UNITS.iter().filter(|unit| {
        DIRECTORIES.iter().all(|place| machine.is_missing(&format!("{place}/{unit}")))
    });
    let units = units.map(ToString::to_string);
    let missing: Vec<String> = files.chain(units).collect();
    if !missing.is_empty() {
        return Finding::fail("files of the package are missing")
            .seen(format!("not there: {}", missing.join(", ")))
            .run(Place::Here, "install it again", &[INSTALL, "systemctl daemon-reload"]);
    }
    let accounts = accounts(machine);
    if !accounts.is_empty() {
        return Finding::fail("users or groups of the package are missing")
            .seen(format!("not in /etc/passwd or /etc/group: {}", accounts.join(", ")))
            .run(Place::Here, "make them", &["systemd-sysusers dashboard-cast.conf"]);
    }
    match version {
        Some(version) => Finding::pass(format!("the package {version} is whole")),
        None => Finding::pass("all files are there, though not from a package of dpkg's"),
    }
}

fn accounts(machine: &Machine) -> Vec<String> {
    let users = machine.text("etc/passwd").unwrap_or_default();
    let is_user = |name: &str| users.lines().any(|line| line.split(':').next() == Some(name));
    let users = [USER, ENCODER].into_iter().filter(|name| !is_user(name));
    let groups = [USER, access::GROUP].into_iter().filter(|name| machine.groups.id(name).is_none());
    let users = users.map(|name| format!("the user {name}"));
    users.chain(groups.map(|name| format!("the group {name}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    fn status(state: &str) -> String {
        format!("Package: a\n\nPackage: dashboard-cast\nStatus: {state}\nVersion: 0.1.0\n")
    }

    fn whole() -> Tree {
        let tree = Tree::new()
            .file("var/lib/dpkg/status", &status("install ok installed"))
            .file(PROGRAM, "")
            .file(ACCOUNTS, "")
            .file("etc/passwd", "dashboard-cast:x:1:1::/:\ndashboard-cast-encoder:x:2:2::/:\n")
            .file("etc/group", "dashboard-cast:x:1:\ndashboard-cast-gpu:x:3:\n");
        UNITS
            .iter()
            .fold(tree, |tree, unit| tree.file(&format!("usr/lib/systemd/system/{unit}"), ""))
    }

    #[test]
    fn a_whole_package_passes() {
        let found = look(&whole().machine());
        assert_eq!((found.verdict, &*found.says), (Verdict::Pass, "the package 0.1.0 is whole"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let tree = whole();
        let machine = tree.machine();
        std::fs::remove_file(machine.path("usr/lib/systemd/system/dashboard-cast.socket")).unwrap();
        let found = look(&machine);
        assert_eq!(found.evidence, ["not there: dashboard-cast.socket"]);
        assert!(found.fixes[0].commands[0].contains("--reinstall"));

        let found = look(&whole().file("etc/group", "dashboard-cast:x:1:\n").machine());
        assert!(found.evidence[0].ends_with("the group dashboard-cast-gpu"), "{found:?}");
        assert_eq!(found.fixes[0].commands, ["systemd-sysusers dashboard-cast.conf"]);
    }

    #[test]
    fn no_package_and_half_a_package_are_told_apart() {
        assert_eq!(look(&Tree::new().machine()).says, "dashboard-cast is not installed");
        let half = whole().file("var/lib/dpkg/status", &status("install ok half-configured"));
        assert_eq!(look(&half.machine()).fixes[0].commands, ["dpkg --configure -a"]);
    }
}
