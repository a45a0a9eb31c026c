use super::{Check, Subject};
use crate::doctor::{
    container::give,
    finding::{Finding, Place},
    machine::{Environment, Machine, node_path},
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
    let is_here = |number: u32| machine.nodes.iter().any(|file| file.number() == number);
    let expected = machine.intel().and_then(|card| card.nodes.first().copied());
    let found = match expected {
        // Another maker's may be the one that encodes.
        _ if machine.working().is_some_and(|gpu| files.contains(&gpu.node)) => true,
        Some(number) => is_here(number),
        None => !files.is_empty(),
    };
    let seen = match files.is_empty() {
        true => "/dev/dri: no render node".to_owned(),
        false => format!("/dev/dri: {}", files.join(", ")),
    };
    if found {
        let others = machine.cards.iter().filter(|card| card.is_intel());
        let missing = others.flat_map(|card| &card.nodes).filter(|number| !is_here(**number));
        let told = missing.map(|number| format!("{} is not there, nor needed", node_path(*number)));
        return told.fold(Finding::pass(files.join(", ")).seen(seen), Finding::seen);
    }
    // The check before said so.
    if expected.is_none() && files.is_empty() && !machine.place.is_container() {
        return Finding::skipped("there is no GPU that would have one").seen(seen);
    }
    let node = node_path(expected.unwrap_or(128));
    let finding = match expected {
        Some(number) => {
            let finding = Finding::fail(format!("{node} is not there"));
            finding.seen(format!("/sys/class/drm/renderD{number} is there"))
        }
        None => Finding::fail("there is no /dev/dri/renderD* here"),
    };
    let finding = finding.seen(seen);
    match &machine.place {
        Environment::Container { .. } => {
            give(machine, finding, "give the container the node", &node)
        }
        Environment::Application(_) => finding.run(
            Place::Host,
            "give the container the node",
            &[&format!("docker run --device {node} …")],
        ),
        Environment::Vm(_) | Environment::Metal => {
            finding.run(Place::Here, "the kernel knows why", &["journalctl -k -g 'i915|xe|drm'"])
        }
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
        let fix = &found.fixes[0];
        assert_eq!(fix.commands, ["dashboard-cast proxmox lxc CTID --apply", "pct reboot CTID"]);
        assert!(fix.words.contains("pct set CTID --devN /dev/dri/renderD129,gid=992"), "{fix:?}");
        // The node of another GPU is not the one that is meant.
        let other = tree.node(File::node(128, 0, 992, 0o660));
        assert_eq!(look(&other.machine()).verdict, Verdict::Fail);
        let both = other.node(File::node(129, 0, 992, 0o660));
        assert_eq!(look(&both.machine()).verdict, Verdict::Pass);
    }

    #[test]
    fn a_container_that_sees_no_bus_is_told_the_usual_line() {
        let found = look(&Tree::new().file("run/systemd/container", "lxc").machine());
        let fix = &found.fixes[0];
        assert_eq!(fix.commands[0], "dashboard-cast proxmox lxc CTID --apply");
        assert!(fix.words.contains("--devN /dev/dri/renderD128,gid=GID"), "{fix:?}");
    }

    #[test]
    fn the_node_of_a_gpu_that_nobody_needs_may_be_missing() {
        let tree = || {
            Tree::new()
                .gpu("0000:00:02.0", 0xa780, Some(("i915", 128)))
                .display("0000:03:00.0", 0x1002, 0x164e, Some(("amdgpu", 129)))
                .file("run/systemd/container", "lxc")
                .node(File::node(129, 0, 992, 0o660))
        };
        assert_eq!(look(&tree().machine()).verdict, Verdict::Fail);
        let found = look(&tree().works_on(129, "h264_vaapi", "VBR").machine());
        assert_eq!(found.verdict, Verdict::Pass);
        assert!(found.evidence[1].contains("renderD128 is not there"), "{found:?}");
    }

    #[test]
    fn a_machine_of_its_own_asks_its_kernel() {
        let tree = Tree::new().gpu("0000:00:02.0", 0xa780, Some(("i915", 128)));
        let found = look(&tree.machine());
        assert_eq!(found.fixes[0].commands, ["journalctl -k -g 'i915|xe|drm'"]);
    }

    #[test]
    fn a_machine_without_a_gpu_lacks_none() {
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
    }
}
