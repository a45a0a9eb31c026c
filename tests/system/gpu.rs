//! Whose a GPU's node is, and who may open it. There is no GPU behind these nodes: what they lead to is said
//! to be gone, but only to those who may open them.

use serde_json::Value;

use crate::{Fact, house::House, machine::Machine, support::booted::Booted as _};

pub(crate) const FACTS: &[Fact] = &[
    ("a node of a strange group is opened to encoders and nobody else", a_strange_group),
    ("a node that is root's alone is opened to encoders", root_alone),
    ("a node that is the host's own is left alone, and who can mend that is told", the_hosts_own),
    ("a node that the unit may not have is said to be denied", denied),
    ("a node that comes to stand for something else is seen to", another_device),
    ("a GPU that goes is gone", a_gpu_that_goes),
];

pub(crate) const NODE: &str = "/dev/dri/renderD128";

fn plug(machine: &Machine, owner: &str, mode: &str) {
    machine.do_(&format!(
        "mkdir --parents /dev/dri && rm --force {NODE} && mknod --mode={mode} {NODE} c 226 128 && \
         chown {owner} {NODE}"
    ));
}

fn unplug(machine: &Machine) {
    machine.do_("rm --recursive --force /dev/dri");
}

/// The GPUs, once what is said of the first one has these words.
pub(crate) fn wait_for_gpu(machine: &Machine, words: &str) -> Value {
    machine.wait(words, "curl -sS http://127.0.0.1:8000/health", |said| {
        let health: Value = serde_json::from_str(&said.out).ok()?;
        let gpus = health["gpus"].clone();
        gpus[0].to_string().contains(words).then_some(gpus)
    })
}

pub(crate) fn wait_for_no_gpu(machine: &Machine) {
    machine.wait("health without GPUs", "curl -sS http://127.0.0.1:8000/health", |said| {
        said.out.contains("\"gpus\":[]").then_some(())
    });
}

fn a_strange_group(house: &House) {
    let machine = &house.machine;
    plug(machine, "0:12345", "660");
    let said = machine.do_("dashboard-cast gpu-groups");
    assert!(said.contains("0:12345 (no name)") && said.contains("mended"), "{said}");
    // Whoever could not open it would be told another story.
    wait_for_gpu(machine, "leads to no device");
    let said = machine.do_("dashboard-cast gpu-groups");
    assert!(said.contains("group dashboard-cast-gpu"), "{said}");
    for user in ["nobody", "dashboard-cast"] {
        let said = machine.run_as(user, &format!("dd if={NODE} of=/dev/null count=1"));
        assert!(said.err.contains("Permission denied"), "{user}: {said:?}");
    }
    assert_eq!(machine.do_(&format!("stat -c '%u:%g' {NODE}")).trim(), "0:12345");
}

fn root_alone(house: &House) {
    let machine = &house.machine;
    plug(machine, "0:0", "600");
    let said = machine.wait("access", "dashboard-cast gpu-groups", |said| {
        said.out.contains("group dashboard-cast-gpu").then(|| said.out.clone())
    });
    assert!(said.contains("0:0 (root)"), "{said}");
    wait_for_gpu(machine, "leads to no device");
}

/// As in a privileged container that a bind mount gives the host's.
fn the_hosts_own(house: &House) {
    let machine = &house.machine;
    unplug(machine);
    // There is one file system of this kind, which is that of the machine that the tests run on.
    let node = format!("/mnt/dashboard-cast-{}", std::process::id());
    let afterwards = machine.afterwards(format!("umount {NODE}; rm {node}; umount /mnt"));
    machine.do_(&format!(
        "mount -t devtmpfs none /mnt && mknod --mode=660 {node} c 226 128 && chown 0:12345 {node} && \
         mkdir /dev/dri && touch {NODE} && mount --bind {node} {NODE}"
    ));
    let gpus = wait_for_gpu(machine, "EACCES");
    assert!(gpus[0].to_string().contains("dashboard-cast gpu-groups"), "{gpus}");
    let said = machine.do_("dashboard-cast gpu-groups");
    assert!(said.contains("the host's own") && said.contains("proxmox lxc CTID"), "{said}");
    let list = machine.do_(&format!("ls -l {NODE}"));
    assert!(!list.contains('+'), "{list}");
    drop(afterwards);
    unplug(machine);
}

/// As where the container's own devices are not all that it was given.
fn denied(house: &House) {
    let machine = &house.machine;
    let unit = "/etc/systemd/system/dashboard-cast-encoder@.service.d";
    let afterwards = machine.afterwards(format!("rm --recursive {unit}; systemctl daemon-reload"));
    machine.do_(&format!(
        "mkdir {unit} && printf '[Service]\nDeviceAllow=\n' >{unit}/test.conf && \
         systemctl daemon-reload"
    ));
    plug(machine, "0:0", "660");
    wait_for_gpu(machine, "EPERM");
    drop(afterwards);
    unplug(machine);
    wait_for_no_gpu(machine);
    plug(machine, "0:0", "660");
    wait_for_gpu(machine, "leads to no device");
}

fn another_device(house: &House) {
    let machine = &house.machine;
    machine.do_(&format!("rm {NODE} && mknod --mode=660 {NODE} c 226 129"));
    let said = machine.do_("dashboard-cast gpu-groups");
    assert!(said.contains("226:129"), "{said}");
    // Nothing was done to what it is not.
    let list = machine.do_(&format!("ls -l {NODE}"));
    assert!(!list.contains('+'), "{list}");
    let said = machine.run("dashboard-cast doctor --quick --check encoder");
    assert!(said.out.contains("is device 226:129, not 226:128"), "{said:?}");
}

fn a_gpu_that_goes(house: &House) {
    let machine = &house.machine;
    unplug(machine);
    wait_for_no_gpu(machine);
    let said = machine.run("dashboard-cast gpu-groups");
    assert!(said.success && said.err.contains("passthrough"), "{said:?}");
}
