use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
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
    if let Some(card) = machine.cards.iter().find(|card| card.is_intel()) {
        // A virtual machine's processor may have any name; the card on the bus cannot lie.
        return Finding::pass(format!("there is an {} at {}", card.name(), card.pci));
    }
    let info = machine.text("proc/cpuinfo").unwrap_or_default();
    let name = field(&info, "model name").unwrap_or("an unknown processor").to_owned();
    let seen = format!("/proc/cpuinfo: {name}");
    if field(&info, "vendor_id") != Some("GenuineIntel") {
        return Finding::pass(format!(
            "{name} is not Intel's; its GPU, if it has one, may have VA-API"
        ))
        .seen(seen);
    }
    if machine.place.is_vm() {
        return Finding::skipped("a virtual machine may name any processor").seen(seen);
    }
    if is_without_graphics(&name) {
        return Finding::fail(format!("{name} has no graphics, as its \"F\" says"))
            .seen(seen)
            .advise(
                Place::Host,
                "QuickSync needs the same processor without \"F\", or an Intel Arc card; until then the \
                 CPU encodes",
            );
    }
    let model = field(&info, "model").and_then(|model| model.parse().ok());
    if field(&info, "cpu family") == Some("6") && model.is_some_and(is_too_old) {
        return Finding::fail(format!(
            "{name} is older than Broadwell, whose QuickSync is the first one \
             with a driver"
        ))
        .seen(seen)
        .advise(Place::Host, "a newer processor or an Intel Arc card; until then the CPU encodes");
    }
    Finding::pass(name).seen(seen)
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
    use crate::doctor::{Verdict, testing::Tree};

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
}
