//! What this process may do that others may not: nothing.

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};
use rustix::process::getuid;
use thiserror::Error;

use crate::systemd;

/// Why it is not safe to go on.
#[derive(Debug, Error)]
pub enum PrivilegeError {
    #[error("the service must not run as root; the unit says User=, look for a drop-in without it")]
    Root,
    #[error("giving up capabilities")]
    Drop(#[source] CapsError),
    #[error("the kernel left capabilities: {0}")]
    Left(String),
}

/// Gives up every capability, for good, and checks that none is left.
///
/// Root outside of a service is somebody who develops, with all that is needed for that: root's processes
/// would get everything back at the next `execve` anyway.
///
/// # Errors
/// It is a service as root, or the kernel does not take them.
pub fn drop_all() -> Result<(), PrivilegeError> {
    if getuid().is_root() {
        return if systemd::is_service() { Err(PrivilegeError::Root) } else { Ok(()) };
    }
    // Only who may change it can, and needs to: it bounds what a set-user-ID program could gain.
    if holds(CapSet::Effective)?.contains(&Capability::CAP_SETPCAP) {
        caps::clear(None, CapSet::Bounding).map_err(PrivilegeError::Drop)?;
    }
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        // In a unit's sandbox there is nothing to give up, nor may it be tried.
        if !holds(set)?.is_empty() {
            caps::clear(None, set).map_err(PrivilegeError::Drop)?;
        }
    }
    match held()? {
        held if held.is_empty() => Ok(()),
        held => Err(PrivilegeError::Left(held.join(", "))),
    }
}

/// The capabilities that this process has or can take, such as `CAP_NET_ADMIN`; `all` alone when it is all
/// of them.
///
/// # Errors
/// The kernel does not say.
pub fn held() -> Result<Vec<String>, PrivilegeError> {
    let mut held = holds(CapSet::Permitted)?;
    held.extend(holds(CapSet::Ambient)?);
    if held.is_superset(&caps::all()) {
        return Ok(vec!["all".to_owned()]);
    }
    let mut names: Vec<_> = held.iter().map(ToString::to_string).collect();
    names.sort();
    Ok(names)
}

fn holds(set: CapSet) -> Result<CapsHashSet, PrivilegeError> {
    caps::read(None, set).map_err(PrivilegeError::Drop)
}
