use super::{Check, Subject, iommu::given};
use crate::{
    doctor::{
        finding::{Finding, Place},
        machine::Machine,
    },
    gpu::Card,
    proxmox::vm,
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
    let driver = card.driver.as_deref();
    let seen = format!("/sys/bus/pci/devices/{}/driver: {}", card.pci, driver.unwrap_or("nothing"));
    if let Some(driver @ ("i915" | "xe")) = driver {
        return Finding::pass(driver).seen(seen);
    }
    if let Some(gpu) = machine.working() {
        let own = gpu.driver.as_deref().unwrap_or("it does");
        return Finding::pass(format!("{own}, that of {}", gpu.name)).seen(seen);
    }
    if machine.is_only_host() {
        let guests = given(machine, |value| gives(machine, value, card));
        if driver == Some("vfio-pci") || (driver.is_none() && !guests.is_empty()) {
            return Finding::pass(match guests.as_slice() {
                [] => "given to virtual machines".to_owned(),
                [one] => format!("given to virtual machine {one}"),
                several => format!("given to virtual machines {}", several.join(", ")),
            })
            .seen(seen);
        }
    }
    let here = if machine.place.is_container() { Place::Host } else { Place::Here };
    match driver {
        Some("vfio-pci") => {
            Finding::fail("the GPU is kept for virtual machines (vfio-pci)").seen(seen).run(
                here,
                "take its hostpci line out of the virtual machine and its id out of \
                 /etc/modprobe.d (ids=…), then boot again",
                &["grep -rn vfio /etc/modprobe.d", "update-initramfs -u", "reboot"],
            )
        }
        Some(other) => Finding::fail(format!("{other} has it, which does not encode")).seen(seen),
        None => undriven(machine, here).seen(seen),
    }
}

/// Whether a `hostpci` gives this card away, by its address or by a mapping of the cluster's.
fn gives(machine: &Machine, value: &str, card: &Card) -> bool {
    let mapping = value.split(',').find_map(|field| field.strip_prefix("mapping="));
    let is_mapped = |name: &str| {
        let text = machine.text("etc/pve/mapping/pci.cfg").unwrap_or_default();
        let after = text.lines().skip_while(|line| line.trim_end() != name).skip(1);
        let mut maps = after.take_while(|line| line.starts_with(char::is_whitespace));
        maps.any(|line| {
            let mut paths = line.split(',').filter_map(|field| field.strip_prefix("path="));
            paths.any(|addresses| vm::name(addresses, &card.pci))
        })
    };
    vm::gives(value, &card.pci) || mapping.is_some_and(is_mapped)
}

/// Debian's image for clouds has a kernel without graphics.
const KERNEL: &str = "proc/sys/kernel/osrelease";

