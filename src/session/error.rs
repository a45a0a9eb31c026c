use thiserror::Error;

use super::RequestError;

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
    /// The request makes sense and the configuration does not allow it.
    Forbidden,
    /// No session more fits; it would be accepted when another one ends.
    Busy,
    /// Our own fault or the machine's.
    Internal,
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

impl From<RequestError> for StartError {
    fn from(error: RequestError) -> Self {
        Self { kind: StartErrorKind::Invalid, message: error.to_string(), hint: None }
    }
}
