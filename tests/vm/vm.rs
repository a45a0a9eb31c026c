//! A Debian on hardware that QEMU makes up, with a kernel, a udev and control groups of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::{
    agent::{Agent, Said},
    support::wait::wait_for,
};

/// QEMU works out what a processor would do: the machine is twenty times slower than this one, and this
/// one may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(crate) struct Vm {
    qemu: Child,
    agent: Mutex<Agent>,
    /// With the agent's socket, and what the kernel printed.
    directory: TempDir,
}

impl Vm {
    /// Makes the disk of a machine of this suite, on which the package is installed.
    #[track_caller]
    pub(crate) fn prepare(suite: &str) -> PathBuf {
        assert!(geteuid().is_root(), "this test makes whole systems: run it as root");
        let prepare = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/prepare");
        let made = Command::new(prepare)
            .arg(suite)
            .stderr(Stdio::inherit())
            .output()
            .expect("running tests/vm/prepare");
        assert!(made.status.success(), "making a {suite}: {}", made.status);
        PathBuf::from(String::from_utf8(made.stdout).expect("a path").trim_end())
    }

    /// Boots from the disk in this directory, on which nothing is changed.
    #[track_caller]
    pub(crate) fn boot(disk: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut qemu = qemu(disk, directory.path());
        let agent =
            std::panic::catch_unwind(|| Agent::connect(&directory.path().join("agent"), PATIENCE));
        let Ok(agent) = agent else {
            let _ = qemu.kill();
            let _ = qemu.wait();
            let console = fs::read_to_string(directory.path().join("console"));
            panic!("it does not boot:\n{}", console.unwrap_or_default());
        };
        let vm = Self { qemu, agent: Mutex::new(agent), directory };
        vm.wait_booted();
        vm
    }

    /// Shuts it down, and has it boot again.
    #[track_caller]
    pub(crate) fn reboot(&self) {
        let before = self.do_("cat /proc/sys/kernel/random/boot_id");
        // It may be gone before it can say so.
        let _ = self.agent().run("systemctl reboot", "", PATIENCE);
        wait_for("another boot", PATIENCE, || {
            self.agent().sync(PATIENCE);
            let now = self.agent().run("cat /proc/sys/kernel/random/boot_id", "", PATIENCE);
            now.is_ok_and(|now| now.success && now.out != before).then_some(())
        });
        self.wait_booted();
    }

    #[track_caller]
    fn wait_booted(&self) {
        self.wait("booted machine", "systemctl is-system-running", |said| {
            matches!(said.out.trim(), "running" | "degraded").then_some(())
        });
    }

    fn agent(&self) -> std::sync::MutexGuard<'_, Agent> {
        self.agent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command as root.
    #[track_caller]
    pub(crate) fn run(&self, command: &str) -> Said {
        self.execute(command, "")
    }

    #[track_caller]
    fn execute(&self, command: &str, input: &str) -> Said {
        let said = self.agent().run(command, input, PATIENCE);
        said.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Runs a command as root that must succeed, and gives what it printed.
    #[track_caller]
    pub(crate) fn do_(&self, command: &str) -> String {
        let said = self.run(command);
        assert!(said.success, "{command}\n{}{}", said.out, said.err);
        said.out
    }

    /// Writes a file of the machine, and the directory that it is in.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, content: &str) {
        let command = format!("mkdir --parents \"$(dirname {path})\" && cat >{path}");
        let said = self.execute(&command, content);
        assert!(said.success, "{path}: {}", said.err);
    }

    /// Runs a command as root when what is returned is dropped, also when the test fails before.
    pub(crate) fn afterwards(&self, command: impl Into<String>) -> Afterwards<'_> {
        Afterwards { vm: self, command: command.into() }
    }

    /// Waits for what a command in the machine prints.
    #[track_caller]
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        command: &str,
        look: impl Fn(&Said) -> Option<T>,
    ) -> T {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(what, PATIENCE, || {
                let said = self.run(command);
                last = format!("{}{}", said.out, said.err);
                look(&said)
            })
        }));
        found.unwrap_or_else(|_| panic!("no {what}; last:\n{last}"))
    }

    /// What the journal has of the service, for a test that fails.
    pub(crate) fn journal(&self) -> String {
        self.run("journalctl --no-pager -o short-monotonic -u 'dashboard-cast*' | tail -n 80").out
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// What puts a machine in order again.
#[derive(Debug)]
pub(crate) struct Afterwards<'a> {
    vm: &'a Vm,
    command: String,
}

impl Drop for Afterwards<'_> {
    fn drop(&mut self) {
        let said = self.vm.run(&self.command);
        match thread::panicking() {
            true if !said.success => eprintln!("afterwards: {}\n{}", self.command, said.err),
            true => {}
            false => assert!(said.success, "{}\n{}{}", self.command, said.out, said.err),
        }
    }
}

/// QEMU, which ends with the thread that starts it. Without KVM, which is not everywhere, and not the same
/// everywhere.
fn qemu(disk: &Path, directory: &Path) -> Child {
    let at = |name: &str| directory.join(name).display().to_string();
    Command::new("setpriv")
        .args(["--pdeathsig=KILL", "qemu-system-x86_64"])
        .args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off"])
        .args(["-smp", "2", "-m", "4096", "-display", "none", "-vga", "none", "-nic", "none"])
        .arg("-kernel")
        .arg(disk.join("kernel"))
        .arg("-initrd")
        .arg(disk.join("initrd"))
        .args(["-append", "root=/dev/vda rw console=ttyS0 quiet mitigations=off"])
        .arg("-drive")
        // What is written is kept beside the disk, and gone with QEMU.
        .arg(format!("file={},format=raw,if=virtio,snapshot=on", disk.join("disk").display()))
        // A slot of the kind that cards are plugged into, with a GPU.
        .args(["-device", "pcie-root-port,id=slot0", "-device", "virtio-gpu-pci,bus=slot0"])
        .arg("-serial")
        .arg(format!("file:{}", at("console")))
        .arg("-chardev")
        .arg(format!("socket,id=agent,path={},server=on,wait=off", at("agent")))
        .args(["-device", "virtio-serial-pci"])
        .args(["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("running setpriv, from util-linux")
}
