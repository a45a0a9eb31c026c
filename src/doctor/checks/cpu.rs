use super::{Check, Subject};
use crate::{
    doctor::{
        finding::{Finding, Place},
        machine::Machine,
    },
    gpu::{Card, intel_name},
};

pub(super) const CHECK: Check = Check {
    id: "cpu",
    question: "Does this processor have QuickSync?",
    subject: Subject::Gpu,
    needs: &[],
    manual: "dashboard-cast(8), GPUS",
    look,
};

fn look(machine: &Machine) -> Finding {
    let info = machine.text("proc/cpuinfo").unwrap_or_default();
    let name = field(&info, "model name").unwrap_or("an unknown processor").to_owned();
    let seen = format!("/proc/cpuinfo: {name}");
    let model = field(&info, "model").and_then(|model| model.parse().ok());
    let is_old = !machine.place.is_vm()
        && field(&info, "vendor_id") == Some("GenuineIntel")
        && field(&info, "cpu family") == Some("6")
        && model.is_some_and(is_too_old);
    let mut intel = machine.cards.iter().filter(|card| card.is_intel());
    if let Some(card) = intel.clone().find(|card| !is_old || !is_part_of_it(card)) {
        // A virtual machine's processor may have any name; the card on the bus cannot lie.
        return Finding::pass(format!("there is an {} at {}", card.name(), card.pci));
    }
    // Another maker's may encode, and then it does not matter.
    let is_needed = machine.working().is_none();
    if let Some(card) = intel.next().filter(|_| is_needed) {
        return too_old(&name, seen).seen(format!("{}: {}", card.pci, card.name()));
    }
    if field(&info, "vendor_id") != Some("GenuineIntel") {
        return Finding::pass(format!(
            "{name} is not Intel's; its GPU, if it has one, may have VA-API"
        ))
        .seen(seen);
    }
    if machine.place.is_vm() {
        return Finding::skipped("a virtual machine may name any processor").seen(seen);
    }
    if is_needed && is_without_graphics(&name) {
        return Finding::fail(format!("{name} has no graphics, as its \"F\" says"))
            .seen(seen)
            .advise(
                Place::Host,
                "QuickSync needs the same processor without \"F\", or an Intel Arc card; until then the \
                 CPU encodes",
            );
    }
    if is_needed && is_old {
        return too_old(&name, seen);
    }
    Finding::pass(name).seen(seen)
}

fn too_old(name: &str, seen: String) -> Finding {
    Finding::fail(format!(
        "{name} is older than Broadwell, whose QuickSync is the first one \
         with a driver"
    ))
    .seen(seen)
    .advise(Place::Host, "a newer processor or an Intel Arc card; until then the CPU encodes")
}

/// Whether a card of Intel's may be the graphics of an old processor: it is beside it on the bus, and not
/// on the list of those that encode. One that is elsewhere is newer than the list.
fn is_part_of_it(card: &Card) -> bool {
    intel_name(card.device).is_none() && card.pci.starts_with("0000:00:")
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| {
        let (own, value) = line.split_once(':')?;
        (own.trim() == name).then(|| value.trim())
    })
}

/// Such as i9-14900KF, i5-12400F and Ultra 7 265KF: an F after the number and what stands with it.
fn is_without_graphics(name: &str) -> bool {
    name.split([' ', '-']).any(|word| {
        let digits = word.chars().take_while(char::is_ascii_digit).count();
        let rest = &word[digits..];
        digits >= 3 && rest.len() <= 3 && rest.ends_with('F')
    })
}

