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

/// System services do not read it; programs of users do.
const ENVIRONMENT: &str = "etc/environment";
const DROP_INS: &str = "etc/systemd/system/dashboard-cast-encoder@.service.d";

fn look(machine: &Machine) -> Finding {
    let overrides = overrides(machine);
    let seen = overrides.iter().map(|(file, line)| format!("/{file}: {line}"));
    seen.chain(machine.spare("no-va-driver")).fold(driver(machine, &overrides), Finding::seen)
}

fn driver(machine: &Machine, overrides: &[(String, String)]) -> Finding {
    let card = machine.intel();
    let old = machine.encoders().any(|(_, name, _)| name.contains("i965"));
    // The newer driver is not there, or libva could not load one; another maker's GPU may lack its own.
    if let Some((_, name, view)) = machine.refused("no-va-driver") {
        let says = match old && card.is_some_and(|card| !card.is_old()) {
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
    // Somebody wrote down which driver to use, as guides say. The program knows it by itself and goes
    // round that.
    if let Some((file, _)) = overrides.iter().find(|(file, _)| file != ENVIRONMENT) {
        return Finding::warn(format!("/{file} sets which driver is loaded")).advise(
            Place::Here,
            "take the line out: the driver is chosen by the GPU's generation",
        );
    }
    let Some(card) = card else {
        return Finding::skipped("there is no GPU of Intel's");
    };
    let driver = machine.encoders().find_map(|(_, _, view)| view.va_driver.clone());
    match driver {
        Some(driver) => Finding::pass(driver),
        None if card.is_old() && old => Finding::pass("i965, which is the one for this generation"),
        None => Finding::pass("iHD"),
    }
}

/// The files that set which driver is loaded, each with the line.
fn overrides(machine: &Machine) -> Vec<(String, String)> {
    let drop_ins = machine.list(DROP_INS).into_iter().map(|name| format!("{DROP_INS}/{name}"));
    let files = [ENVIRONMENT.to_owned()].into_iter().chain(drop_ins);
    let set = files.filter_map(|file| {
        let text = machine.text(&file)?;
        let line = text.lines().find(|line| {
            !line.trim_start().starts_with('#')
                && VARIABLES.iter().any(|variable| line.contains(&format!("{variable}=")))
        })?;
        Some((file, line.trim().to_owned()))
    });
    set.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::{Verdict, testing::Tree},
        session::Refusal,
    };

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
        let missing = look(&skylake(&[]).file(path, text).machine());
        assert_eq!(missing.verdict, Verdict::Fail, "a driver that is set must be there, too");
        assert!(missing.evidence[1].contains("LIBVA_DRIVER_NAME=i965"), "{missing:?}");
    }

    #[test]
    fn what_no_service_reads_is_no_trouble() {
        let tree = skylake(&["iHD_drv_video.so"]);
        let found = look(&tree.file("etc/environment", "LIBVA_DRIVER_NAME=i965\n").machine());
        assert_eq!(found.verdict, Verdict::Pass);
        assert_eq!(found.evidence, ["/etc/environment: LIBVA_DRIVER_NAME=i965"]);
    }

    #[test]
    fn another_makers_driver_is_missed_unless_nobody_needs_it() {
        let missing = || Refusal::NoVaDriver("radeonsi_drv_video.so".to_owned());
        let amd = |tree: Tree| {
            let tree = tree.display("0000:03:00.0", 0x1002, 0x164e, Some(("amdgpu", 129)));
            tree.refused_on(129, "h264_vaapi", missing())
        };
        let alone = look(&amd(Tree::new()).machine());
        assert_eq!(alone.verdict, Verdict::Fail);
        assert_eq!(alone.fixes[0].commands, ["apt install mesa-va-drivers"]);
        let works = amd(skylake(&["iHD_drv_video.so"]).works_on(128, "h264_vaapi", "VBR"));
        let found = look(&works.machine());
        assert_eq!(found.verdict, Verdict::Pass);
        assert!(found.evidence[0].contains("not needed"), "{found:?}");
    }
}
