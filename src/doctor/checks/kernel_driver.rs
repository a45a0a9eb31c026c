use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "kernel-driver",
    question: "Does the kernel drive the GPU?",
    subject: Subject::Gpu,
    needs: &["gpu"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

fn look(machine: &Machine) -> Finding {
    let Some(card) = machine.intel() else {
        return Finding::skipped("there is no GPU of Intel's");
    };
    let here = if machine.place.is_container() { Place::Host } else { Place::Here };
    let seen = format!("/sys/bus/pci/devices/{}/driver", card.pci);
    match card.driver.as_deref() {
        Some(driver @ ("i915" | "xe")) => Finding::pass(driver).seen(format!("{seen}: {driver}")),
        Some("vfio-pci") => Finding::fail("the GPU is kept for virtual machines (vfio-pci)")
            .seen(format!("{seen}: vfio-pci"))
            .run(
                here,
                "take its hostpci line out of the virtual machine and its id out of \
                 /etc/modprobe.d (ids=…), then boot again",
                &["grep -rn vfio /etc/modprobe.d", "update-initramfs -u", "reboot"],
            ),
        Some(other) => Finding::fail(format!("{other} has it, which does not encode"))
            .seen(format!("{seen}: {other}")),
        None => undriven(machine, here).seen(format!("{seen}: nothing")),
    }
}

fn undriven(machine: &Machine, here: Place) -> Finding {
    let line = machine.value("proc/cmdline").unwrap_or_default();
    let word = line.split(' ').find(|word| {
        matches!(*word, "nomodeset" | "i915.modeset=0")
            || (word.starts_with("module_blacklist=") && word.contains("i915"))
    });
    if let Some(word) = word {
        return Finding::fail(format!("the kernel is told to leave GPUs alone: {word}"))
            .seen(format!("/proc/cmdline: {line}"))
            .run(
                here,
                format!("take {word} out of GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub"),
                &["update-grub", "reboot"],
            );
    }
    for file in machine.list("etc/modprobe.d") {
        let path = format!("etc/modprobe.d/{file}");
        let text = machine.text(&path).unwrap_or_default();
        let keeps_away = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            matches!(words[..], ["blacklist", "i915" | "xe"])
        };
        if let Some(line) = text.lines().find(|line| keeps_away(line)) {
            return Finding::fail(format!("/{path} keeps the driver from being loaded"))
                .seen(format!("/{path}: {line}"))
                .run(
                    here,
                    format!("take \"{}\" out of /{path}", line.trim()),
                    &["update-initramfs -u", "reboot"],
                );
        }
    }
    Finding::fail("the kernel has no driver for it: i915 and xe leave it alone").run(
        here,
        "a newer kernel may know it, or its firmware is missing; the kernel says which",
        &["modprobe i915", "journalctl -k -g 'i915|xe|drm'"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Verdict, testing::Tree};

    fn tree() -> Tree {
        Tree::new().gpu("0000:00:02.0", 0x3e9b, None)
    }

    #[test]
    fn what_keeps_the_driver_away_is_named() {
        let told = look(&tree().file("proc/cmdline", "quiet nomodeset\n").machine());
        assert!(told.says.contains("nomodeset") && told.fixes[0].commands[0] == "update-grub");
        let file = "# for passthrough\nblacklist i915\n";
        let told = look(&tree().file("etc/modprobe.d/pve.conf", file).machine());
        assert!(told.says.contains("/etc/modprobe.d/pve.conf"), "{told:?}");
        assert!(look(&tree().machine()).fixes[0].commands[1].contains("journalctl"));
    }

    #[test]
    fn a_gpu_of_a_virtual_machine_is_told_from_one_that_is_driven() {
        let with = |driver: &str| {
            let tree = Tree::new().gpu("0000:00:02.0", 0x3e9b, Some((driver, 128)));
            look(&tree.machine())
        };
        assert_eq!(with("i915").verdict, Verdict::Pass);
        assert_eq!(with("xe").verdict, Verdict::Pass);
        assert!(with("vfio-pci").says.contains("virtual machines"));
        let container = tree().file("run/systemd/container", "lxc");
        assert_eq!(look(&container.machine()).fixes[0].place, Place::Host);
    }
}
