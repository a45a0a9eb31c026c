use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "va-encoder",
    question: "Does the driver encode H.264 on this GPU?",
    subject: Subject::Gpu,
    needs: &["va-driver", "device-cgroup"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

/// In VA-API's words: `H264High` with an entry point `EncSlice` or `EncSliceLP`.
fn look(machine: &Machine) -> Finding {
    if machine.encoders().any(|(_, _, view)| view.works) {
        return Finding::pass("it does: VAEntrypointEncSlice or EncSliceLP of H264High");
    }
    let Some((gpu, name, view)) = machine.refused("no-encoder") else {
        return Finding::skipped("the driver was not asked");
    };
    let finding = Finding::fail(format!("the driver does not encode on {}", gpu.name))
        .seen(format!("{name}: {}", view.problem.as_deref().unwrap_or_default()));
    match &view.remedy {
        Some(remedy) => finding.remedy("another driver does", remedy),
        None => finding
            .advise(Place::Here, "a newer driver may know this GPU: Debian 13 or its backports"),
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
    fn a_driver_that_only_decodes_is_told_from_one_that_was_not_asked() {
        let tree = || {
            let tree = Tree::new().gpu("0000:00:02.0", 0x1616, Some(("i915", 128)));
            tree.installed(&["iHD_drv_video.so"])
        };
        assert_eq!(look(&tree().machine()).verdict, Verdict::Skipped);
        let refused = tree().refused("h264_vaapi", Refusal::NoEncoder("no entry point".to_owned()));
        let found = look(&refused.machine());
        assert!(found.verdict == Verdict::Fail && found.says.contains("Broadwell"), "{found:?}");
        assert_eq!(look(&tree().works("h264_vaapi", "VBR").machine()).verdict, Verdict::Pass);
    }
}
