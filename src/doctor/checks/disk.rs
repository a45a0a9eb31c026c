use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "disk",
    question: "Is there room on the file systems?",
    subject: Subject::Machine,
    needs: &[],
    manual: "dashboard-cast(8), FILES",
    look,
};

const MIB: u64 = 1 << 20;

/// What is kept where, with what it needs and what it should have.
const PLACES: [(&str, &str, u64, u64); 3] = [
    ("/var/lib/dashboard-cast", "what the next start goes on with", 4 * MIB, 64 * MIB),
    ("/run", "the newest segments of the streams", 4 * MIB, 32 * MIB),
    ("/tmp", "the browsers' profiles", 64 * MIB, 256 * MIB),
];

fn look(machine: &Machine) -> Finding {
    let findings: Vec<Finding> = PLACES
        .iter()
        .filter_map(|(place, what, needed, wanted)| {
            let free = machine.told.space(place)?.free;
            let evidence = format!("{place}: {} MiB free", free / MIB);
            let usage = format!("du -xhd1 {place} | sort -h | tail");
            let fixed = |found: Finding| {
                let found = found.seen(evidence.clone());
                found.run(Place::Here, "make room", &["df -h", &usage])
            };
            Some(match free {
                free if free < *needed => {
                    fixed(Finding::fail(format!("there is no room for {what}")))
                }
                free if free < *wanted => {
                    fixed(Finding::warn(format!("there is little room for {what}")))
                }
                _ => Finding::pass("there is").seen(evidence),
            })
        })
        .collect();
    Finding::worst_of(findings)
        .unwrap_or_else(|| Finding::skipped("the file systems were not looked at"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree, told::Space};

    #[test]
    fn the_fullest_file_system_counts() {
        let with = |state: u64, run: u64| {
            let space = |mib: u64| Space { free: mib * MIB, size: 1024 * MIB };
            let tree = Tree::new().told(|told| {
                told.space = vec![
                    ("/var/lib/dashboard-cast".into(), space(state)),
                    ("/run".into(), space(run)),
                ];
            });
            look(&tree.machine())
        };
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
        assert_eq!(with(500, 500).verdict, Verdict::Pass);
        let found = with(500, 16);
        assert_eq!((found.verdict, &*found.evidence[0]), (Verdict::Warn, "/run: 16 MiB free"));
        let found = with(0, 16);
        assert_eq!(found.verdict, Verdict::Fail);
        assert_eq!(found.fixes[0].commands[1], "du -xhd1 /var/lib/dashboard-cast | sort -h | tail");
    }
}
