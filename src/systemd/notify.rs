//! What the service manager is told.
//!
//! <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>

use std::time::Duration;

use libsystemd::daemon::{self, NotifyState};
use rustix::time::{ClockId, clock_gettime};

/// Everything is there: who waits for this service may go on.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A line for `systemctl status`.
pub fn status(line: &str) {
    // A line more would be another assignment.
    tell(&[NotifyState::Status(line.replace('\n', " "))]);
}

/// The configuration is being read again; [`ready`] says when it counts.
pub fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let microseconds = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
    // Both in one message, by which systemd knows them to belong together.
    let since = NotifyState::Other(format!("MONOTONIC_USEC={microseconds}"));
    tell(&[NotifyState::Reloading, since]);
}

/// The service is on its way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState]) {
    if let Err(error) = daemon::notify(false, state) {
        tracing::debug!(%error, "telling the service manager");
    }
}

/// What ends this process unless it is told in time that all is well.
#[derive(Clone, Copy, Debug)]
pub struct Watchdog {
    limit: Duration,
}

impl Watchdog {
    /// The one that watches this process, if any does.
    pub fn of_this_process() -> Option<Self> {
        daemon::watchdog_enabled(false).map(|limit| Self { limit })
    }

    /// How often to feed it, as systemd recommends.
    pub fn interval(self) -> Duration {
        self.limit / 2
    }

    /// All is well.
    pub fn feed(self) {
        tell(&[NotifyState::Watchdog]);
    }
}
