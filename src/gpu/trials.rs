//! Which encodings were tried, what came of it, and when to try again: a pure value.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{
    media::MediaTime,
    session::{Encoding, Proof, Refusal},
};

/// After what time something that failed is tried again, the first time, the second, and so on.
const PATIENCE: [Duration; 4] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(3600),
];
/// What did well for so long has a clean slate.
const FORGIVEN: Duration = Duration::from_secs(3600);

/// An encoding that is worth a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) encoding: Encoding,
    /// All that its working depends on: a proof counts as long as this stays the same, also for another
    /// life.
    pub(super) key: String,
    /// When its node was changed last: another one, and the proof must be repeated.
    pub(super) changed: Option<(i64, i64)>,
}

/// What is known of an encoding.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Untried,
    Trying,
    Works(Proof),
    Refused(Refusal),
    /// It failed in a session, as this sentence says.
    Failed(String),
}

#[derive(Clone, Debug)]
struct Entry {
    key: String,
    changed: Option<(i64, i64)>,
    verdict: Verdict,
    /// When to try it again.
    again: Option<MediaTime>,
    failures: usize,
    failed_at: MediaTime,
}

impl Entry {
    fn new(candidate: &Candidate, verdict: Verdict) -> Self {
        let Candidate { key, changed, .. } = candidate.clone();
        let (again, failures, failed_at) = (None, 0, MediaTime::ZERO);
        Self { key, changed, verdict, again, failures, failed_at }
    }

    fn is_of(&self, candidate: &Candidate) -> bool {
        (&self.key, self.changed) == (&candidate.key, candidate.changed)
    }

    fn put_off(&mut self, now: MediaTime) {
        if now.since(self.failed_at) > FORGIVEN.into() {
            self.failures = 0;
        }
        let wait = PATIENCE[self.failures.min(PATIENCE.len() - 1)];
        self.failures += 1;
        self.failed_at = now;
        self.again = Some(now + wait.into());
    }
}

/// The candidates of this machine, best first, and what is known of them.
#[derive(Debug, Default)]
pub(super) struct Trials {
    candidates: Vec<Candidate>,
    entries: HashMap<Encoding, Entry>,
    surveyed: bool,
}

impl Trials {
    /// What there is to try, best first. What was known of those whose key is still the same stays
    /// known; `proofs` are from an earlier life, by key.
    pub(super) fn set(&mut self, candidates: Vec<Candidate>, proofs: &BTreeMap<String, Proof>) {
        let mut before = std::mem::take(&mut self.entries);
        for candidate in &candidates {
            let entry = match before.remove(&candidate.encoding) {
                Some(entry) if entry.is_of(candidate) => entry,
                Some(_) => Entry::new(candidate, Verdict::Untried),
                None => {
                    let proof = proofs.get(&candidate.key).cloned();
                    Entry::new(candidate, proof.map_or(Verdict::Untried, Verdict::Works))
                }
            };
            self.entries.insert(candidate.encoding.clone(), entry);
        }
        self.candidates = candidates;
        self.surveyed = true;
    }

    /// What is to be tried now. It counts as being tried from here on.
    pub(super) fn due(&mut self, now: MediaTime) -> Vec<Candidate> {
        let mut due = Vec::new();
        for candidate in &self.candidates {
            let Some(entry) = self.entries.get_mut(&candidate.encoding) else { continue };
            if entry.again.take_if(|again| *again <= now).is_some() {
                entry.verdict = Verdict::Untried;
            }
            if entry.verdict == Verdict::Untried {
                entry.verdict = Verdict::Trying;
                due.push(candidate.clone());
            }
        }
        due
    }

    /// When something is due that is not yet.
    pub(super) fn deadline(&self) -> Option<MediaTime> {
        self.entries.values().filter_map(|entry| entry.again).min()
    }

