//! What is said at the end, and the exit code: 0 all well, 1 the caller or the world, 70 our bug.
//! (2, for a command line that is not understood, is clap's.)

use std::{error::Error, io, process::ExitCode};

use crate::{daemon::StartupError, session::StartError};

/// Why a command failed, with what to do about it.
#[derive(Debug)]
pub(super) struct Failure {
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { error: error.into(), hint: None }
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
        Self { error: error.into(), hint }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let hint = error.hint.clone();
        Self { error: error.into(), hint }
    }
}

/// Says on stderr what went wrong, with every cause once.
#[expect(clippy::print_stderr, reason = "this is where words for the caller are said")]
pub(super) fn report(outcome: Result<(), Failure>) -> ExitCode {
    let Err(Failure { error, hint }) = outcome else { return ExitCode::SUCCESS };
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    eprintln!("dashboard-cast: {message}");
    if let Some(hint) = hint {
        eprintln!("{hint}");
    }
    ExitCode::FAILURE
}
