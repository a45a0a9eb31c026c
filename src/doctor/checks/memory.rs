use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "memory",
    question: "Is there enough memory for a browser?",
    subject: Subject::Machine,
    needs: &[],
    manual: "dashboard-cast(8), AS A SERVICE",
    look,
};

const MIB: u64 = 1 << 20;
/// A browser with one page does not fit below it.
const NEEDED: u64 = 512 * MIB;
/// Below it, a heavy page does not.
const WANTED: u64 = 1024 * MIB;
/// All programs of the service are in here, or below.
const SLICES: [&str; 3] = ["", "dashboard.slice/", "dashboard.slice/dashboard-cast.slice/"];

fn look(machine: &Machine) -> Finding {
    let meminfo = machine.text("proc/meminfo").unwrap_or_default();
    let Some(total) = field(&meminfo, "MemTotal:") else {
        return Finding::skipped("/proc/meminfo does not say how much there is");
    };
    let limits = SLICES.iter().filter_map(|slice| {
        let path = format!("sys/fs/cgroup/{slice}memory.max");
        Some((machine.value(&path)?.parse::<u64>().ok()?, format!("/{path}")))
    });
    let (least, place) = limits
        .chain([(total, "/proc/meminfo: MemTotal".to_owned())])
        .min_by_key(|(bytes, _)| *bytes)
        .unwrap_or((total, String::new()));
    let evidence = format!("{place}: {} MiB", least / MIB);
    let (found, words) = if least < NEEDED {
        (Finding::fail("there is too little memory for a browser"), "give it 1 GiB at least")
    } else if least < WANTED {
        (Finding::warn("there is little memory; heavy pages will not fit"), "give it more")
    } else {
        return killed(machine)
            .unwrap_or_else(|| Finding::pass(format!("there is: {} MiB", least / MIB)))
            .seen(evidence);
    };
    let found = found.seen(evidence);
    if place.contains("slice") {
        return found.run(Place::Here, words, &["systemctl edit dashboard-cast.slice"]);
    }
    match machine.place.is_container() {
        true => found.run(Place::Host, words, &["pct set CTID --memory 2048"]),
        false if machine.place.is_vm() => {
            found.run(Place::Host, words, &["qm set VMID --memory 2048"])
        }
        false => {
            found.advise(Place::Here, "end other programs, or put more memory into the machine")
        }
    }
}

/// What happened since the last boot.
fn killed(machine: &Machine) -> Option<Finding> {
    let events =
        machine.text("sys/fs/cgroup/dashboard.slice/dashboard-cast.slice/memory.events")?;
    let times = number(events.lines().find_map(|line| line.strip_prefix("oom_kill "))?)?;
    (times > 0).then(|| {
        Finding::warn(
            "programs of the service were killed because they needed more memory than they may",
        )
        .seen(format!("memory.events of dashboard-cast.slice: oom_kill {times}"))
        .run(
            Place::Here,
            "see which, and let browsers have more: MemoryMax=3G under [Service]",
            &[
                "journalctl -b -g oom-kill -u 'dashboard-cast*'",
                "systemctl edit dashboard-cast-browser@.service",
            ],
        )
    })
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    number(line)?.checked_mul(1024)
}

fn number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    fn with(mib: u64) -> Tree {
        Tree::new().file("proc/meminfo", &format!("MemTotal:       {} kB\n", mib * 1024))
    }

    #[test]
    fn the_least_of_all_limits_counts() {
        for (mib, verdict) in [
            (4096, Verdict::Pass),
            (1024, Verdict::Pass),
            (900, Verdict::Warn),
            (400, Verdict::Fail),
        ] {
            assert_eq!(look(&with(mib).machine()).verdict, verdict, "{mib}");
        }
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
        let lxc = with(4096)
            .file("run/systemd/container", "lxc")
            .file("sys/fs/cgroup/memory.max", "268435456\n");
        let found = look(&lxc.machine());
        assert_eq!(found.evidence, ["/sys/fs/cgroup/memory.max: 256 MiB"]);
        assert_eq!(found.fixes[0].commands, ["pct set CTID --memory 2048"]);
        assert_eq!(
            look(&with(4096).file("sys/fs/cgroup/memory.max", "max\n").machine()).verdict,
            Verdict::Pass
        );
    }

    #[test]
    fn a_browser_that_was_killed_is_told() {
        let path = "sys/fs/cgroup/dashboard.slice/dashboard-cast.slice/memory.events";
        let found = look(&with(4096).file(path, "low 0\noom_kill 2\n").machine());
        assert_eq!(found.verdict, Verdict::Warn);
        assert!(found.fixes[0].words.contains("MemoryMax=3G"));
        assert_eq!(look(&with(4096).file(path, "oom_kill 0\n").machine()).verdict, Verdict::Pass);
    }
}
