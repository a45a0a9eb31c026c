//! Which finding is the cause, and which only follow from it.

use std::collections::BTreeMap;

use super::{checks::Check, finding::Finding};

/// For each check that follows from a broken one, the id of the first cause.
///
/// What could be better does not explain what fails.
pub(super) fn causes(
    checks: &[Check],
    findings: &[Finding],
) -> BTreeMap<&'static str, &'static str> {
    let mut causes: BTreeMap<&str, &str> = BTreeMap::new();
    // What is needed stands before what needs it.
    for (at, check) in checks.iter().enumerate() {
        let cause = check.needs.iter().find_map(|need| {
            let cause = causes.get(need).unwrap_or(need);
            let mut before = checks[..at].iter().zip(findings);
            let (_, found) = before.find(|(other, _)| other.id == *cause)?;
            let explains = found.is_broken() && found.verdict >= findings[at].verdict;
            explains.then_some(*cause)
        });
        if let Some(cause) = cause {
            causes.insert(check.id, cause);
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::{
        super::{checks::Subject, machine::Machine},
        *,
    };

    const fn check(id: &'static str, needs: &'static [&'static str]) -> Check {
        const fn look(_: &Machine) -> Finding {
            unreachable!()
        }
        Check { id, question: "", subject: Subject::Gpu, needs, manual: "", look }
    }

    #[test]
    fn what_follows_has_the_first_cause_however_far_it_is() {
        let checks = [
            check("cpu", &[]),
            check("node", &["cpu"]),
            check("access", &["node"]),
            check("proof", &["access", "driver"]),
            check("page", &[]),
        ];
        let (pass, fail) = (|| Finding::pass(""), || Finding::fail(""));
        let all = [pass(), fail(), Finding::skipped(""), fail(), fail()];
        assert_eq!(
            causes(&checks, &all),
            BTreeMap::from([("access", "node"), ("proof", "node")]),
            "the page has a cause of its own"
        );
        let warned = [pass(), Finding::warn(""), Finding::warn(""), fail(), pass()];
        assert_eq!(causes(&checks, &warned), BTreeMap::from([("access", "node")]));
        let well = [pass(), pass(), pass(), fail(), pass()];
        assert_eq!(causes(&checks, &well), BTreeMap::new());
    }
}
