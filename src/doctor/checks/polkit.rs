use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "polkit",
    question: "Who decides who may cast?",
    subject: Subject::Service,
    needs: &["packages"],
    manual: "org.dashboardcast1(5), AUTHORIZATION",
    look,
};

const DAEMONS: [&str; 3] =
    ["usr/lib/polkit-1/polkitd", "usr/libexec/polkitd", "usr/lib/policykit-1/polkitd"];
const POLICY: &str = "usr/share/polkit-1/actions/org.dashboardcast1.policy";
const RULES: &str = "usr/share/polkit-1/rules.d/org.dashboardcast1.rules";

fn look(machine: &Machine) -> Finding {
    let Some(daemon) = DAEMONS.iter().find(|path| machine.is_there(path)) else {
        return Finding::pass(
            "polkit is not installed: root may do all, and members of the group dashboard-cast may cast",
        );
    };
    // Rules are polkit's own on some systems, and not for us to look at.
    let missing: Vec<&str> =
        [POLICY, RULES].into_iter().filter(|path| machine.is_missing(path)).collect();
    if missing.is_empty() {
        return Finding::pass("polkit does, by the rules of the package")
            .seen(format!("/{daemon}"));
    }
    let found = Finding::warn(
        "polkit does not know the service's actions, and refuses them to all but root",
    );
    missing.iter().fold(found, |found, path| found.seen(format!("/{path} is not there"))).run(
        Place::Here,
        "install the package again",
        &["apt install --reinstall ./dashboard-cast_VERSION_amd64.deb", "systemctl restart polkit"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    #[test]
    fn without_polkit_groups_decide_and_without_our_actions_nobody_can() {
        let found = look(&Tree::new().machine());
        assert_eq!(found.verdict, Verdict::Pass);
        assert!(found.says.contains("group dashboard-cast"));
        let tree = Tree::new().file(DAEMONS[0], "").file(RULES, "");
        let found = look(&tree.machine());
        assert_eq!((found.verdict, found.evidence.len()), (Verdict::Warn, 1));
        assert!(found.fixes[0].commands[0].contains("--reinstall"));
        assert_eq!(look(&tree.file(POLICY, "").machine()).verdict, Verdict::Pass);
    }
}
