//! What is told to those who listen: on the bus, by udev, in the journal.

use serde_json::Value;

use crate::{support::booted::Booted as _, vm::Vm};

const BUS: &str = "/run/bus-monitor";
const UDEV: &str = "/run/udev-monitor";
/// Priorities of the journal.
const ALL: &str = "debug";
const WARNINGS: &str = "warning";

/// Begins to write down what the service and udev tell.
#[track_caller]
pub(crate) fn listen(vm: &Vm) {
    let udev = "stdbuf -oL udevadm monitor --udev --property --subsystem-match=drm";
    start(vm, "udev-monitor", UDEV, udev);
    vm.wait("udevadm", &format!("cat {UDEV}"), |said| {
        said.out.contains("monitor will print").then_some(())
    });
    start(vm, "bus-monitor", BUS, "busctl --json=short monitor org.dashboardcast1");
    // It says nothing until there is something to tell.
    let ping = "busctl call org.dashboardcast1 /org/dashboardcast1 org.freedesktop.DBus.Peer Ping";
    vm.wait("busctl", &format!("{ping}; cat {BUS}"), |said| {
        said.out.contains("Ping").then_some(())
    });
}

#[track_caller]
fn start(vm: &Vm, unit: &str, file: &str, program: &str) {
    vm.do_(&format!(
        "systemd-run --quiet --unit={unit} --property=StandardOutput=append:{file} \
         --property=StandardError=append:{file} {program}"
    ));
}

/// From when on something counts.
#[derive(Debug)]
pub(crate) struct Moment<'a> {
    vm: &'a Vm,
    bus: String,
    udev: String,
    journal: String,
    warnings: String,
}

impl<'a> Moment<'a> {
    #[track_caller]
    pub(crate) fn now(vm: &'a Vm) -> Self {
        let length = |file: &str| vm.do_(&format!("stat -c %s {file}")).trim().to_owned();
        // Not a cursor: journalctl 252 leaves out what comes first after one that its filters do not match.
        let lines = |journal: String| vm.do_(&format!("{journal} | wc -l")).trim().to_owned();
        Self {
            vm,
            bus: length(BUS),
            udev: length(UDEV),
            journal: lines(journal(ALL)),
            warnings: lines(journal(WARNINGS)),
        }
    }

    /// Waits until the bus was told of other GPUs, and gives the nodes that it was told last.
    #[track_caller]
    pub(crate) fn wait_bus(&self, nodes: &[&str]) {
        let new = format!("tail -c +$((1 + {})) {BUS}", self.bus);
        self.vm.wait(&format!("{nodes:?} on the bus"), &new, |said| {
            let told = said.out.lines().rev().find_map(gpus)?;
            (told == nodes).then_some(())
        });
    }

    /// Waits until udev has told this.
    #[track_caller]
    pub(crate) fn wait_udev(&self, action: &str, node: &str) {
        let new = format!("tail -c +$((1 + {})) {UDEV}", self.udev);
        let words = [format!("ACTION={action}"), format!("DEVNAME={node}")];
        self.vm.wait(&format!("{action} of {node} by udev"), &new, |said| {
            let mut events = said.out.split("\n\n");
            events.any(|event| words.iter().all(|word| event.contains(&**word))).then_some(())
        });
    }

    /// Waits until the journal of the service has these words, and gives all that it has.
    #[track_caller]
    pub(crate) fn wait_journal(&self, words: &str) -> String {
        self.vm.wait(&format!("\"{words}\" in the journal"), &new(ALL, &self.journal), |said| {
            said.out.contains(words).then(|| said.out.clone())
        })
    }

    /// What the service was not well with.
    #[track_caller]
    pub(crate) fn warnings(&self) -> String {
        self.vm.do_("journalctl --sync");
        self.vm.do_(&new(WARNINGS, &self.warnings))
    }
}

/// What the service says, down to a priority.
fn journal(priority: &str) -> String {
    format!("journalctl --no-pager --quiet -o cat -u 'dashboard-cast*' --priority={priority}")
}

/// That without its first lines.
fn new(priority: &str, old: &str) -> String {
    format!("{} | tail -n +$((1 + {old}))", journal(priority))
}

/// The nodes of the GPUs, when a message tells that they have changed.
fn gpus(line: &str) -> Option<Vec<String>> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_it = message["member"] == "PropertiesChanged"
        && message["payload"]["data"][0] == "org.dashboardcast1.Health";
    let gpus = message["payload"]["data"][1]["Gpus"]["data"].as_array().filter(|_| is_it)?;
    let node = |gpu: &Value| gpu["node"]["data"].as_str().map(ToOwned::to_owned);
    Some(gpus.iter().filter_map(node).collect())
}
