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
        None => {
            let newer = match machine.debian() {
                Some(13..) => "the backports of this Debian",
                _ => "Debian 13 or its backports",
            };
            finding.advise(Place::Here, format!("a newer driver may know this GPU: {newer}"))
        }
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

    #[test]
    fn nobody_is_sent_to_the_release_that_is_there() {
        let words = |release: u32| {
            let tree = Tree::new()
                .file("etc/os-release", &format!("ID=debian\nVERSION_ID=\"{release}\"\n"))
                .gpu("0000:00:02.0", 0xb080, Some(("xe", 128)))
                .installed(&["iHD_drv_video.so"])
                .refused("h264_vaapi", Refusal::NoEncoder("no entry point".to_owned()));
            look(&tree.machine()).fixes.remove(0).words
        };
        assert!(words(12).contains("Debian 13 or its backports"));
        assert!(words(13).contains("backports") && !words(13).contains("13"), "{}", words(13));
    }
}
