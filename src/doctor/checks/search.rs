use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "search",
    question: "Can TVs that announce themselves be heard?",
    subject: Subject::Tv,
    needs: &["network"],
    manual: "dashboard-cast.toml(5), [devices]",
    look,
};

fn look(machine: &Machine) -> Finding {
    let devices = machine.config().devices;
    if !devices.discover {
        return Finding::skipped("the configuration says not to look for them (devices.discover)");
    }
    let why = match &machine.told.search {
        None => return Finding::skipped("nobody tried"),
        Some(Ok(())) => return Finding::pass("they can (mDNS, UDP port 5353)"),
        Some(Err(why)) => why,
    };
    let says = "TVs that announce themselves cannot be heard";
    let found = match devices.fixed.is_empty() {
        true => Finding::fail(says),
        false => Finding::warn(format!("{says}, only those of the configuration are known")),
    };
    found.seen(why).run(
        Place::Here,
        "see who keeps the port of mDNS to itself and end it; avahi-daemon and systemd-resolved do not",
        &["ss -Hlunp 'sport = :5353'"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    #[test]
    fn a_search_that_is_impossible_fails_unless_tvs_are_configured() {
        let config = |text: &str| Tree::new().file("etc/dashboard-cast/dashboard-cast.toml", text);
        let no = Some(Err("another program keeps UDP port 5353 for itself".to_owned()));
        let fixed = "[devices]\nstatic = [\"192.168.1.20\"]\n";
        for (tree, search, verdict) in [
            (Tree::new(), None, Verdict::Skipped),
            (config("[devices]\ndiscover = false\n"), no.clone(), Verdict::Skipped),
            (Tree::new(), Some(Ok(())), Verdict::Pass),
            (config(fixed), no.clone(), Verdict::Warn),
            (Tree::new(), no, Verdict::Fail),
        ] {
            let found = look(&tree.told(|told| told.search = search).machine());
            assert_eq!(found.verdict, verdict, "{found:?}");
            if found.is_broken() {
                assert!(found.evidence[0].contains("5353"));
                assert!(found.fixes[0].commands[0].starts_with("ss "));
            }
        }
    }
}
