use super::{Check, Subject};
use crate::{
    access::File,
    doctor::{
        container::give,
        finding::{Finding, Place},
        machine::{Machine, node_path},
    },
};

pub(super) const CHECK: Check = Check {
    id: "node-number",
    question: "Does the node lead to its GPU?",
    subject: Subject::Gpu,
    needs: &["render-node"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

/// The kernel's number of graphics devices.
const DRM: u32 = 226;

fn look(machine: &Machine) -> Finding {
    if machine.nodes.is_empty() {
        return Finding::skipped("there is no node");
    }
    let (mut well, mut spare) = (Vec::new(), Vec::new());
    for file in &machine.nodes {
        match trouble(machine, file) {
            None => well.push(format!("{DRM}:{}", file.number())),
            // Nobody needs it where another one encodes.
            Some(found) if machine.working().is_some_and(|gpu| gpu.node != of(file)) => {
                spare.push(found.says);
            }
            Some(found) => return found,
        }
    }
    spare.into_iter().fold(Finding::pass(well.join(", ")), Finding::seen)
}

fn of(file: &File) -> String {
    node_path(file.number())
}

fn trouble(machine: &Machine, file: &File) -> Option<Finding> {
    let (path, number) = (file.path().display(), file.number());
    let there = if machine.place.is_container() { Place::Host } else { Place::Here };
    if file.is_stale() {
        let found = Finding::fail(format!("{path} was taken away and made anew on the host"))
            .seen(format!("{path}: no links"));
        let words = "start this container again: its mount shows the old one";
        return Some(found.run(there, words, &["pct reboot CTID"]));
    }
    let found = match file.device() {
        Some((major, minor)) if (major, minor) == (DRM, number) => return None,
        Some((major, minor)) => {
            Finding::fail(format!("{path} is device {major}:{minor}, not {DRM}:{number}"))
        }
        None => Finding::fail(format!("{path} is no device")),
    };
    let list = "ls -l /dev/dri/by-path /dev/dri";
    Some(match there {
        Place::Host => give(
            machine,
            found.run(there, "see whether the numbers of its nodes changed at its boot", &[list]),
            &format!("give the container the node of {DRM}:{number} under its own name"),
            &of(file),
        ),
        _ => {
            found.run(there, "the kernel's nodes have been replaced: boot again", &[list, "reboot"])
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Verdict, testing::Tree};

    #[test]
    fn a_node_that_leads_elsewhere_is_seen() {
        let node = || File::node(128, 0, 104, 0o660);
        let found = |file: File| {
            look(&Tree::new().file("run/systemd/container", "lxc").node(file).machine())
        };
        assert_eq!(found(node()).verdict, Verdict::Pass);
        assert!(found(node().is(Some((226, 129)))).says.contains("226:129, not 226:128"));
        assert!(found(node().is(None)).says.contains("is no device"));
        let stale = found(node().gone());
        assert_eq!(stale.fixes[0].commands, ["pct reboot CTID"]);
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
        let other = found(node().is(None));
        let commands: Vec<_> = other.fixes.iter().flat_map(|fix| &fix.commands).collect();
        assert!(commands.iter().all(|command| !command.starts_with("pct set")), "{commands:?}");
        assert_eq!(commands[1], "dashboard-cast proxmox lxc CTID --apply");
    }

    #[test]
    fn a_node_that_nobody_needs_may_lead_elsewhere() {
        let tree = || {
            Tree::new()
                .gpu("0000:00:02.0", 0xa780, Some(("i915", 128)))
                .gpu("0000:03:00.0", 0x56a0, Some(("xe", 129)))
                .installed(&["iHD_drv_video.so", "libmfx-gen.so.1.2"])
                .node(File::node(128, 0, 104, 0o660).gone())
                .node(File::node(129, 0, 104, 0o660))
        };
        assert_eq!(look(&tree().machine()).verdict, Verdict::Fail);
        let found = look(&tree().works_on(129, "h264_qsv", "VBR").machine());
        assert_eq!((found.verdict, &*found.says), (Verdict::Pass, "226:129"));
        assert!(found.evidence[0].contains("renderD128 was taken away"), "{found:?}");
    }
}
