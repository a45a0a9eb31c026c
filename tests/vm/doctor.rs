//! What the doctor says on a machine whose hardware is made up.

use serde_json::Value;

use crate::{service::measure, support::booted::Booted as _, vm::Vm};

/// The whole answer, also when something fails.
#[track_caller]
fn report(vm: &Vm, arguments: &str) -> Value {
    let said = measure(&format!("doctor {arguments}"), || {
        vm.run(&format!("dashboard-cast doctor --json {arguments}"))
    });
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[track_caller]
fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().expect("checks").iter();
    checks.find(|check| check["id"] == id).unwrap_or_else(|| panic!("no {id}: {report:#}"))
}

/// It must know where it is, and that only somebody else can give it a GPU that encodes; `seen` is what it
/// must have seen on the bus.
#[track_caller]
pub(crate) fn asks_for_a_gpu(vm: &Vm, arguments: &str, seen: Option<&str>) {
    let report = report(vm, arguments);
    let environment = check(&report, "environment");
    assert_eq!(environment["verdict"], "pass", "{environment:#}");
    assert!(environment["says"].to_string().contains("virtual machine"), "{environment:#}");
    let gpu = check(&report, "gpu");
    assert_eq!(gpu["verdict"], "warn", "{gpu:#}");
    let told = gpu["evidence"].to_string();
    match seen {
        Some(seen) => assert!(told.contains(seen), "{gpu:#}"),
        None => assert_eq!(gpu.get("evidence"), None, "{gpu:#}"),
    }
    assert_eq!(gpu["fixes"][0]["place"], "host", "{gpu:#}");
    assert_eq!(gpu["fixes"][0]["commands"][0], "dashboard-cast proxmox vm VMID", "{gpu:#}");
    for id in ["packages", "configuration", "bus", "polkit", "service", "chromium"] {
        let check = check(&report, id);
        assert_eq!(check["verdict"], "pass", "{check:#}");
    }
    // What a GPU is needed for does not count as broken; and on a machine this slow, systemctl may not have
    // answered in time.
    for id in ["kernel-driver", "node-access", "va-driver", "proof", "units"] {
        let check = check(&report, id);
        assert!(matches!(check["verdict"].as_str(), Some("pass" | "skipped")), "{check:#}");
    }
}
