use rustix::io::Errno;

use super::{Check, Subject};
use crate::doctor::{
    container::give,
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "device-cgroup",
    question: "Is the GPU's node let through to its device?",
    subject: Subject::Gpu,
    needs: &["node-access"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

/// A file's permissions say `EACCES`, a device cgroup says `EPERM`: the first is mended in here, the second
/// where the container is configured.
fn look(machine: &Machine) -> Finding {
    // What keeps others shut keeps nothing from working.
    if let Some(gpu) = machine.working() {
        let failed = machine
            .told
            .opened
            .iter()
            .filter_map(|(node, code)| Some(opening(node, Errno::from_raw_os_error((*code)?))));
        let found = Finding::pass("nothing is in the way");
        let found = found.seen(format!("an encoder has opened {}", gpu.node));
        return machine.spare("denied").chain(failed).fold(found, Finding::seen);
    }
    if let Some((gpu, _, view)) = machine.refused("denied") {
        let problem = view.problem.clone().unwrap_or_default();
        return denied(machine, &gpu.node).seen(problem);
    }
    for (node, outcome) in &machine.told.opened {
        let Some(code) = outcome else { continue };
        let error = Errno::from_raw_os_error(*code);
        let seen = opening(node, error);
        match error {
            Errno::PERM => return denied(machine, node).seen(seen),
            Errno::NODEV | Errno::NXIO => {
                return Finding::fail(format!("{node} leads to no device any more"))
                    .seen(seen)
                    .run(
                        if machine.place.is_container() { Place::Host } else { Place::Here },
                        "the kernel's driver has gone or failed; it knows why",
                        &["journalctl -k -g 'i915|xe|drm'"],
                    );
            }
            // Who asks is not an encoder; what an encoder may is another check.
            Errno::ACCESS => {
                return Finding::skipped("only root or an encoder can find out").seen(seen);
            }
            _ => return Finding::fail(format!("{node} cannot be opened: {error}")).seen(seen),
        }
    }
    if machine.told.opened.is_empty() {
        return Finding::skipped("no node was opened");
    }
    let opened = machine.told.opened.iter().map(|(node, _)| node.as_str());
    Finding::pass("nothing is in the way")
        .seen(format!("opened: {}", opened.collect::<Vec<_>>().join(", ")))
}

fn opening(node: &str, error: Errno) -> String {
    format!("opening {node} for reading and writing: {error}")
}

fn denied(machine: &Machine, node: &str) -> Finding {
    let finding = Finding::fail(format!("the device cgroup keeps {node} shut"));
    if !machine.place.is_container() {
        return finding.run(
            Place::Here,
            "a drop-in of the unit denies devices",
            &["systemctl cat dashboard-cast-encoder@.service"],
        );
    }
    let words = "let the container use the device: with lxc.mount.entry lines, \
                 lxc.cgroup2.devices.allow is missing or has another number";
    give(machine, finding, words, node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::{Verdict, machine::node_path, testing::Tree},
        session::Refusal,
    };

    fn opened(error: Option<Errno>) -> Finding {
        let code = error.map(Errno::raw_os_error);
        let tree = Tree::new().file("run/systemd/container", "lxc");
        let tree = tree.told(|told| told.opened = vec![("/dev/dri/renderD128".to_owned(), code)]);
        look(&tree.machine())
    }

    #[test]
    fn the_cgroup_is_told_from_permissions() {
        assert_eq!(opened(None).verdict, Verdict::Pass);
        let denied = opened(Some(Errno::PERM));
        assert!(denied.says.contains("cgroup") && denied.fixes[0].place == Place::Host);
        assert_eq!(denied.fixes[0].commands[0], "dashboard-cast proxmox lxc CTID --apply");
        assert_eq!(opened(Some(Errno::ACCESS)).verdict, Verdict::Skipped);
        assert!(opened(Some(Errno::NODEV)).says.contains("no device"));
        assert_eq!(opened(Some(Errno::IO)).verdict, Verdict::Fail);
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
    }

    #[test]
    fn what_an_encoder_was_told_counts_more() {
        let tree = Tree::new()
            .gpu("0000:00:02.0", 0x9a49, Some(("i915", 128)))
            .installed(&["iHD_drv_video.so"])
            .refused("h264_vaapi", Refusal::Denied);
        assert!(look(&tree.machine()).says.contains("cgroup"));
    }

    #[test]
    fn a_node_that_nobody_needs_may_be_shut() {
        let tree = || {
            Tree::new()
                .gpu("0000:00:02.0", 0xa780, Some(("i915", 129)))
                .gpu("0000:03:00.0", 0x56a0, Some(("i915", 128)))
                .installed(&["iHD_drv_video.so", "libmfx-gen.so.1.2"])
                .refused_on(129, "h264_qsv", Refusal::Denied)
                .told(|told| {
                    let shut = Some(Errno::PERM.raw_os_error());
                    told.opened = vec![(node_path(128), None), (node_path(129), shut)];
                })
        };
        assert_eq!(look(&tree().machine()).verdict, Verdict::Fail);
        let found = look(&tree().works_on(128, "h264_qsv", "VBR").machine());
        assert_eq!(found.verdict, Verdict::Pass);
        assert!(found.evidence.iter().any(|seen| seen.contains("renderD129")), "{found:?}");
    }
}
