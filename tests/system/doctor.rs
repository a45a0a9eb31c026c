//! What the installed doctor says of an installed service, to root and to whoever asks the service.

use std::time::Instant;

use serde_json::Value;

use crate::{Fact, house::House, machine::Machine, support::booted::Booted as _};

pub(crate) const FACTS: &[Fact] = &[
    ("the doctor finds nothing but that there is no GPU", a_healthy_service),
    ("the doctor names the cause and what mends it", a_broken_service),
];

/// What a command prints, which may find that something fails.
fn report(machine: &Machine, command: &str) -> Value {
    let said = machine.run(command);
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[track_caller]
fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().expect("checks").iter();
    checks.find(|check| check["id"] == id).unwrap_or_else(|| panic!("no {id}: {report}"))
}

/// The verdicts of what does not depend on the machine that the tests run on.
#[track_caller]
fn is_well(report: &Value) {
    for id in [
        "environment",
        "packages",
        "configuration",
        "credentials",
        "units",
        "bus",
        "polkit",
        "port",
        "service",
        "exposure",
        "libavcodec",
        "chromium",
        "network",
        "tvs",
    ] {
        let check = check(report, id);
        assert_eq!(check["verdict"], "pass", "{check:#}");
    }
}

fn a_healthy_service(house: &House) {
    let machine = &house.machine;
    house.configure("");
    machine.do_("systemctl restart dashboard-cast.service");
    let begin = Instant::now();
    let quick = report(machine, "dashboard-cast doctor --quick --json");
    let quick_took = begin.elapsed();
    assert_eq!(check(&quick, "service")["verdict"], "pass", "{quick:#}");
    let begin = Instant::now();
    let whole = report(machine, "dashboard-cast doctor --json");
    eprintln!(
        "    quick after {:.1} s, whole after {:.1} s",
        quick_took.as_secs_f32(),
        begin.elapsed().as_secs_f32()
    );
    is_well(&whole);
    // The service has it done in a unit of its own, and tells the same.
    let asked = report(machine, "curl -sS http://127.0.0.1:8000/doctor");
    is_well(&asked);
    assert_eq!(asked["causes"], whole["causes"], "{asked:#}\n{whole:#}");
    let on_bus = "busctl --json=short call org.dashboardcast1 /org/dashboardcast1 \
                  org.dashboardcast1.Health Diagnose";
    let on_bus = report(machine, on_bus);
    assert_eq!(on_bus["data"][0]["verdict"]["data"], whole["verdict"]);
    let units = "systemctl list-units --failed --no-legend 'dashboard-cast*'";
    assert_eq!(machine.do_(units), "");
}

fn a_broken_service(house: &House) {
    let machine = &house.machine;
    let _afterwards = machine.afterwards(
        "systemctl unmask --runtime dashboard-cast-encoder.socket && \
         systemctl restart dashboard-cast.socket dashboard-cast.service",
    );
    machine.do_(
        "systemctl stop dashboard-cast.service dashboard-cast.socket && \
         systemctl mask --runtime dashboard-cast-encoder.socket",
    );
    let said = machine.run("dashboard-cast doctor");
    assert!(!said.success, "{said:?}");
    let first = said.out.lines().next().unwrap_or_default();
    assert!(first.contains("dashboard-cast-encoder.socket is masked"), "{said:?}");
    let fix = "systemctl unmask --runtime dashboard-cast-encoder.socket";
    assert!(said.out.contains(&format!("    {fix}\n")), "{said:?}");
    assert!(said.out.contains("follows from units"), "{said:?}");
}
