//! Why the service did not do what was asked, and what can be done about it.

use std::time::Duration;

use thiserror::Error;
use zbus::fdo;

use super::ChooseError;
use crate::{cli::screen::plain, dbus::Bus};

#[derive(Debug, Error)]
pub(in crate::cli) enum ServiceError {
    #[error("connecting to {bus}")]
    NoBus {
        bus: Bus,
        #[source]
        cause: zbus::Error,
    },
    /// Nobody has the name on the bus, and the bus could not start it.
    #[error("the service is not running{}", of_cause(cause))]
    NotRunning { bus: Bus, cause: String },
    #[error("you may not do that{}", of_cause(cause))]
    Denied { bus: Bus, cause: String },
    #[error(transparent)]
    Choice(#[from] ChooseError),
    /// It has ended since it was found.
    #[error("the session has ended")]
    Ended,
    /// The service says no, in its own words.
    #[error("{message}")]
    Refused { message: String, hint: Option<String> },
    /// A member of the interface that this program knows is not there.
    #[error("the service cannot do that: {message}")]
    Lacks { message: String },
    /// It ended, or was ended, before it answered, or it takes too long to come up.
    #[error("the service does not answer: {message}")]
    Lost { message: String },
    /// A bug of the service, or of this program.
    #[error("the service failed: {message}")]
    Broken { message: String },
    #[error("the service has not answered within {} s", limit.as_secs())]
    Silent { limit: Duration },
    #[error("reading what the service says of {what}")]
    Unreadable {
        what: &'static str,
        #[source]
        cause: serde_json::Error,
    },
    /// The connection, for instance.
    #[error("asking the service")]
    Bus(#[source] zbus::Error),
}

fn of_cause(cause: &str) -> String {
    if cause.is_empty() { String::new() } else { format!(": {cause}") }
}

/// A sentence, and on the next line what to do about it: so the service writes its errors.
fn lines(text: &str) -> (String, Option<String>) {
    match text.split_once('\n') {
        Some((message, hint)) => (plain(message), Some(plain(hint))),
        None => (plain(text), None),
    }
}

/// What is wrong with a configuration is a line for each problem, and begins with its place.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("\n  {}", plain(line))).collect()
}

impl ServiceError {
    pub(super) fn judge(bus: Bus, error: zbus::Error) -> Self {
        match error {
            zbus::Error::MethodError(name, text, _) => {
                Self::of_name(bus, name.as_str(), text.as_deref().unwrap_or_default())
            }
            zbus::Error::FDO(error) => Self::of_bus(bus, *error),
            error => Self::Bus(error),
        }
    }

    /// Errors of the service, and of whoever should have started it.
    fn of_name(bus: Bus, name: &str, text: &str) -> Self {
        let (message, hint) = lines(text);
        match name.strip_prefix("org.dashboardcast1.") {
            Some("NoSuchSession") => Self::Ended,
            Some("Internal") => Self::Broken { message },
            Some("InvalidConfiguration") => Self::Refused {
                message: format!("the configuration cannot be used:{}", indented(text)),
                hint: Some("The one before still holds; correct it and reload again.".to_owned()),
            },
            Some(_) => Self::Refused { message, hint },
            // The bus asks systemd to start the unit, and hands on why that did not work.
            None if name.starts_with("org.freedesktop.systemd1.") => {
                Self::NotRunning { bus, cause: message }
            }
            None => Self::Broken { message: format!("{message} ({})", plain(name)) },
        }
    }

    /// Errors of D-Bus itself; the service uses some of them as well.
    fn of_bus(bus: Bus, error: fdo::Error) -> Self {
        use fdo::Error as E;
        match error {
            // Nobody needs to be told which name no .service file provides.
            E::ServiceUnknown(_) | E::NameHasNoOwner(_) => {
                Self::NotRunning { bus, cause: String::new() }
            }
            E::SpawnExecFailed(text)
            | E::SpawnForkFailed(text)
            | E::SpawnChildExited(text)
            | E::SpawnChildSignaled(text)
            | E::SpawnFailed(text)
            | E::SpawnFailedToSetup(text)
            | E::SpawnConfigInvalid(text)
            | E::SpawnServiceNotValid(text)
            | E::SpawnServiceNotFound(text)
            | E::SpawnPermissionsInvalid(text)
            | E::SpawnFileInvalid(text)
            | E::SpawnNoMemory(text) => Self::NotRunning { bus, cause: plain(&text) },
            E::AccessDenied(text)
            | E::AuthFailed(text)
            | E::InteractiveAuthorizationRequired(text) => {
                Self::Denied { bus, cause: lines(&text).0 }
            }
            // A path is only ever asked for that the service has named.
            E::UnknownObject(_) => Self::Ended,
            E::InvalidArgs(text) | E::LimitsExceeded(text) => {
                let (message, hint) = lines(&text);
                Self::Refused { message, hint }
            }
            E::UnknownInterface(text) | E::UnknownMethod(text) | E::UnknownProperty(text) => {
                Self::Lacks { message: plain(&text) }
            }
            E::NoReply(text) | E::Disconnected(text) | E::Timeout(text) | E::TimedOut(text) => {
                Self::Lost { message: plain(&text) }
            }
            E::ZBus(error) => Self::Bus(error),
            error => Self::Broken { message: plain(&error.to_string()) },
        }
    }

