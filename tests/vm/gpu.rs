//! GPUs that come and go, on a real bus, with real nodes and a real udev. They are virtual, so that nothing
//! encodes on them; all that comes before that is as with any other.

use serde_json::json;

use crate::{
    Fact, doctor,
    service::{daemon, health, measure, wait_gpus},
    support::booted::Booted as _,
    told::Moment,
    vm::Vm,
};

pub(crate) const FACTS: &[Fact] = &[
    ("without a GPU it encodes in software, and says so", without_a_gpu),
    ("the doctor asks for one", the_doctor_asks_for_one),
    ("a GPU that comes is listed and judged", a_gpu_that_comes),
    ("the doctor asks for a better one", the_doctor_asks_for_a_better_one),
    ("another one is listed beside it, and goes", another_one),
    ("a node of a group without a name is opened to encoders by their unit", a_strange_group),
    ("a GPU that is pulled out is gone, whoever has it open", a_gpu_that_is_pulled_out),
    ("one that comes again is as if it were the first", one_that_comes_again),
];

pub(crate) const END: &[Fact] = &[("a GPU that is there at the boot is listed", at_the_boot)];

const FIRST: &str = "/dev/dri/renderD128";
const SECOND: &str = "/dev/dri/renderD129";
const VIRTUAL: &str = "it is a virtual GPU, which has no video encoder: pass a real one through";

/// Has the kernel look at its buses, as it does when something was put into a slot.
fn plug(vm: &Vm) {
    vm.do_("echo 1 >/sys/bus/pci/rescan");
}

/// Has the kernel let go of it, as it does when something is taken out of a slot.
fn unplug(vm: &Vm) {
    vm.do_("/usr/local/sbin/unplug");
}

/// Waits until `gpu-groups` says this of a node, and gives its line.
#[track_caller]
fn wait_groups(vm: &Vm, node: &str, words: &str) -> String {
    vm.wait(words, "dashboard-cast gpu-groups", |said| {
        let line = said.out.lines().find(|line| line.starts_with(node))?;
        line.contains(words).then(|| line.to_owned())
    })
}

fn without_a_gpu(vm: &Vm) {
    assert!(!vm.run("ls /dev/dri").success);
    let health = wait_gpus(vm, &[]);
    assert_eq!(health["status"], "healthy", "{health}");
    let acceleration = &health["hardware_acceleration"];
    assert_eq!(acceleration["encoder"], "libx264", "{health}");
    assert_eq!(acceleration["quicksync_available"], false, "{health}");
    let reason = acceleration["reason"].as_str().expect("a reason");
    assert!(reason.contains("no GPU can be seen here"), "{reason}");
    let said = vm.run("dashboard-cast gpu-groups");
    assert!(said.success && said.err.contains("There is no render node"), "{said:?}");
}

fn the_doctor_asks_for_one(vm: &Vm) {
    doctor::asks_for_a_gpu(vm, "", None);
}

fn the_doctor_asks_for_a_better_one(vm: &Vm) {
    doctor::asks_for_a_gpu(vm, "--quick", Some("virtual GPU"));
}

fn a_gpu_that_comes(vm: &Vm) {
    let moment = Moment::now(vm);
    let health = measure("listed", || {
        plug(vm);
        wait_gpus(vm, &[FIRST])
    });
    let gpu = &health["gpus"][0];
    assert_eq!(gpu["problem"], VIRTUAL, "{health}");
    assert_eq!((&gpu["usable"], &gpu["encoders"]), (&json!(false), &json!({})), "{health}");
    let reason = health["hardware_acceleration"]["reason"].as_str().expect("a reason");
    assert!(reason.contains(VIRTUAL), "{reason}");
    moment.wait_udev("add", FIRST);
    moment.wait_bus(&[FIRST]);
    let property = vm.do_(
        "busctl get-property org.dashboardcast1 /org/dashboardcast1 org.dashboardcast1.Health Gpus",
    );
    assert!(property.contains(FIRST) && property.contains(VIRTUAL), "{property}");
    moment.wait_journal(&format!("is there node={FIRST}: {VIRTUAL}"));
    wait_groups(vm, FIRST, "yes, group render");
}

