//! From nothing known, and from what is remembered, to an encoder that works; and a GPU that comes back.
//!
//! This is the daemon's own code as its start runs it, with workers on the rig. It looks at the rig's files
//! from outside, because what it watches them with does not go through the C library.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use dashboard_cast::{
    config::GpuChoice,
    encode,
    gpu::Gpus,
    keep,
    session::{
        Encoding,
        ports::{Encoders, Keeper},
    },
    worker::{Browsers, Children},
};
use tokio::{
    runtime,
    time::{sleep, timeout},
};

use crate::{PROGRAM, report::Report, rig::Rig, summary};

const PROBE: f64 = 2.0;
const CACHED: f64 = 5.0;
const BACK: f64 = 3.0;

const PROBES: usize = 7;
const LOOKS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon's knowledge, while it has it.
struct Look {
    gpus: Gpus,
    kept: Arc<keep::Files>,
}

struct Machine<'a> {
    rig: &'a Rig,
    directory: &'a Path,
    /// The program, on the rig.
    program: PathBuf,
}

pub(crate) fn measure(rig: &Rig, report: &mut Report) {
    let directory = tempfile::tempdir().expect("making a directory");
    let machine = Machine {
        rig,
        directory: directory.path(),
        program: program_on(rig, &directory.path().join("on-rig")),
    };
    // Where the drivers are looked for, which the rig has from this machine.
    let usr = rig.root().join("usr");
    symlink("/usr", &usr).expect("linking the drivers");
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("starting a runtime").block_on(async {
        eprintln!("bench: probe");
        let mut taken = Vec::new();
        for number in 0..PROBES {
            taken.push(machine.probe(&format!("state-{number}")).await);
        }
        let (middle, worst) = summary(taken);
        let title = "QuickSync and VA-API, proven at the same time, s";
        report.floor(&format!("{title} (median of {PROBES}; worst {worst:.2})"), middle, PROBE);

        let mut taken = Vec::new();
        for _ in 0..LOOKS {
            let began = Instant::now();
            let look = machine.look("state-0");
            first(&look.gpus, true).await;
            taken.push(1000.0 * began.elapsed().as_secs_f64());
            look.end().await;
        }
        let (middle, worst) = summary(taken);
        let title = "the same, remembered, ms";
        report.floor(&format!("{title} (median of {LOOKS}; worst {worst:.1})"), middle, CACHED);

        eprintln!("bench: hot-plug");
        let look = machine.look("state-0");
        first(&look.gpus, true).await;
        let mut taken = Vec::new();
        for _ in 0..PROBES {
            rig.unplug();
            first(&look.gpus, false).await;
            let plugged = Instant::now();
            rig.replug();
            first(&look.gpus, true).await;
            taken.push(plugged.elapsed().as_secs_f64());
        }
        let (middle, worst) = summary(taken);
        let title = "node there again → proven again, s";
        report.floor(&format!("{title} (median of {PROBES}; worst {worst:.2})"), middle, BACK);
    });
    fs::remove_file(usr).expect("removing the link to the drivers");
}

impl Machine<'_> {
    /// What the daemon does when it starts.
    fn look(&self, state: &str) -> Look {
        let kept = keep::Files::open(self.directory.join(state)).expect("a state directory");
        let kept = Arc::new(kept);
        let runtime = self.directory.join("run");
        let workers = Children::new(self.program.clone(), runtime, Browsers::default());
        let libav = encode::libav_version();
        let (workers, keeper) = (Arc::new(workers), Some(Arc::clone(&kept) as Arc<dyn Keeper>));
        let gpus = Gpus::start(self.rig.root(), GpuChoice::Auto, libav, workers, keeper);
        Look { gpus, kept }
    }

    /// Seconds until everything was tried, with nothing remembered.
    async fn probe(&self, state: &str) -> f64 {
        let began = Instant::now();
        let look = self.look(state);
        let gpus = &look.gpus;
        let mut changes = gpus.changes();
        loop {
            let known = gpus.views().first().is_some_and(|gpu| {
                gpu.encoders.values().all(|way| way.reason.as_deref() != Some("untried"))
            });
            if known {
                break;
            }
            timeout(PATIENCE, changes.changed()).await.expect("a verdict").expect("GPUs");
        }
        let taken = began.elapsed().as_secs_f64();
        let views = gpus.views();
        assert!(views[0].encoders.values().all(|way| way.works), "{views:?}");
        look.end().await;
        taken
    }
}

impl Look {
    /// Waits until another may have its files.
    async fn end(self) {
        drop(self.gpus);
        while Arc::strong_count(&self.kept) > 1 {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Waits until the best encoder is known and is one on a GPU, or is not.
async fn first(gpus: &Gpus, on_gpu: bool) {
    let mut encodings = gpus.encodings();
    let known = encodings
        .wait_for(|known| known.first().is_some_and(|one| (*one != Encoding::Software) == on_gpu));
    drop(timeout(PATIENCE, known).await.expect("an encoder").expect("GPUs"));
}

/// The program as a file that starts it on the rig.
fn program_on(rig: &Rig, file: &Path) -> PathBuf {
    let mut carried = Command::new(PROGRAM);
    rig.carry(&mut carried);
    let variables = carried.get_envs().filter_map(|(name, value)| {
        Some(format!("export {}='{}'\n", name.display(), value?.display()))
    });
    let script = format!("#!/bin/sh\n{}exec '{PROGRAM}' \"$@\"\n", variables.collect::<String>());
    fs::write(file, script).expect("writing a script");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("a script's mode");
    file.to_owned()
}
