use super::{Check, Subject};
use crate::{
    config::GpuChoice,
    doctor::{
        finding::{Finding, Place},
        machine::Machine,
    },
};

pub(super) const CHECK: Check = Check {
    id: "gpu-wanted",
    question: "Is a GPU to encode?",
    subject: Subject::Gpu,
    needs: &[],
    manual: "dashboard-cast.toml(5), [encoder]",
    look,
};

fn look(machine: &Machine) -> Finding {
    let choice = &machine.choice;
    let there = match choice {
        GpuChoice::Auto => return Finding::pass("the best that works (encoder.gpu = \"auto\")"),
        GpuChoice::None => {
            return Finding::warn("none: encoder.gpu = \"none\" in the configuration").run(
                Place::Here,
                "set encoder.gpu = \"auto\", unless the CPU is to encode",
                &["dashboard-cast reload"],
            );
        }
        GpuChoice::Pci(pci) => machine.cards.iter().any(|card| card.pci == *pci),
        GpuChoice::Node(node) => machine.nodes.iter().any(|file| file.path() == node),
    };
    if there {
        return Finding::pass(format!("{choice}, as the configuration says"));
    }
    let found = machine.cards.iter().map(|card| format!("pci:{} is {}", card.pci, card.name()));
    let finding = Finding::fail(format!("{choice} of the configuration is not there"));
    found.fold(finding, Finding::seen).run(
        Place::Here,
        "set encoder.gpu = \"auto\", or to one that is there: its place on the bus stays when numbers \
         of nodes change",
        &["dashboard-cast reload"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Verdict, testing::Tree};

    fn with(choice: &str) -> Finding {
        let text = format!("[encoder]\ngpu = \"{choice}\"\n");
        let tree = Tree::new().gpu("0000:00:02.0", 0x3e9b, Some(("i915", 128)));
        look(&tree.file("etc/dashboard-cast/dashboard-cast.toml", &text).machine())
    }

    #[test]
    fn what_is_asked_for_must_be_there() {
        assert_eq!(with("auto").verdict, Verdict::Pass);
        assert_eq!(with("pci:0000:00:02.0").verdict, Verdict::Pass);
        assert_eq!(with("none").verdict, Verdict::Warn);
        let gone = with("pci:0000:03:00.0");
        assert_eq!(gone.verdict, Verdict::Fail);
        assert!(gone.evidence[0].contains("pci:0000:00:02.0 is Intel Coffee Lake"), "{gone:?}");
        assert_eq!(with("/dev/dri/renderD140").verdict, Verdict::Fail);
    }
}
