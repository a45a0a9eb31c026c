use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::{Environment, Machine},
};

pub(super) const CHECK: Check = Check {
    id: "environment",
    question: "What kind of machine is this?",
    subject: Subject::Machine,
    needs: &[],
    manual: "dashboard-cast(8), GPUS",
    look,
};

fn look(machine: &Machine) -> Finding {
    let system = match machine.debian() {
        Some(release) => format!("Debian {release}"),
        None => "another system than Debian".to_owned(),
    };
    match &machine.place {
        Environment::Metal if machine.is_proxmox => {
            Finding::pass(format!("a Proxmox host of its own hardware, {system}"))
        }
        Environment::Metal => Finding::pass(format!("a machine of its own, {system}")),
        Environment::Vm(maker) => Finding::pass(format!("a virtual machine ({maker}), {system}")),
        Environment::Container { kind, privileged } => {
            let rights = if *privileged { "a privileged" } else { "an unprivileged" };
            Finding::pass(format!("{rights} container ({kind}), {system}"))
                .seen("/run/systemd/container, /proc/self/uid_map")
        }
        Environment::Application(kind) => Finding::fail(format!(
            "a container of one program ({kind}), where no systemd runs"
        ))
        .advise(
            Place::Host,
            "run the package in a virtual machine or a system container (Proxmox: CT), where \
                     systemd starts, confines and supervises it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::Tree;

    #[test]
    fn a_container_is_told_from_a_machine() {
        let tree = Tree::new().file("etc/os-release", "ID=debian\nVERSION_ID=\"13\"\n");
        assert_eq!(look(&tree.machine()).says, "a machine of its own, Debian 13");
        let tree =
            tree.file("run/systemd/container", "lxc").file("proc/self/uid_map", "0 100000 65536");
        assert_eq!(look(&tree.machine()).says, "an unprivileged container (lxc), Debian 13");
        let tree = Tree::new()
            .file("run/systemd/container", "lxc")
            .file("proc/self/uid_map", "0 0 4294967295");
        assert!(look(&tree.machine()).says.starts_with("a privileged container (lxc)"));
        let docker = Tree::new().file(".dockerenv", "");
        let found = look(&docker.machine());
        assert!(found.is_broken() && found.fixes[0].words.contains("systemd"));
    }
}
