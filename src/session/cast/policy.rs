//! How a cast behaves towards the people in front of the TV.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::OnBusy;

/// The manners of one cast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub on_busy: OnBusy,
    /// How long the screen must have been idle before we return to it, after somebody took it or
    /// stopped us. `None`: never; only a new start brings us back.
    pub resume_after: Option<Duration>,
}

/// Between two episodes, or two apps, the screen is idle for a moment: that is not the end of it.
const GAP: Duration = Duration::from_secs(5);
/// Of `preempt-and-return` without [`Policy::resume_after`].
const RETURN_AFTER: Duration = Duration::from_secs(60);

impl Policy {
    /// How long the screen must be idle until it is ours (again); `None`: it never is.
    pub(super) fn returns_after(&self, hold: &Hold) -> Option<Duration> {
        let asked_for = self.resume_after;
        match hold {
            Hold::Busy(_) => asked_for.or(Some(GAP)),
            Hold::TakenOver(_) if self.on_busy == OnBusy::PreemptAndReturn => {
                asked_for.or(Some(RETURN_AFTER))
            }
            Hold::TakenOver(_) | Hold::Stopped(_) => asked_for,
        }
    }
}

/// Why the screen is left to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// By what it showed when we came.
    Busy(String),
    /// By what somebody started while it was ours.
    TakenOver(String),
    /// Somebody ended us; how, as a sentence.
    Stopped(String),
}

impl Hold {
    /// A sentence for people.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Busy(by) => format!("the TV was in use when the cast began: {by}"),
            Self::TakenOver(by) => format!("somebody started something else on the TV: {by}"),
            Self::Stopped(how) => how.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_the_same_in_requests_and_in_answers() {
        for policy in OnBusy::ALL {
            let json = format!("\"{policy}\"");
            assert_eq!(serde_json::to_string(&policy).unwrap(), json);
            assert_eq!(serde_json::from_str::<OnBusy>(&json).unwrap(), policy);
        }
    }

    #[test]
    fn whoever_said_stop_is_only_overruled_by_resume_after() {
        let stopped = Hold::Stopped("somebody pressed stop".to_owned());
        for on_busy in OnBusy::ALL {
            assert_eq!(Policy { on_busy, resume_after: None }.returns_after(&stopped), None);
            let resume_after = Some(Duration::from_secs(9));
            assert_eq!(Policy { on_busy, resume_after }.returns_after(&stopped), resume_after);
        }
    }
}