    /// The outcome of a trial. It is void when something changed meanwhile.
    pub(super) fn came_to(
        &mut self,
        now: MediaTime,
        candidate: &Candidate,
        outcome: Result<Proof, Refusal>,
    ) {
        let Some(entry) = self.entries.get_mut(&candidate.encoding) else { return };
        if !entry.is_of(candidate) || entry.verdict != Verdict::Trying {
            return;
        }
        entry.verdict = match outcome {
            Ok(proof) => Verdict::Works(proof),
            Err(refusal) => {
                if may_pass(&refusal) {
                    entry.put_off(now);
                }
                Verdict::Refused(refusal)
            }
        };
    }

    /// It failed in a session. When it `hung`, all else on the same node is kept away from it as well:
    /// what hangs is the GPU.
    pub(super) fn failed(&mut self, now: MediaTime, failed: &Encoding, hung: bool, why: &str) {
        for (encoding, entry) in &mut self.entries {
            let shares = hung && encoding.node().is_some() && encoding.node() == failed.node();
            if (encoding == failed || shares) && matches!(entry.verdict, Verdict::Works(_)) {
                entry.verdict = Verdict::Failed(why.to_owned());
                entry.put_off(now);
            }
        }
    }

    /// What works, best first, and software; nothing as long as something better may still turn out to
    /// work.
    pub(super) fn encodings(&self) -> Vec<Encoding> {
        let mut works = Vec::new();
        for Candidate { encoding, .. } in &self.candidates {
            match self.verdict(encoding) {
                Some(Verdict::Works(_)) => works.push(encoding.clone()),
                Some(Verdict::Untried | Verdict::Trying) if works.is_empty() && !self.had_one() => {
                    return Vec::new();
                }
                _ => {}
            }
        }
        if self.surveyed {
            works.push(Encoding::Software);
        }
        works
    }

    /// Something failed before: nobody waits for what is tried again.
    fn had_one(&self) -> bool {
        self.entries.values().any(|entry| entry.failures > 0)
    }

    pub(super) fn verdict(&self, encoding: &Encoding) -> Option<&Verdict> {
        self.entries.get(encoding).map(|entry| &entry.verdict)
    }

    /// What is worth keeping for another life, by key.
    pub(super) fn proofs(&self) -> BTreeMap<String, Proof> {
        let proven = self.entries.values().filter_map(|entry| match &entry.verdict {
            Verdict::Works(proof) => Some((entry.key.clone(), proof.clone())),
            _ => None,
        });
        proven.collect()
    }
}