    /// What the caller can do about it.
    pub(in crate::cli) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoBus { bus: Bus::System, .. } => {
                "Without a system bus, run a service of your own: dbus-run-session sh, and there \
                 dashboard-cast daemon --session & dashboard-cast --session status"
            }
            Self::NoBus { bus: Bus::Session, .. } => {
                "A desktop has a session bus; elsewhere, make one: dbus-run-session sh"
            }
            Self::NotRunning { bus: Bus::System, .. } => {
                "Start it: systemctl start dashboard-cast; or one of your own: \
                 dashboard-cast daemon --session, which is asked with --session."
            }
            Self::NotRunning { bus: Bus::Session, .. } => {
                "Start it: dashboard-cast daemon --session; the installed one is asked without \
                 --session."
            }
            Self::Denied { .. } => {
                "Members of the group dashboard-cast may cast (adduser USER dashboard-cast, then \
                 log in again); for the rest, use sudo."
            }
            Self::Choice(ChooseError::NoneRuns) => "Start one: dashboard-cast start URL",
            Self::Choice(ChooseError::Several(_)) => {
                "Name one, by its id, the beginning of it, its TV or its target."
            }
            Self::Choice(ChooseError::Unknown { .. } | ChooseError::Ambiguous { .. }) => {
                "Name one by its id, more of it, its TV or its target."
            }
            Self::Ended => "See what is running: dashboard-cast status",
            Self::Broken { .. } => {
                "Its log says more: journalctl -u dashboard-cast, or the terminal that it runs in."
            }
            Self::Lost { .. } | Self::Silent { .. } => {
                "See how it does: systemctl status dashboard-cast, or the terminal that it runs in."
            }
            Self::Lacks { .. } | Self::Unreadable { .. } => {
                "Is the service of another version? Restart it: systemctl restart dashboard-cast"
            }
            Self::Refused { hint, .. } => return hint.clone(),
            Self::Bus(_) => return None,
        };
        Some(text.to_owned())
    }

    /// Whether the service, or what was asked for, has gone meanwhile. Its root may go before its name
    /// does.
    pub(in crate::cli) const fn is_away(&self) -> bool {
        matches!(
            self,
            Self::NotRunning { .. } | Self::Lost { .. } | Self::Lacks { .. } | Self::Ended
        )
    }

    /// Whether it is nobody's fault but ours.
    pub(in crate::cli) const fn is_bug(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::Unreadable { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(error: fdo::Error) -> ServiceError {
        ServiceError::judge(Bus::System, zbus::Error::FDO(Box::new(error)))
    }

    #[test]
    fn a_service_that_is_not_there_is_told_from_one_that_refuses() {
        let error = judged(fdo::Error::ServiceUnknown("no .service files".to_owned()));
        assert_eq!(error.to_string(), "the service is not running");
        assert!(error.hint().unwrap().contains("systemctl start dashboard-cast"));
        let error = judged(fdo::Error::SpawnChildExited("exit code 1".to_owned()));
        assert_eq!(error.to_string(), "the service is not running: exit code 1");
        let error = judged(fdo::Error::AccessDenied("not authorized".to_owned()));
        assert!(error.hint().unwrap().contains("group dashboard-cast"), "{error}");
    }

    #[test]
    fn the_service_speaks_for_itself_but_not_to_the_terminal() {
        let text = "there is no TV \"\x1b[2Jx\"\nName one of them.\x07";
        let error = ServiceError::of_name(Bus::System, "org.dashboardcast1.NoSuchDevice", text);
        assert_eq!(error.to_string(), "there is no TV \"[2Jx\"");
        assert_eq!(error.hint().as_deref(), Some("Name one of them."));
        assert!(!error.is_bug());
    }

    #[test]
    fn each_problem_of_a_configuration_has_its_line() {
        let text = "a.toml:1:2: one\nb.toml:3:4: two";
        let error =
            ServiceError::of_name(Bus::System, "org.dashboardcast1.InvalidConfiguration", text);
        let expected = "the configuration cannot be used:\n  a.toml:1:2: one\n  b.toml:3:4: two";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn our_own_bugs_are_told_from_the_rest() {
        let internal = ServiceError::of_name(Bus::Session, "org.dashboardcast1.Internal", "oops");
        assert!(internal.is_bug());
        let ended = ServiceError::of_name(Bus::Session, "org.dashboardcast1.NoSuchSession", "");
        assert!(matches!(ended, ServiceError::Ended));
    }
}
