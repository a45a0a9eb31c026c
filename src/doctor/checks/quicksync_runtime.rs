use super::{Check, Subject};
use crate::doctor::{finding::Finding, machine::Machine};

pub(super) const CHECK: Check = Check {
    id: "quicksync-runtime",
    question: "Is there a QuickSync runtime for this GPU?",
    subject: Subject::Gpu,
    needs: &["gpu", "va-driver", "gpu-wanted"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

fn look(machine: &Machine) -> Finding {
    let Some(card) = machine.intel() else {
        return Finding::skipped("there is no GPU of Intel's");
    };
    let Some((_, name, view)) = machine.refused("no-runtime") else {
        // Without the driver of VA-API nobody looks for it.
        let quicksync = machine.encoders().any(|(_, name, view)| {
            name == "h264_qsv" && view.reason.as_deref() != Some("no-va-driver")
        });
        return match quicksync {
            true => Finding::pass("it is installed"),
            false if card.is_old() => {
                Finding::skipped("QuickSync of this generation has no driver; VA-API serves")
            }
            false => Finding::skipped("QuickSync was not tried"),
        };
    };
    let finding = Finding::warn("there is none, so that VA-API encodes, on the same engine")
        .seen(format!("{name}: {}", view.problem.as_deref().unwrap_or_default()));
    match view.remedy.as_deref() {
        Some(remedy) if remedy.starts_with("apt ") => finding.remedy("install it", remedy),
        // That Debian has none is nothing to see to.
        Some(remedy) => {
            Finding { verdict: crate::doctor::Verdict::Skipped, ..finding }.seen(remedy)
        }
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Verdict, testing::Tree};

    fn coffee_lake(release: u32, installed: &[&str]) -> Finding {
        let tree = Tree::new()
            .file("etc/os-release", &format!("ID=debian\nVERSION_ID=\"{release}\"\n"))
            .gpu("0000:00:02.0", 0x3e9b, Some(("i915", 128)))
            .installed(installed);
        look(&tree.machine())
    }

    #[test]
    fn a_runtime_that_can_be_had_is_named_and_one_that_cannot_is_no_fault() {
        let missing = coffee_lake(12, &["iHD_drv_video.so"]);
        assert_eq!(missing.verdict, Verdict::Warn);
        assert_eq!(missing.fixes[0].commands, ["apt install libmfx1"]);
        let there = coffee_lake(12, &["iHD_drv_video.so", "libmfxhw64.so.1"]);
        assert_eq!(there.verdict, Verdict::Pass);
        let neither = coffee_lake(12, &[]);
        assert_eq!(
            (neither.verdict, &*neither.says),
            (Verdict::Skipped, "QuickSync was not tried")
        );
        let newer = coffee_lake(13, &["iHD_drv_video.so", "libmfx-gen.so.1.2"]);
        assert!(newer.verdict == Verdict::Skipped && newer.fixes.is_empty(), "{newer:?}");
    }
}
