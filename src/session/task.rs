//! The task that owns one session: a place in a production, a TV perhaps, and an end.

use std::{future, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{sleep, timeout},
};

use super::{
    EndReason, Order,
    cast::{Farewell, Memory, Wanted},
    caster::{CastStatus, Caster},
    ports::Keeper,
};

/// For a TV to be left; more than its last commands may take.
const FAREWELL_LIMIT: Duration = Duration::from_secs(5);

/// Says why the session ends, and how it leaves its TV.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) reason: EndReason,
    pub(super) farewell: Farewell,
}

pub(super) struct Task {
    pub(super) ends_at: Option<Timestamp>,
    pub(super) commands: mpsc::Receiver<Stop>,
    pub(super) ending: watch::Sender<Option<EndReason>>,
    pub(super) caster: Option<Caster>,
    /// Casts that had the same TV; they must be through with it first.
    pub(super) predecessors: Vec<watch::Receiver<CastStatus>>,
}

impl Task {
    /// Runs until the session is to end, and then until its TV has been left.
    pub(super) async fn run(&mut self) -> EndReason {
        for predecessor in &mut self.predecessors {
            let gone = async { while predecessor.changed().await.is_ok() {} };
            if timeout(FAREWELL_LIMIT, gone).await.is_err() {
                tracing::warn!("the cast before did not leave the TV in {FAREWELL_LIMIT:?}");
            }
        }
        let (say_farewell, farewell) = oneshot::channel();
        let cast = async {
            match self.caster.take() {
                Some(caster) => caster.run(farewell).await,
                None => drop(farewell),
            }
        };
        let end = async {
            let elapsed = async {
                match self.ends_at {
                    Some(at) => sleep(until(at)).await,
                    None => future::pending().await,
                }
            };
            let stop = tokio::select! {
                biased;
                stop = self.commands.recv() => stop.unwrap_or(Stop {
                    reason: EndReason::Shutdown,
                    farewell: Farewell::KeepPlaying,
                }),
                () = elapsed => Stop { reason: EndReason::Elapsed, farewell: Farewell::EndPlayer },
            };
            self.ending.send_replace(Some(stop.reason));
            // Without a cast there is nobody to tell.
            let _ = say_farewell.send(stop.farewell);
            stop.reason
        };
        tokio::pin!(cast);
        tokio::pin!(end);
        let reason = tokio::select! {
            reason = &mut end => reason,
            () = &mut cast => return end.await,
        };
        if timeout(FAREWELL_LIMIT, cast).await.is_err() {
            tracing::warn!("the TV was not left in {FAREWELL_LIMIT:?}");
        }
        reason
    }
}

/// What a session wants of its TV. One that `resumes` goes on where the daemon before was ended.
pub(super) fn wanted(
    order: &Order,
    keeper: Option<&Arc<dyn Keeper>>,
    resumes: bool,
) -> Option<Wanted> {
    let cast = order.spec.cast.as_ref()?;
    let memory = keeper.map_or_else(Memory::default, |keeper| keeper.memory(&cast.tv.id));
    Some(Wanted {
        title: order.spec.page.url.host_str().unwrap_or_default().to_owned(),
        policy: cast.policy,
        volume: cast.volume,
        memory: if resumes { memory } else { memory.rearmed() },
        seed: u64::from_str_radix(order.id.as_str(), 16).unwrap_or_default(),
    })
}

/// From now to a moment of the wall clock; zero when that is over.
fn until(wall: Timestamp) -> Duration {
    Duration::try_from(wall.duration_since(Timestamp::now())).unwrap_or_default()
}
