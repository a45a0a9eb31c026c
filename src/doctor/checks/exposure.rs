use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "exposure",
    question: "Are the service's programs confined as they should be?",
    subject: Subject::Service,
    needs: &["packages", "units"],
    manual: "dashboard-cast(8), SECURITY",
    look,
};

/// The units of the package have at most 2.2, in systemd 252 and 257.
const MOST: f64 = 2.5;

fn look(machine: &Machine) -> Finding {
    let told = &machine.told;
    if told.exposure.is_empty() {
        return Finding::skipped("systemd-analyze was not asked, or is not there");
    }
    let all = told.exposure.iter().map(|(name, level)| format!("{name}: {level:.1} of 10"));
    let weak: Vec<&str> =
        told.exposure.iter().filter(|(_, level)| *level > MOST).map(|(name, _)| &**name).collect();
    let Some(first) = weak.first() else {
        return all.fold(Finding::pass("they are, each in a sandbox of its own"), Finding::seen);
    };
    let drop_ins = weak.iter().filter_map(|name| told.unit(name)).flat_map(|unit| &unit.drop_ins);
    let found =
        Finding::warn(format!("the sandbox of {} is weaker than it should be", weak.join(" and ")));
    let found = all.fold(found, Finding::seen);
    let found = drop_ins.fold(found, |found, path| found.seen(format!("changed by {path}")));
    found.run(
        Place::Here,
        "see which of its lines a drop-in takes back, and remove those",
        &[&format!("systemctl cat {first}"), &format!("systemd-analyze security {first}")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree, told::Unit};

    #[test]
    fn a_drop_in_that_weakens_a_unit_is_named() {
        let told = |level| {
            Tree::new().told(|told| {
                told.exposure = vec![("a.service".into(), 1.3), ("b.service".into(), level)];
                let unit = Unit { drop_ins: vec!["/etc/b.conf".into()], ..Unit::default() };
                told.units = vec![("b.service".into(), unit)];
            })
        };
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
        assert_eq!(look(&told(2.2).machine()).verdict, Verdict::Pass);
        let found = look(&told(5.0).machine());
        assert_eq!(found.verdict, Verdict::Warn);
        assert_eq!(found.evidence[2], "changed by /etc/b.conf");
        assert_eq!(found.fixes[0].commands[0], "systemctl cat b.service");
    }
}
