//! What is said at the end, and the exit code: 0 all well, 1 the caller or the world, 70 our bug.
//! (2, for a command line that is not understood, is clap's.)

use std::{error::Error, io, process::ExitCode};

use crate::{
    cast::SearchError,
    config::{ConfigError, SettingsError},
    daemon::StartupError,
    error::sentence,
    session::StartError,
};

/// Why a command failed, with what to do about it.
#[derive(Debug)]
pub(super) struct Failure {
    /// `None` when everything has been said.
    error: Option<Box<dyn Error + Send + Sync>>,
    hint: Option<String>,
}

impl Failure {
    /// A failure that the command has described itself.
    pub(super) const fn said() -> Self {
        Self { error: None, hint: None }
    }

    fn new(error: impl Error + Send + Sync + 'static, hint: Option<String>) -> Self {
        Self { error: Some(Box::new(error)), hint }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error, None)
    }
}

impl From<StartupError> for Failure {
    fn from(error: StartupError) -> Self {
        let hint = match &error {
            StartupError::Listen { cause, .. } if cause.kind() == io::ErrorKind::AddrInUse => {
                Some("Another program has that port; choose one with --listen.".to_owned())
            }
            _ => None,
        };
        Self::new(error, hint)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(error, Some("See what is read with: dashboard-cast config check".to_owned()))
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Config(error) => error.into(),
            error => Self::new(error, None),
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
    let Err(Failure { error, hint }) = outcome else { return ExitCode::SUCCESS };
    let Some(error) = error else { return ExitCode::FAILURE };
    eprintln!("dashboard-cast: {}", sentence(&*error));
    if let Some(hint) = hint {
        eprintln!("{hint}");
    }
    ExitCode::FAILURE
}
