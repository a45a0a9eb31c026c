//! A Debian on hardware that QEMU makes up, with a kernel, a udev and control groups of its own.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    agent::Agent,
    support::{
        booted::{Booted, Said},
        wait::wait_for,
    },
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

    #[track_caller]
    fn execute(&self, command: &str, input: &str) -> Said {
        let said = self.agent().run(command, input, PATIENCE);
        said.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Writes a file of the machine, and the directory that it is in.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, content: &str) {
        let command = format!("mkdir --parents \"$(dirname {path})\" && cat >{path}");
        let said = self.execute(&command, content);
        assert!(said.success, "{path}: {}", said.err);
    }
}

impl Booted for Vm {
    const PATIENCE: Duration = PATIENCE;

    #[track_caller]
    fn run(&self, command: &str) -> Said {
        self.execute(command, "")
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
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
