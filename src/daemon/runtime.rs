//! The directories: one that belongs to a running daemon, one that outlives it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use rustix::process::{getpid, getuid};

/// Removed with everything in it when dropped.
#[derive(Debug)]
pub(super) struct RuntimeDirectory(PathBuf);

impl RuntimeDirectory {
    /// Makes it, and removes those of daemons that could not do it themselves.
    ///
    /// systemd says where it may be; without systemd it is in the user's runtime directory, or in
    /// `/tmp`. Paths stay short, because sockets live below.
    ///
    /// # Errors
    /// It cannot be made, or belongs to somebody else.
    pub(super) fn create() -> io::Result<Self> {
        let base = base();
        fs::create_dir_all(&base)?;
        let metadata = fs::metadata(&base)?;
        if std::os::unix::fs::MetadataExt::uid(&metadata) != getuid().as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{} belongs to another user; remove it", base.display()),
            ));
        }
        remove_left_overs(&base);
        let own = base.join(getpid().to_string());
        fs::create_dir_all(&own)?;
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&own, private)?;
        Ok(Self(own))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RuntimeDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "removing the runtime directory");
        }
        // Ours as well when nobody else is in it, and no stream that goes on; else that fails, as it
        // should.
        if let Some(base) = self.0.parent() {
            let _ = fs::remove_dir(base.join("streams"));
            let _ = fs::remove_dir(base);
        }
    }
}

/// Where a daemon keeps what the next one goes on with: systemd says where; without systemd it is in
/// the user's home. `None` when there is no such place.
pub fn state_directory() -> Option<PathBuf> {
    given("STATE_DIRECTORY")
        .or_else(|| Some(given("XDG_STATE_HOME")?.join("dashboard-cast")))
        .or_else(|| Some(given("HOME")?.join(".local/state/dashboard-cast")))
}

/// Where streams leave what the players of one daemon may still ask the next one for. What a reboot
/// loses there, players have lost as well.
pub(super) fn trail_directory() -> PathBuf {
    base().join("streams")
}

fn given(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn base() -> PathBuf {
    given("RUNTIME_DIRECTORY")
        .or_else(|| Some(given("XDG_RUNTIME_DIR")?.join("dashboard-cast")))
        .unwrap_or_else(|| env::temp_dir().join(format!("dashboard-cast-{}", getuid().as_raw())))
}

/// Directories are named by process id; one without its process was left by a crash.
fn remove_left_overs(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if Path::new("/proc").join(pid.to_string()).exists() {
            continue;
        }
        match fs::remove_dir_all(entry.path()) {
            Ok(()) => tracing::info!(pid, "removed what a daemon before had left"),
            Err(error) => tracing::warn!(%error, pid, "removing what a daemon before had left"),
        }
    }
}
