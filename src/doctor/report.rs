//! What people and programs are told of a machine.

use serde::Serialize;

use super::{
    chain::causes,
    checks::{ALL, Check, Subject},
    finding::{Finding, Verdict},
    machine::Machine,
};

/// All that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The program's.
    pub version: &'static str,
    /// The worst of all.
    pub verdict: Verdict,
    /// What to see to, the most important first. What only follows from something is not among it.
    pub causes: Vec<&'static str>,
    pub checks: Vec<Entry>,
}

/// A check and what it found.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    pub id: &'static str,
    pub question: &'static str,
    pub subject: Subject,
    #[serde(flatten)]
    pub finding: Finding,
    /// The check whose trouble this one follows from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<&'static str>,
    /// Where to read more.
    pub manual: &'static str,
}

impl Entry {
    fn is_cause(&self) -> bool {
        self.because.is_none() && self.finding.is_broken()
    }
}

impl Report {
    /// Examines a machine. With `only`, these checks alone are told, and what stands in their way.
    pub fn of(machine: &Machine, only: &[String]) -> Self {
        let findings: Vec<Finding> = ALL
            .iter()
            .map(|check| match elsewhere(check, machine) {
                Some(says) => Finding::skipped(says),
                None => (check.look)(machine),
            })
            .collect();
        let because = causes(ALL, &findings);
        let entries = ALL.iter().zip(findings).map(|(check, finding)| Entry {
            id: check.id,
            question: check.question,
            subject: check.subject,
            // What is well needs no excuse, and what is elsewhere has one.
            because: because.get(check.id).copied().filter(|_| {
                finding.verdict != Verdict::Pass && elsewhere(check, machine).is_none()
            }),
            finding,
            manual: check.manual,
        });
        let mut checks: Vec<Entry> = entries.collect();
        if !only.is_empty() {
            let asked = |id: &str| only.iter().any(|own| own == id);
            let wanted: Vec<&str> = checks
                .iter()
                .filter(|entry| asked(entry.id))
                .filter_map(|entry| entry.because)
                .collect();
            checks.retain(|entry| asked(entry.id) || wanted.contains(&entry.id));
        }
        let mut found: Vec<&Entry> = checks.iter().filter(|entry| entry.is_cause()).collect();
        // What fails comes before what could be better; else the order of the checks.
        found.sort_by_key(|entry| std::cmp::Reverse(entry.finding.verdict));
        Self {
            version: env!("CARGO_PKG_VERSION"),
            verdict: worst(&checks),
            causes: found.iter().map(|entry| entry.id).collect(),
            checks,
        }
    }

    /// The entry of this check.
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.checks.iter().find(|entry| entry.id == id)
    }
}

/// What only they need who encode. A host needs none of it to give its GPU to a guest.
const ENCODING: [&str; 8] = [
    "node-access",
    "va-driver",
    "va-encoder",
    "quicksync-runtime",
    "gpu-firmware",
    "libavcodec",
    "proof",
    "encoder",
];

/// On a host whose guests have the service, what is asked of the service and its encoders is asked in
/// vain; a sentence.
fn elsewhere(check: &Check, machine: &Machine) -> Option<&'static str> {
    let says = match check.subject {
        Subject::Service | Subject::Page | Subject::Tv => {
            "this is a host: the service is in a guest, and so is its doctor"
        }
        Subject::Gpu if ENCODING.contains(&check.id) => {
            "this is a host: what encodes is in a guest"
        }
        Subject::Gpu | Subject::Machine => return None,
    };
    machine.is_only_host().then_some(says)
}

fn worst(checks: &[Entry]) -> Verdict {
    let verdicts = checks.iter().map(|entry| entry.finding.verdict);
    // What was skipped is no reason to worry.
    let told = verdicts.filter(|verdict| *verdict != Verdict::Skipped);
    told.max().unwrap_or(Verdict::Skipped)
}

/// The ids that a check can be asked for by.
pub fn ids() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|Check { id, .. }| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_is_not_asked_has_the_name_of_a_check() {
        for id in ENCODING {
            let check = ALL.iter().find(|check| check.id == id).expect("a check of this name");
            assert_eq!(check.subject, Subject::Gpu, "{id}");
        }
    }
}
