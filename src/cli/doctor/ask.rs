//! Who is asked: the service, the encoders, systemd, TVs and pages, all at the same time.

use std::{env, fs::OpenOptions, io::IsTerminal, path::Path, sync::Arc};

use serde_json::{Value, json};

use super::super::{screen::say, service};
use crate::{
    access,
    config::{Config, GpuChoice, locate},
    dbus::Bus,
    doctor::{Service, Told, ask},
    encode,
    gpu::{self, GpuView},
    session::ports::Workers,
    worker::{Browsers, Children, Units},
};

/// Where the units of the package listen for those who want a worker.
const UNIT_SOCKETS: &str = "/run/dashboard-cast-workers";

pub(super) async fn all(bus: Bus, quick: bool) -> Told {
    if std::io::stderr().is_terminal() && !quick {
        say("Asking the service, encoders, TVs and pages …");
    }
    let config = locate(Path::new("/")).and_then(|fragments| Config::load(&fragments));
    let config = config.map(|loaded| loaded.config).unwrap_or_default();
    let others = async {
        match quick {
            true => ask::here().await,
            false => ask::all(&config).await,
        }
    };
    let asked = async {
        // It is started by being asked, and with it the sockets behind which its encoders are.
        let service = service(bus, quick).await;
        (service, proofs(config.encoder.gpu.clone(), quick).await)
    };
    let ((service, tried), others) = tokio::join!(asked, others);
    // Who may not start encoders of the service's own asks it what came of them.
    let known = || {
        let health = &service.as_ref()?.as_ref().ok()?.health;
        serde_json::from_value::<Vec<GpuView>>(health["gpus"].clone()).ok()
    };
    Told {
        gpus: tried.or_else(known),
        service,
        encoders: encode::built_in().map(str::to_owned).collect(),
        opened: open(),
        ..others
    }
}

/// What the service says of itself; why not, as a sentence. `None` when it does not run, and is not to be
/// started.
async fn service(bus: Bus, quick: bool) -> Option<Result<Service, String>> {
    let asked = async {
        let service = service::Service::connect(bus).await?;
        if quick && service.owner().await?.is_none() {
            return Ok(None);
        }
        let health = service.health().await?;
        let sessions = service.objects().await?.sessions;
        let sessions = sessions.iter().map(|session| json!(session)).collect();
        Ok::<_, service::ServiceError>(Some(Service { health: Value::Object(health), sessions }))
    };
    asked.await.map_err(|error| crate::error::sentence(&error)).transpose()
}

/// What comes of encoding with all that is worth it: in the sandbox of the service's encoders, or, where
/// the package is not installed, in processes of our own. `None` when we may not.
async fn proofs(choice: GpuChoice, quick: bool) -> Option<Vec<GpuView>> {
    if quick {
        return None;
    }
    let browsers = Browsers::default();
    let sockets = Path::new(UNIT_SOCKETS);
    let workers: Arc<dyn Workers> = match sockets.exists() {
        true if may_connect(sockets) => Arc::new(Units::new(sockets.to_owned(), browsers)),
        true => return None,
        false => Arc::new(Children::new(env::current_exe().ok()?, env::temp_dir(), browsers)),
    };
    Some(gpu::examine(choice, workers).await)
}

/// The sockets are those of the service's user; root may as well.
fn may_connect(sockets: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(sockets.join("encoder"), Access::WRITE_OK).is_ok()
}

/// Opens each node, as those do that encode.
fn open() -> Vec<(String, Option<i32>)> {
    let files = access::files();
    let open = |file: &access::File| {
        let opened = OpenOptions::new().read(true).write(true).open(file.path());
        (file.path().display().to_string(), opened.err().and_then(|error| error.raw_os_error()))
    };
    files.iter().map(open).collect()
}
