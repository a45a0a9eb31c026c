use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "va-driver",
    question: "Is the GPU's VA-API driver the right one?",
    subject: Subject::Gpu,
    needs: &["environment", "gpu", "gpu-wanted"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

const VARIABLES: [&str; 2] = ["LIBVA_DRIVER_NAME", "LIBVA_DRIVERS_PATH"];

fn look(machine: &Machine) -> Finding {
    if let Some(found) = overridden(machine) {
        return found;
    }
    let Some(card) = machine.intel() else {
        return Finding::skipped("there is no GPU of Intel's");
    };
    let old = machine.encoders().any(|(_, name, _)| name.contains("i965"));
    // The newer driver is not there, or libva could not load one.
    if let Some((_, name, view)) = machine.refused("no-va-driver") {
        let says = match old && !card.is_old() {
            true => {
                "only the older driver (i965) is here, and it lacks most of what the newer one has"
            }
            false => "the driver is missing or does not load",
        };
        let finding = Finding::fail(says)
            .seen(format!("{name}: {}", view.problem.as_deref().unwrap_or_default()));
        return match &view.remedy {
            Some(remedy) => finding.remedy("install it", remedy),
            None => finding,
        };
    }
    let driver = machine.encoders().find_map(|(_, _, view)| view.va_driver.clone());
    match driver {
        Some(driver) => Finding::pass(driver),
        None if card.is_old() && old => Finding::pass("i965, which is the one for this generation"),
        None => Finding::pass("iHD"),
    }
}

/// Somebody wrote down which driver to use, as guides say. The program knows it by itself and goes round
/// that; other programs do not.
fn overridden(machine: &Machine) -> Option<Finding> {
    let drop_ins = "etc/systemd/system/dashboard-cast-encoder@.service.d";
    let mut files = vec!["etc/environment".to_owned()];
    files.extend(machine.list(drop_ins).into_iter().map(|name| format!("{drop_ins}/{name}")));
    files.iter().find_map(|file| {
        let text = machine.text(file)?;
        let line = text.lines().find(|line| {
            !line.trim_start().starts_with('#')
                && VARIABLES.iter().any(|variable| line.contains(&format!("{variable}=")))
        })?;
        let finding = Finding::warn(format!("/{file} sets which driver is loaded"))
            .seen(format!("/{file}: {}", line.trim()));
        Some(finding.advise(
            Place::Here,
            "take the line out: the driver is chosen by the GPU's generation, and one that is named \
             must be right for all programs",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Verdict, testing::Tree};

    fn skylake(installed: &[&str]) -> Tree {
        Tree::new().gpu("0000:00:02.0", 0x1912, Some(("i915", 128))).installed(installed)
    }

    #[test]
    fn a_driver_that_is_missing_is_named() {
        let none = look(&skylake(&[]).machine());
        assert_eq!(none.verdict, Verdict::Fail);
        assert_eq!(none.fixes[0].commands, ["apt install intel-media-va-driver"]);
        assert_eq!(look(&skylake(&["iHD_drv_video.so"]).machine()).says, "iHD");
        let broadwell = Tree::new().gpu("0000:00:02.0", 0x1616, Some(("i915", 128)));
        let found = look(&broadwell.installed(&[]).machine());
        assert!(found.fixes[0].commands[0].contains("i965-va-driver-shaders"), "{found:?}");
    }

    #[test]
    fn the_older_driver_alone_is_not_enough_for_newer_gpus() {
        let found = look(&skylake(&["i965_drv_video.so"]).machine());
        assert!(found.says.contains("i965") && found.verdict == Verdict::Fail, "{found:?}");
    }

    #[test]
    fn what_guides_say_to_set_is_found() {
        let path = "etc/systemd/system/dashboard-cast-encoder@.service.d/override.conf";
        let text =
            "[Service]\n#Environment=LIBVA_DRIVER_NAME=iHD\nEnvironment=LIBVA_DRIVER_NAME=i965\n";
        let found = look(&skylake(&["iHD_drv_video.so"]).file(path, text).machine());
        assert_eq!(found.verdict, Verdict::Warn);
        assert!(found.evidence[0].ends_with("Environment=LIBVA_DRIVER_NAME=i965"), "{found:?}");
    }
}
