use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::{Environment, Machine},
};

pub(super) const CHECK: Check = Check {
    id: "render-node",
    question: "Does the GPU have a node here?",
    subject: Subject::Gpu,
    needs: &["environment", "kernel-driver"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

fn look(machine: &Machine) -> Finding {
    let files: Vec<String> =
        machine.nodes.iter().map(|file| file.path().display().to_string()).collect();
    let expected = machine.intel().and_then(|card| card.nodes.first());
    let found = match expected {
        Some(number) => machine.nodes.iter().any(|file| file.number() == *number),
        None => !files.is_empty(),
    };
    let seen = match files.is_empty() {
        true => "/dev/dri: no render node".to_owned(),
        false => format!("/dev/dri: {}", files.join(", ")),
    };
    if found {
        return Finding::pass(files.join(", ")).seen(seen);
    }
    // The check before said so.
    if expected.is_none() && files.is_empty() && !machine.place.is_container() {
        return Finding::skipped("there is no GPU that would have one").seen(seen);
    }
    let number = expected.map_or_else(|| "128".to_owned(), ToString::to_string);
    let finding = match expected {
        Some(number) => {
            let finding = Finding::fail(format!("/dev/dri/renderD{number} is not there"));
            finding.seen(format!("/sys/class/drm/renderD{number} is there"))
        }
        None => Finding::fail("there is no /dev/dri/renderD* here"),
    };
    let gid = machine.render_group();
    match &machine.place {
        Environment::Container { .. } => finding.seen(seen).run(
            Place::Host,
            format!(
                "give the container the node (before Proxmox 8.1: dashboard-cast proxmox lxc CTID); \
                 CTID is the container's number, and {gid} the group render in here"
            ),
            &[
                &format!("pct set CTID --dev0 /dev/dri/renderD{number},gid={gid}"),
                "pct reboot CTID",
            ],
        ),
        Environment::Application(_) => finding.seen(seen).run(
            Place::Host,
            "give the container the node",
            &[&format!("docker run --device /dev/dri/renderD{number} …")],
        ),
        Environment::Vm(_) | Environment::Metal => finding.seen(seen).run(
            Place::Here,
            "the kernel knows why",
            &["journalctl -k -g 'i915|xe|drm'", "udevadm trigger --subsystem-match=drm"],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::File,
        doctor::{Verdict, testing::Tree},
    };

    #[test]
    fn a_container_without_the_node_is_told_the_line_for_the_host() {
        let tree = Tree::new()
            .gpu("0000:00:02.0", 0x3e9b, Some(("i915", 129)))
            .file("run/systemd/container", "lxc")
            .file("etc/group", "render:x:992:\n");
        let found = look(&tree.machine());
        assert_eq!((found.verdict, found.fixes[0].place), (Verdict::Fail, Place::Host));
        assert_eq!(found.fixes[0].commands[0], "pct set CTID --dev0 /dev/dri/renderD129,gid=992");
        // The node of another GPU is not the one that is meant.
        let other = tree.node(File::node(128, 0, 992, 0o660));
        assert_eq!(look(&other.machine()).verdict, Verdict::Fail);
        let both = other.node(File::node(129, 0, 992, 0o660));
        assert_eq!(look(&both.machine()).verdict, Verdict::Pass);
    }

    #[test]
    fn a_container_that_sees_no_bus_is_told_the_usual_line() {
        let found = look(&Tree::new().file("run/systemd/container", "lxc").machine());
        assert_eq!(found.fixes[0].commands[0], "pct set CTID --dev0 /dev/dri/renderD128,gid=GID");
    }

    #[test]
    fn a_machine_without_a_gpu_lacks_none() {
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
    }
}
