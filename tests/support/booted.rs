//! A Debian that was booted, in a container or a virtual machine, and the facts of a life in it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::geteuid;

use super::wait::wait_for;

/// What a command in a machine came to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) trait Booted: Sized {
    /// What anything there may take.
    const PATIENCE: Duration;

    /// Runs a command as root.
    fn run(&self, command: &str) -> Said;

    /// Runs a command as root that must succeed, and gives what it printed.
    #[track_caller]
    fn do_(&self, command: &str) -> String {
        let said = self.run(command);
        assert!(said.success, "{command}\n{}{}", said.out, said.err);
        said.out
    }

    /// Runs a command as root when what is returned is dropped, also when the test fails before.
    fn afterwards(&self, command: impl Into<String>) -> Afterwards<'_, Self> {
        Afterwards { machine: self, command: command.into() }
    }

    /// What the journal has of the service, for a test that fails.
    fn journal(&self) -> String {
        self.run("journalctl --no-pager -o short-monotonic -u 'dashboard-cast*' | tail -n 80").out
    }

    /// Waits for what a command in the machine prints.
    #[track_caller]
    fn wait<T>(&self, what: &str, command: &str, look: impl Fn(&Said) -> Option<T>) -> T {
        let mut last = String::new();
        let found = catch_unwind(AssertUnwindSafe(|| {
            wait_for(what, Self::PATIENCE, || {
                let said = self.run(command);
                last = format!("{}{}", said.out, said.err);
                look(&said)
            })
        }));
        found.unwrap_or_else(|_| panic!("no {what}; last:\n{last}\n{}", self.journal()))
    }
}

/// What puts a machine in order again.
#[derive(Debug)]
pub(crate) struct Afterwards<'a, M: Booted> {
    machine: &'a M,
    command: String,
}

impl<M: Booted> Drop for Afterwards<'_, M> {
    fn drop(&mut self) {
        let said = self.machine.run(&self.command);
        match thread::panicking() {
            true if !said.success => eprintln!("afterwards: {}\n{}", self.command, said.err),
            true => {}
            false => assert!(said.success, "{}\n{}{}", self.command, said.out, said.err),
        }
    }
}

/// Has a script of this checkout make what is to be booted of this suite, and gives where it is.
#[track_caller]
pub(crate) fn prepare(script: &str, suite: &str) -> PathBuf {
    assert!(geteuid().is_root(), "this test makes whole systems: run it as root");
    let made = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .arg(suite)
        .env("DASHBOARD_CAST_PROGRAM", env!("CARGO_BIN_EXE_dashboard-cast"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("running {script}: {error}"));
    assert!(made.status.success(), "making a {suite}: {}", made.status);
    PathBuf::from(String::from_utf8(made.stdout).expect("a path").trim_end())
}

/// What holds of something that lives, by its name.
pub(crate) type Fact<L> = (&'static str, fn(&L));

/// Goes through a life, to its end even when something in it is not as it should be: then `amiss` has its
/// turn.
#[track_caller]
pub(crate) fn live<L>(name: &str, life: &L, facts: &[&[Fact<L>]], amiss: impl Fn(&L)) {
    let mut wrong = Vec::new();
    for (what, fact) in facts.iter().copied().flatten() {
        let begin = Instant::now();
        let holds = catch_unwind(AssertUnwindSafe(|| fact(life))).is_ok();
        let word = if holds { "ok" } else { "FAILED" };
        eprintln!("{name}: {what} ... {word} ({:.1} s)", begin.elapsed().as_secs_f32());
        if !holds {
            amiss(life);
            wrong.push(*what);
        }
    }
    assert!(wrong.is_empty(), "on {name}: {}", wrong.join(", "));
}
