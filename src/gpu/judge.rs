//! Finds out what this machine can encode with, and keeps knowing it.
//!
//! A task looks at the GPUs when something may have changed, has every encoding that is worth it proven
//! by a worker of its own, and tells what came of it.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::trials::{Candidate, Trials};
use crate::{
    media::MediaTime,
    session::{
        Encoding, Proof, Refusal,
        ports::{EncoderCommand, EncoderEvent, Keeper, Workers, on_disk},
    },
};

/// A proof takes a second, and knows by itself when a driver hangs. This is for a process that does
/// nothing at all any more, on a machine that is busy with its own start.
const PROOF_LIMIT: Duration = Duration::from_secs(15);

/// What is known, shared by the task and by those who tell it of failures: what failed is out of the
/// list before anybody can ask for it again.
#[derive(Debug)]
pub(super) struct Bench {
    trials: Mutex<Trials>,
    encodings: watch::Sender<Arc<[Encoding]>>,
    failed: Notify,
}

impl Default for Bench {
    fn default() -> Self {
        let (trials, failed) = (Mutex::default(), Notify::new());
        Self { trials, encodings: watch::Sender::new([].into()), failed }
    }
}

impl Bench {
    /// What works, best first.
    pub(super) fn encodings(&self) -> &watch::Sender<Arc<[Encoding]>> {
        &self.encodings
    }

    /// An encoder failed in a session, or `hung`.
    pub(super) fn fail(&self, encoding: &Encoding, hung: bool, why: &str) {
        self.change(|trials| trials.failed(MediaTime::now(), encoding, hung, why));
        self.failed.notify_one();
    }

    fn change<T>(&self, change: impl FnOnce(&mut Trials) -> T) -> T {
        // A panic leaves one verdict in doubt, which a trial decides.
        let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut trials);
        let encodings = trials.encodings();
        self.encodings.send_if_modified(|before| {
            if **before == *encodings {
                return false;
            }
            *before = encodings.into();
            true
        });
        result
    }
}

/// What the task is made of.
pub(super) struct Judge<S> {
    pub(super) bench: Arc<Bench>,
    pub(super) scene: S,
    pub(super) workers: Arc<dyn Workers>,
    pub(super) keeper: Option<Arc<dyn Keeper>>,
}

/// What the task looks at, and tells what it came to.
pub(super) trait Scene: Send + 'static {
    /// What is worth a trial now, best first.
    fn look(&mut self) -> Vec<Candidate>;

    /// Comes back when looking again may find something else. Nothing is lost when it is dropped.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;

    /// Something else is known.
    fn judged(&mut self, trials: &Trials);
}

impl<S: Scene> Judge<S> {
    /// Goes on for ever.
    pub(super) async fn run(mut self) {
        let mut proofs = self.keeper.as_ref().map(|keeper| keeper.proofs()).unwrap_or_default();
        let mut running = JoinSet::new();
        self.look(&proofs);
        loop {
            for candidate in self.bench.change(|trials| trials.due(MediaTime::now())) {
                let workers = Arc::clone(&self.workers);
                running.spawn(async move {
                    let outcome = prove(&*workers, candidate.encoding.clone()).await;
                    (candidate, outcome)
                });
            }
            let deadline = self.bench.change(|trials| {
                self.scene.judged(trials);
                trials.deadline()
            });
            let due = pin!(async {
                match deadline {
                    Some(at) => {
                        sleep_until(Instant::now() + at.since(MediaTime::now()).into()).await;
                    }
                    None => std::future::pending().await,
                }
            });
            tokio::select! {
                () = self.scene.changed() => self.look(&proofs),
                Some(Ok((candidate, outcome))) = running.join_next() => {
                    log(&candidate.encoding, &outcome);
                    proofs = self.bench.change(|trials| {
                        trials.came_to(MediaTime::now(), &candidate, outcome);
                        trials.proofs()
                    });
                    keep(self.keeper.as_ref(), proofs.clone()).await;
                }
                () = self.bench.failed.notified() => {
                    proofs = self.bench.change(|trials| trials.proofs());
                    keep(self.keeper.as_ref(), proofs.clone()).await;
                }
                () = due => {}
            }
        }
    }

    fn look(&mut self, proofs: &BTreeMap<String, Proof>) {
        let candidates = self.scene.look();
        self.bench.change(|trials| trials.set(candidates, proofs));
    }
}

/// So that the next daemon need not prove it again.
async fn keep(keeper: Option<&Arc<dyn Keeper>>, proofs: BTreeMap<String, Proof>) {
    let Some(keeper) = keeper else { return };
    if let Err(error) = on_disk(keeper, move |keeper| keeper.keep_proofs(&proofs)).await {
        tracing::warn!(%error, "what encodes here cannot be kept, the next start tries it again");
    }
}

/// Has a worker prove it, which may never come back, or end.
pub(super) async fn prove(workers: &dyn Workers, encoding: Encoding) -> Result<Proof, Refusal> {
    let worker = workers.start_encoder().await;
    let mut link =
        worker.map_err(|error| Refusal::Failed(format!("starting a worker: {error}")))?;
    // A new connection has room; a worker that has ended already says no more below.
    drop(link.to_worker.send(EncoderCommand::Prove(encoding)).await);
    match timeout(PROOF_LIMIT, link.from_worker.recv()).await {
        Ok(Some(EncoderEvent::Proven(outcome))) => outcome,
        Ok(Some(event)) => Err(Refusal::Failed(format!("the worker answered {event:?}"))),
        Ok(None) => Err(Refusal::Crashed),
        Err(_) => Err(Refusal::Hung),
    }
}

fn log(encoding: &Encoding, outcome: &Result<Proof, Refusal>) {
    match outcome {
        Ok(proof) => tracing::info!(
            name: "encoder-works",
            %encoding,
            rate_control = proof.rate_control,
            driver = proof.driver,
            similarity = proof.similarity,
            "an encoder has proven itself"
        ),
        Err(refusal) => tracing::warn!(
            name: "encoder-refused",
            %encoding,
            why = %refusal,
            "an encoder cannot be used"
        ),
    }
}
