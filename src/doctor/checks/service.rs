use serde_json::Value;

use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "service",
    question: "Does the service answer, and is it well?",
    subject: Subject::Service,
    needs: &["packages", "configuration", "credentials", "units", "bus", "port"],
    manual: "dashboard-cast(8), AS A SERVICE",
    look,
};

const LOG: &str = "journalctl -b -u dashboard-cast -n 50";

fn look(machine: &Machine) -> Finding {
    let service = match &machine.told.service {
        None => {
            return Finding::skipped(
                "it does not run, which nothing needs to change: a request starts it",
            );
        }
        Some(Err(why)) => {
            return Finding::fail("the service does not answer").seen(why).run(
                Place::Here,
                "see what it says, and start it anew",
                &[LOG, "systemctl restart dashboard-cast"],
            );
        }
        Some(Ok(service)) => service,
    };
    let health = &service.health;
    let version = text(health, "version").unwrap_or("an unknown version");
    let problems = health.get("problems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let found = match text(health, "status") {
        Some("healthy") => Finding::pass("it answers, and is well"),
        _ => Finding::warn("it answers, and something is not well").run(
            Place::Here,
            "see what it has to say of that",
            &["dashboard-cast health", LOG],
        ),
    };
    let found = problems.iter().filter_map(Value::as_str).fold(found, Finding::seen);
    if version == env!("CARGO_PKG_VERSION") {
        return found.seen(format!("version {version}"));
    }
    let other = Finding::warn("another version runs than is installed")
        .seen(format!("it is {version}, this is {}", env!("CARGO_PKG_VERSION")))
        .run(Place::Here, "start the one that is installed", &["systemctl restart dashboard-cast"]);
    Finding::worst_of(vec![found.clone(), other]).unwrap_or(found)
}

fn text<'a>(health: &'a Value, name: &str) -> Option<&'a str> {
    health.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree, told::Service};

    fn with(health: Value) -> Finding {
        let service = Service { health, sessions: Vec::new() };
        look(&Tree::new().told(|told| told.service = Some(Ok(service))).machine())
    }

    #[test]
    fn a_service_says_itself_how_it_is() {
        let version = env!("CARGO_PKG_VERSION");
        let well = json!({"status": "healthy", "problems": [], "version": version});
        assert_eq!(with(well).verdict, Verdict::Pass);
        let ill = json!({"status": "degraded", "problems": ["TV Hall: off"], "version": version});
        let found = with(ill);
        assert_eq!((found.verdict, &*found.evidence[0]), (Verdict::Warn, "TV Hall: off"));
        assert_eq!(found.fixes[0].commands[0], "dashboard-cast health");
        let old = with(json!({"status": "healthy", "version": "0.0.1"}));
        assert!(old.says.contains("another version"), "{old:?}");
        assert_eq!(with(json!(7)).verdict, Verdict::Warn);
    }

    #[test]
    fn one_that_does_not_answer_fails_and_one_that_was_not_asked_does_not() {
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
        let tree = Tree::new().told(|told| told.service = Some(Err("no bus".into())));
        let found = look(&tree.machine());
        assert_eq!((found.verdict, &*found.evidence[0]), (Verdict::Fail, "no bus"));
        assert_eq!(found.fixes[0].commands[0], LOG);
    }
}
