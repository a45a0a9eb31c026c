//! What a check comes to.

use std::cmp::Reverse;

use serde::Serialize;

/// Of several findings together: nobody types more.
const MOST_COMMANDS: usize = 3;

/// How well what was asked about is. The order is from well to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Pass,
    /// It does not matter here, or could not be found out.
    Skipped,
    /// It works, but not as well as it could.
    Warn,
    Fail,
}

/// Where something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On this machine.
    Here,
    /// On the machine that runs this container or virtual machine.
    Host,
    /// In the firmware's set-up of the real machine.
    Firmware,
    /// With the TV.
    Tv,
    /// In the network between.
    Network,
}

/// A thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    pub place: Place,
    /// What it is for, or what to do where no command does it; a sentence.
    pub words: String,
    /// To be typed as they are, by root; what must be filled in is in capitals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub verdict: Verdict,
    /// A sentence.
    pub says: String,
    /// What was read, and where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// In the order in which to do them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
}

impl Finding {
    pub(super) fn pass(says: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, says)
    }

    /// The sentence says why.
    pub(super) fn skipped(says: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, says)
    }

    pub(super) fn warn(says: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, says)
    }

    pub(super) fn fail(says: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, says)
    }

    fn new(verdict: Verdict, says: impl Into<String>) -> Self {
        Self { verdict, says: says.into(), evidence: Vec::new(), fixes: Vec::new() }
    }

    /// With something that was read.
    pub(super) fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    /// With something to do that no command does.
    pub(super) fn advise(self, place: Place, words: impl Into<String>) -> Self {
        self.run(place, words, &[])
    }

    /// With something to do, and the commands for it.
    pub(super) fn run(mut self, place: Place, words: impl Into<String>, commands: &[&str]) -> Self {
        let commands = commands.iter().map(|command| (*command).to_owned()).collect();
        self.fixes.push(Fix { place, words: words.into(), commands });
        self
    }

    /// With what an encoder's refusal says to do here: a command, with or without a remark, or a sentence.
    pub(super) fn remedy(self, words: &str, remedy: &str) -> Self {
        match (remedy.starts_with("apt install "), remedy.split_once(" (")) {
            (true, Some((command, remark))) => {
                let remark = remark.trim_end_matches(')');
                self.run(Place::Here, format!("{words}, {remark}"), &[command])
            }
            (true, None) => self.run(Place::Here, words, &[remedy]),
            (false, _) => self.advise(Place::Here, remedy),
        }
    }

    /// The worst of several, with what the others have to say; `None` of none.
    pub(super) fn worst_of(mut findings: Vec<Self>) -> Option<Self> {
        findings.sort_by_key(|finding| Reverse(finding.verdict));
        let mut rest = findings.into_iter();
        let mut worst = rest.next()?;
        for other in rest {
            if !other.says.is_empty() && other.says != worst.says {
                worst.evidence.push(other.says);
            }
            worst.evidence.extend(other.evidence);
            for fix in other.fixes {
                let commands = worst.fixes.iter().chain([&fix]).map(|fix| fix.commands.len());
                if commands.sum::<usize>() <= MOST_COMMANDS && !worst.fixes.contains(&fix) {
                    worst.fixes.push(fix);
                }
            }
        }
        Some(worst)
    }

    /// Whether somebody should do something about it.
    pub(super) const fn is_broken(&self) -> bool {
        matches!(self.verdict, Verdict::Warn | Verdict::Fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_worst_speaks_and_the_others_are_evidence() {
        let some = vec![
            Finding::pass("one is well").seen("a"),
            Finding::warn("two is slow").run(Place::Here, "hurry", &["x"]),
            Finding::fail("three is gone").seen("b").run(Place::Tv, "switch it on", &[]),
            Finding::fail("four is gone").run(Place::Tv, "switch it on", &[]),
        ];
        let worst = Finding::worst_of(some).unwrap();
        assert_eq!((worst.verdict, &*worst.says), (Verdict::Fail, "three is gone"));
        assert_eq!(worst.evidence, ["b", "four is gone", "two is slow", "one is well", "a"]);
        assert_eq!(worst.fixes.len(), 2, "the same is done once");
        assert_eq!(Finding::worst_of(Vec::new()), None);
    }
}
