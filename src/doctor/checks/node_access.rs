use super::{Check, Subject};
use crate::{
    access::{self, Access, GROUP},
    doctor::{
        finding::{Finding, Place},
        machine::Machine,
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
    let best = machine.intel().and_then(|card| card.nodes.first());
    let best = best.map(|number| format!("/dev/dri/renderD{number}").into());
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
    let finding = Finding::fail(format!("encoders may not open {path}: {problem}")).seen(seen);
    let number = machine
        .nodes
        .iter()
        .find(|file| file.path() == node.path)
        .map_or(128, |file| file.number());
    match (&node.remedy, machine.place.is_container()) {
        (Some(_), true) => finding.run(
            Place::Host,
            "give the container a node of its own in place of the host's (lxc.mount.entry)",
            &[
                &format!(
                    "pct set CTID --dev0 /dev/dri/renderD{number},gid={}",
                    machine.render_group()
                ),
                "pct reboot CTID",
            ],
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
        assert_eq!(found.fixes[0].commands[0], "pct set CTID --dev0 /dev/dri/renderD128,gid=104");
    }
}
