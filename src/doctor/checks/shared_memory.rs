use super::{Check, Subject};
use crate::{
    doctor::{
        finding::{Finding, Place},
        machine::{Environment, Machine},
    },
    render::browser::SMALL_SHM,
};

pub(super) const CHECK: Check = Check {
    id: "shared-memory",
    question: "Does the browser have enough shared memory?",
    subject: Subject::Page,
    needs: &[],
    manual: "dashboard-cast(8), AS A SERVICE",
    look,
};

fn look(machine: &Machine) -> Finding {
    let Some(space) = machine.told.space("/dev/shm") else {
        return Finding::skipped("/dev/shm was not looked at, or is not there");
    };
    let evidence = format!("/dev/shm: {} MiB", space.size >> 20);
    if space.size >= SMALL_SHM {
        return Finding::pass("it does").seen(evidence);
    }
    // The browsers' unit has a /dev/shm of its own, and systemd makes units.
    let Environment::Application(_) = machine.place else {
        return Finding::pass("it does: each browser's unit has a /dev/shm of its own")
            .seen(evidence);
    };
    Finding::warn("there is little, so the browser uses files, which is slower").seen(evidence).run(
        Place::Host,
        "give the container more",
        &["docker run --shm-size=1g IMAGE"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree, told::Space};

    #[test]
    fn little_shared_memory_matters_where_there_are_no_units() {
        let with = |tree: Tree, mib: u64| {
            let space = Space { free: mib << 20, size: mib << 20 };
            look(&tree.told(|told| told.space = vec![("/dev/shm".into(), space)]).machine())
        };
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
        assert_eq!(with(Tree::new(), 64).verdict, Verdict::Pass);
        let docker = || Tree::new().file(".dockerenv", "");
        assert_eq!(with(docker(), 512).verdict, Verdict::Pass);
        let found = with(docker(), 64);
        assert_eq!((found.verdict, found.fixes[0].place), (Verdict::Warn, Place::Host));
        assert!(found.fixes[0].commands[0].contains("--shm-size"));
    }
}