fn another_one(vm: &Vm) {
    let moment = Moment::now(vm);
    vm.do_("modprobe vgem");
    let health = wait_gpus(vm, &[FIRST, SECOND]);
    assert_eq!(health["gpus"][1]["driver"], "vgem", "{health}");
    assert_eq!(health["gpus"][1]["problem"], VIRTUAL, "{health}");
    moment.wait_udev("add", SECOND);
    moment.wait_bus(&[FIRST, SECOND]);
    wait_groups(vm, SECOND, "yes, group render");
    vm.do_("modprobe -r vgem");
    wait_gpus(vm, &[FIRST]);
    moment.wait_udev("remove", SECOND);
    moment.wait_bus(&[FIRST]);
    moment.wait_journal(&format!("vgem GPU is gone node={SECOND}"));
}

/// The unit of encoders, in whose sandbox something else opens the node.
const PROBE: &str = "[Service]
Type=oneshot
WatchdogSec=0
ExecPaths=/usr/bin
ExecStart=
ExecStart=/bin/sh -c ': <>/dev/dri/renderD128'
";

fn a_strange_group(vm: &Vm) {
    let drop_in = "/etc/systemd/system/dashboard-cast-encoder@probe.service.d";
    let _afterwards = vm.afterwards(format!("rm -r {drop_in} && systemctl daemon-reload"));
    vm.write(&format!("{drop_in}/probe.conf"), PROBE);
    vm.do_("systemctl daemon-reload");
    let open = |user: &str| {
        let open = format!("sh -c ': <>{FIRST}'");
        vm.run(&format!("setpriv --reuid={user} --regid=$(id -g {user}) --init-groups {open}"))
    };
    for (owner, mode) in [("0:12345", "660"), ("0:0", "600")] {
        let moment = Moment::now(vm);
        vm.do_(&format!("chown {owner} {FIRST} && chmod {mode} {FIRST}"));
        let line = wait_groups(vm, FIRST, "mended then");
        assert!(line.contains(owner), "{line}");
        vm.do_("systemctl start dashboard-cast-encoder@probe.service");
        wait_groups(vm, FIRST, "yes, by its list: group dashboard-cast-gpu");
        moment.wait_journal("encoders may open it from now on");
        for user in ["nobody", "dashboard-cast"] {
            let said = open(user);
            assert!(said.err.contains("Permission denied"), "{user}: {said:?}");
        }
        assert_eq!(vm.do_(&format!("stat -c '%u:%g' {FIRST}")).trim(), owner);
    }
}

fn a_gpu_that_is_pulled_out(vm: &Vm) {
    let moment = Moment::now(vm);
    let before = daemon(vm);
    let _afterwards = vm.afterwards("systemctl stop holder.service");
    vm.do_(&format!("systemd-run --quiet --unit=holder sh -c 'exec sleep infinity 3<>{FIRST}'"));
    vm.wait("open node", "ls -l /proc/$(systemctl show -P MainPID holder)/fd", |said| {
        said.out.contains(FIRST).then_some(())
    });
    let health = measure("gone", || {
        unplug(vm);
        wait_gpus(vm, &[])
    });
    assert_eq!(health["status"], "healthy", "{health}");
    assert_eq!(health["hardware_acceleration"]["encoder"], "libx264", "{health}");
    moment.wait_udev("remove", FIRST);
    moment.wait_bus(&[]);
    moment.wait_journal(&format!("is gone node={FIRST}"));
    assert!(!vm.run("ls /dev/dri").success);
    assert_eq!((daemon(vm), moment.warnings()), (before, String::new()));
}

fn one_that_comes_again(vm: &Vm) {
    let moment = Moment::now(vm);
    plug(vm);
    let health = wait_gpus(vm, &[FIRST]);
    assert_eq!(health["gpus"][0]["problem"], VIRTUAL, "{health}");
    moment.wait_bus(&[FIRST]);
    moment.wait_journal(&format!("is there node={FIRST}"));
    wait_groups(vm, FIRST, "yes, group render");
    unplug(vm);
    wait_gpus(vm, &[]);
}

fn at_the_boot(vm: &Vm) {
    vm.do_("touch /etc/plugged");
    measure("booted again", || vm.reboot());
    wait_gpus(vm, &[FIRST]);
    wait_groups(vm, FIRST, "yes, group render");
    assert_eq!(health(vm)["status"], "healthy");
    assert_eq!(vm.do_("systemctl list-units --failed --no-legend 'dashboard-cast*'"), "");
}
