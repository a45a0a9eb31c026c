//! What is said at the end, and the exit code: 0 all well, 1 the caller or the world, 70 our bug, 78 the
//! configuration.
//! (2, for a command line that is not understood, is clap's.)

use std::{error::Error, io, process::ExitCode};

use super::{service::ServiceError, snapshot::SnapshotError};
use crate::{
    cast::SearchError,
    config::{ConfigError, SettingsError},
    daemon::StartupError,
    dbus::{Bus, BusError},
    error::sentence,
    privileges::PrivilegeError,
    proxmox::Refusal,
    session::{AuthError, StartError},
    systemd::{InheritError, Journal},
};

/// Why a command failed, with what to do about it.
#[derive(Debug)]
pub(super) struct Failure {
    /// `None` when everything has been said.
    error: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
    code: u8,
}

/// The caller or the world.
const FAILURE: u8 = 1;
/// The configuration, which no other try mends; the number is `EX_CONFIG` of sysexits.h, and the unit
/// knows it.
const CONFIGURATION: u8 = 78;
/// Our bug; the number is `EX_SOFTWARE` of sysexits.h.
const BUG: u8 = 70;

impl Failure {
    /// A failure that the command has described itself.
    pub(super) const fn said() -> Self {
        Self { error: None, hint: None, code: FAILURE }
    }

    /// A configuration that cannot be used, which the command has described itself.
    pub(super) const fn said_of_configuration() -> Self {
        Self { error: None, hint: None, code: CONFIGURATION }
    }

    /// A failure that is a sentence.
    pub(super) fn because(why: String, hint: String) -> Self {
        Self { error: Some(why.into()), hint: Some(hint), code: FAILURE }
    }

    fn new(error: impl Error + Send + Sync + 'static, hint: Option<String>) -> Self {
        Self { error: Some(Box::new(error)), hint, code: FAILURE }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Who reads our results has read enough.
            io::ErrorKind::BrokenPipe => Self::said(),
            _ => Self::new(error, None),
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        let (hint, code) = (error.hint(), if error.is_bug() { BUG } else { FAILURE });
        Self { code, ..Self::new(error, hint) }
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        let hint = match &error {
            AuthError::Json { .. } => {
                "It is a JSON object such as {\"headers\": {\"Authorization\": \"Bearer …\"}}, with \
                 cookies, localStorage, headers or basic."
            }
            _ => return Self::new(error, None),
        };
        Self::new(error, Some(hint.to_owned()))
    }
}

impl From<SnapshotError> for Failure {
    fn from(error: SnapshotError) -> Self {
        let hint = match &error {
            SnapshotError::Terminal | SnapshotError::Both => {
                Some("Name a file: --output picture.png".to_owned())
            }
            SnapshotError::Write { .. } => None,
        };
        Self::new(error, hint)
    }
}

impl From<PrivilegeError> for Failure {
    fn from(error: PrivilegeError) -> Self {
        let code = if matches!(error, PrivilegeError::Root) { CONFIGURATION } else { FAILURE };
        Self { code, ..Self::new(error, None) }
    }
}

impl From<InheritError> for Failure {
    fn from(error: InheritError) -> Self {
        Self::new(error, None)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let hint = refusal.hint();
        Self::new(refusal, hint)
    }
}

impl From<StartupError> for Failure {
    fn from(error: StartupError) -> Self {
        let hint = match &error {
            StartupError::Listen { cause, .. } if cause.kind() == io::ErrorKind::AddrInUse => {
                Some("Another program has that port; choose one with --listen.".to_owned())
            }
            StartupError::Bus(BusError::Taken { .. }) => {
                Some("Stop the other one first: systemctl stop dashboard-cast".to_owned())
            }
            StartupError::Bus(BusError::Connect { bus: Bus::Session, .. }) => {
                Some("See whether there is one with: busctl --user".to_owned())
            }
            _ => None,
        };
        Self::new(error, hint)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = "See what is read with: dashboard-cast config check".to_owned();
        Self { code: CONFIGURATION, ..Self::new(error, Some(hint)) }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Config(error) => error.into(),
            error => Self { code: CONFIGURATION, ..Self::new(error, None) },
        }
    }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Self {
        let hint = match &error {
            SearchError::NoNetwork => Some("Connect it, or see its interfaces with: ip address"),
            SearchError::Port(_) => Some("See which one it is, as root, with: ss -lupn"),
            _ => None,
        };
        Self::new(error, hint.map(str::to_owned))
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let hint = error.hint.clone();
        Self::new(error, hint)
    }
}

/// Says on stderr what went wrong, with every cause once.
#[expect(clippy::print_stderr, reason = "this is where words for the caller are said")]
pub(super) fn report(outcome: Result<(), Failure>) -> ExitCode {
    let Err(Failure { error, hint, code }) = outcome else { return ExitCode::SUCCESS };
    if let Some(error) = error {
        // The journal knows who it was, and this is how it is told that it is an error.
        let who = Journal::where_connected().map_or("dashboard-cast: ", |_| "<3>");
        eprintln!("{who}{}", sentence(&*error));
    }
    if let Some(hint) = hint {
        eprintln!("{hint}");
    }
    ExitCode::from(code)
}
