//! The task that owns one session: a place in a production, a TV perhaps, and an end.

use std::{future, pin::pin, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    time::{sleep, timeout},
};

use super::{EndReason, cast::Farewell, caster::Caster};

/// Whoever comes next on a TV waits that long for the one before to leave it, which itself gives up after twice
/// as long: it may have to look at the TV first, and wait for its player to come up.
const FAREWELL_LIMIT: Duration = Duration::from_secs(5);

/// How late the end may be where the clock was set.
const CLOCK_LOOK: Duration = Duration::from_mins(1);

/// Says why the session ends, and how it leaves its TV.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) reason: EndReason,
    pub(super) farewell: Farewell,
}

/// A TV can have one cast at a time; whoever had it before must be through with it.
pub(super) type Screen = Arc<Mutex<()>>;

pub(super) struct Task {
    pub(super) ends_at: Option<Timestamp>,
    pub(super) commands: mpsc::Receiver<Stop>,
    pub(super) ending: watch::Sender<Option<EndReason>>,
    pub(super) cast: Option<(Caster, Screen)>,
}

impl Task {
    /// Runs until the session is to end, and then until its TV has been left.
    pub(super) async fn run(&mut self) -> EndReason {
        let (say_farewell, farewell) = oneshot::channel();
        let cast = self.cast.take();
        let mut cast = pin!(async {
            match cast {
                Some((caster, screen)) => {
                    let held = timeout(FAREWELL_LIMIT, screen.lock()).await;
                    if held.is_err() {
                        tracing::warn!(
                            "the cast before did not leave the TV in {FAREWELL_LIMIT:?}"
                        );
                    }
                    caster.run(farewell).await;
                    drop(held);
                }
                None => drop(farewell.await),
            }
        });
        let mut stop = pin!(self.stop());
        let stop = tokio::select! {
            stop = &mut stop => stop,
            // Only a session that has ended leaves its TV.
            () = &mut cast => return stop.await.reason,
        };
        let _ = say_farewell.send(stop.farewell);
        if timeout(2 * FAREWELL_LIMIT, cast).await.is_err() {
            tracing::warn!("the TV was not left in {:?}", 2 * FAREWELL_LIMIT);
        }
        stop.reason
    }

    /// Comes back when the session is to end.
    async fn stop(&mut self) -> Stop {
        let elapsed = async {
            match self.ends_at {
                Some(at) => sleep_until(at).await,
                None => future::pending().await,
            }
        };
        let stop = tokio::select! {
            stop = self.commands.recv() => stop.unwrap_or(Stop {
                reason: EndReason::Shutdown,
                farewell: Farewell::KeepPlaying,
            }),
            () = elapsed => Stop { reason: EndReason::Elapsed, farewell: Farewell::EndPlayer },
        };
        self.ending.send_replace(Some(stop.reason));
        stop
    }
}

/// Comes back at a moment of the wall clock, which may be set meanwhile.
async fn sleep_until(wall: Timestamp) {
    loop {
        let left = Duration::try_from(wall.duration_since(Timestamp::now())).unwrap_or_default();
        if left.is_zero() {
            return;
        }
        sleep(left.min(CLOCK_LOOK)).await;
    }
}
