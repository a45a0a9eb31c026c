use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::{Environment, Machine},
};

pub(super) const CHECK: Check = Check {
    id: "iommu",
    question: "Can the GPU be given to a virtual machine?",
    subject: Subject::Gpu,
    needs: &[],
    manual: "dashboard-cast(8), PROXMOX",
    look,
};

fn look(machine: &Machine) -> Finding {
    match machine.place {
        Environment::Container { .. } | Environment::Application(_) => {
            return Finding::skipped("a container needs the GPU's node, not the IOMMU");
        }
        Environment::Vm(_) => {
            return Finding::skipped("that is seen on the host: dashboard-cast proxmox host");
        }
        Environment::Metal => {}
    }
    let units = machine.list("sys/class/iommu");
    let groups = machine.list("sys/kernel/iommu_groups").len();
    let line = machine.value("proc/cmdline").unwrap_or_default();
    let asked: Vec<&str> = line.split(' ').filter(|word| word.contains("iommu")).collect();
    let seen = |finding: Finding| {
        finding
            .seen(format!("/sys/class/iommu: {}; {groups} groups", or_none(&units.join(", "))))
            .seen(format!("/proc/cmdline: {}", or_none(&asked.join(" "))))
    };
    if !units.is_empty() && groups > 0 {
        return seen(Finding::pass("the IOMMU is on"));
    }
    let given = given(machine, |_| true);
    if given.is_empty() {
        return seen(Finding::skipped(
            "the IOMMU is off, which is fine: only virtual machines that are given a device need it",
        ));
    }
    let finding = Finding::fail(format!(
        "the IOMMU is off, but a device is to be passed to the virtual machine {}",
        given.join(", ")
    ));
    seen(finding).run(
        Place::Here,
        "switch VT-d on in the firmware, put what this prints into the kernel's command line, and boot \
         again",
        &["dashboard-cast proxmox host"],
    )
}

const fn or_none(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

/// Virtual machines of this host that a device is passed to, by a `hostpci` whose value is of that kind.
pub(super) fn given(machine: &Machine, is_it: impl Fn(&str) -> bool) -> Vec<String> {
    let files = machine.list("etc/pve/qemu-server").into_iter();
    let ids = files.filter_map(|name| name.strip_suffix(".conf").map(ToOwned::to_owned));
    ids.filter(|id| {
        let text = machine.text(&format!("etc/pve/qemu-server/{id}.conf")).unwrap_or_default();
        // Sections after the first are of snapshots.
        let mut lines = text.lines().take_while(|line| !line.starts_with('['));
        lines.any(|line| {
            let value = line.split_once(':').filter(|(key, _)| key.starts_with("hostpci"));
            value.is_some_and(|(_, value)| is_it(value.trim()))
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Verdict, testing::Tree};

    #[test]
    fn it_matters_only_where_a_virtual_machine_is_to_get_the_gpu() {
        let host = || Tree::new().file("proc/cmdline", "BOOT_IMAGE=/vmlinuz quiet\n");
        assert_eq!(look(&host().machine()).verdict, Verdict::Skipped);
        let wanted = host().file("etc/pve/qemu-server/101.conf", "cores: 2\nhostpci0: 00:02.0\n");
        let found = look(&wanted.machine());
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.says.contains("101") && found.fixes[0].commands[0].contains("proxmox host"));
        let on = wanted
            .file("sys/class/iommu/dmar0/x", "")
            .file("sys/kernel/iommu_groups/0/devices/x", "");
        assert_eq!(look(&on.machine()).verdict, Verdict::Pass);
        let before =
            host().file("etc/pve/qemu-server/102.conf", "cores: 2\n[old]\nhostpci0: 00:02.0\n");
        assert_eq!(look(&before.machine()).verdict, Verdict::Skipped, "only a snapshot has it");
    }

    #[test]
    fn a_container_does_not_need_it() {
        let found = look(&Tree::new().file("run/systemd/container", "lxc").machine());
        assert!(found.verdict == Verdict::Skipped && found.says.contains("not the IOMMU"));
    }
}
