//! What outlives the daemon, or why nothing does.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::interval};

use super::startup::StartupError;
use crate::{keep::Files, session::ports::Keeper};

/// Between two tries of what the disk refused.
const RETRY: Duration = Duration::from_mins(1);

/// The state directory, as far as it can be used.
#[derive(Debug, Default)]
pub(super) struct State {
    directory: String,
    files: Option<Arc<Files>>,
    /// Why there are no files, though there should be.
    refused: Option<String>,
}

impl State {
    /// Without files when there is no such directory, or none that can be used: a TV with a dashboard
    /// now is worth more than one that gets it again later. What that costs is said in the log.
    ///
    /// # Errors
    /// Another daemon has the directory.
    pub(super) fn open(directory: Option<PathBuf>) -> Result<Self, StartupError> {
        let Some(path) = directory else { return Ok(Self::default()) };
        let directory = path.display().to_string();
        match Files::open(path) {
            Ok(files) => Ok(Self { directory, files: Some(Arc::new(files)), refused: None }),
            Err(cause) if cause.kind() == io::ErrorKind::ResourceBusy => {
                Err(StartupError::State { directory, cause })
            }
            Err(cause) => {
                let state = Self { directory, files: None, refused: Some(cause.to_string()) };
                if let Some(problem) = state.problem() {
                    tracing::error!(name: "nothing-kept", "{problem}");
                }
                Ok(state)
            }
        }
    }

    pub(super) fn keeper(&self) -> Option<Arc<dyn Keeper>> {
        self.files.clone().map(|files| files as _)
    }

    /// Tries again what the disk refused, for as long as it is polled.
    pub(super) fn retries(&self) -> impl Future<Output = ()> + Send + 'static {
        let files = self.files.clone();
        async move {
            let Some(files) = files else { return };
            let mut ticks = interval(RETRY);
            loop {
                ticks.tick().await;
                if files.refused().is_some() {
                    let files = Arc::clone(&files);
                    // It says by itself what came of it.
                    drop(spawn_blocking(move || files.try_again()).await);
                }
            }
        }
    }

    /// Why what should outlive the daemon does not, and what to do about it; a sentence.
    pub(super) fn problem(&self) -> Option<String> {
        let (why, remedy) = match (&self.refused, &self.files) {
            (Some(why), _) => (why.clone(), "let its user write there and restart it"),
            (None, Some(files)) => (files.refused()?, "make room, or let its user write there"),
            (None, None) => return None,
        };
        Some(format!(
            "{}: {why}: casts, and what was learnt about TVs, end with this daemon; {remedy}",
            self.directory
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_directory_that_cannot_be_one_is_a_problem_and_no_reason_to_end() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let state = State::open(Some(file.join("state"))).unwrap();
        assert!(state.keeper().is_none());
        let problem = state.problem().unwrap();
        let begin = format!("{}/state: Not a directory", file.display());
        assert!(problem.starts_with(&begin) && problem.ends_with("restart it"), "{problem}");
    }

    #[test]
    fn a_directory_that_another_daemon_has_is_left_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let first = State::open(Some(directory.path().to_owned())).unwrap();
        assert!(first.keeper().is_some());
        assert_eq!(first.problem(), None);
        let error = State::open(Some(directory.path().to_owned())).unwrap_err();
        assert!(matches!(error, StartupError::State { .. }), "{error:?}");
    }

    #[test]
    fn who_wants_nothing_kept_has_no_problem() {
        let state = State::open(None).unwrap();
        assert!(state.keeper().is_none());
        assert_eq!(state.problem(), None);
    }
}
