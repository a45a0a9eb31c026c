use super::{Check, Subject};
use crate::{
    config::GpuChoice,
    doctor::{finding::Finding, machine::Machine},
};

pub(super) const CHECK: Check = Check {
    id: "encoder",
    question: "What encodes?",
    subject: Subject::Gpu,
    needs: &["gpu-wanted", "gpu", "render-node", "node-access", "device-cgroup", "proof"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

fn look(machine: &Machine) -> Finding {
    let best = machine.encoders().find(|(_, _, view)| view.works);
    if let Some((gpu, name, _)) = best {
        return Finding::pass(format!("{name} on {}", gpu.name));
    }
    match (&machine.choice, machine.intel()) {
        (GpuChoice::None, _) => Finding::skipped("the CPU (libx264), as the configuration says"),
        (_, None) => Finding::skipped("the CPU (libx264)"),
        // What does not follow from something above has not been looked into.
        (_, Some(card)) => Finding::warn(format!(
            "the CPU (libx264), as far as is known, though there is an {}",
            card.name()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Verdict, testing::Tree};

    #[test]
    fn the_best_that_works_encodes() {
        let tree = || {
            Tree::new()
                .gpu("0000:00:02.0", 0x46a6, Some(("i915", 128)))
                .installed(&["iHD_drv_video.so", "libmfx-gen.so.1.2"])
        };
        let both = tree().works("h264_vaapi", "VBR").works("h264_qsv", "VBR");
        assert_eq!(look(&both.machine()).says, "h264_qsv on Intel Alder Lake");
        assert_eq!(look(&tree().machine()).verdict, Verdict::Warn);
        assert_eq!(look(&Tree::new().machine()).says, "the CPU (libx264)");
    }
}
