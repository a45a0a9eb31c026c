//! What this process's descendants have used, from /proc.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::Path,
};

/// A unit of /proc/PID/stat: Linux shows 100 a second whatever the kernel ticks at.
const TICKS_PER_SECOND: f64 = 100.0;

struct Process {
    name: String,
    parent: u32,
    /// User and system time of it and of the children it has waited for.
    ticks: u64,
}

/// The descendants of this process, without `except` and theirs.
pub(crate) fn descendants(except: &[u32]) -> Vec<u32> {
    below(&processes(), except)
}

/// CPU seconds used so far. Only differences mean something.
#[derive(Clone, Debug)]
pub(crate) struct Cpu {
    /// By the descendants, by the name of their program; those that have ended count for the one
    /// that waited for them.
    by_program: BTreeMap<String, f64>,
    /// By the whole machine.
    machine: f64,
}

impl Cpu {
    /// The descendants' without `except` and theirs.
    ///
    /// This process must be the reaper of orphans, or what a descendant left behind is missed.
    pub(crate) fn now(except: &[u32]) -> Self {
        let all = processes();
        let mut by_program = BTreeMap::new();
        for process in below(&all, except).iter().filter_map(|pid| all.get(pid)) {
            *by_program.entry(process.name.clone()).or_default() += seconds(process.ticks);
        }
        let stat = fs::read_to_string("/proc/stat").expect("reading /proc/stat");
        // user, nice, system; then idle and waiting, which are no work; then interrupts.
        let busy = stat
            .lines()
            .next()
            .into_iter()
            .flat_map(|line| line.split_whitespace().skip(1).enumerate())
            .filter(|(at, _)| matches!(at, 0..=2 | 5 | 6))
            .filter_map(|(_, ticks)| ticks.parse::<u64>().ok())
            .sum();
        Self { by_program, machine: seconds(busy) }
    }

    /// What was used between `before` and this.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let mut by_program = self.by_program.clone();
        for (name, used) in &before.by_program {
            *by_program.entry(name.clone()).or_default() -= used;
        }
        Self { by_program, machine: self.machine - before.machine }
    }

    pub(crate) fn by_program(&self) -> impl Iterator<Item = (&str, f64)> {
        self.by_program.iter().map(|(name, used)| (name.as_str(), *used))
    }

    /// By the descendants together.
    pub(crate) fn used(&self) -> f64 {
        self.by_program.values().sum()
    }

    /// By everything else on the machine.
    pub(crate) fn elsewhere(&self) -> f64 {
        self.machine - self.used()
    }
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND
}

/// CPU seconds that a process has used so far.
pub(crate) fn cpu(process: u32) -> f64 {
    processes().get(&process).map_or(0.0, |process| seconds(process.ticks))
}

/// Memory in MiB of the descendants that run `program`, shared pages split among those that share
/// them (PSS), and the private and shared pages of each as the kernel counts them (RSS).
pub(crate) fn memory(program: &Path) -> (f64, f64) {
    descendants(&[])
        .into_iter()
        .filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program))
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok())
        .fold((0.0, 0.0), |(pss, rss), rollup| {
            (pss + mebibytes(&rollup, "Pss:"), rss + mebibytes(&rollup, "Rss:"))
        })
}

fn mebibytes(rollup: &str, field: &str) -> f64 {
    rollup
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|value| value.trim().strip_suffix(" kB")?.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}

fn below(all: &HashMap<u32, Process>, except: &[u32]) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (&pid, process) in all {
        children.entry(process.parent).or_default().push(pid);
    }
    let except: HashSet<u32> = except.iter().copied().collect();
    let mut found = Vec::new();
    let mut open = vec![std::process::id()];
    while let Some(pid) = open.pop() {
        let next = children.get(&pid).into_iter().flatten();
        for &child in next.filter(|child| !except.contains(child)) {
            found.push(child);
            open.push(child);
        }
    }
    found
}

fn processes() -> HashMap<u32, Process> {
    fs::read_dir("/proc")
        .expect("reading /proc")
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            // A process may end between the listing and the look.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name, in brackets, may have anything in it; the fields start behind the last one.
            let (head, fields) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = fields.split_whitespace().collect();
            let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
            let process = Process {
                name: head.split_once('(')?.1.to_owned(),
                parent: u32::try_from(number(1)?).ok()?,
                ticks: (11..=14).map(number).sum::<Option<u64>>()?,
            };
            Some((pid, process))
        })
        .collect()
}
