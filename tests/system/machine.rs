//! A Debian that was booted with systemd.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    booted::{Booted, Said},
    wait::wait_for,
};

/// Booting takes a second or two; a busy machine, longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where the identities of an unprivileged one begin.
pub(crate) const SHIFT: u32 = 524_288;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its root is root.
    Privileged,
    /// Its root is nobody here, as in the containers that Proxmox makes.
    Unprivileged,
}

#[derive(Debug)]
pub(crate) struct Machine {
    tree: PathBuf,
    nspawn: Child,
    /// Of an unprivileged one, which may not make one where this process is.
    group: Option<ControlGroup>,
    /// Its systemd, as this machine numbers processes.
    leader: Pid,
}

impl Machine {
    /// Boots what is in this tree, in this network. The tree goes with the machine.
    #[track_caller]
    pub(crate) fn boot(tree: PathBuf, network: &str, kind: Kind) -> Self {
        let group = (kind == Kind::Unprivileged).then(|| ControlGroup::new(network));
        let nspawn = spawn(&tree, network, group.as_ref());
        let leader = wait_for("systemd of the machine", PATIENCE, || leader_below(nspawn.id()));
        let machine = Self { tree, nspawn, group, leader };
        machine.wait(
            "booted machine",
            "systemctl is-system-running; systemctl list-jobs",
            |said| {
                let state = said.out.lines().next()?;
                matches!(state, "running" | "degraded").then_some(())
            },
        );
        machine
    }

    /// Runs a command as this user.
    pub(crate) fn run_as(&self, user: &str, command: &str) -> Said {
        let quoted = command.replace('\'', r"'\''");
        self.run(&format!("runuser -u {user} -- sh -c '{quoted}'"))
    }

    /// Runs a command as the host's root would, among the machine's files.
    #[track_caller]
    pub(crate) fn do_from_outside(&self, command: &str) {
        let said = self.enter(&["--mount"], command);
        assert!(said.success, "{command}\n{}{}", said.out, said.err);
    }

    fn enter(&self, spaces: &[&str], command: &str) -> Said {
        let output = Command::new("nsenter")
            .args(["--target", &self.leader.as_raw_nonzero().to_string(), "--wdns=/"])
            .args(spaces)
            .args(["--", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"])
            .args(["LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", command])
            .stdin(Stdio::null())
            .output()
            .expect("running nsenter, from util-linux");
        said(output)
    }

    /// Writes a file of the machine, and the directory that it is in.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        let directory = path.parent().expect("a directory");
        fs::create_dir_all(directory).expect("making a directory of the machine");
        fs::write(&path, content).expect("writing a file of the machine");
        if self.group.is_some() {
            for path in [directory, &path] {
                chown(path, Some(SHIFT), Some(SHIFT)).expect("giving a file to the machine's root");
            }
        }
    }

    /// A file of the machine that is no link and on no mount of its own.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.tree.join(path.trim_start_matches('/'))
    }
}

impl Booted for Machine {
    const PATIENCE: Duration = PATIENCE;

    fn run(&self, command: &str) -> Said {
        self.enter(&["--all"], command)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SIGRTMIN+4 would be more polite; everything in it is gone either way.
        let _ = kill_process(self.leader, Signal::KILL);
        let _ = self.nspawn.wait();
        drop(self.group.take());
        let _ = fs::remove_dir_all(&self.tree);
    }
}

/// A control group, as one that an unprivileged machine may have as its own.
#[derive(Debug)]
struct ControlGroup(PathBuf);

impl ControlGroup {
    #[track_caller]
    fn new(name: &str) -> Self {
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let is_unified = |mount: &&Path| mount.join("cgroup.procs").exists();
        let mount = mounts.into_iter().find(is_unified).expect("control groups of version 2");
        let group = Self(mount.join(name));
        fs::create_dir(&group.0).expect("making a control group");
        for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            chown(group.0.join(file), Some(SHIFT), Some(SHIFT)).expect("giving it away");
        }
        group
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // What is below goes first.
        let _ =
            Command::new("find").arg(&self.0).args(["-depth", "-type", "d", "-delete"]).status();
    }
}

fn spawn(tree: &Path, network: &str, group: Option<&ControlGroup>) -> Child {
    let mut command = match group {
        Some(ControlGroup(path)) => {
            let mut command = Command::new("sh");
            command
                .args(["-c", "echo $$ >\"$0/cgroup.procs\" && exec \"$@\""])
                .arg(path)
                .arg("nsenter");
            command
        }
        None => Command::new("nsenter"),
    };
    let ids = format!("--private-users={SHIFT}:65536");
    let unprivileged = [ids.as_str(), "--private-users-ownership=chown"];
    command
        .arg(format!("--net=/run/netns/{network}"))
        .arg("systemd-nspawn")
        .args(unprivileged.iter().filter(|_| group.is_some()))
        .arg(format!("--directory={}", tree.display()))
        .args(["--boot", "--register=no", "--keep-unit", "--capability=all"])
        .args(["--system-call-filter=bpf", "--console=read-only", "--machine=dashboard-cast"])
        .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("running nsenter, from util-linux")
}

/// The child that is the first process of a namespace: before it, there is another one that makes it.
fn leader_below(parent: u32) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_whitespace().find_map(|child| {
        let status = fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        let is_first = ids.split_whitespace().next_back() == Some("1");
        is_first.then(|| Pid::from_raw(child.parse().ok()?)).flatten()
    })
}

fn said(output: Output) -> Said {
    Said {
        success: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
