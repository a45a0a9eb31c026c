use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
    told::{Tv, Wanted},
};

pub(super) const CHECK: Check = Check {
    id: "tvs",
    question: "Are the TVs there, and can they be reached?",
    subject: Subject::Tv,
    needs: &["network", "search"],
    manual: "dashboard-cast.toml(5), [devices]",
    look,
};

fn look(machine: &Machine) -> Finding {
    let Some(tvs) = &machine.told.tvs else {
        return Finding::skipped("nobody looked for TVs");
    };
    let wanted = &machine.told.wanted;
    if tvs.is_empty() {
        return nothing(!wanted.is_empty());
    }
    let mut findings: Vec<Finding> = tvs.iter().map(tv).collect();
    findings.extend(wanted.iter().filter_map(named));
    Finding::worst_of(findings).unwrap_or_else(|| nothing(false))
}

fn nothing(wanted: bool) -> Finding {
    let says = "no TV announces itself here, and none is configured";
    let found = if wanted { Finding::fail(says) } else { Finding::warn(says) };
    found
        .advise(
            Place::Network,
            "put this machine and the TV into the same network: announcements do not pass from one VLAN or \
             guest Wi-Fi to another",
        )
        .advise(Place::Tv, "switch it on, and see whether a phone in this network offers to cast to it")
        .run(
            Place::Here,
            "where networks stay apart, name the TV under [devices]: static = [\"NAME=ADDRESS\"]",
            &["systemctl reload dashboard-cast", "dashboard-cast devices --search"],
        )
}

fn tv(tv: &Tv) -> Finding {
    let name = &tv.name;
    let address = tv.address.as_deref().unwrap_or("no address");
    let why = match &tv.reached {
        Ok(()) => return Finding::pass(format!("{name} ({address}) can be reached")),
        Err(why) => why,
    };
    if tv.configured {
        return Finding::fail(format!("{name}, which is configured, cannot be reached"))
            .seen(format!("{address}: {why}"))
            .advise(Place::Tv, "switch it on at the mains, and see which address it has in its settings")
            .advise(
                Place::Network,
                "between two VLANs, let this machine connect to TCP port 8009 of the TV, and the TV to port \
                 8000 of this machine",
            );
    }
    Finding::warn(format!("{name} announces itself, and cannot be reached"))
        .seen(format!("{address}: {why}"))
        .advise(
            Place::Network,
            "let this machine connect to TCP port 8009 of the TV; some access points keep devices apart \
             (client isolation)",
        )
}

/// A name in the configuration that is no TV's.
fn named(wanted: &Wanted) -> Option<Finding> {
    let Wanted { key, device, found } = wanted;
    let why = found.as_ref().err()?;
    Some(
        Finding::fail(format!(
            "the TV of {key} = {device:?} cannot be told: it is off, or that is not its name"
        ))
        .seen(why)
        .run(
            Place::Here,
            format!("write the TV's name into {key} as it is listed, or switch it on"),
            &["dashboard-cast devices --search", "systemctl reload dashboard-cast"],
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    fn one(configured: bool, reached: Result<(), &str>) -> Tv {
        Tv {
            name: "Hall".into(),
            address: Some("192.168.1.20:8009".into()),
            configured,
            reached: reached.map_err(ToOwned::to_owned),
        }
    }

    fn with(tvs: Vec<Tv>, wanted: Vec<Wanted>) -> Finding {
        let tree = Tree::new().told(|told| (told.tvs, told.wanted) = (Some(tvs), wanted));
        look(&tree.machine())
    }

    fn wanted(found: Result<&str, &str>) -> Vec<Wanted> {
        let found = found.map(ToOwned::to_owned).map_err(ToOwned::to_owned);
        vec![Wanted { key: "casts.a.device".into(), device: "Hall".into(), found }]
    }

    #[test]
    fn a_tv_that_is_wanted_must_be_there() {
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
        assert_eq!(with(vec![one(true, Ok(()))], wanted(Ok("Hall"))).verdict, Verdict::Pass);
        let none = with(Vec::new(), Vec::new());
        assert_eq!((none.verdict, none.fixes.len()), (Verdict::Warn, 3));
        assert!(none.fixes[0].words.contains("VLAN"));
        assert_eq!(with(Vec::new(), wanted(Err("nobody"))).verdict, Verdict::Fail);
        let found = with(vec![one(false, Ok(()))], wanted(Err("no TV is called so")));
        assert_eq!(
            found.says,
            "the TV of casts.a.device = \"Hall\" cannot be told: it is off, or that is not its name"
        );
        assert_eq!(found.fixes[0].commands[0], "dashboard-cast devices --search");
    }

    #[test]
    fn one_that_cannot_be_reached_fails_where_it_is_configured() {
        let refused = Err("no answer in 2 s");
        let found = with(vec![one(true, refused), one(false, Ok(()))], Vec::new());
        assert_eq!((found.verdict, found.fixes[0].place), (Verdict::Fail, Place::Tv));
        assert_eq!(found.evidence[0], "192.168.1.20:8009: no answer in 2 s");
        assert!(found.fixes[1].words.contains("8009"));
        let found = with(vec![one(false, refused)], Vec::new());
        assert_eq!((found.verdict, found.fixes[0].place), (Verdict::Warn, Place::Network));
    }
}
