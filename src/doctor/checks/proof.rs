use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
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
    let tried = |reason: &str| !matches!(reason, "untried" | "no-va-driver" | "no-runtime");
    let failed = machine.encoders().find(|(_, _, view)| view.reason.as_deref().is_some_and(tried));
    let Some((gpu, name, view)) = failed else {
        return seen(Finding::skipped("nothing was tried: ask as root, or start the service"));
    };
    let problem = view.problem.as_deref().unwrap_or("it failed");
    let finding = seen(Finding::fail(format!("{name} on {}: {problem}", gpu.name)));
    match (view.reason.as_deref(), &view.remedy) {
        (Some("failed" | "wrong-picture" | "hung" | "crashed"), _) => finding.run(
            Place::Here,
            "the kernel and the driver's package may know more",
            &["journalctl -k -g 'i915|xe|drm'", "journalctl -u 'dashboard-cast-encoder@*'"],
        ),
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
}
