use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "clock",
    question: "Is the clock right?",
    subject: Subject::Machine,
    needs: &[],
    manual: "dashboard-cast(8), CASTS AS UNITS",
    look,
};

/// The beginning of 2026; this program is younger.
const BUILT: i64 = 1_767_225_600;
/// systemd-timesyncd's mark; chrony and ntpsec have their own.
const MARK: &str = "run/systemd/timesync/synchronized";

fn look(machine: &Machine) -> Finding {
    let Some(now) = machine.told.now else {
        return Finding::skipped("the clock was not asked");
    };
    let evidence = format!("it is {}", now.strftime("%F %T UTC"));
    let is_container = machine.place.is_container();
    let place = if is_container { Place::Host } else { Place::Here };
    let commands: &[&str] = match is_container {
        true => &["timedatectl set-ntp true"],
        false => &["apt install systemd-timesyncd", "timedatectl set-ntp true"],
    };
    if now.as_second() < BUILT {
        return Finding::fail(
            "the clock is wrong, so certificates of pages and TVs count as not valid yet",
        )
        .seen(evidence)
        .run(place, "have it set over the network", commands);
    }
    let synchronised = machine.told.synchronised == Some(true) || machine.is_there(MARK);
    if !synchronised && machine.told.synchronised == Some(false) {
        return Finding::warn(
            "nothing sets the clock, so timers and certificates may go wrong one day",
        )
        .seen(evidence)
        .run(place, "have it set over the network", commands);
    }
    let says =
        if synchronised { "it is set over the network" } else { "it is not obviously wrong" };
    Finding::pass(says).seen(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    fn with(tree: Tree, now: &str, synchronised: Option<bool>) -> Finding {
        let tree = tree.told(|told| {
            told.now = Some(now.parse().unwrap());
            told.synchronised = synchronised;
        });
        look(&tree.machine())
    }

    #[test]
    fn a_clock_of_the_past_fails_and_one_that_nobody_sets_warns() {
        let today = "2027-01-01T00:00:00Z";
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
        assert_eq!(with(Tree::new(), today, None).verdict, Verdict::Pass);
        assert_eq!(with(Tree::new(), today, Some(true)).says, "it is set over the network");
        let found = with(Tree::new(), today, Some(false));
        assert_eq!(found.verdict, Verdict::Warn);
        assert_eq!(found.fixes[0].commands[1], "timedatectl set-ntp true");
        let marked = Tree::new().file(MARK, "");
        assert_eq!(with(marked, today, Some(false)).verdict, Verdict::Pass);
        let old = with(Tree::new(), "1970-01-01T00:00:09Z", Some(true));
        assert_eq!(
            (old.verdict, &*old.evidence[0]),
            (Verdict::Fail, "it is 1970-01-01 00:00:09 UTC")
        );
    }

    #[test]
    fn a_containers_clock_is_the_hosts() {
        let tree = Tree::new().file("run/systemd/container", "lxc");
        let found = with(tree, "2027-01-01T00:00:00Z", Some(false));
        assert_eq!(found.fixes[0].place, Place::Host);
    }
}