/// Troubles of the moment. The others stay until something changes, which is then another key.
const fn may_pass(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Failed(_) | Refusal::WrongPicture { .. } | Refusal::Crashed | Refusal::Hung
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Api;

    fn on(api: Api, node: &str) -> Encoding {
        Encoding::Hardware { api, node: node.into(), driver: None }
    }

    fn candidate(encoding: Encoding) -> Candidate {
        let key = format!("{encoding} then");
        Candidate { encoding, key, changed: None }
    }

    fn proof() -> Proof {
        Proof {
            rate_control: "VBR".to_owned(),
            driver: "a driver".to_owned(),
            similarity: 0.99,
            took: Duration::from_millis(300),
        }
    }

    fn at(seconds: u64) -> MediaTime {
        Duration::from_secs(seconds).into()
    }

    /// QuickSync and VA-API on one GPU.
    fn two() -> (Trials, Candidate, Candidate) {
        let mut trials = Trials::default();
        let (qsv, vaapi) = (candidate(on(Api::Qsv, "/a")), candidate(on(Api::Vaapi, "/a")));
        trials.set(vec![qsv.clone(), vaapi.clone()], &BTreeMap::new());
        (trials, qsv, vaapi)
    }

    #[test]
    fn nothing_is_said_before_it_is_known() {
        let mut trials = Trials::default();
        assert_eq!(trials.encodings(), []);
        trials.set(Vec::new(), &BTreeMap::new());
        assert_eq!(trials.encodings(), [Encoding::Software]);
    }

    #[test]
    fn the_best_that_works_comes_first_as_soon_as_it_is_known_to_be_that() {
        let (mut trials, qsv, vaapi) = two();
        assert_eq!(trials.due(at(0)), [qsv.clone(), vaapi.clone()]);
        assert_eq!(trials.due(at(0)), [], "they are being tried");
        trials.came_to(at(1), &vaapi, Ok(proof()));
        assert_eq!(trials.encodings(), [], "QuickSync would be better");
        trials.came_to(at(1), &qsv, Ok(proof()));
        let all = [qsv.encoding.clone(), vaapi.encoding.clone(), Encoding::Software];
        assert_eq!(trials.encodings(), all);
    }

    #[test]
    fn what_is_missing_is_not_looked_for_again_and_what_may_pass_is() {
        let (mut trials, qsv, vaapi) = two();
        trials.due(at(0));
        trials.came_to(at(1), &qsv, Err(Refusal::NoRuntime("-9".to_owned())));
        assert_eq!(trials.deadline(), None);
        trials.came_to(at(1), &vaapi, Err(Refusal::Crashed));
        assert_eq!(trials.encodings(), [Encoding::Software]);
        assert_eq!(trials.deadline(), Some(at(11)));
        assert_eq!(trials.due(at(10)), []);
        assert_eq!(trials.due(at(11)), vec![vaapi.clone()]);
        assert_eq!(trials.encodings(), [Encoding::Software], "nobody waits for it");
        trials.came_to(at(12), &vaapi, Err(Refusal::Crashed));
        assert_eq!(trials.deadline(), Some(at(72)), "with more and more patience");
    }

    #[test]
    fn what_fails_in_a_session_must_prove_itself_again() {
        let (mut trials, qsv, vaapi) = two();
        trials.due(at(0));
        trials.came_to(at(1), &qsv, Ok(proof()));
        trials.came_to(at(1), &vaapi, Ok(proof()));
        trials.failed(at(20), &qsv.encoding, false, "no more");
        assert_eq!(trials.encodings(), [vaapi.encoding.clone(), Encoding::Software]);
        trials.failed(at(21), &qsv.encoding, false, "another session says the same");
        assert_eq!(trials.due(at(30)), vec![qsv.clone()]);
        trials.came_to(at(31), &qsv, Ok(proof()));
        assert_eq!(trials.encodings()[0], qsv.encoding);
        assert_eq!(trials.proofs().len(), 2);
    }

    #[test]
    fn a_gpu_that_hangs_is_left_alone_altogether() {
        let (mut trials, qsv, vaapi) = two();
        trials.due(at(0));
        trials.came_to(at(1), &qsv, Ok(proof()));
        trials.came_to(at(1), &vaapi, Ok(proof()));
        trials.failed(at(20), &qsv.encoding, true, "hangs");
        assert_eq!(trials.encodings(), [Encoding::Software]);
    }

    #[test]
    fn a_change_asks_for_a_new_proof_and_what_is_the_same_needs_none() {
        let (mut trials, qsv, vaapi) = two();
        trials.due(at(0));
        trials.came_to(at(1), &vaapi, Ok(proof()));
        let changed = Candidate { key: "chmod".to_owned(), ..qsv.clone() };
        trials.set(vec![changed.clone(), vaapi.clone()], &BTreeMap::new());
        assert_eq!(trials.due(at(2)), [changed]);
        trials.came_to(at(3), &qsv, Ok(proof()));
        assert_eq!(trials.encodings(), [], "it was proven as it was before");
        let kept = trials.proofs();
        let mut next = Trials::default();
        next.set(vec![vaapi.clone()], &kept);
        assert_eq!(next.due(at(0)), []);
        assert_eq!(next.encodings(), [vaapi.encoding.clone(), Encoding::Software]);
        let chmod = Candidate { changed: Some((7, 0)), ..vaapi };
        next.set(vec![chmod.clone()], &kept);
        assert_eq!(next.due(at(1)), [chmod], "its node is not as it was proven with");
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let (mut trials, qsv, _) = two();
        trials.due(at(0));
        trials.came_to(at(1), &qsv, Ok(proof()));
        trials.set(Vec::new(), &BTreeMap::new());
        assert_eq!(trials.encodings(), [Encoding::Software]);
        trials.failed(at(2), &qsv.encoding, false, "it was pulled out");
    }
}
