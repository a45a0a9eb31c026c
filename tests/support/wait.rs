//! Waiting for what another process does.

use std::{
    thread,
    time::{Duration, Instant},
};

const POLL: Duration = Duration::from_millis(50);

/// Looks again and again until there is something, or fails after `limit`, which must suit a slow
/// and busy machine: nothing is gained when it is short.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} in {limit:?}");
        // Other processes have no way to wake this one.
        thread::sleep(POLL);
    }
}
