//! Which session is meant.

use std::fmt;

use clap::Args;
use thiserror::Error;

use super::Session;

/// For verbs that are about one session.
#[derive(Debug, Args)]
pub(in crate::cli) struct Which {
    /// The session, given by its id, the beginning of it, its TV or its target; by default the only
    /// one.
    pub(super) session: Option<String>,
}

/// Sessions that a message names.
const MOST_NAMED: usize = 10;

/// Why no session was chosen. The message lists what there is to choose from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::cli) enum ChooseError {
    #[error("no session is running")]
    NoneRuns,
    /// None was named, and there are several.
    #[error("several sessions are running:{0}")]
    Several(Running),
    #[error("there is no session {asked:?}; running are:{running}")]
    Unknown { asked: String, running: Running },
    #[error("several sessions are {asked:?}:{candidates}")]
    Ambiguous { asked: String, candidates: Running },
}

/// Sessions to choose from, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Running(Vec<String>);

impl<'a> FromIterator<&'a Session> for Running {
    fn from_iter<I: IntoIterator<Item = &'a Session>>(sessions: I) -> Self {
        Self(sessions.into_iter().map(|own| format!("{}  {}", own.id, own.title())).collect())
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.iter().take(MOST_NAMED) {
            write!(f, "\n  {line}")?;
        }
        match self.0.len().saturating_sub(MOST_NAMED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// The session with this id; else the only one whose id begins like this, whose TV has this name or
/// UUID, or whose target is this. Without a name, the only one that runs.
pub(in crate::cli) fn choose<'a>(
    sessions: &'a [Session],
    asked: Option<&str>,
) -> Result<&'a Session, ChooseError> {
    let Some(asked) = asked else {
        return match sessions {
            [] => Err(ChooseError::NoneRuns),
            [only] => Ok(only),
            several => Err(ChooseError::Several(several.iter().collect())),
        };
    };
    if sessions.is_empty() {
        return Err(ChooseError::NoneRuns);
    }
    if let Some(exact) = sessions.iter().find(|own| own.id == asked) {
        return Ok(exact);
    }
    let meant: Vec<_> = sessions.iter().filter(|own| is_meant(own, asked)).collect();
    match meant[..] {
        [] => Err(ChooseError::Unknown {
            asked: asked.to_owned(),
            running: sessions.iter().collect(),
        }),
        [only] => Ok(only),
        _ => Err(ChooseError::Ambiguous {
            asked: asked.to_owned(),
            candidates: meant.into_iter().collect(),
        }),
    }
}

/// Whether a name can mean this session.
fn is_meant(session: &Session, asked: &str) -> bool {
    let asked = asked.trim().to_lowercase();
    if asked.is_empty() {
        return false;
    }
    session.id.starts_with(&asked)
        || session
            .device
            .as_ref()
            .is_some_and(|tv| tv.name.to_lowercase() == asked || tv.id == asked.replace('-', ""))
        || session.target.to_lowercase() == asked
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::service::tests::session;

    const UUID: &str = "00112233445566778899aabbccddeeff";

    fn sessions() -> Vec<Session> {
        let on = |id: &str, tv: &str, uuid: &str| {
            let device = format!("/org/dashboardcast1/device/{uuid}");
            session(json!({"Id": id, "Url": "http://x/", "DeviceName": tv, "Device": device}))
        };
        vec![
            on("1a2b3c4d", "Kitchen", UUID),
            on("1a9f0000", "Living room", &UUID.replace('0', "1")),
            on("ab00cafe", "ab", &UUID.replace('0', "2")),
            session(json!({"Id": "abab0000", "Url": "http://y/", "Device": "/"})),
        ]
    }

    fn meant(asked: &str) -> Result<String, ChooseError> {
        choose(&sessions(), Some(asked)).map(|session| session.id.clone())
    }

    #[test]
    fn ids_beginnings_names_and_uuids_are_understood() {
        for (asked, id) in [
            ("1a2b3c4d", "1a2b3c4d"),
            ("1a2", "1a2b3c4d"),
            ("1A9", "1a9f0000"),
            ("kitchen", "1a2b3c4d"),
            ("Living room", "1a9f0000"),
            (UUID, "1a2b3c4d"),
            ("00112233-4455-6677-8899-AABBCCDDEEFF", "1a2b3c4d"),
            ("aba", "abab0000"),
        ] {
            assert_eq!(meant(asked).as_deref(), Ok(id), "{asked}");
        }
    }

    #[test]
    fn what_can_mean_two_means_none_and_both_are_listed() {
        let error = meant("1a").unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, ChooseError::Ambiguous { .. }), "{said}");
        assert!(said.contains("\n  1a2b3c4d  http://x/ on Kitchen\n  1a9f0000"), "{said}");
        // A TV's name that is another session's beginning, too.
        assert!(matches!(meant("ab"), Err(ChooseError::Ambiguous { .. })));
    }

    #[test]
    fn an_unknown_name_lists_what_runs() {
        for asked in ["", " ", "2", "1a2b3c4d5", "Kitche"] {
            let said = meant(asked).unwrap_err().to_string();
            assert!(said.contains("there is no session") && said.contains("abab0000"), "{said}");
        }
        assert_eq!(choose(&[], Some("1a")).unwrap_err(), ChooseError::NoneRuns);
    }

    #[test]
    fn without_a_name_the_only_one_is_meant() {
        assert_eq!(choose(&sessions()[..1], None).unwrap().id, "1a2b3c4d");
        assert!(matches!(choose(&sessions(), None), Err(ChooseError::Several(_))));
        assert_eq!(choose(&[], None).unwrap_err(), ChooseError::NoneRuns);
    }

    #[test]
    fn a_long_list_is_cut() {
        let many: Vec<_> = std::iter::repeat_n(sessions(), 4).flatten().collect();
        let said = choose(&many, None).unwrap_err().to_string();
        assert_eq!(said.lines().count(), MOST_NAMED + 2, "{said}");
        assert!(said.ends_with("and 6 more"), "{said}");
    }
}
