//! What the service says of itself.

use std::time::Instant;

use serde_json::Value;

use crate::{support::booted::Booted as _, vm::Vm};

/// The page that the service has itself.
pub(crate) const SAMPLE: &str = "http://127.0.0.1:8000/sample";

#[track_caller]
pub(crate) fn health(vm: &Vm) -> Value {
    serde_json::from_str(&vm.do_("curl -sS http://127.0.0.1:8000/health")).expect("JSON")
}

/// Waits until health tells of the GPUs with these nodes, and gives what it tells.
#[track_caller]
pub(crate) fn wait_gpus(vm: &Vm, nodes: &[&str]) -> Value {
    vm.wait(&format!("{nodes:?} in health"), "curl -sS http://127.0.0.1:8000/health", |said| {
        let health: Value = serde_json::from_str(&said.out).ok()?;
        let told: Vec<_> = health["gpus"].as_array()?.iter().map(|gpu| &gpu["node"]).collect();
        (told == nodes).then_some(health)
    })
}

/// The one session as HTTP tells of it.
#[track_caller]
pub(crate) fn session(vm: &Vm) -> Option<Value> {
    let sessions = vm.run("curl -sS http://127.0.0.1:8000/sessions");
    let sessions: Value = serde_json::from_str(&sessions.out).ok()?;
    sessions["sessions"].get(0).cloned()
}

/// Waits until the one session shows a page of this title.
#[track_caller]
pub(crate) fn wait_live(vm: &Vm, title: &str) -> Value {
    vm.wait("live session", "curl -sS http://127.0.0.1:8000/sessions", |said| {
        let sessions: Value = serde_json::from_str(&said.out).ok()?;
        let session = sessions["sessions"].get(0)?.clone();
        (session["state"] == "live" && session["page"]["title"] == title).then_some(session)
    })
}

/// The main process of the one running worker of this kind.
#[track_caller]
pub(crate) fn worker(vm: &Vm, kind: &str) -> String {
    let said = vm.do_(&format!("systemctl show -P MainPID 'dashboard-cast-{kind}@*.service'"));
    said.trim().to_owned()
}

#[track_caller]
pub(crate) fn daemon(vm: &Vm) -> String {
    vm.do_("systemctl show -P MainPID dashboard-cast.service").trim().to_owned()
}

/// How long something took, for whoever reads the log.
pub(crate) fn measure<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let outcome = act();
    eprintln!("    {what}: {:.0?}", begin.elapsed());
    outcome
}
