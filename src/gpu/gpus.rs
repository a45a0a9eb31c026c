//! The GPUs of this machine, for those who want to know or to encode.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::join_all;
use tokio::{sync::watch, task::AbortHandle};

use super::{
    choice::{Hopeless, Worth, chosen, worth_trying},
    drivers::Drivers,
    explain::{HUC, Place, remedy},
    judge::{Bench, Judge, Scene, prove},
    survey::{Gpu, survey},
    trials::{Candidate, Trials, Verdict},
    view::{EncoderView, GpuView},
    watch::Watch,
};
#[cfg(test)]
use crate::session::Proof;
use crate::{
    config::GpuChoice,
    media::MediaTime,
    session::{
        Api, Encoding, Refusal, VaDriver,
        ports::{Encoders, Keeper, Workers},
    },
};

/// What this machine can encode with, as it is now. A task keeps it up to date until this is dropped.
#[derive(Debug)]
pub struct Gpus {
    bench: Arc<Bench>,
    views: watch::Sender<Arc<[GpuView]>>,
    changes: watch::Sender<()>,
    choice: watch::Sender<GpuChoice>,
    task: AbortHandle,
}

/// What encodes, and why nothing better does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Best {
    /// In libavcodec's words.
    pub encoder: &'static str,
    pub quicksync: bool,
    /// A sentence for people.
    pub reason: Option<String>,
}

impl Gpus {
    /// Begins to look. `root` is where `sys`, `dev` and `usr` are; `libav` names the version of libav
    /// that the workers use.
    pub fn start(
        root: PathBuf,
        choice: GpuChoice,
        libav: String,
        workers: Arc<dyn Workers>,
        keeper: Option<Arc<dyn Keeper>>,
    ) -> Self {
        let (bench, views) = (Arc::<Bench>::default(), watch::Sender::new([].into()));
        let (changes, choice) = (watch::Sender::new(()), watch::Sender::new(choice));
        let place = Place::read(&root);
        let machine = Machine {
            choice: choice.subscribe(),
            watch: watch(&root, &place),
            place,
            root,
            libav,
            drivers: Drivers::default(),
            gpus: Vec::new(),
            views: views.clone(),
            changes: changes.clone(),
        };
        let judge = Judge { bench: Arc::clone(&bench), scene: machine, workers, keeper };
        let task = tokio::spawn(judge.run()).abort_handle();
        Self { bench, views, changes, choice, task }
    }

    /// From now on this is wanted.
    pub fn choose(&self, choice: GpuChoice) {
        self.choice.send_if_modified(|before| {
            let changed = *before != choice;
            *before = choice;
            changed
        });
    }

    /// All of them, best first.
    pub fn views(&self) -> Arc<[GpuView]> {
        self.views.borrow().clone()
    }

    /// Tells when something is not as it was.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub fn best(&self) -> Best {
        let encodings = self.bench.encodings().borrow().clone();
        let is_quicksync =
            |encoding: &Encoding| matches!(encoding, Encoding::Hardware { api: Api::Qsv, .. });
        Best {
            // As long as nothing better is known, software begins.
            encoder: encodings.first().map_or(Encoding::Software.encoder(), Encoding::encoder),
            quicksync: encodings.iter().any(is_quicksync),
            reason: reason(encodings.first(), &self.views()),
        }
    }
}

/// The GPUs of the machine below `root`, best first, and what would be tried on them; nothing is.
pub fn plan(root: &Path, choice: GpuChoice) -> Vec<GpuView> {
    let mut machine = Machine::unwatched(root, choice);
    let mut trials = Trials::default();
    trials.set(machine.look(), &BTreeMap::new());
    machine.all(&trials)
}

/// The GPUs of this machine, best first, after all that is worth it was tried on them, once and at the
/// same time.
pub async fn examine(choice: GpuChoice, workers: Arc<dyn Workers>) -> Vec<GpuView> {
    let mut machine = Machine::unwatched(Path::new("/"), choice);
    let mut trials = Trials::default();
    trials.set(machine.look(), &BTreeMap::new());
    let due = trials.due(MediaTime::ZERO).into_iter().map(|candidate| {
        let workers = Arc::clone(&workers);
        async move {
            let outcome = prove(&*workers, candidate.encoding.clone()).await;
            (candidate, outcome)
        }
    });
    for (candidate, outcome) in join_all(due).await {
        trials.came_to(MediaTime::ZERO, &candidate, outcome);
    }
    machine.all(&trials)
}

