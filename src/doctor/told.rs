//! What cannot be read from files: what the service, the TVs, the pages and the encoders said when
//! they were asked.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;

use crate::gpu::GpuView;

/// The answers. What was not asked is `None`: what depends on it is skipped.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Whether who asks is root.
    pub root: bool,
    /// What came of asking the service over D-Bus.
    pub service: Option<Result<Service, String>>,
    /// The GPUs with what came of encoding on them, best first.
    pub gpus: Option<Vec<GpuView>>,
    /// Encoders of H.264 that the linked libavcodec was built with.
    pub encoders: Vec<String>,
    /// What opening each render node for reading and writing came to, by its path: an error of the
    /// operating system's.
    pub opened: Vec<(String, Option<i32>)>,
    /// Whether TVs could be searched for; the sentence says why not.
    pub search: Option<Result<(), String>>,
    pub tvs: Option<Vec<Tv>>,
    pub pages: Option<Vec<Page>>,
    /// The addresses of this machine's interfaces, with their names.
    pub addresses: Vec<(String, IpAddr)>,
    /// What `systemd-analyze security` says of the units, by their names: the exposure, 0 to 10.
    pub exposure: Vec<(String, f64)>,
    /// What `systemctl` says of the units, by their names.
    pub units: Vec<(String, Unit)>,
    /// The file systems of some directories, by the directory.
    pub space: Vec<(String, Space)>,
    /// What this machine takes for now.
    pub now: Option<Timestamp>,
    /// Whether the clock is set over the network.
    pub synchronised: Option<bool>,
    /// Whether a user without rights could make a user namespace; the sentence says why not.
    pub namespaces: Option<Result<(), String>>,
    /// The TVs that the configuration speaks of by name.
    pub wanted: Vec<Wanted>,
}

impl Told {
    pub(super) fn unit(&self, name: &str) -> Option<&Unit> {
        self.units.iter().find(|(own, _)| own == name).map(|(_, unit)| unit)
    }

    pub(super) fn space(&self, directory: &str) -> Option<Space> {
        self.space.iter().find(|(own, _)| own == directory).map(|(_, space)| *space)
    }
}

/// A file system, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// What users without rights could still fill.
    pub free: u64,
    pub size: u64,
}

/// A TV that the configuration speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The key, such as `casts.kitchen.device`.
    pub key: String,
    /// What stands there.
    pub device: String,
    /// The TV's name; or why it is none.
    pub found: Result<String, String>,
}

/// A running service.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// As `GET /health` answers.
    pub health: Value,
    /// The sessions, as `GET /sessions` lists them.
    pub sessions: Vec<Value>,
}

/// A TV that was looked for.
#[derive(Clone, Debug)]
pub struct Tv {
    pub name: String,
    pub address: Option<String>,
    /// Whether it is in the configuration, so that somebody wants it.
    pub configured: bool,
    /// Whether its port answered; the sentence says why not.
    pub reached: Result<(), String>,
}

/// A page of the configuration that was fetched.
#[derive(Clone, Debug)]
pub struct Page {
    /// Of the cast, in the configuration.
    pub cast: String,
    /// Without what is secret in it.
    pub url: String,
    /// The HTTP status, and where it led to; or why nothing came.
    pub fetched: Result<(u16, Option<String>), String>,
    /// Whether something is configured to log in with.
    pub authenticated: bool,
}

/// A unit, in systemd's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Such as `loaded`, `not-found`, `masked`.
    pub load: String,
    /// Such as `active`, `failed`.
    pub active: String,
    /// Such as `enabled`, `disabled`; empty where it cannot be.
    pub file: String,
    /// Such as `success`, `exit-code`.
    pub result: String,
    /// What its program ended with last.
    pub exit: Option<i32>,
    /// Whether its files have changed since systemd read them.
    pub stale: bool,
    /// Where a socket listens, such as `[::]:8000`.
    pub listen: Vec<String>,
    pub drop_ins: Vec<String>,
}
