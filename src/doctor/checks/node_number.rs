use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
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
    let there = if machine.place.is_container() { Place::Host } else { Place::Here };
    let restart = ["pct reboot CTID"];
    for file in &machine.nodes {
        let (path, number) = (file.path().display(), file.number());
        if file.is_stale() {
            return Finding::fail(format!("{path} was taken away and made anew on the host"))
                .seen(format!("{path}: no links"))
                .run(there, "start this container again: its mount shows the old one", &restart);
        }
        let finding = match file.device() {
            Some((major, minor)) if (major, minor) == (DRM, number) => continue,
            Some((major, minor)) => {
                Finding::fail(format!("{path} is device {major}:{minor}, not {DRM}:{number}"))
            }
            None => Finding::fail(format!("{path} is no device")),
        };
        return finding.run(
            there,
            format!(
                "give the node of {DRM}:{number} under its own name; the numbers of the host's \
                 nodes may have changed at its boot"
            ),
            &[
                "ls -l /dev/dri/by-path /dev/dri",
                &format!(
                    "pct set CTID --dev0 /dev/dri/renderD{number},gid={}",
                    machine.render_group()
                ),
                restart[0],
            ],
        );
    }
    let all = machine.nodes.iter().map(|file| format!("{DRM}:{}", file.number()));
    Finding::pass(all.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::File,
        doctor::{Verdict, testing::Tree},
    };

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
    }
}
