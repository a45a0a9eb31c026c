//! Adapter: how a Proxmox host gives its GPU to a container or a virtual machine.
//!
//! Everything is read from files below one root, and nothing is run but dpkg-query: what stands there ([`Host`],
//! [`conf`], [`root`], [`pci`]) → what is wanted ([`lxc`], [`vm`], [`boot`]) → for containers, the one
//! file that is replaced ([`apply`]). The service is not needed for any of it.

mod apply;
pub mod boot;
mod conf;
mod device;
pub mod lxc;
mod pci;
mod refusal;
mod root;
pub mod vm;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

pub use self::{apply::apply, conf::Change, pci::Pci, refusal::Refusal};
use crate::dpkg::Packages;

/// The first `pve-container` that knows `dev0:`; it came in November 2023 with Proxmox VE 8.1.
const FIRST_WITH_DEV: Version = Version([5, 0, 7]);

/// What a guest of Proxmox's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    Container,
    Machine,
}

impl Guest {
    /// Where the configurations of its kind are, in a node's directory.
    const fn directory(self) -> &'static str {
        match self {
            Self::Container => "lxc",
            Self::Machine => "qemu-server",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Container => Self::Machine,
            Self::Machine => Self::Container,
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Container => "lxc",
            Self::Machine => "vm",
        }
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Container => "container",
            Self::Machine => "virtual machine",
        })
    }
}

/// The first three numbers of a package's version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Version([u32; 3]);

impl Version {
    /// Of `5.0.7` or `4.4-6`; what is missing is 0.
    fn read(text: &str) -> Self {
        let mut numbers = [0; 3];
        let parts = text.split(|letter: char| !letter.is_ascii_digit());
        for (number, part) in numbers.iter_mut().zip(parts) {
            *number = part.parse().unwrap_or_default();
        }
        Self(numbers)
    }
}

/// A Proxmox host, as its files tell.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    /// Of Proxmox VE, such as `8.2.7`.
    release: String,
    containers: Version,
}

impl Host {
    /// The host whose files are below `root`, which is `/` but for tests.
    ///
    /// # Errors
    /// [`Refusal::NoProxmox`], or [`Refusal::NoClusterFiles`] where Proxmox is installed but does not run.
    pub fn at(root: &Path) -> Result<Self, Refusal> {
        let packages = Packages::of(root);
        let release = packages.installed("pve-manager").ok_or(Refusal::NoProxmox)?;
        let containers = packages.installed("pve-container");
        let host = Self {
            root: root.to_owned(),
            release: release.to_owned(),
            containers: containers.map(Version::read).unwrap_or_default(),
        };
        // The file system in memory that has all configurations is empty before it is mounted.
        match host.path("/etc/pve/nodes").is_dir() {
            true => Ok(host),
            false => Err(Refusal::NoClusterFiles),
        }
    }

    /// Of Proxmox VE, such as `8.2.7`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Whether containers can have `dev0:`.
    fn has_dev(&self) -> bool {
        self.containers >= FIRST_WITH_DEV
    }

    /// Where an absolute path of the host is from here.
    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn read(&self, path: &Path) -> Result<String, Refusal> {
        let failed = |cause| Refusal::Read { path: path.to_owned(), cause };
        let bytes = fs::read(self.path(path)).map_err(failed)?;
        String::from_utf8(bytes).map_err(|_| Refusal::NotText(path.to_owned()))
    }

    /// The path and text of a guest's configuration.
    fn configuration(&self, guest: Guest, id: u32) -> Result<(PathBuf, String), Refusal> {
        let path = file(Path::new("/etc/pve"), guest, id);
        match self.read(&path) {
            Ok(text) => Ok((path, text)),
            Err(Refusal::Read { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                Err(self.unknown(guest, id))
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Why there is no such guest, as far as that can be told.
    fn unknown(&self, guest: Guest, id: u32) -> Refusal {
        if self.path(file(Path::new("/etc/pve"), guest.other(), id)).exists() {
            return Refusal::OtherGuest { guest, id };
        }
        let nodes = fs::read_dir(self.path("/etc/pve/nodes")).into_iter().flatten().flatten();
        let node = nodes.map(|entry| entry.path()).find(|node| file(node, guest, id).exists());
        let name = node.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        if let Some(node) = name {
            return Refusal::OtherNode { guest, id, node: node.to_owned() };
        }
        let directory = self.path("/etc/pve").join(guest.directory());
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let number = |name: &str| name.strip_suffix(".conf")?.parse().ok();
        let numbers = entries.filter_map(|entry| number(entry.file_name().to_str()?));
        let mut known: Vec<u32> = numbers.collect();
        known.sort_unstable();
        Refusal::Unknown { guest, id, known }
    }

    /// Whether this is what runs now, and not a tree of files.
    fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    fn may_be_written(&self) -> Result<(), Refusal> {
        may_write(self.is_live(), geteuid().is_root())
    }
}

/// Only root may change what runs; a tree of files has its own permissions.
fn may_write(live: bool, root: bool) -> Result<(), Refusal> {
    if live && !root { Err(Refusal::NotRoot) } else { Ok(()) }
}

fn file(node: &Path, guest: Guest, id: u32) -> PathBuf {
    node.join(guest.directory()).join(format!("{id}.conf"))
}

#[cfg(test)]
mod tests;
