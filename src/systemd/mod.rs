//! systemd as a service meets it: the sockets it hands over, what it wants to be told, its journal.
//!
//! Where there is no systemd nothing is inherited, nobody is told, and the log goes to stderr.

mod inherited;
mod journal;
mod manager;
mod notify;

use std::{env, path::PathBuf};

pub use self::{
    inherited::{InheritError, Inherited},
    journal::Journal,
    manager::is_restarting,
    notify::{Watchdog, ready, reloading, status, stopping},
};

/// Whether a service manager started this process and waits for what it has to say.
pub fn is_service() -> bool {
    env::var_os("NOTIFY_SOCKET").is_some()
}

/// Where `LoadCredential=` put this secret; `None` when it did not.
///
/// <https://systemd.io/CREDENTIALS/>
pub fn credential(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os("CREDENTIALS_DIRECTORY")?).join(name);
    path.exists().then_some(path)
}