/// Why it is this encoder and no better one: the first trouble of the best GPU.
fn reason(best: Option<&Encoding>, gpus: &[GpuView]) -> Option<String> {
    match best {
        None => return Some("the GPUs are being tried".to_owned()),
        Some(Encoding::Hardware { api: Api::Qsv, .. }) => return None,
        Some(_) => {}
    }
    let words = |name: &str, problem: &str, remedy: Option<&String>| match remedy {
        Some(remedy) => format!("{name}: {problem}; {remedy}"),
        None => format!("{name}: {problem}"),
    };
    let Some(gpu) = gpus.first() else {
        return Some("no GPU can be seen here, or none is wanted (/dev/dri/renderD*)".to_owned());
    };
    if let Some(problem) = &gpu.problem {
        return Some(words(&gpu.name, problem, None));
    }
    // In the order of names QuickSync comes before VA-API, as it does by preference.
    let (name, view) = gpu.encoders.iter().find(|(_, view)| !view.works)?;
    let name = format!("{name} on {}", gpu.name);
    Some(words(&name, view.problem.as_deref().unwrap_or_default(), view.remedy.as_ref()))
}

impl Encoders for Gpus {
    fn encodings(&self) -> watch::Receiver<Arc<[Encoding]>> {
        self.bench.encodings().subscribe()
    }

    fn failed(&self, encoding: &Encoding, hung: bool, why: &str) {
        if *encoding == Encoding::Software {
            return;
        }
        tracing::warn!(
            name: "encoder-lost",
            %encoding,
            why,
            "an encoder failed, going on with another"
        );
        self.bench.fail(encoding, hung, why);
    }
}

impl Drop for Gpus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn watch(root: &Path, place: &Place) -> Option<Watch> {
    let watch = Watch::start(root, place.is_container());
    watch
        .inspect_err(|error| {
            tracing::warn!(%error, "GPUs that come, go or change hands will not be noticed");
        })
        .ok()
}