fn undriven(machine: &Machine, here: Place) -> Finding {
    let kernel = machine.value(KERNEL).unwrap_or_default();
    if kernel.contains("cloud") {
        return Finding::fail("this kernel is made for clouds, and has no drivers of GPUs")
            .seen(format!("/{KERNEL}: {kernel}"))
            .run(
                here,
                "install Debian's usual kernel, and take this one away so that the other starts",
                &["apt install linux-image-amd64", "apt purge 'linux-image-*cloud*'", "reboot"],
            );
    }
    let line = machine.value("proc/cmdline").unwrap_or_default();
    if let Some(word) = line.split(' ').find(|word| keeps_away(word)) {
        let found = Finding::fail(format!("the kernel is told to leave GPUs alone: {word}"))
            .seen(format!("/proc/cmdline: {line}"));
        let grub = format!("take {word} out of GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub");
        // Which of the two starts a Proxmox host is not seen from everywhere; both may be told.
        return match here == Place::Host || machine.is_there("etc/kernel/proxmox-boot-uuids") {
            true => found.run(
                here,
                format!("{grub}, and out of /etc/kernel/cmdline, which systemd-boot starts with"),
                &["update-grub", "proxmox-boot-tool refresh", "reboot"],
            ),
            false => found.run(here, grub, &["update-grub", "reboot"]),
        };
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

/// Whether a parameter of the kernel's keeps it, or udev, from loading the driver.
fn keeps_away(word: &str) -> bool {
    let modules = match word.split_once('=') {
        Some(("module_blacklist" | "modprobe.blacklist", modules)) => modules,
        _ => return matches!(word, "nomodeset" | "i915.modeset=0" | "xe.modeset=0"),
    };
    modules.split(',').any(|module| matches!(module, "i915" | "xe"))
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
    fn both_ways_to_shut_a_driver_out_at_boot_are_known() {
        for word in [
            "module_blacklist=i915",
            "modprobe.blacklist=i915",
            "modprobe.blacklist=nouveau,xe,snd_hda_intel",
            "module_blacklist=xe",
            "xe.modeset=0",
        ] {
            let told = look(&tree().file("proc/cmdline", &format!("quiet {word}\n")).machine());
            assert!(told.says.ends_with(word), "{told:?}");
        }
        let other = tree().file("proc/cmdline", "modprobe.blacklist=i915_hdcp,nouveau\n");
        assert!(look(&other.machine()).says.contains("no driver"));
    }

    #[test]
    fn a_host_may_be_started_by_systemd_boot() {
        let tree = || tree().file("proc/cmdline", "quiet nomodeset\n");
        assert_eq!(look(&tree().machine()).fixes[0].commands, ["update-grub", "reboot"]);
        for tree in [
            tree().file("etc/kernel/proxmox-boot-uuids", "A1B2-C3D4\n"),
            tree().file("run/systemd/container", "lxc"),
        ] {
            let fix = look(&tree.machine()).fixes.remove(0);
            assert!(fix.words.contains("/etc/default/grub"), "{fix:?}");
            assert!(fix.words.contains("/etc/kernel/cmdline"), "{fix:?}");
            assert_eq!(fix.commands, ["update-grub", "proxmox-boot-tool refresh", "reboot"]);
        }
    }

    #[test]
    fn a_kernel_for_clouds_has_no_graphics() {
        let tree = tree()
            .file("sys/class/dmi/id/sys_vendor", "QEMU\n")
            .file("proc/sys/kernel/osrelease", "6.12.48+deb13-cloud-amd64\n");
        let told = look(&tree.machine());
        assert!(told.says.contains("clouds") && told.evidence[0].contains("deb13"), "{told:?}");
        assert_eq!(told.fixes[0].commands[0], "apt install linux-image-amd64");
    }

    #[test]
    fn what_a_host_has_given_away_is_well_there() {
        let host = |driver: &str| {
            let tree = Tree::new().file("etc/pve/local/pve-ssl.pem", "");
            let tree = tree.gpu("0000:00:02.0", 0x3e9b, None);
            match driver {
                "" => tree,
                _ => tree.link(
                    "sys/bus/pci/devices/0000:00:02.0/driver",
                    &format!("../../../bus/pci/drivers/{driver}"),
                ),
            }
        };
        let given = |tree: Tree, value: &str| {
            tree.file("etc/pve/qemu-server/101.conf", &format!("cores: 2\nhostpci0: {value}\n"))
        };
        let kept = look(&host("vfio-pci").machine());
        assert_eq!((kept.verdict, &*kept.says), (Verdict::Pass, "given to virtual machines"));
        for value in ["0000:00:02.0,pcie=1", "00:02", "host=01:00.0;0000:00:02,x-vga=1"] {
            for driver in ["vfio-pci", ""] {
                let found = look(&given(host(driver), value).machine());
                assert_eq!(found.verdict, Verdict::Pass, "{value}");
                assert_eq!(found.says, "given to virtual machine 101");
            }
        }
        let mappings = "nic\n\tmap id=8086:10fb,node=pve,path=0000:01:00.0\n\n\
                        igpu\n\tmap id=8086:3e9b,node=pve,path=0000:00:02.0\n";
        for (value, verdict) in
            [("mapping=igpu,pcie=1", Verdict::Pass), ("mapping=nic", Verdict::Fail)]
        {
            let tree = given(host(""), value).file("etc/pve/mapping/pci.cfg", mappings);
            assert_eq!(look(&tree.machine()).verdict, verdict, "{value}");
        }
        // The number of another device has the same digits.
        let other = look(&given(host(""), "0000:02:00.0").machine());
        assert_eq!(other.verdict, Verdict::Fail);
        let package = host("vfio-pci").file("usr/lib/sysusers.d/dashboard-cast.conf", "");
        assert_eq!(look(&package.machine()).verdict, Verdict::Fail, "it encodes here");
    }

    #[test]
    fn a_card_that_nothing_drives_is_not_needed_where_another_encodes() {
        let tree = || tree().display("0000:03:00.0", 0x1002, 0x164e, Some(("amdgpu", 128)));
        assert_eq!(look(&tree().machine()).verdict, Verdict::Fail);
        let works = look(&tree().works("h264_vaapi", "VBR").machine());
        assert!(works.verdict == Verdict::Pass && works.says.contains("amdgpu"), "{works:?}");
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
