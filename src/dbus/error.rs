//! What a refused call is told.

use thiserror::Error;
use zbus::{DBusError, Message, message::Header, names::ErrorName};

use super::names::{BUS_NAME, Bus, text};
use crate::{
    control::{DiagnoseError, Lost, ReloadError},
    error::sentence,
    session::{NavigateError, PictureError, StartError, StartErrorKind},
};

/// Why the service is not on the bus.
#[derive(Debug, Error)]
pub enum BusError {
    /// No bus is there, or it does not take us.
    #[error("connecting to {bus}")]
    Connect {
        bus: Bus,
        #[source]
        cause: zbus::Error,
    },
    /// The bus policy gives the name to somebody else, which is so where nothing is installed.
    #[error("the policy of {bus} does not let this user own {BUS_NAME}")]
    NotAllowed {
        bus: Bus,
        #[source]
        cause: zbus::Error,
    },
    #[error("another dashboard-cast is on {bus} as {BUS_NAME}")]
    Taken { bus: Bus },
    #[error("making the objects on {bus}")]
    Objects {
        bus: Bus,
        #[source]
        cause: zbus::Error,
    },
}

/// One error, on its way to the caller. A hint is the message's second line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub(super) struct Error {
    kind: Kind,
    message: String,
}

/// The names that errors have on the bus. Names of D-Bus itself are used for what they mean there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    NoSuchSession,
    NoSuchDevice,
    NoSuchCast,
    /// The request makes no sense.
    InvalidRequest,
    /// The configuration does not allow the page.
    Forbidden,
    /// It would be possible when something else ends.
    Busy,
    /// Others would have to go along.
    Shared,
    /// There is no picture yet.
    NotYet,
    /// The configuration files cannot be used.
    InvalidConfiguration,
    /// Our own fault or the machine's.
    Internal,
    /// The caller may not.
    AccessDenied,
    /// The caller might, if it could be asked for a password.
    InteractiveAuthorizationRequired,
    /// What was sent cannot be read.
    InvalidArgs,
    /// Too many calls at a time, or too much in one.
    LimitsExceeded,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::NoSuchSession => "org.dashboardcast1.NoSuchSession",
            Self::NoSuchDevice => "org.dashboardcast1.NoSuchDevice",
            Self::NoSuchCast => "org.dashboardcast1.NoSuchCast",
            Self::InvalidRequest => "org.dashboardcast1.InvalidRequest",
            Self::Forbidden => "org.dashboardcast1.Forbidden",
            Self::Busy => "org.dashboardcast1.Busy",
            Self::Shared => "org.dashboardcast1.Shared",
            Self::NotYet => "org.dashboardcast1.NotYet",
            Self::InvalidConfiguration => "org.dashboardcast1.InvalidConfiguration",
            Self::Internal => "org.dashboardcast1.Internal",
            Self::AccessDenied => "org.freedesktop.DBus.Error.AccessDenied",
            Self::InteractiveAuthorizationRequired => {
                "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
            }
            Self::InvalidArgs => "org.freedesktop.DBus.Error.InvalidArgs",
            Self::LimitsExceeded => "org.freedesktop.DBus.Error.LimitsExceeded",
        }
    }
}

impl Error {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: text(message.into()) }
    }

    pub(super) fn hint(mut self, hint: &str) -> Self {
        self.message.push('\n');
        self.message.push_str(hint);
        self
    }

    pub(super) fn no_such_session() -> Self {
        Self::new(Kind::NoSuchSession, "no such session is running")
            .hint("ListSessions tells what is.")
    }
}

impl From<DiagnoseError> for Error {
    fn from(error: DiagnoseError) -> Self {
        Self::new(Kind::Internal, sentence(&error)).hint(DiagnoseError::HINT)
    }
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::new(Kind::Internal, lost.to_string()).hint(Lost::HINT)
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        let kind = match error.kind {
            StartErrorKind::Invalid => Kind::InvalidRequest,
            StartErrorKind::NoDevice => Kind::NoSuchDevice,
            StartErrorKind::NoCast => Kind::NoSuchCast,
            StartErrorKind::Forbidden => Kind::Forbidden,
            StartErrorKind::Busy => Kind::Busy,
            StartErrorKind::Internal => Kind::Internal,
        };
        let refusal = Self::new(kind, error.message);
        match error.hint {
            Some(hint) => refusal.hint(&hint),
            None => refusal,
        }
    }
}

impl From<PictureError> for Error {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::NoSession => Self::no_such_session(),
            PictureError::NotYet => Self::new(Kind::NotYet, error.to_string()),
            PictureError::Failed(_) => Self::new(Kind::Internal, error.to_string()),
        }
    }
}

impl From<NavigateError> for Error {
    fn from(error: NavigateError) -> Self {
        let kind = match error {
            NavigateError::NoSession => return Self::no_such_session(),
            NavigateError::Address(_) | NavigateError::Credentials => Kind::InvalidRequest,
            NavigateError::Forbidden(_) => Kind::Forbidden,
            NavigateError::Shared { .. } => Kind::Shared,
            NavigateError::Busy => Kind::Busy,
        };
        let refusal = Self::new(kind, error.to_string());
        match error.hint() {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }
}

impl From<ReloadError> for Error {
    fn from(error: ReloadError) -> Self {
        let kind = match error {
            ReloadError::Settings(_) => Kind::InvalidConfiguration,
            ReloadError::NoSource => Kind::InvalidRequest,
            ReloadError::Read(_) => Kind::Internal,
        };
        Self::new(kind, error.problems().join("\n"))
    }
}

impl DBusError for Error {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name()).build(&self.message)
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_static_str_unchecked(self.kind.name())
    }

    fn description(&self) -> Option<&str> {
        Some(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_the_second_line() {
        let error = Error::from(StartError {
            kind: StartErrorKind::Busy,
            message: "4 pages are open, as many as may".to_owned(),
            hint: Some("Stop one.".to_owned()),
        });
        assert_eq!(error.name().as_str(), "org.dashboardcast1.Busy");
        assert_eq!(error.description(), Some("4 pages are open, as many as may\nStop one."));
    }
}
