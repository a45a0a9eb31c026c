//! Why something is not done, and what to do about that.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::Guest;

/// Why something is not done. Nothing has been changed then.
#[derive(Debug, Error)]
pub enum Refusal {
    #[error("this is no Proxmox host: pve-manager is not installed here")]
    NoProxmox,
    #[error("/etc/pve is empty: Proxmox's cluster file system does not run")]
    NoClusterFiles,
    #[error("there is no {guest} {id} on this host")]
    Unknown { guest: Guest, id: u32, known: Vec<u32> },
    #[error("{id} is no {guest}, but a {}", guest.other())]
    OtherGuest { guest: Guest, id: u32 },
    #[error("{guest} {id} is on another node, {node}")]
    OtherNode { guest: Guest, id: u32, node: String },
    #[error("reading {path}")]
    Read {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{0} is not text")]
    NotText(PathBuf),
    #[error("container {id} is locked by Proxmox ({lock})")]
    Locked { id: u32, lock: String },
    /// A change that would undo ours at the next start.
    #[error("changes of container {id} wait for its next start: {keys}")]
    Pending { id: u32, keys: String },
    #[error("{line:?} cannot be understood")]
    Line { line: String },
    #[error("all of dev0 to dev255 are taken")]
    NoPlace,
    #[error("all of hostpci0 to hostpci15 are taken")]
    NoSlot,
    #[error("this host has no Intel GPU")]
    NoGpu,
    #[error("the Intel GPU {address} is given to a virtual machine (vfio-pci)")]
    GivenAway { address: String },
    #[error("no driver of the kernel's has taken the Intel GPU {address}")]
    NoDriver { address: String },
    /// The ways to name each, with its name for people.
    #[error("there are several Intel GPUs: {}", list(.known))]
    Several { known: Vec<(String, String)>, option: &'static str },
    #[error("{wanted} is not a GPU of this host")]
    UnknownGpu { wanted: String, known: Vec<(String, String)> },
    #[error(
        "the groups of container {id} cannot be read: it does not run, and its disk is not mounted"
    )]
    NoGroups { id: u32 },
    #[error("container {id} has neither a group render nor a group video")]
    NoRender { id: u32 },
    #[error("group {gid} of container {id} has no place on the host by its lxc.idmap")]
    Unmapped { id: u32, gid: u32 },
    #[error("only root may change a container's configuration")]
    NotRoot,
    #[error("Proxmox is at the configuration of container {id} just now")]
    Busy { id: u32 },
    #[error("{0} has been changed meanwhile")]
    Changed(PathBuf),
    #[error("writing {path}")]
    Write {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

impl Refusal {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoProxmox => {
                "Run it on the host, not in a container or a virtual machine."
                    .to_owned()
            }
            Self::NoClusterFiles => "Start it: systemctl start pve-cluster".to_owned(),
            Self::Unknown { known, .. } if known.is_empty() => "There is none at all.".to_owned(),
            Self::Unknown { known, .. } => {
                let known: Vec<_> = known.iter().map(u32::to_string).collect();
                format!("There are {}.", known.join(", "))
            }
            Self::OtherGuest { guest, id } => {
                format!("Perhaps: dashboard-cast proxmox {} {id}", guest.other().verb())
            }
            Self::OtherNode { node, .. } => format!("Run it on {node}, whose GPU it would be."),
            Self::Read { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied => {
                "Run it as root.".to_owned()
            }
            Self::Locked { id, .. } => {
                format!("Wait until that is over; then: dashboard-cast proxmox lxc {id} --apply")
            }
            Self::Pending { id, .. } => {
                format!("Have them count first (pct reboot {id}), or take them back in the web interface.")
            }
            Self::Line { .. } => "Mend or delete that line first.".to_owned(),
            Self::NoGpu => {
                "Processors whose model ends in F have none; elsewhere it can be turned off in the \
                 firmware. See what there is with: lspci -nn"
                    .to_owned()
            }
            Self::GivenAway { .. } => {
                "Either a virtual machine has it or containers have: take its hostpci line away, and \
                 restart the host."
                    .to_owned()
            }
            Self::NoDriver { .. } => {
                "Load it (modprobe i915, or xe for the newest), and see /etc/modprobe.d for what \
                 forbids it."
                    .to_owned()
            }
            Self::Several { option, .. } => format!("Choose one with {option}."),
            Self::UnknownGpu { known, .. } if known.is_empty() => "There is none.".to_owned(),
            Self::UnknownGpu { known, .. } => format!("There are: {}", list(known)),
            Self::NoGroups { id } => format!(
                "Start it (pct start {id}) and try again, or give the number with --gid; it is the \
                 third field of: pct exec {id} -- getent group render"
            ),
            Self::NoRender { id } => format!(
                "Install dashboard-cast in it, which makes the group: pct enter {id}; or give another \
                 group's number with --gid."
            ),
            Self::Unmapped { .. } => {
                "Give the number of a group that has one with --gid, or add it to lxc.idmap.".to_owned()
            }
            Self::NotRoot => "Run it as root; without --apply it only shows what it would do.".to_owned(),
            Self::Busy { .. } | Self::Changed(_) => "Nothing is written. Try again.".to_owned(),
            Self::Write { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied => {
                "In a cluster, /etc/pve can only be written while more than half of the nodes see each \
                 other: pvecm status"
                    .to_owned()
            }
            Self::Read { .. }
            | Self::NotText(_)
            | Self::NoPlace
            | Self::NoSlot
            | Self::Write { .. } => return None,
        })
    }
}

/// Names with what they stand for.
fn list(known: &[(String, String)]) -> String {
    let known: Vec<_> = known.iter().map(|(key, name)| format!("{key} ({name})")).collect();
    known.join(", ")
}
