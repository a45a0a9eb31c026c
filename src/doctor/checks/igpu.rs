use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::{Environment, Machine},
};

pub(super) const CHECK: Check = Check {
    id: "gpu",
    question: "Is there a GPU?",
    subject: Subject::Gpu,
    needs: &["cpu", "iommu", "gpu-wanted"],
    manual: "dashboard-cast(8), GPUS",
    look,
};

fn look(machine: &Machine) -> Finding {
    let all = |finding: Finding| {
        machine.cards.iter().fold(finding, |finding, card| {
            let driver = card.driver.as_deref().unwrap_or("no driver");
            finding.seen(format!("{}: {}, {driver}", card.pci, card.name()))
        })
    };
    if let Some(card) = machine.intel() {
        return all(Finding::pass(card.name()));
    }
    // Such as AMD's: VA-API may serve there.
    if let Some(gpu) = machine.gpus.iter().find(|gpu| gpu.problem.is_none()) {
        return all(Finding::pass(gpu.name.clone()));
    }
    let none = all(Finding::warn(match machine.cards.is_empty() {
        true => "there is no GPU on the PCI bus: the CPU encodes",
        false => "none of the GPUs here encodes: the CPU does",
    }));
    match machine.place {
        Environment::Vm(_) => none.run(
            Place::Host,
            "pass the GPU to this virtual machine; on a Proxmox host, this says how",
            &["dashboard-cast proxmox vm VMID"],
        ),
        Environment::Metal => none.advise(
            Place::Firmware,
            "if the processor has graphics, switch them on (\"Internal Graphics\", \"iGPU \
             Multi-Monitor\"): firmware switches them off when a card is in",
        ),
        // It sees the bus of the machine that it is on.
        Environment::Container { .. } | Environment::Application(_) => none.advise(
            Place::Firmware,
            "if the host's processor has graphics, switch them on in its firmware",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Verdict, testing::Tree};

    #[test]
    fn without_one_it_is_said_where_one_comes_from() {
        let metal = look(&Tree::new().machine());
        assert_eq!((metal.verdict, metal.fixes[0].place), (Verdict::Warn, Place::Firmware));
        let vm = Tree::new().file("sys/class/dmi/id/sys_vendor", "QEMU\n");
        let vm = vm.display("0000:00:01.0", 0x1234, 0x1111, Some(("bochs", 128)));
        let found = look(&vm.machine());
        assert_eq!((found.verdict, found.fixes[0].place), (Verdict::Warn, Place::Host));
        assert!(found.evidence[0].contains("virtual GPU"), "{found:?}");
    }

    #[test]
    fn intels_come_first_and_others_may_serve() {
        let amd = Tree::new().display("0000:01:00.0", 0x1002, 0x164e, Some(("amdgpu", 128)));
        assert_eq!(look(&amd.machine()).verdict, Verdict::Pass);
        let both = amd.gpu("0000:03:00.0", 0x56a0, Some(("xe", 129)));
        let found = look(&both.machine());
        assert!(found.says.contains("Arc") && found.evidence.len() == 2, "{found:?}");
    }
}
