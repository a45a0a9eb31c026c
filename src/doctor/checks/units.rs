use super::{Check, Subject};
use crate::doctor::{
    container::nest,
    finding::{Finding, Place},
    machine::Machine,
    told::Unit,
};

pub(super) const CHECK: Check = Check {
    id: "units",
    question: "Does systemd run the service as it should?",
    subject: Subject::Service,
    needs: &["packages", "configuration", "credentials"],
    manual: "dashboard-cast(8), AS A SERVICE",
    look,
};

const SOCKET: &str = "dashboard-cast.socket";
const SERVICE: &str = "dashboard-cast.service";

fn look(machine: &Machine) -> Finding {
    let units = &machine.told.units;
    if units.is_empty() {
        return Finding::skipped("systemd was not asked, or is not there");
    }
    let mut findings: Vec<Finding> =
        units.iter().filter_map(|(name, unit)| trouble(machine, name, unit)).collect();
    findings.extend(machine.told.unit(SOCKET).and_then(socket));
    findings.extend(machine.told.unit(SERVICE).and_then(service));
    let drop_ins = units.iter().flat_map(|(name, unit)| {
        unit.drop_ins.iter().map(move |path| format!("{name} is changed by {path}"))
    });
    let found = Finding::worst_of(findings)
        .unwrap_or_else(|| Finding::pass("systemd listens for the service, and starts it at boot"));
    drop_ins.fold(found, Finding::seen)
}

/// What can be wrong with any of them.
fn trouble(machine: &Machine, name: &str, unit: &Unit) -> Option<Finding> {
    let command = |verb: &str| format!("systemctl {verb} {name}");
    if unit.load == "masked" || unit.file.starts_with("masked") {
        let found = Finding::fail(format!("{name} is masked, so it is never started"));
        // Each of the two masks is taken off by itself.
        let verb = if unit.file == "masked-runtime" { "unmask --runtime" } else { "unmask" };
        return Some(found.run(Place::Here, "take the mask off", &[&command(verb)]));
    }
    if unit.load == "not-found" {
        let found = Finding::fail(format!("systemd does not know {name}"));
        return Some(found.run(
            Place::Here,
            "have it read its units",
            &["systemctl daemon-reload"],
        ));
    }
    if matches!(&*unit.load, "bad-setting" | "error") {
        let verify = format!("systemd-analyze verify {name}");
        let found = Finding::fail(format!("systemd cannot read {name}"));
        return Some(found.run(Place::Here, "see which line is wrong", &[&verify]));
    }
    if unit.active == "failed" {
        return Some(failed(machine, name, unit));
    }
    unit.stale.then(|| {
        Finding::warn(format!("the files of {name} have changed since systemd read them")).run(
            Place::Here,
            "have it read them, and start the service with them",
            &["systemctl daemon-reload", "systemctl restart dashboard-cast"],
        )
    })
}

fn failed(machine: &Machine, name: &str, unit: &Unit) -> Finding {
    let status = unit.exit.map(|exit| format!(", status {exit}")).unwrap_or_default();
    let found = Finding::fail(format!("{name} has failed"))
        .seen(format!("systemctl show {name}: result {}{status}", unit.result));
    let log = format!("journalctl -b -u {name} -n 50");
    let again = format!("systemctl reset-failed {name}");
    let start = format!("systemctl start {name}");
    // systemd's own: it could not set up the sandbox, or hand over the token.
    if machine.place.is_container() && matches!(unit.exit, Some(226 | 243)) {
        return nest(
            machine,
            found,
            "let the container nest, which systemd needs to confine services",
        );
    }
    let words = match (&*unit.result, unit.exit) {
        ("start-limit-hit", _) => "it failed too often in a row; see why, and start it anew",
        (_, Some(243)) => "it could not be given its token, /etc/dashboard-cast/token; see its log",
        (_, Some(78)) => "its configuration cannot be used; see its log, and start it anew",
        ("oom-kill", _) => "it needed more memory than it may have; see its log, and start it anew",
        ("watchdog", _) => "it stood still; see its log, and start it anew",
        _ => "see why in its log, and start it anew",
    };
    found.run(Place::Here, words, &[&log, &again, &start])
}

