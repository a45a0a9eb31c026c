//! The connection, inside the connection, to the player on the TV.

use std::time::Duration;

use tokio::time::Instant;

use super::media::Loaded;

/// A player that closes its connection at once, each time, is not asked more often than this.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// One run of the player.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) transport: String,
    pub(super) session: String,
    connected_at: Instant,
    /// It has not closed the connection since.
    pub(super) open: bool,
    pub(super) loaded: Loaded,
    /// When to ask what it does.
    pub(super) poll_at: Option<Instant>,
}

impl Player {
    pub(super) fn connected(transport: String, session: String, now: Instant) -> Self {
        Self {
            transport,
            session,
            connected_at: now,
            open: true,
            loaded: Loaded::default(),
            poll_at: None,
        }
    }

    pub(super) fn is(&self, transport: &str, session: &str) -> bool {
        self.transport == transport && self.session == session
    }

    /// When it may be connected to again.
    pub(super) fn reopen_at(&self) -> Instant {
        self.connected_at + REOPEN_PAUSE
    }
}