async fn told(watch: Option<&mut Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// This machine, as the judge looks at it.
struct Machine {
    root: PathBuf,
    place: Place,
    libav: String,
    choice: watch::Receiver<GpuChoice>,
    /// `None`: nothing tells of changes.
    watch: Option<Watch>,
    drivers: Drivers,
    /// What is there, with what is worth a trial on each.
    gpus: Vec<Known>,
    views: watch::Sender<Arc<[GpuView]>>,
    changes: watch::Sender<()>,
}

/// A GPU with what is worth a trial there, or why nothing is.
struct Known {
    gpu: Gpu,
    worth: Result<Worth, Hopeless>,
}

impl Scene for Machine {
    fn look(&mut self) -> Vec<Candidate> {
        self.drivers = Drivers::read(&self.root);
        let gpus = survey(&self.root);
        let wanted = chosen(gpus, &self.choice.borrow_and_update());
        let known = wanted.into_iter().map(|gpu| {
            let worth = worth_trying(&gpu, &self.drivers);
            Known { gpu, worth }
        });
        self.gpus = known.collect();
        let candidates = self.gpus.iter().flat_map(|known| {
            let trials = known.worth.iter().flat_map(|worth| &worth.trials);
            trials.map(|encoding| Candidate {
                encoding: encoding.clone(),
                key: self.key(&known.gpu, encoding),
                changed: known.gpu.changed,
            })
        });
        candidates.collect()
    }

    async fn changed(&mut self) {
        tokio::select! {
            () = told(self.watch.as_mut()) => {}
            Ok(()) = self.choice.changed() => {}
            else => std::future::pending().await,
        }
    }

    fn judged(&mut self, trials: &Trials) {
        let views = self.all(trials);
        let changed = self.views.send_if_modified(|before| {
            let changed = **before != *views;
            log(before, &views);
            *before = views.into();
            changed
        });
        if changed {
            self.changes.send_replace(());
        }
    }
}

impl Machine {
    /// To be looked at once.
    fn unwatched(root: &Path, choice: GpuChoice) -> Self {
        Self {
            root: root.to_owned(),
            place: Place::read(root),
            libav: String::new(),
            choice: watch::Sender::new(choice).subscribe(),
            watch: None,
            drivers: Drivers::default(),
            gpus: Vec::new(),
            views: watch::Sender::new([].into()),
            changes: watch::Sender::new(()),
        }
    }

    fn all(&self, trials: &Trials) -> Vec<GpuView> {
        self.gpus.iter().map(|known| self.view(known, trials)).collect()
    }

    /// All that the working of an encoding depends on, but who may open its node.
    fn key(&self, gpu: &Gpu, encoding: &Encoding) -> String {
        let Self { libav, drivers, .. } = self;
        let Gpu { pci, vendor, device, kernel_driver, .. } = gpu;
        let gpu = format!("{pci:?} {vendor:04x?}:{device:04x?} {kernel_driver:?}");
        let kernel = kernel();
        format!("{encoding}; {gpu}; Linux {kernel}; libav {libav}; {:x}", drivers.fingerprint())
    }

    fn view(&self, Known { gpu, worth }: &Known, trials: &Trials) -> GpuView {
        let mut encoders = BTreeMap::new();
        if let Ok(Worth { trials: tried, without }) = worth {
            let tried = tried.iter().map(|encoding| (encoding, trials.verdict(encoding)));
            encoders.extend(tried.map(|(encoding, verdict)| {
                (label(encoding), self.encoder(gpu, encoding, verdict))
            }));
            encoders.extend(without.iter().map(|(encoding, refusal)| {
                (label(encoding), self.refused(gpu, encoding, refusal))
            }));
        }
        GpuView {
            node: gpu.node.display().to_string(),
            name: gpu.name(),
            pci: gpu.pci.clone(),
            driver: gpu.kernel_driver.clone(),
            usable: encoders.values().any(|encoder| encoder.works),
            problem: worth.as_ref().err().map(ToString::to_string),
            encoders,
        }
    }

    fn encoder(&self, gpu: &Gpu, encoding: &Encoding, verdict: Option<&Verdict>) -> EncoderView {
        match verdict {
            Some(Verdict::Works(proof)) => {
                let uncapped = proof.rate_control == "CQP";
                EncoderView {
                    works: true,
                    rate_control: Some(proof.rate_control.clone()),
                    va_driver: Some(proof.driver.clone()),
                    reason: None,
                    problem: uncapped.then(|| UNCAPPED.to_owned()),
                    remedy: (uncapped && gpu.is_intel()).then(|| HUC.to_owned()),
                }
            }
            Some(Verdict::Refused(refusal)) => self.refused(gpu, encoding, refusal),
            Some(Verdict::Failed(why)) => EncoderView {
                reason: Some("failed".to_owned()),
                problem: Some(format!("it failed in a session and is tried again later: {why}")),
                ..EncoderView::default()
            },
            Some(Verdict::Untried | Verdict::Trying) | None => EncoderView {
                reason: Some(UNTRIED.to_owned()),
                problem: Some("it is being tried".to_owned()),
                ..EncoderView::default()
            },
        }
    }

    fn refused(&self, gpu: &Gpu, encoding: &Encoding, refusal: &Refusal) -> EncoderView {
        EncoderView {
            reason: Some(refusal.word().to_owned()),
            problem: Some(refusal.to_string()),
            remedy: remedy(gpu, encoding, refusal, &self.place),
            ..EncoderView::default()
        }
    }
}

/// The reason of what nothing is known of yet.
const UNTRIED: &str = "untried";
const UNCAPPED: &str = "nothing caps the bit rate, because the HuC firmware is not loaded";

/// The GPUs of a machine on which trials came to this, by the names that encoders have in a view.
#[cfg(test)]
pub(crate) fn judged(
    root: &Path,
    outcome: impl Fn(&str) -> Option<Result<Proof, Refusal>>,
) -> Vec<GpuView> {
    let mut machine = Machine::unwatched(root, GpuChoice::Auto);
    let mut trials = Trials::default();
    trials.set(machine.look(), &BTreeMap::new());
    for candidate in trials.due(MediaTime::ZERO) {
        if let Some(outcome) = outcome(&label(&candidate.encoding)) {
            trials.came_to(MediaTime::ZERO, &candidate, outcome);
        }
    }
    machine.all(&trials)
}

/// Says which have come and which have gone. What encodes on them is said when it is known.
fn log(before: &[GpuView], now: &[GpuView]) {
    // Another one may have the node of one that is gone.
    let is_in = |gpus: &[GpuView], gpu: &GpuView| {
        let key = |gpu: &GpuView| (gpu.node.clone(), gpu.name.clone(), gpu.pci.clone());
        gpus.iter().any(|own| key(own) == key(gpu))
    };
    for GpuView { node, name, .. } in before.iter().filter(|gpu| !is_in(now, gpu)) {
        tracing::info!(name: "gpu-gone", node, "{name} is gone");
    }
    for GpuView { node, name, problem, .. } in now.iter().filter(|gpu| !is_in(before, gpu)) {
        tracing::info!(name: "gpu-found", node, why = problem.as_deref(), "{name} is there");
    }
}

/// One GPU may have the same encoder with two drivers.
fn label(encoding: &Encoding) -> String {
    match encoding {
        Encoding::Hardware { driver: Some(VaDriver::I965), .. } => {
            format!("{} (i965)", encoding.encoder())
        }
        _ => encoding.encoder().to_owned(),
    }
}

fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}
