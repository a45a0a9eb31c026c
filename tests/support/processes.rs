//! The processes of this machine, from /proc.

use std::{collections::BTreeMap, fs};

use rustix::process::{Pid, Signal, kill_process};

/// A process; its start tells it from a later one with the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: u32,
    parent: u32,
    group: u32,
    started: u64,
    ended: bool,
    /// The command line, arguments separated by spaces.
    pub(crate) command: String,
}

impl Process {
    fn read(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name, in brackets, may have anything in it; the fields start behind the last one.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            id,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
            ended: matches!(*fields.first()?, "Z" | "X"),
            command: words(id, "cmdline"),
        })
    }

    /// Whether it still runs. One that has ended but was not waited for does not.
    pub(crate) fn is_alive(&self) -> bool {
        Self::read(self.id).is_some_and(|now| now.started == self.started && !now.ended)
    }

    /// Kills this one process, without a chance to clean up.
    #[track_caller]
    pub(crate) fn kill(&self) {
        assert!(self.is_alive(), "it has ended before it could be killed: {self:?}");
        kill_process(pid(self.id), Signal::KILL).expect("killing a process of this test");
    }
}

/// Sends SIGINT to those of `family` that are in the process group of `leader`, as a terminal does for
/// Ctrl-C.
#[track_caller]
pub(crate) fn interrupt_group(leader: u32, family: &[Process]) {
    let group = Process::read(leader).expect("a running process").group;
    for process in family.iter().filter(|process| process.group == group) {
        kill_process(pid(process.id), Signal::INT).expect("interrupting a process of this test");
    }
}

fn pid(id: u32) -> Pid {
    i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id")
}

/// Everything that process `root` has started, however indirectly, and everything that names `mark`
/// in its command line or environment, which finds those whose parents have died. Without the root.
pub(crate) fn family(root: u32, mark: &str) -> Vec<Process> {
    let all: BTreeMap<u32, Process> = fs::read_dir("/proc")
        .expect("reading /proc")
        .filter_map(|entry| {
            let id = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((id, Process::read(id)?))
        })
        .collect();
    let marked = |id| words(id, "cmdline").contains(mark) || words(id, "environ").contains(mark);
    let belongs = |process: &Process| {
        let mut line = process;
        // Bounded, because ids may be used again while the list is read.
        for _ in 0..all.len() {
            if line.id == root || marked(line.id) {
                return true;
            }
            match all.get(&line.parent) {
                Some(parent) => line = parent,
                None => return false,
            }
        }
        false
    };
    // What has ended only waits for its parent; it counts where that is ours to do.
    all.values()
        .filter(|process| process.id != root && (!process.ended || process.parent == root))
        .filter(|process| belongs(process))
        .cloned()
        .collect()
}

fn words(id: u32, file: &str) -> String {
    // It may have ended meanwhile.
    let bytes = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
}

/// How many descriptors a process has open, and how many kB of memory it holds.
#[track_caller]
pub(crate) fn holdings(id: u32) -> (usize, usize) {
    let descriptors = fs::read_dir(format!("/proc/{id}/fd")).expect("a process's descriptors");
    (descriptors.count(), memory(id, "VmRSS"))
}

/// How many kB of memory a process has for itself: its program and libraries are files, which the kernel
/// keeps as it likes.
#[track_caller]
pub(crate) fn own_memory(id: u32) -> usize {
    memory(id, "RssAnon")
}

#[track_caller]
fn memory(id: u32, kind: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("a process's status");
    let line = status.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).expect("a process's memory")
}