fn socket(unit: &Unit) -> Option<Finding> {
    if unit.load != "loaded" || unit.active == "failed" {
        return None;
    }
    let enable = format!("systemctl enable --now {SOCKET}");
    if unit.active != "active" {
        return Some(
            Finding::fail("systemd does not listen for the service, so no TV can fetch anything")
                .seen(format!("{SOCKET} is {}", unit.active))
                .run(Place::Here, "have it listen, now and at each boot", &[&enable]),
        );
    }
    (unit.file == "disabled").then(|| {
        Finding::warn("systemd will not listen for the service after the next boot")
            .seen(format!("{SOCKET} is disabled"))
            .run(Place::Here, "have it listen at each boot", &[&enable])
    })
}

fn service(unit: &Unit) -> Option<Finding> {
    (unit.load == "loaded" && unit.file == "disabled").then(|| {
        let enable = format!("systemctl enable {SERVICE}");
        Finding::warn("after a boot, nothing goes on until somebody asks the service for something")
            .seen(format!("{SERVICE} is disabled"))
            .run(Place::Here, "have it start at each boot", &[&enable])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    fn unit(active: &str, file: &str) -> Unit {
        let words = |text: &str| text.to_owned();
        Unit {
            load: words("loaded"),
            active: words(active),
            file: words(file),
            result: words("success"),
            ..Unit::default()
        }
    }

    fn with(socket: Unit, service: Unit) -> Tree {
        let units = vec![(SOCKET.to_owned(), socket), (SERVICE.to_owned(), service)];
        Tree::new().told(|told| told.units = units)
    }

    #[test]
    fn a_service_that_sleeps_is_well_and_drop_ins_are_named() {
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
        let changed = Unit { drop_ins: vec!["/etc/x.conf".into()], ..unit("inactive", "enabled") };
        let found = look(&with(unit("active", "enabled"), changed).machine());
        assert_eq!(found.verdict, Verdict::Pass);
        assert_eq!(found.evidence, ["dashboard-cast.service is changed by /etc/x.conf"]);
    }

    #[test]
    fn each_trouble_has_its_command() {
        let well = || unit("active", "enabled");
        let masked = Unit { load: "masked".into(), ..unit("inactive", "masked") };
        let until_boot = Unit { file: "masked-runtime".into(), ..masked.clone() };
        let stale = Unit { stale: true, ..well() };
        for (socket, service, verdict, command) in [
            (
                unit("inactive", "enabled"),
                well(),
                Verdict::Fail,
                "enable --now dashboard-cast.socket",
            ),
            (
                unit("active", "disabled"),
                well(),
                Verdict::Warn,
                "enable --now dashboard-cast.socket",
            ),
            (well(), unit("active", "disabled"), Verdict::Warn, "enable dashboard-cast.service"),
            (masked, well(), Verdict::Fail, "unmask dashboard-cast.socket"),
            (until_boot, well(), Verdict::Fail, "unmask --runtime dashboard-cast.socket"),
            (well(), stale, Verdict::Warn, "daemon-reload"),
            (
                well(),
                unit("failed", "enabled"),
                Verdict::Fail,
                "journalctl -b -u dashboard-cast.service",
            ),
        ] {
            let found = look(&with(socket, service).machine());
            assert_eq!(found.verdict, verdict, "{found:?}");
            assert!(found.fixes[0].commands[0].contains(command), "{found:?}");
        }
    }

    #[test]
    fn why_it_failed_is_said_where_systemd_knows_it() {
        let failed = |result: &str, exit| Unit {
            result: result.into(),
            exit: Some(exit),
            ..unit("failed", "enabled")
        };
        let found = look(&with(unit("active", "enabled"), failed("start-limit-hit", 1)).machine());
        assert!(found.fixes[0].words.contains("too often"), "{found:?}");
        assert_eq!(found.fixes[0].commands[1], "systemctl reset-failed dashboard-cast.service");
        let tree = with(unit("active", "enabled"), failed("exit-code", 226))
            .file("run/systemd/container", "lxc")
            .gpu("0000:00:02.0", 0x46d1, Some(("i915", 128)));
        let found = look(&tree.machine());
        assert_eq!(found.fixes[0].place, Place::Host);
        assert_eq!(
            found.fixes[0].commands,
            ["dashboard-cast proxmox lxc CTID --apply", "pct reboot CTID"]
        );
    }
}
