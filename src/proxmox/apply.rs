//! The replacement of a container's configuration.
//!
//! `/etc/pve` is a file system in memory that all nodes of a cluster share. It knows renaming, which is
//! how Proxmox itself replaces a file, from a name of the same kind as here; owners and modes it gives
//! itself. Backups are elsewhere: what is in there is copied to all nodes, and is meant to be
//! configuration.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
};

use jiff::Timestamp;

use super::{Host, Refusal, lxc::Plan};

const BACKUPS: &str = "/var/lib/dashboard-cast-proxmox";
/// Here Proxmox locks a container's configuration while it changes it.
const LOCKS: &str = "/run/lock/lxc";
/// Of one configuration within a second.
const MOST_BACKUPS: u32 = 100;

/// Writes what is planned. Returns where what was there before is now; `None` when nothing was to be
/// written.
///
/// # Errors
/// The caller may not, Proxmox is about to change the file, or somebody has since the plan was made, or
/// it cannot be written. The configuration is then as it was.
pub fn apply(host: &Host, plan: &Plan) -> Result<Option<PathBuf>, Refusal> {
    host.may_be_written()?;
    if plan.changes.is_empty() {
        return Ok(None);
    }
    let id = plan.id;
    let held = lock(host, id)?;
    if host.read(&plan.file)? != plan.before {
        return Err(Refusal::Changed(plan.file.clone()));
    }
    if let Some(lock) = plan.lock.clone() {
        return Err(Refusal::Locked { id, lock });
    }
    let backup = back_up(host, id, &plan.before, Timestamp::now())?;
    let failed = |cause| Refusal::Write { path: plan.file.clone(), cause };
    replace(&host.path(&plan.file), &plan.after).map_err(failed)?;
    drop(held);
    Ok(Some(backup))
}

/// Keeps Proxmox from changing the configuration as long as the file is open.
fn lock(host: &Host, id: u32) -> Result<File, Refusal> {
    let path = Path::new(LOCKS).join(format!("pve-config-{id}.lock"));
    let failed = |cause| Refusal::Write { path: path.clone(), cause };
    DirBuilder::new().recursive(true).create(host.path(LOCKS)).map_err(failed)?;
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).open(host.path(&path)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Refusal::Busy { id }),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

/// Keeps the text under a name of its own, for root only: nothing that is there is replaced.
fn back_up(host: &Host, id: u32, text: &str, now: Timestamp) -> Result<PathBuf, Refusal> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |cause| Refusal::Write { path, cause }
    };
    let directory = Path::new(BACKUPS);
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(host.path(directory)).map_err(failed(directory))?;
    let moment = now.strftime("%Y%m%dT%H%M%SZ");
    let mut number = 1;
    loop {
        let suffix = if number > 1 { format!(".{number}") } else { String::new() };
        let path = directory.join(format!("lxc-{id}.conf.{moment}{suffix}"));
        match write_new(&host.path(&path), text, 0o600) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < MOST_BACKUPS => {
                number += 1;
            }
            Err(error) => return Err(failed(&path)(error)),
        }
    }
}

/// Puts a text in a file's place, as a whole: it has the old text, or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mode = fs::metadata(path)?.mode() & 0o777;
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".tmp.{}", process::id()));
    let new = PathBuf::from(new);
    write_new(&new, text, mode)?;
    if let Err(error) = fs::rename(&new, path) {
        drop(fs::remove_file(&new));
        return Err(error);
    }
    // The new text is there. Whether it still is after a crash is no reason to say that it is not.
    if let Some(Err(error)) = path.parent().map(|directory| File::open(directory)?.sync_all()) {
        tracing::debug!(%error, "the directory of the configuration cannot be synchronised");
    }
    Ok(())
}

/// Writes a file that is not there yet; when that fails, it is not there afterwards.
fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| synchronise(&file));
    if written.is_err() {
        drop(fs::remove_file(path));
    }
    written
}

/// Not every file system can; the one in memory has nothing to synchronise.
fn synchronise(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        synchronised => synchronised,
    }
}
