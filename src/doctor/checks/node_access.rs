use std::path::PathBuf;

use super::{Check, Subject};
use crate::{
    access::{self, Access, GROUP},
    doctor::{
        container::give,
        finding::{Finding, Place},
        machine::{Machine, node_path},
    },
};

pub(super) const CHECK: Check = Check {
    id: "node-access",
    question: "May encoders open the node?",
    subject: Subject::Gpu,
    needs: &["node-number"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

fn look(machine: &Machine) -> Finding {
    let nodes = machine.nodes.iter().map(|file| access::judge(file, &machine.groups));
    let nodes: Vec<access::Node> = nodes.collect();
    // One is enough, and the best one is the one to speak of.
    let working = machine.working().map(|gpu| gpu.node.clone());
    let intel = || Some(node_path(*machine.intel()?.nodes.first()?));
    let best = working.clone().or_else(intel).map(PathBuf::from);
    let node = nodes.iter().find(|node| Some(&node.path) == best.as_ref()).or(nodes.first());
    let Some(node) = node else { return Finding::skipped("there is no node") };
    let path = node.path.display();
    let group = node.group.as_deref().unwrap_or("no name here");
    let seen = format!("{path}: {}:{} ({group}), mode {}", node.uid, node.gid, node.mode);
    let problem = match &node.access {
        Access::Group(name) => return Finding::pass(format!("by the group {name}")).seen(seen),
        Access::List(name) => {
            return Finding::pass(format!("by the node's list, group {name}")).seen(seen);
        }
        Access::AtStart => {
            return Finding::pass(format!("the list of {path} gets {GROUP} when one starts"))
                .seen(seen);
        }
        Access::Nothing(problem) => problem,
    };
    // Such as one that is open to everybody.
    if working.is_some_and(|own| own == path.to_string()) {
        return Finding::pass(format!("an encoder has opened {path}")).seen(seen).seen(problem);
    }
    let finding = Finding::fail(format!("encoders may not open {path}: {problem}")).seen(seen);
    match (&node.remedy, machine.place.is_container()) {
        (Some(_), true) => give(
            machine,
            finding,
            "give the container a node of its own, in place of the host's and its lxc.mount.entry",
            &path.to_string(),
        ),
        (Some(remedy), false) => finding.advise(Place::Here, remedy),
        (None, _) => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::File,
        doctor::{Verdict, testing::Tree},
    };

    const GROUPS: &str = "render:x:104:\nvideo:x:44:\ndashboard-cast-gpu:x:990:\n";

    fn found(uid: u32, gid: u32, mode: u32) -> Finding {
        let tree = Tree::new()
            .file("etc/group", GROUPS)
            .file("run/systemd/container", "lxc")
            .node(File::node(128, uid, gid, mode));
        look(&tree.machine())
    }

    #[test]
    fn who_may_open_it_is_told_with_whose_it_is() {
        let render = found(0, 104, 0o660);
        assert_eq!(render.verdict, Verdict::Pass);
        assert_eq!(render.evidence, ["/dev/dri/renderD128: 0:104 (render), mode 660"]);
        assert!(found(0, 0, 0o660).says.contains("dashboard-cast-gpu"), "mended at the start");
        assert!(found(0, 12_345, 0o660).evidence[0].contains("no name here"));
    }

    #[test]
    fn what_only_the_host_can_mend_is_for_the_host() {
        let found = found(65_534, 65_534, 0o660);
        assert_eq!((found.verdict, found.fixes[0].place), (Verdict::Fail, Place::Host));
        let fix = &found.fixes[0];
        assert_eq!(fix.commands[0], "dashboard-cast proxmox lxc CTID --apply");
        assert!(fix.words.contains("--devN /dev/dri/renderD128,gid=104"), "{fix:?}");
    }

    #[test]
    fn what_an_encoder_has_opened_it_may_open() {
        let tree = || {
            Tree::new()
                .gpu("0000:00:02.0", 0xa780, Some(("i915", 128)))
                .gpu("0000:03:00.0", 0x56a0, Some(("xe", 129)))
                .installed(&["iHD_drv_video.so", "libmfx-gen.so.1.2"])
                .file("etc/group", GROUPS)
                .node(File::node(128, 0, 104, 0o660))
                .node(File::node(129, 65_534, 65_534, 0o666))
        };
        assert_eq!(look(&tree().machine()).says, "by the group render");
        let found = look(&tree().works_on(129, "h264_qsv", "VBR").machine());
        assert_eq!(found.verdict, Verdict::Pass);
        assert!(found.says.contains("renderD129"), "{found:?}");
    }
}
