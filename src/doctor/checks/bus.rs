use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "bus",
    question: "Can the service be on D-Bus?",
    subject: Subject::Service,
    needs: &["packages"],
    manual: "org.dashboardcast1(5), INTRODUCTION",
    look,
};

const SOCKETS: [&str; 2] = ["run/dbus/system_bus_socket", "var/run/dbus/system_bus_socket"];
const POLICY: &str = "usr/share/dbus-1/system.d/org.dashboardcast1.conf";
const OTHER_POLICY: &str = "etc/dbus-1/system.d/org.dashboardcast1.conf";
const ACTIVATION: &str = "usr/share/dbus-1/system-services/org.dashboardcast1.service";

fn look(machine: &Machine) -> Finding {
    let answered = matches!(machine.told.service, Some(Ok(_)));
    if !answered && SOCKETS.iter().all(|path| machine.is_missing(path)) {
        return Finding::fail(
            "there is no system bus, so the service cannot be asked for anything",
        )
        .seen(format!("/{} is not there", SOCKETS[0]))
        .run(
            Place::Here,
            "install and start it",
            &["apt install dbus", "systemctl start dbus.socket"],
        );
    }
    let policy = machine.is_missing(POLICY) && machine.is_missing(OTHER_POLICY);
    let missing: Vec<&str> = [(policy, POLICY), (machine.is_missing(ACTIVATION), ACTIVATION)]
        .into_iter()
        .filter_map(|(missing, path)| missing.then_some(path))
        .collect();
    if !missing.is_empty() {
        let found = Finding::fail("what lets the service onto the bus is not there");
        return missing
            .iter()
            .fold(found, |found, path| found.seen(format!("/{path} is not there")))
            .run(
                Place::Here,
                "install the package again, and have the bus read it",
                &[
                    "apt install --reinstall ./dashboard-cast_VERSION_amd64.deb",
                    "systemctl reload dbus",
                ],
            );
    }
    let found = Finding::pass("the bus is there, and lets the service on");
    if answered { found.seen("org.dashboardcast1 answers") } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    #[test]
    fn a_bus_with_our_files_passes_and_what_is_missing_is_named() {
        let bus = || Tree::new().file(SOCKETS[0], "");
        let policy = || bus().file(POLICY, "");
        for (tree, verdict, evidence) in [
            (policy().file(ACTIVATION, ""), Verdict::Pass, None),
            (policy(), Verdict::Fail, Some("system-services")),
            (bus().file(ACTIVATION, ""), Verdict::Fail, Some("system.d")),
            (Tree::new(), Verdict::Fail, Some("system_bus_socket")),
        ] {
            let found = look(&tree.machine());
            assert_eq!(found.verdict, verdict, "{found:?}");
            assert_eq!(found.fixes.is_empty(), evidence.is_none());
            if let Some(evidence) = evidence {
                assert!(found.evidence[0].contains(evidence), "{found:?}");
            }
        }
    }
}
