//! The one directory in which everything of one browser lives, and with which it goes.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

/// Chromium's processes write into the directory until the last of them is gone.
const REMOVAL: Duration = Duration::from_secs(2);
const REMOVAL_STEP: Duration = Duration::from_millis(50);

const SOCKET: &str = "wayland";
const HOME: &str = "home";
const TEMPORARY: &str = "tmp";

/// A socket's path may have 107 bytes (unix(7)). Chromium puts one at
/// `$TMPDIR/org.chromium.Chromium.XXXXXX/SingletonSocket`, which is the longest in the directory.
const LONGEST: usize = 107 - "/tmp/org.chromium.Chromium.XXXXXX/SingletonSocket".len();

/// Why there is no directory for the browser.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// Sockets inside it could not be bound.
    #[error(
        "the browser's directory {path} has {length} bytes in its name, at most {LONGEST} work: \
         choose a shorter runtime directory"
    )]
    TooLong { path: PathBuf, length: usize },
    /// Not absolute, so Chromium would look elsewhere.
    #[error("the browser's directory {0} is not an absolute path")]
    Relative(PathBuf),
    /// Something of somebody else is there.
    #[error("the browser's directory {0} exists and is not a directory of ours: remove it")]
    Foreign(PathBuf),
    #[error("creating the browser's directory {path}")]
    Create { path: PathBuf, source: io::Error },
    #[error("listening on the Wayland socket {path}")]
    Listen { path: PathBuf, source: io::Error },
    #[error("writing {path}")]
    Write { path: PathBuf, source: io::Error },
}

/// Removes what it made when it is dropped, and nothing else.
#[derive(Debug)]
pub(super) struct PrivateDirectory {
    path: PathBuf,
}

impl PrivateDirectory {
    /// Creates the directory, for us alone. What a killed predecessor left there goes away.
    pub(super) fn create(path: &Path) -> Result<Self, DirectoryError> {
        if !path.is_absolute() {
            return Err(DirectoryError::Relative(path.to_owned()));
        }
        let length = path.as_os_str().len();
        if length > LONGEST {
            return Err(DirectoryError::TooLong { path: path.to_owned(), length });
        }
        let create = |path: &Path| fs::DirBuilder::new().mode(0o700).create(path);
        let failed = |source| DirectoryError::Create { path: path.to_owned(), source };
        match create(path) {
            Ok(()) => {}
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                let found = fs::symlink_metadata(path).map_err(failed)?;
                let ours = found.uid() == rustix::process::geteuid().as_raw();
                if !(found.is_dir() && ours && found.mode() & 0o077 == 0) {
                    return Err(DirectoryError::Foreign(path.to_owned()));
                }
                empty(path).map_err(failed)?;
            }
            Err(cause) => return Err(failed(cause)),
        }
        let directory = Self { path: path.to_owned() };
        for inner in [directory.home(), directory.temporary(), directory.runtime()] {
            create(&inner).map_err(|source| DirectoryError::Create { path: inner, source })?;
        }
        Ok(directory)
    }

    /// Listens where Chromium will look for its display.
    pub(super) fn listen(&self) -> Result<UnixListener, DirectoryError> {
        let path = self.socket();
        UnixListener::bind(&path).map_err(|source| DirectoryError::Listen { path, source })
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    pub(super) fn home(&self) -> PathBuf {
        self.path.join(HOME)
    }

    pub(super) fn temporary(&self) -> PathBuf {
        self.path.join(TEMPORARY)
    }

    pub(super) fn runtime(&self) -> PathBuf {
        self.home().join("run")
    }

    pub(super) fn profile(&self) -> PathBuf {
        self.home().join("profile")
    }

    /// Writes one file of the profile.
    pub(super) fn write(&self, path: &Path, content: &str) -> Result<(), DirectoryError> {
        let write = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, content)
        };
        write().map_err(|source| DirectoryError::Write { path: path.to_owned(), source })
    }

    /// Removes the directory; tries again while processes that are about to end still write there.
    pub(super) async fn remove(self) {
        let path = self.path.clone();
        // Dropping is the first attempt.
        drop(self);
        let attempts = REMOVAL.as_millis() / REMOVAL_STEP.as_millis();
        for _ in 0..attempts {
            if !path.exists() {
                return;
            }
            tokio::time::sleep(REMOVAL_STEP).await;
            drop(Self { path: path.clone() });
        }
        if path.exists() {
            tracing::warn!(path = %path.display(), "browser's directory could not be removed, left");
        }
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if let Err(cause) = empty(&self.path).and_then(|()| fs::remove_dir(&self.path)) {
            tracing::debug!(path = %self.path.display(), %cause, "removing the browser's directory");
        }
    }
}

/// Removes by name what we put there: a wrong path in the options must not cost anybody's files.
fn empty(path: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    gone(fs::remove_file(path.join(SOCKET)))?;
    gone(fs::remove_dir_all(path.join(HOME)))?;
    gone(fs::remove_dir_all(path.join(TEMPORARY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_private_and_goes_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("b");
        let directory = PrivateDirectory::create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        let listener = directory.listen().unwrap();
        directory.write(&directory.profile().join("Default/Preferences"), "{}").unwrap();
        drop((directory, listener));
        assert!(!path.exists());
    }

    #[test]
    fn what_a_killed_predecessor_left_is_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("b");
        let killed = PrivateDirectory::create(&path).unwrap();
        killed.listen().unwrap();
        std::mem::forget(killed);
        PrivateDirectory::create(&path).unwrap().listen().unwrap();
    }

    #[test]
    fn files_of_others_stay() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("b");
        fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        fs::write(path.join("letter"), "dear").unwrap();
        drop(PrivateDirectory::create(&path).unwrap());
        assert_eq!(fs::read_to_string(path.join("letter")).unwrap(), "dear");
    }

    #[test]
    fn a_directory_that_others_can_enter_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("b");
        fs::DirBuilder::new().mode(0o755).create(&path).unwrap();
        assert!(matches!(PrivateDirectory::create(&path), Err(DirectoryError::Foreign(_))));
    }

    #[test]
    fn a_path_too_long_for_sockets_is_refused_by_name() {
        let path = Path::new("/").join("x".repeat(LONGEST));
        let refused = PrivateDirectory::create(&path).unwrap_err();
        assert!(refused.to_string().contains("shorter"), "{refused}");
    }
}
