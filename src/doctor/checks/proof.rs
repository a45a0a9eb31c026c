use super::{Check, Subject};
use crate::{
    doctor::{
        finding::{Finding, Place},
        machine::Machine,
    },
    gpu::EncoderView,
};

pub(super) const CHECK: Check = Check {
    id: "proof",
    question: "Does encoding on the GPU work?",
    subject: Subject::Gpu,
    needs: &["device-cgroup", "va-driver", "va-encoder", "gpu-firmware", "libavcodec"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

/// Thirty pictures, encoded in an encoder's own sandbox, decoded and compared.
fn look(machine: &Machine) -> Finding {
    let seen = |finding: Finding| {
        machine.encoders().fold(finding, |finding, (gpu, name, view)| {
            let what = match (view.works, &view.rate_control, &view.problem) {
                (true, Some(control), _) => format!("works ({control})"),
                (_, _, Some(problem)) => problem.clone(),
                _ => "works".to_owned(),
            };
            finding.seen(format!("{name} on {}: {what}", gpu.node))
        })
    };
    let works: Vec<String> = machine
        .encoders()
        .filter(|(_, _, view)| view.works)
        .map(|(gpu, name, _)| format!("{name} on {}", gpu.name))
        .collect();
    if !works.is_empty() {
        return seen(Finding::pass(works.join(", ")));
    }
    if machine.gpus.iter().all(|gpu| gpu.encoders.is_empty()) {
        return Finding::skipped("there is nothing to encode with");
    }
    let is = |view: &EncoderView, reasons: &[&str]| {
        view.reason.as_deref().is_some_and(|own| reasons.contains(&own))
    };
    let failed = machine.encoders().find(|(.., view)| {
        view.reason.is_some() && !is(view, &["untried", "no-va-driver", "no-runtime"])
    });
    let Some((gpu, name, view)) = failed else {
        let could = machine.encoders().any(|(.., view)| is(view, &["untried"]));
        return seen(Finding::skipped(match could {
            true => "nothing was tried: ask as root, or start the service",
            false => "what a GPU encodes with is not installed",
        }));
    };
    let problem = view.problem.as_deref().unwrap_or("it failed");
    let finding = seen(Finding::fail(format!("{name} on {}: {problem}", gpu.name)));
    match (view.reason.as_deref(), &view.remedy) {
        // A container has no log of the kernel's.
        (Some("failed" | "wrong-picture" | "hung" | "crashed"), _) => {
            let kernel = if machine.place.is_container() { Place::Host } else { Place::Here };
            finding
                .run(
                    Place::Here,
                    "the encoder may have said more",
                    &["journalctl -u 'dashboard-cast-encoder@*'"],
                )
                .run(kernel, "the kernel may know more", &["journalctl -k -g 'i915|xe|drm'"])
        }
        (_, Some(remedy)) => finding.advise(Place::Here, remedy),
        (_, None) => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::{Verdict, testing::Tree},
        session::Refusal,
    };

    #[test]
    fn what_came_of_encoding_is_told_for_each_way() {
        let tree = || {
            Tree::new()
                .gpu("0000:00:02.0", 0x46a6, Some(("i915", 128)))
                .installed(&["iHD_drv_video.so", "libmfx-gen.so.1.2"])
        };
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
        assert_eq!(look(&tree().machine()).verdict, Verdict::Skipped, "nobody tried");
        let works = tree().works("h264_vaapi", "VBR").refused("h264_qsv", Refusal::Crashed);
        let found = look(&works.machine());
        assert_eq!(found.verdict, Verdict::Pass);
        assert_eq!(found.evidence.len(), 2);
        let wrong = tree().refused("h264_vaapi", Refusal::WrongPicture { similarity: 412 });
        let found = look(&wrong.machine());
        assert!(found.verdict == Verdict::Fail && found.says.contains("0.412"), "{found:?}");
    }

    #[test]
    fn the_kernels_log_is_where_the_kernel_is() {
        let places = |tree: Tree| -> Vec<(Place, String)> {
            let tree = tree
                .gpu("0000:00:02.0", 0x46a6, Some(("i915", 128)))
                .installed(&["iHD_drv_video.so"])
                .refused("h264_vaapi", Refusal::Hung);
            let fixes = look(&tree.machine()).fixes.into_iter();
            fixes.map(|fix| (fix.place, fix.commands[0].clone())).collect()
        };
        let (unit, kernel) =
            ("journalctl -u 'dashboard-cast-encoder@*'", "journalctl -k -g 'i915|xe|drm'");
        assert_eq!(
            places(Tree::new().file("run/systemd/container", "lxc")),
            [(Place::Here, unit.to_owned()), (Place::Host, kernel.to_owned())]
        );
        assert!(places(Tree::new()).iter().all(|(place, _)| *place == Place::Here));
    }

    #[test]
    fn what_is_not_installed_is_not_to_be_asked_for_as_root() {
        let amd = Tree::new().display("0000:03:00.0", 0x1002, 0x164e, Some(("amdgpu", 128)));
        assert!(look(&amd.machine()).says.contains("as root"));
        let tried = amd.refused("h264_vaapi", Refusal::NoVaDriver("radeonsi".to_owned()));
        let found = look(&tried.machine());
        assert!(found.says.contains("not installed"), "{found:?}");
        // QuickSync's runtime is missing, and VA-API might do.
        let intel = Tree::new().gpu("0000:00:02.0", 0x46a6, Some(("i915", 128)));
        let intel = intel.installed(&["iHD_drv_video.so"]);
        assert!(look(&intel.machine()).says.contains("as root"));
    }
}