/// Models of family 6 with graphics, up to Haswell.
fn is_too_old(model: u32) -> bool {
    matches!(model, 0x25 | 0x2a | 0x2c | 0x2d | 0x3a | 0x3c | 0x3e | 0x3f | 0x45 | 0x46)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Report, Verdict, testing::Tree};

    fn info(vendor: &str, model: u32, name: &str) -> String {
        format!(
            "processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: 6\nmodel\t\t: {model}\n\
             model name\t: {name}\n"
        )
    }

    #[test]
    fn processors_without_graphics_are_known_by_their_names() {
        for name in [
            "Intel(R) Core(TM) i9-14900KF",
            "12th Gen Intel(R) Core(TM) i5-12400F",
            "Intel(R) Core(TM) Ultra 7 265KF",
        ] {
            assert!(is_without_graphics(name), "{name}");
        }
        for name in [
            "Intel(R) Core(TM) i9-14900K",
            "Intel(R) N100",
            "Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz",
            "Intel(R) Xeon(R) E-2236 CPU",
            "",
        ] {
            assert!(!is_without_graphics(name), "{name}");
        }
    }

    #[test]
    fn each_processor_gets_its_sentence() {
        let found = |info: &str| look(&Tree::new().file("proc/cpuinfo", info).machine());
        let haswell = found(&info("GenuineIntel", 0x3c, "Intel(R) Core(TM) i5-4590 CPU @ 3.30GHz"));
        assert_eq!(haswell.verdict, Verdict::Fail);
        assert!(haswell.says.contains("older than Broadwell"), "{haswell:?}");
        let f = found(&info("GenuineIntel", 0xb7, "Intel(R) Core(TM) i9-14900KF"));
        assert!(f.verdict == Verdict::Fail && f.says.contains("\"F\""), "{f:?}");
        assert_eq!(found(&info("GenuineIntel", 0xbe, "Intel(R) N100")).verdict, Verdict::Pass);
        assert!(found(&info("AuthenticAMD", 33, "AMD Ryzen 5")).says.contains("VA-API"));
        assert!(found("").says.starts_with("an unknown processor"));
    }

    #[test]
    fn a_card_on_the_bus_says_more_than_a_name() {
        let tree = Tree::new()
            .file("proc/cpuinfo", &info("GenuineIntel", 0xb7, "Intel(R) Core(TM) i9-14900KF"))
            .gpu("0000:03:00.0", 0x56a0, Some(("i915", 128)));
        assert_eq!(look(&tree.machine()).verdict, Verdict::Pass);
    }

    #[test]
    fn the_graphics_of_an_old_processor_are_as_old() {
        let info = info("GenuineIntel", 0x3c, "Intel(R) Core(TM) i5-4590 CPU @ 3.30GHz");
        let haswell = || {
            let tree = Tree::new().file("proc/cpuinfo", &info);
            tree.gpu("0000:00:02.0", 0x0412, Some(("i915", 128)))
        };
        let found = look(&haswell().machine());
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.says.contains("older than Broadwell"), "{found:?}");
        let vm = haswell().file("sys/class/dmi/id/sys_vendor", "QEMU\n");
        assert_eq!(look(&vm.machine()).verdict, Verdict::Pass, "its name is any");
        for device in [0x56a0, 0xfff0] {
            let arc = haswell().gpu("0000:03:00.0", device, Some(("xe", 129)));
            assert_eq!(look(&arc.machine()).verdict, Verdict::Pass, "{device:x}");
        }
        let works = haswell().installed(&["iHD_drv_video.so"]).works("h264_vaapi", "VBR");
        assert_eq!(look(&works.machine()).verdict, Verdict::Pass);
    }

    #[test]
    fn graphics_are_not_missed_where_another_makers_encode() {
        for (model, name) in [(0xb7, "Intel(R) Core(TM) i9-14900KF"), (0x3c, "Intel(R) i5-4590")] {
            let amd = Tree::new().file("proc/cpuinfo", &info("GenuineIntel", model, name)).display(
                "0000:03:00.0",
                0x1002,
                0x164e,
                Some(("amdgpu", 128)),
            );
            assert_eq!(look(&amd.machine()).verdict, Verdict::Fail, "{name}");
            let works = amd.works("h264_vaapi", "VBR");
            assert_eq!(look(&works.machine()).verdict, Verdict::Pass, "{name}");
        }
    }

    #[test]
    fn what_follows_from_an_old_processor_is_not_told_as_a_cause() {
        let info = info("GenuineIntel", 0x3c, "Intel(R) Core(TM) i5-4590 CPU @ 3.30GHz");
        let tree = Tree::new().file("proc/cpuinfo", &info).gpu(
            "0000:00:02.0",
            0x0412,
            Some(("i915", 128)),
        );
        let report = Report::of(&tree.machine(), &[]);
        for id in ["render-node", "va-driver", "encoder"] {
            let entry = report.entry(id).unwrap();
            assert!(entry.finding.is_broken(), "{id}");
            assert_eq!(entry.because, Some("cpu"), "{id}");
        }
    }
}
