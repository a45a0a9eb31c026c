//! Processes that a measurement starts and must not leave behind.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::tree;

/// A process that is killed when dropped.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Starts `command` with nothing to read and, unless asked for, nowhere to write.
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_owned();
        let child = command.stdin(Stdio::null()).process_group(0).spawn();
        Self(child.unwrap_or_else(|error| panic!("starting {}: {error}", name.display())))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kills and waits for every descendant but `except` and theirs: browsers leave some behind.
pub(crate) fn sweep(except: &[u32]) {
    loop {
        let left: Vec<Pid> = tree::descendants(except)
            .into_iter()
            .filter_map(|pid| Pid::from_raw(pid.cast_signed()))
            .collect();
        if left.is_empty() {
            return;
        }
        for &pid in &left {
            let _ = kill_process(pid, Signal::KILL);
        }
        for pid in left {
            // Those that are not our children become so when their parent has gone.
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
}
