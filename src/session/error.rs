use thiserror::Error;

use super::RequestError;
use crate::config::PolicyError;

/// Why a session was not started. Every edge translates it into its own words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct StartError {
    pub kind: StartErrorKind,
    /// What was attempted and what was in the way; for the caller to read.
    pub message: String,
    /// What to do about it, where there is more to say than `message` does.
    pub hint: Option<String>,
}

/// Whose move it is after a refused start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartErrorKind {
    /// The request makes no sense; sent again it will make none again.
    Invalid,
    /// No TV is meant, or several are.
    NoDevice,
    /// The configuration has no cast of this name.
    NoCast,
    /// The request makes sense and the configuration does not allow it.
    Forbidden,
    /// No session more fits; it would be accepted when another one ends.
    Busy,
    /// Our own fault or the machine's.
    Internal,
}

/// There are no random numbers for a session's names.
impl From<getrandom::Error> for StartError {
    fn from(error: getrandom::Error) -> Self {
        let message = format!("drawing a session's names: {error}");
        Self { kind: StartErrorKind::Internal, message, hint: None }
    }
}

/// Why there is no picture of a session.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PictureError {
    /// No such session is running.
    #[error("no such session is running")]
    NoSession,
    /// The session has not shown anything yet; it will soon.
    #[error("the session shows nothing yet")]
    NotYet,
    /// The encoder did not answer with a picture; a sentence for people.
    #[error("taking a picture: {0}")]
    Failed(String),
}

/// Why a running session's page was left as it is.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum NavigateError {
    /// No such session is running, or it is about to end.
    #[error("no such session is running")]
    NoSession,
    /// The address makes no sense; sent again it will make none again.
    #[error(transparent)]
    Address(#[from] RequestError),
    /// Chromium is told when it starts whether there are passwords to give.
    #[error("the address has a user name or a password, which only a start can give")]
    Credentials,
    /// The configuration does not allow this page.
    #[error(transparent)]
    Forbidden(#[from] PolicyError),
    /// Other sessions show the same page through the same browser and would go along.
    #[error("{others} other {} the page with this one and would go along", share(*.others))]
    Shared { others: usize },
    /// It has not taken the commands before this one yet; it will take more soon.
    #[error("the session does not take commands at the moment")]
    Busy,
}

impl NavigateError {
    /// What to do about it, where there is more to say than the message does.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Credentials => Some("Start the page instead, with auth.basic."),
            Self::Shared { .. } => Some(
                "Start the page instead, with this session's device and target: it takes the session's \
                 place, and the others stay as they are.",
            ),
            _ => None,
        }
    }
}

fn share(others: usize) -> &'static str {
    if others == 1 { "session shares" } else { "sessions share" }
}

impl From<RequestError> for StartError {
    fn from(error: RequestError) -> Self {
        Self { kind: StartErrorKind::Invalid, message: error.to_string(), hint: None }
    }
}
