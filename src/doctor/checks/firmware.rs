use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "gpu-firmware",
    question: "Is the GPU's firmware (GuC, HuC) loaded?",
    subject: Subject::Gpu,
    needs: &["kernel-driver"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

/// Without HuC, the low-power encoder keeps no bit rate: its driver offers constant quality only.
fn look(machine: &Machine) -> Finding {
    let Some(card) = machine.intel() else {
        return Finding::skipped("there is no GPU of Intel's");
    };
    // The best that works is what is used; what another one could not matters to nobody.
    let used = machine.encoders().find(|(_, _, view)| view.works);
    let uncapped = used.filter(|(_, _, view)| view.rate_control.as_deref() == Some("CQP"));
    let refused = machine.refused("no-rate-control");
    let enable = machine.value("sys/module/i915/parameters/enable_guc");
    let seen = |finding: Finding| match &enable {
        Some(value) => finding.seen(format!("/sys/module/i915/parameters/enable_guc: {value}")),
        None => finding,
    };
    let finding = match (uncapped, refused) {
        (Some((_, name, _)), _) => {
            Finding::warn(format!("HuC is not loaded: {name} works, but nothing caps the bit rate"))
        }
        (None, Some((_, name, view))) => {
            Finding::fail(format!("HuC is not loaded, and {name} has no rate control without it"))
                .seen(view.problem.clone().unwrap_or_default())
        }
        (None, None) => {
            return seen(match used.and_then(|(_, _, view)| view.rate_control.as_ref()) {
                Some(control) => Finding::pass(format!("the bit rate is kept ({control})")),
                None => Finding::skipped("that is seen when something encodes"),
            });
        }
    };
    let finding = seen(finding);
    let here = if machine.place.is_container() { Place::Host } else { Place::Here };
    let mut commands = Vec::new();
    // Proxmox brings the firmware, and its packages stand in the way of Debian's.
    if here == Place::Here && !machine.is_proxmox {
        commands.push(match machine.debian() {
            Some(12) => "apt install firmware-misc-nonfree",
            _ => "apt install firmware-intel-graphics",
        });
    }
    // xe loads it always.
    if card.driver.as_deref() == Some("xe") {
        commands.push("reboot");
        return finding.run(
            here,
            "install the firmware, which is of non-free-firmware, and boot again",
            &commands,
        );
    }
    commands.extend([
        "echo 'options i915 enable_guc=2' >/etc/modprobe.d/dashboard-cast-i915.conf && update-initramfs -u",
        "reboot",
    ]);
    finding.run(
        here,
        "have the kernel load the firmware, which Proxmox has and Debian has in non-free-firmware, and boot \
         again; an enable_guc that another file of /etc/modprobe.d has is to be changed there instead",
        &commands,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::{Verdict, testing::Tree},
        session::Refusal,
    };

    #[test]
    fn a_bit_rate_that_nothing_caps_is_for_the_firmware() {
        let tree = || {
            Tree::new()
                .gpu("0000:00:02.0", 0x46a6, Some(("i915", 128)))
                .installed(&["iHD_drv_video.so", "libmfx-gen.so.1.2"])
                .file("sys/module/i915/parameters/enable_guc", "0\n")
        };
        assert_eq!(look(&tree().machine()).verdict, Verdict::Skipped);
        assert_eq!(look(&tree().works("h264_qsv", "VBR").machine()).verdict, Verdict::Pass);
        let unused = tree().works("h264_qsv", "VBR").works("h264_vaapi", "CQP");
        assert_eq!(look(&unused.machine()).verdict, Verdict::Pass);
        let found = look(&tree().works("h264_qsv", "CQP").machine());
        assert_eq!(found.verdict, Verdict::Warn);
        assert!(found.evidence[0].ends_with("enable_guc: 0"), "{found:?}");
        let commands = |machine: &Machine| look(machine).fixes.remove(0).commands;
        let debian = commands(&tree().works("h264_qsv", "CQP").machine());
        assert!(debian[0].contains("firmware") && debian[1].contains("enable_guc=2"), "{debian:?}");
        // Which has the firmware, and whose packages stand in the way of Debian's.
        let proxmox = tree().works("h264_qsv", "CQP").file("etc/pve/local", "");
        assert_eq!(commands(&proxmox.machine()), debian[1..]);
        let refused = tree().refused("h264_qsv", Refusal::NoRateControl("only CQP".to_owned()));
        assert_eq!(look(&refused.machine()).verdict, Verdict::Fail);
    }
}
